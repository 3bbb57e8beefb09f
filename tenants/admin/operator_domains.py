"""Domains of all organizations, for operators: who has which, vouching for one, taking a verification back."""

from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from console.access import actor_of
from console.actions import object_action
from console.options import OperatorModelAdmin
from console.sites import operator_site
from isolation.scope import tenant_scope
from tenants.forms.operator import ConfirmDomainForm, WithdrawDomainForm
from tenants.models import Domain, DomainMethod
from tenants.permissions import P
from tenants.services.domains import confirm_domain, withdraw_domain

from .common import STYLE, two_lines
from .domain_columns import DomainColumns, DomainStateFilter, state_in_words


@admin.register(Domain, site=operator_site)
class OperatorDomainAdmin(DomainColumns, OperatorModelAdmin):
    """Domains with their organization; adding and removing them is its members' business."""

    permissions: ClassVar = {"view": P.DOMAINS_READ}
    menu = ("Organizations", 20)
    icon = "dns"
    description = "See which organization has which domain, and vouch for one."
    empty_title = "No domains yet"
    empty_text = "Organizations add their own. To confirm one for an organization, open that organization."

    list_display = ("title", "owner", "state", "proof", "checked")
    list_filter = (DomainStateFilter,)
    search_fields = ("^name", "^organization__slug")
    search_help_text = "Search by the beginning of a domain or of an organization's identifier"
    ordering = ("name", "organization__slug")
    fields = ("title", "owner", "state", "words", "proof", "reason", "checked", "problem", "added")
    readonly_fields = fields
    actions_detail = ("confirm", "withdraw")

    class Media:
        css = STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the domains with their organizations."""
        return queryset.select_related("organization")

    def history_url(self, request: HttpRequest, obj: Any) -> str:
        """Return where the domain's events are."""
        return f"{reverse('operator:audit_log')}?{urlencode({'target': str(obj.pk)})}"

    @admin.display(description="Organization", ordering="organization__name")
    def owner(self, obj: Domain) -> SafeString:
        """Return whose claim it is."""
        return two_lines(obj.organization.name, obj.organization.slug)

    @admin.display(description="What that means")
    def words(self, obj: Domain) -> str:
        """Return the state in words."""
        return state_in_words(obj)

    @object_action(
        permission=P.DOMAINS_MANAGE,
        description="Confirm",
        confirm="The domain counts as this organization's from now on, on your word. No record is looked for any more, "
        "and no other organization can verify it.",
        icon="verified",
        form=ConfirmDomainForm,
        when=lambda domain: domain.method != DomainMethod.OPERATOR,
    )
    def confirm(self, request: HttpRequest, obj: Domain, data: dict[str, Any]) -> None:
        """Vouch for a domain."""
        organization = obj.organization
        with tenant_scope(organization):
            confirm_domain(organization=organization, name=obj.name, reason=data["reason"], actor=actor_of(request))
        messages.success(request, f"{obj} is confirmed for {organization}.")

    @object_action(
        permission=P.DOMAINS_MANAGE,
        description="Take the verification back",
        confirm="The domain does not count any more. The organization keeps it in its list and can verify it again by "
        "its record; its owners get a mail with your reason.",
        url_path="withdraw",
        icon="undo",
        danger=True,
        form=WithdrawDomainForm,
        when=lambda domain: domain.is_verified,
    )
    def withdraw(self, request: HttpRequest, obj: Domain, data: dict[str, Any]) -> None:
        """Take a verification back."""
        with tenant_scope(obj.organization):
            withdraw_domain(domain=obj, reason=data["reason"], actor=actor_of(request))
        messages.success(request, f"{obj} is not verified any more.")
