"""How often may be asked: of one organization's providers, and of an address without a token that holds."""

from http import HTTPStatus
from uuid import UUID

from django.conf import settings

from api.limits import Quota, count, quota_of_address
from isolation.context import current_origin

from .errors import ScimError


def count_organization(organization_id: UUID) -> None:
    """Count a request of an organization's identity providers, of which 25 a second are promised.

    Raises:
        ScimError: 429, with `Retry-After`.
    """
    _count(Quota("organization", f"scim:{organization_id}", settings.SCIM_RATE_PER_ORGANIZATION))


def count_address() -> None:
    """Count a request by the address that it comes from.

    Raises:
        ScimError: 429, with `Retry-After`.
    """
    _count(quota_of_address(current_origin().ip))


def _count(quota: Quota) -> None:
    (standing,) = count([quota])
    if standing.used > quota.limit:
        wait = str(max(1, standing.reset))
        detail = f"Too many requests. Wait {wait} seconds, then go on."
        raise ScimError(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": wait})
