"""What every page's frame may ask for; nothing is looked up until a template asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts.services.sign_up import is_sign_up_open
from accounts.social_providers import SocialProvider
from console.links import root_url
from portal.support import SupportSession
from tenants.lookups import MembershipSummary, memberships_of

INSTALLATION_NAME = "Gatehouse"


@dataclass(frozen=True, slots=True)
class SwitcherEntry:
    """One organization of the switcher."""

    name: str
    slug: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class SupportBanner:
    """An operator's running visit, as the banner shows it."""

    reason: str
    until: datetime
    leave_url: str


class Console:
    """The frame of a page: the person's organizations, the current one, and a running support visit."""

    name = INSTALLATION_NAME

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def home_url(self) -> str:
        """Return where all of the person's organizations are listed."""
        return root_url()

    @property
    def current(self) -> Any:
        """Return the organization of the page, or None."""
        return getattr(self._request, "organization", None)

    @cached_property
    def organizations(self) -> list[SwitcherEntry]:
        """Return the organizations that the person may enter, by name."""
        slug = self.current.slug if self.current else ""
        return [
            SwitcherEntry(summary.name, summary.slug, root_url(f"o/{summary.slug}/"), current=summary.slug == slug)
            for summary in self._memberships
            if summary.is_active
        ]

    @property
    def signup_open(self) -> bool:
        """Return whether anybody may sign up without an invitation."""
        return is_sign_up_open()

    @property
    def social_providers(self) -> list[SocialProvider]:
        """Return where one may have an account to sign in with; the same for everybody."""
        return list(settings.SOCIAL_PROVIDERS.values())

    @property
    def support(self) -> SupportBanner | None:
        """Return the operator's running visit to the current organization, or None."""
        visit: SupportSession | None = getattr(self._request, "support", None)
        if visit is None:
            return None
        leave_url = root_url(f"admin/support/{visit.organization_id}/leave/")
        return SupportBanner(visit.reason, visit.until, leave_url)

    @property
    def _memberships(self) -> Sequence[MembershipSummary]:
        known: Sequence[MembershipSummary] = getattr(self._request, "memberships", ())
        user = getattr(self._request, "user", None)
        if known or user is None or not user.is_authenticated:
            return known
        return memberships_of(user.pk)


def console(request: HttpRequest) -> dict[str, Any]:
    """Return `console` for the templates; see `Console`."""
    return {"console": Console(request)}
