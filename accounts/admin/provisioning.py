"""Provisioning: the connections of identity providers, with their tokens, instructions and numbers."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.models import ScimConnection, ScimToken
from accounts.provisioning_figures import FAILED_FROM, figures_of, with_figures
from accounts.scim_addresses import SCIM_PATH
from accounts.scim_providers import guides_for
from accounts.services.scim_connections import create_scim_connection, delete_scim_connection, update_scim_connection
from console.access import actor_of, can
from console.links import root_url
from console.sites import tenant_site
from tenants.admin.common import WithHistory, badge, organization_of, two_lines
from tenants.permissions import P

from .common import KEY_STYLE, expiry, last_use, moment, state_badge
from .new_people import RoleOfNewPeople

MOST_TOKENS_SHOWN = 20


@admin.register(ScimConnection, site=tenant_site)
class ScimConnectionAdmin(WithHistory, RoleOfNewPeople):
    """The organization's connections to identity providers."""

    permissions: ClassVar = {
        "view": P.SCIM_READ,
        "add": P.SCIM_MANAGE,
        "change": P.SCIM_MANAGE,
        "delete": P.SCIM_MANAGE,
    }
    menu = ("Access", 60)
    menu_title = "Provisioning"
    menu_covers = ("accounts/scimtoken/", "accounts/scimrequest/", "accounts/provisioneduser/", "provisioning/")
    icon = "sync"
    description = "Let an identity provider bring people and groups, and take their access away."
    empty_title = "No connections yet"
    empty_text = "With a connection, people and groups of your identity provider appear here by themselves (SCIM 2.0)."
    delete_text = "The identity provider reaches this organization no more."

    list_display = ("title", "people", "groups", "tokens", "last_request")
    list_filter = ("provider",)
    search_fields = ("^name",)
    search_help_text = "Search by the beginning of a name"
    ordering = ("name", "pk")
    fields = ("name", "provider", "role")
    change_form_outer_before_template = "accounts/provisioning/connection_before.html"
    change_form_outer_after_template = "accounts/provisioning/connection_after.html"

    class Media:
        css = KEY_STYLE
        js = ("console/copy.js",)

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the connections with what a row shows."""
        return with_figures(super().narrow(request, queryset))

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Lead to the connection's page, where its token is made."""
        messages.success(request, f"The connection {obj} was created. Make a token for it.")
        return HttpResponseRedirect(self.object_url(obj))

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> ScimConnection:
        """Create a connection."""
        return create_scim_connection(organization=organization_of(request), actor=actor_of(request), **values)

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change what it is called, whose it is, and what new people become."""
        now = {name: getattr(obj, name) for name in ("name", "provider", "role")}
        update_scim_connection(connection=obj, actor=actor_of(request), **{**now, **values})

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        """Delete the connection with its tokens."""
        delete_scim_connection(connection=obj, actor=actor_of(request))

    def delete_phrase(self, request: HttpRequest, obj: Any) -> str:
        """Return the name, to be typed."""
        return str(obj.name)

    def delete_consequences(self, request: HttpRequest, obj: Any) -> list[str]:
        """Return what ends and what stays."""
        return [
            f"Its tokens in force end with it: {obj.token_count}.",
            (
                f"People that it provisioned: {obj.people_count}. Who has joined stays a member, managed by hand; open "
                "invitations of those who wait are withdrawn."
            ),
            f"Groups that it provisioned: {obj.group_count}. They stay with members and roles, managed by hand.",
            "The list of its recent requests goes; the audit log keeps what it changed.",
        ]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """Show the form with address and numbers above it, tokens and instructions below."""
        obj = kwargs.get("obj")
        if obj is not None:
            context.update(self._about(request, obj))
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response

    def _about(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        tokens = list(ScimToken.objects.filter(connection=obj).order_by("-created_at", "-pk")[: MOST_TOKENS_SHOWN + 1])
        by_connection = f"?connection__id__exact={obj.pk}"
        return {
            "connection": obj,
            "base_url": request.build_absolute_uri(root_url(SCIM_PATH)),
            "token_url": request.build_absolute_uri(root_url(f"{SCIM_PATH}/oauth2/token")),
            "figures": figures_of(obj),
            "token_rows": [
                {
                    "token": token,
                    "used": last_use(token),
                    "expires": expiry(token),
                    "state": state_badge(token),
                    "made": moment(token.created_at),
                }
                for token in tokens[:MOST_TOKENS_SHOWN]
            ],
            "more_tokens_url": f"{reverse('console:accounts_scimtoken_changelist')}{by_connection}"
            if len(tokens) > MOST_TOKENS_SHOWN
            else "",
            "may_manage": can(request, P.SCIM_MANAGE, obj),
            "new_token_url": f"{reverse('console:accounts_scimtoken_add')}?connection={obj.pk}"
            if can(request, P.SCIM_MANAGE, obj)
            else "",
            "people_url": f"{reverse('console:accounts_provisioneduser_changelist')}{by_connection}",
            "requests_url": f"{reverse('console:accounts_scimrequest_changelist')}{by_connection}",
            "drift_url": reverse("console:provisioning_drift", args=[obj.pk]),
            "guides": guides_for(obj.provider),
        }

    @admin.display(description="Connection", ordering="name")
    def title(self, obj: ScimConnection) -> str:
        """Return name and provider."""
        return two_lines(obj.name, obj.get_provider_display())

    @admin.display(description="People")
    def people(self, obj: Any) -> int:
        """Return how many people it provisioned."""
        return int(obj.people_count)

    @admin.display(description="Groups")
    def groups(self, obj: Any) -> int:
        """Return how many groups it provisioned."""
        return int(obj.group_count)

    @admin.display(description="Tokens in force")
    def tokens(self, obj: Any) -> int:
        """Return how many tokens are accepted."""
        return int(obj.token_count)

    @admin.display(description="Last request")
    def last_request(self, obj: Any) -> str:
        """Return when the identity provider asked last, and whether that failed."""
        if obj.last_time is None:
            return badge("Never")
        failed = obj.last_status >= FAILED_FROM
        return two_lines(moment(obj.last_time), f"{'Failed' if failed else 'Worked'}: {obj.last_status}")
