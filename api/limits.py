"""Rate limits that all processes share: one upsert into an unlogged table, before the request's transaction.

Headers follow draft-ietf-httpapi-ratelimit-headers-10.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.db import connections

from isolation.addresses import counted_as
from isolation.scope import APP

from .credentials import Credential
from .problems import Problem

WINDOW = 60
"""Seconds in which requests are counted together."""

_COUNT = """
INSERT INTO api_rate AS rate (bucket, window_start, used)
SELECT bucket, to_timestamp(floor(extract(epoch FROM now()) / %s) * %s), 1 FROM unnest(%s::text[]) AS bucket
ON CONFLICT (bucket) DO UPDATE SET
    used = CASE WHEN rate.window_start = EXCLUDED.window_start THEN rate.used + 1 ELSE 1 END,
    window_start = EXCLUDED.window_start
RETURNING bucket, used, ceil(extract(epoch FROM window_start) + %s - extract(epoch FROM now()))::integer
"""


@dataclass(frozen=True, slots=True)
class Quota:
    """How many requests are allowed in a window, and how they are counted.

    Attributes:
        name: as the headers call it.
        bucket: what is counted.
        limit: requests in a window.
    """

    name: str
    bucket: str
    limit: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A quota after this request.

    Attributes:
        quota: the quota.
        used: requests of the running window, this one included.
        reset: seconds until the next window.
    """

    quota: Quota
    used: int
    reset: int

    @property
    def remaining(self) -> int:
        """Return how many more requests are allowed in this window."""
        return max(0, self.quota.limit - self.used)


def quotas_of(credential: Credential, organization_id: UUID | None) -> list[Quota]:
    """Return the quotas of a recognized request."""
    found = [Quota("key", f"key:{credential.limit_key}", settings.API_RATE_PER_KEY)]
    if organization_id is not None:
        per_organization = settings.API_RATE_PER_ORGANIZATION
        found.append(Quota("organization", f"organization:{organization_id}", per_organization))
    return found


def quota_of_address(ip: str | None) -> Quota:
    """Return the quota of a request without a credential that holds."""
    return Quota("address", f"address:{counted_as(ip) or 'unknown'}", settings.API_RATE_PER_ADDRESS)


def count(quotas: Sequence[Quota]) -> list[Standing]:
    """Count one request against each quota, in one statement; call it outside any transaction.

    The credential's bucket comes first and the organization's second in every request, so that two never wait for
    each other.
    """
    names = [quota.bucket for quota in quotas]
    with connections[APP].cursor() as cursor:
        cursor.execute(_COUNT, [WINDOW, WINDOW, names, WINDOW])
        found = {bucket: (used, reset) for bucket, used, reset in cursor.fetchall()}
    return [Standing(quota, *found[quota.bucket]) for quota in quotas]


def headers_of(standings: Sequence[Standing]) -> dict[str, str]:
    """Return the headers that tell a client where it stands; the tightest quota first."""
    tightest_first = sorted(standings, key=lambda standing: standing.remaining)
    return {
        "RateLimit-Policy": ", ".join(f'"{s.quota.name}";q={s.quota.limit};w={WINDOW}' for s in tightest_first),
        "RateLimit": ", ".join(f'"{s.quota.name}";r={s.remaining};t={s.reset}' for s in tightest_first),
    }


def refuse_above(standings: Sequence[Standing]) -> Mapping[str, str]:
    """Return the headers of a request that is within its quotas.

    Raises:
        Problem: 429, with `Retry-After`.
    """
    headers = headers_of(standings)
    exceeded = [standing for standing in standings if standing.used > standing.quota.limit]
    if exceeded:
        wait = max(1, *(standing.reset for standing in exceeded), 1)
        quota = exceeded[0].quota
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "rate_limited",
            f"More than {quota.limit} requests a minute for this {quota.name}. Wait {wait} seconds, then go on.",
            headers={**headers, "Retry-After": str(wait)},
        )
    return headers
