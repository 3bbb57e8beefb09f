"""Recent requests of identity providers, newest first, with the reason of each failure."""

import json
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import ScimRequest
from accounts.provisioning_figures import FAILED_FROM
from console.keyset import KeysetList
from console.options import TenantModelAdmin
from console.sites import tenant_site
from tenants.admin.common import STYLE, badge, two_lines
from tenants.permissions import P

from .common import code, moment

_SHOWN_OF_REASON = 160


class OutcomeFilter(SimpleListFilter):
    """Failures alone."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the one choice."""
        return [("failed", "Failed only")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the requests that failed."""
        return queryset.filter(status__gte=FAILED_FROM) if self.value() == "failed" else queryset


@admin.register(ScimRequest, site=tenant_site)
class ScimRequestAdmin(KeysetList, TenantModelAdmin):
    """What identity providers asked lately, and what they were told."""

    permissions: ClassVar = {"view": P.SCIM_READ}
    empty_title = "No requests yet"
    empty_text = "Each request of the identity provider stands here for some days, with the reason when it failed."

    keyset_field = "time"
    list_display = ("when", "request_line", "outcome", "reason", "took")
    list_filter = ("connection", OutcomeFilter)
    readonly_fields = (
        "when",
        "connection",
        "request_text",
        "outcome",
        "reason_text",
        "took",
        "sender",
        "trace",
        "sent",
    )
    fields = readonly_fields

    class Media:
        css = STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the requests; the list leaves their bodies in the database."""
        return super().narrow(request, queryset).select_related("connection")

    @admin.display(description="Time")
    def when(self, obj: ScimRequest) -> str:
        """Return when it came."""
        return moment(obj.time)

    @admin.display(description="Request")
    def request_line(self, obj: ScimRequest) -> str:
        """Return method and path, and whose it was."""
        return two_lines(f"{obj.method} {obj.path}", str(obj.connection))

    @admin.display(description="Request")
    def request_text(self, obj: ScimRequest) -> str:
        """Return method and path in full."""
        return code(f"{obj.method} {obj.path}")

    @admin.display(description="Status")
    def outcome(self, obj: ScimRequest) -> str:
        """Return the HTTP status."""
        return badge(str(obj.status), "bad" if obj.failed else "good")

    @admin.display(description="Reason")
    def reason(self, obj: ScimRequest) -> str:
        """Return the beginning of why it failed."""
        text = obj.detail if len(obj.detail) <= _SHOWN_OF_REASON else f"{obj.detail[:_SHOWN_OF_REASON]}…"
        return two_lines(text, obj.scim_type) if obj.failed else ""

    @admin.display(description="Reason")
    def reason_text(self, obj: ScimRequest) -> str:
        """Return why it failed, with SCIM's word for it."""
        return two_lines(obj.detail or "It worked.", obj.scim_type)

    @admin.display(description="Took")
    def took(self, obj: ScimRequest) -> str:
        """Return how long it took."""
        return f"{obj.duration_ms} ms"

    @admin.display(description="Sent by")
    def sender(self, obj: ScimRequest) -> str:
        """Return address and program."""
        return two_lines(obj.ip or "unknown address", obj.user_agent)

    @admin.display(description="Request id")
    def trace(self, obj: ScimRequest) -> str:
        """Return what the audit log calls the request."""
        return code(obj.request_id)

    @admin.display(description="Body")
    def sent(self, obj: ScimRequest) -> SafeString | str:
        """Return what was sent, without its secrets."""
        return format_html('<pre class="tn-json">{}</pre>', _pretty(obj.body)) if obj.body else "None"


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body  # cut in the middle
