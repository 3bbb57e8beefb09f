"""How both consoles tell of a domain: its state as a badge and in words."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.safestring import SafeString

from tenants.models import Domain, DomainMethod
from tenants.selectors import DOMAIN_STATES, domains_in_state
from tenants.services.domains import GRACE

from .common import badge, two_lines

_BADGES = {"pending": ("Not verified", ""), "verified": ("Verified", "good"), "failing": ("Record missing", "bad")}


class DomainStateFilter(SimpleListFilter):
    """By state, which is worked out from two columns."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the states."""
        return [(state, _BADGES[state][0]) for state in DOMAIN_STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the domains in the chosen state."""
        chosen = self.value()
        return domains_in_state(queryset, chosen) if chosen in DOMAIN_STATES else queryset


def state_badge(domain: Domain) -> SafeString:
    """Return the state as a label."""
    return badge(*_BADGES[domain.state])


def state_in_words(domain: Domain) -> str:
    """Return what the state means and what happens next, in two sentences."""
    if domain.verified_at is None:
        return "It does not count yet. Create this record at your DNS provider, then check it here."
    since = date_format(domain.verified_at, "DATETIME_FORMAT")
    if domain.method == DomainMethod.OPERATOR:
        return f"An operator of this installation confirmed it ({since}). No record is looked for."
    if domain.failing_since:
        lost = date_format(domain.failing_since + GRACE, "DATETIME_FORMAT")
        return (
            f"Its record was not found any more. It still counts, and is lost on {lost} unless the record comes back."
        )
    return f"Its record was found ({since}). Keep the record: it is looked for every day."


class DomainColumns:
    """Columns and facts of domains."""

    @admin.display(description="Domain", ordering="name")
    def title(self, obj: Domain) -> SafeString:
        """Return the name; one with other letters as people read it, too."""
        return two_lines(obj.name, obj.readable_name if obj.readable_name != obj.name else "")

    @admin.display(description="State")
    def state(self, obj: Domain) -> SafeString:
        """Return the state."""
        return state_badge(obj)

    @admin.display(description="Verified by")
    def proof(self, obj: Domain) -> SafeString | str:
        """Return what verified it, and since when."""
        if obj.verified_at is None:
            return "–"
        return two_lines(obj.get_method_display(), date_format(obj.verified_at))

    @admin.display(description="Last checked")
    def checked(self, obj: Domain) -> str:
        """Return when its record was last looked for."""
        return date_format(obj.checked_at, "DATETIME_FORMAT") if obj.checked_at and obj.is_checked else "–"

    @admin.display(description="Added")
    def added(self, obj: Domain) -> str:
        """Return when it was added."""
        return date_format(obj.created_at)
