"""Recent sign-ins: what was checked, what the identity provider said, and why somebody was refused."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from accounts.models import SsoLogin
from console.keyset import KeysetList
from console.options import TenantModelAdmin
from console.sites import tenant_site
from tenants.admin.common import badge, two_lines
from tenants.permissions import P

from .common import KEY_STYLE, moment
from .sso_connections import outcome_badge


class RefusedFilter(SimpleListFilter):
    """Refusals alone."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the one choice."""
        return [("refused", "Refused only")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the sign-ins that were refused."""
        return queryset.filter(succeeded=False) if self.value() == "refused" else queryset


@admin.register(SsoLogin, site=tenant_site)
class SsoLoginAdmin(KeysetList, TenantModelAdmin):
    """How the last sign-ins went; the menu leads to them through their connection."""

    permissions: ClassVar = {"view": P.SSO_READ}
    empty_title = "No sign-ins yet"
    empty_text = "Each sign-in and each test stands here for a fortnight, with the reason when it was refused."

    keyset_field = "time"
    list_display = ("when", "who", "outcome", "why")
    list_filter = ("connection", RefusedFilter)
    fields = readonly_fields = ("when", "connection", "who", "outcome", "why", "checked", "said", "sender")

    class Media:
        css = KEY_STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the sign-ins with their connections."""
        return super().narrow(request, queryset).select_related("connection")

    @admin.display(description="Time")
    def when(self, obj: SsoLogin) -> str:
        """Return when they came back from the identity provider."""
        return moment(obj.time)

    @admin.display(description="Who")
    def who(self, obj: SsoLogin) -> str:
        """Return address and subject."""
        return two_lines(obj.email or "Not known", obj.subject)

    @admin.display(description="Outcome")
    def outcome(self, obj: SsoLogin) -> str:
        """Return how it went."""
        return outcome_badge(obj)

    @admin.display(description="Reason")
    def why(self, obj: SsoLogin) -> str:
        """Return why nobody was signed in."""
        return obj.reason

    @admin.display(description="Checks")
    def checked(self, obj: SsoLogin) -> SafeString:
        """Return each check, in order."""
        rows = (
            (
                badge("Passed", "good") if check["passed"] else badge("Failed", "bad"),
                check["what"],
                check["detail"],
            )
            for check in obj.checks
        )
        return format_html_join("", '<p class="tn-check">{} {}<span class="gh-muted">{}</span></p>', rows)

    @admin.display(description="Claims")
    def said(self, obj: SsoLogin) -> SafeString | str:
        """Return what the identity provider said of the person."""
        if not obj.claims:
            return "None came."
        return format_html_join("", "<p><code>{}</code> {}</p>", sorted(obj.claims.items()))

    @admin.display(description="From")
    def sender(self, obj: SsoLogin) -> str:
        """Return address and browser."""
        return two_lines(obj.ip or "unknown address", obj.user_agent)
