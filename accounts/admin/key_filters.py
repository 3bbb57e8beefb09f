"""How the list of keys is narrowed."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.key_format import KeyKind
from accounts.key_state import STATES
from console.access import actor_of

from .common import SOON

AGES = (30, 90, 180, 365)


class StateFilter(SimpleListFilter):
    """By state, which is worked out from two columns."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the three states."""
        return [(state, state.capitalize()) for state in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the keys in the chosen state."""
        return queryset.in_state(self.value()) if self.value() in STATES else queryset  # type: ignore[attr-defined]


class ExpiryFilter(SimpleListFilter):
    """What somebody should look after before it ends."""

    title = "expiry"
    parameter_name = "expires"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the one choice."""
        return [("soon", f"Within {SOON.days} days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the active keys that expire soon."""
        return queryset.expiring_within(SOON) if self.value() == "soon" else queryset  # type: ignore[attr-defined]


class SecretAgeFilter(SimpleListFilter):
    """The report of secrets that nobody has rotated for long."""

    title = "age of the secret"
    parameter_name = "older_than"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the usual limits."""
        return [(str(days), f"Older than {days} days") for days in AGES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the active keys whose secret is older than that."""
        known = dict(self.lookups(request, None))
        return queryset.older_than(int(self.value() or 0)) if self.value() in known else queryset  # type: ignore[attr-defined]


class WhoseFilter(SimpleListFilter):
    """One's own keys."""

    title = "whose"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the one choice."""
        return [("mine", "My keys")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the actor's personal keys."""
        if self.value() != "mine":
            return queryset
        return queryset.filter(kind=KeyKind.PERSONAL, user_id=actor_of(request).id)
