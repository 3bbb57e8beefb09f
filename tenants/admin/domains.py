"""Domains: the organization's own, and the record that proves each."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from console.access import actor_of
from console.actions import object_action
from console.options import TenantModelAdmin
from console.sites import tenant_site
from isolation.exceptions import DomainError
from tenants.models import Domain
from tenants.permissions import P
from tenants.services.domains import claim_domain, remove_domain, verify_domain

from .common import STYLE, WithHistory, organization_of
from .domain_columns import DomainColumns, DomainStateFilter, state_badge, state_in_words


@admin.register(Domain, site=tenant_site)
class DomainAdmin(DomainColumns, WithHistory, TenantModelAdmin):
    """The organization's domains."""

    permissions: ClassVar = {"view": P.DOMAINS_READ, "add": P.DOMAINS_MANAGE}
    menu = ("Access", 40)
    icon = "dns"
    description = "Prove which domains are yours, so that provisioning can connect their people."
    empty_title = "No domains yet"
    empty_text = (
        "Prove by a DNS record that a domain is yours: then provisioning connects people with an address there."
    )

    list_display = ("title", "state", "proof", "checked")
    list_filter = (DomainStateFilter,)
    search_fields = ("^name",)
    search_help_text = "Search by the beginning of a domain"
    ordering = ("name",)
    actions_detail = ("check_record", "remove")
    change_form_outer_before_template = "tenants/domain.html"

    class Media:
        css = STYLE
        js = ("console/copy.js",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is asked of a new domain, or shown of one."""
        return ("name",) if obj is None else ("title", "proof", "checked", "added")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return everything once the domain is there: another name is another domain."""
        return () if obj is None else self.get_fields(request, obj)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Return the buttons at the top; checking has its own beside the record."""
        return [action for action in super().get_actions_detail(request, object_id) if action.path != "check"]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the form, or the domain's page with its record."""
        extra = dict(extra_context or {})
        domain = self.find(request, object_id) if object_id else None
        if domain is not None:
            extra |= {
                "domain": domain,
                "state_badge": state_badge(domain),
                "state_in_words": state_in_words(domain),
                "check_url": reverse("console:tenants_domain_check_record", args=[domain.pk])
                if domain.is_checked and self.holds(request, P.DOMAINS_MANAGE, domain)
                else "",
            }
        return super().changeform_view(request, object_id, form_url, extra)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Lead to the domain's page, where its record stands."""
        messages.success(request, f"{obj} was added. Create its record, then check it.")
        return HttpResponseRedirect(self.object_url(obj))

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> Domain:
        """Claim a domain."""
        return claim_domain(organization=organization_of(request), name=values["name"], actor=actor_of(request))

    @object_action(
        permission=P.DOMAINS_MANAGE,
        description="Check now",
        confirm="The TXT record is looked up in DNS now.",
        url_path="check",
        icon="sync",
        when=lambda domain: domain.is_checked,
    )
    def check_record(self, request: HttpRequest, obj: Domain, data: dict[str, Any]) -> None:
        """Look for the record; what was found instead stands on the domain's page."""
        try:
            verify_domain(domain=obj, actor=actor_of(request))
        except DomainError as refusal:
            messages.error(request, _SHORT.get(refusal.code, refusal.message))
        else:
            messages.success(request, f"The record was found: {obj} is verified.")

    @object_action(
        permission=P.DOMAINS_MANAGE,
        description="Remove domain",
        confirm="Who belongs to the organization stays. Provisioning connects nobody with an address there any more, "
        "single sign-on leads nobody from there to your identity provider and knows only who has signed in before, "
        "and another organization can verify the domain.",
        url_path="remove-domain",
        icon="delete",
        danger=True,
    )
    def remove(self, request: HttpRequest, obj: Domain, data: dict[str, Any]) -> HttpResponse:
        """Remove the domain."""
        label = str(obj)
        remove_domain(domain=obj, actor=actor_of(request))
        messages.success(request, f"{label} was removed.")
        return HttpResponseRedirect(self.list_url(request))


# The page itself tells at length what was found.
_SHORT = {
    "record_missing": "The record was not found. What was looked up, and what to do, stands below.",
    "lookup_failed": "The name servers gave no answer. What was looked up stands below.",
}
