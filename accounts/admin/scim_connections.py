"""Provisioning: the identity providers that push people and groups, their tokens, and how it goes."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.formats import date_format

from accounts.forms.scim import new_token_form, revocation_form
from accounts.models import ScimConnection, ScimToken
from accounts.selectors import provisioning_of, with_provisioning_numbers
from accounts.services.key_rules import IssuedKey
from accounts.services.scim_connections import (
    create_scim_connection,
    delete_scim_connection,
    update_scim_connection,
)
from accounts.services.scim_tokens import create_scim_token, revoke_scim_token
from console import once
from console.access import actor_of
from console.actions import object_action
from console.links import root_url
from console.options import TenantModelAdmin
from console.reveal import show_secret
from console.sites import tenant_site
from isolation.exceptions import DomainError
from tenants.admin.common import WithHistory, organization_of, role_field, role_options, two_lines
from tenants.permissions import P
from tenants.services.rules import own_row

from .common import KEY_SCRIPTS, KEY_STYLE, expiry, last_use, state_badge

_FORM = "scimtoken"


def _new_token(model_admin: Any, request: HttpRequest, obj: Any) -> type[forms.Form]:
    return new_token_form(once.token(request, _FORM))


def _revocation(model_admin: Any, request: HttpRequest, obj: Any) -> type[forms.Form]:
    return revocation_form(obj)


@admin.register(ScimConnection, site=tenant_site)
class ScimConnectionAdmin(WithHistory, TenantModelAdmin):
    """The identity providers that provision the organization by SCIM."""

    permissions: ClassVar = {
        "view": P.SCIM_READ,
        "add": P.SCIM_MANAGE,
        "change": P.SCIM_MANAGE,
        "delete": P.SCIM_MANAGE,
    }
    menu = ("Access", 45)
    menu_title = "Provisioning"
    icon = "sync"
    description = "Let your identity provider add, change and remove people and groups by itself (SCIM)."
    empty_title = "No identity provider provisions people yet"
    empty_text = (
        "Create a connection for Okta, Entra ID or another one, and paste its address and a token there: people and "
        "groups then appear, change and leave by themselves."
    )
    delete_text = (
        "Its tokens stop working at once. Its people and groups stay as they are, and are managed by hand from now on."
    )

    list_display = ("title", "people", "tokens", "last_request")
    search_fields = ("^name",)
    search_help_text = "Search by the beginning of a name"
    ordering = ("name", "pk")
    fields = ("name", "provider", "role")
    actions_detail = ("new_token", "revoke_token")
    change_form_outer_after_template = "accounts/scim_connection.html"

    class Media:
        css = KEY_STYLE
        js = (*KEY_SCRIPTS, "console/copy.js")

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the connections with what a row shows."""
        return with_provisioning_numbers(super().narrow(request, queryset))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the roles that the actor may give; nobody becomes an owner by being new."""
        formfield = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name != "role":
            return formfield
        return role_field(formfield, role_options(request, owner=False))

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Lead to the connection's page, where its first token is made."""
        messages.success(request, f"The connection {obj} was created. Make a token for it.")
        return HttpResponseRedirect(self.object_url(obj))

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> ScimConnection:
        """Create a connection."""
        return create_scim_connection(organization=organization_of(request), actor=actor_of(request), **values)

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change what it is called, whose it is, and what new people become."""
        now = {name: getattr(obj, name) for name in self.fields}
        update_scim_connection(connection=obj, actor=actor_of(request), **{**now, **values})

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        """Delete the connection; its people and groups stay."""
        delete_scim_connection(connection=obj, actor=actor_of(request))

    def delete_phrase(self, request: HttpRequest, obj: Any) -> str:
        """Return the name, to be typed, when something would stop working."""
        return str(obj.name) if obj.token_count else ""

    def delete_consequences(self, request: HttpRequest, obj: Any) -> list[str]:
        """Return how many people and groups will be managed by hand."""
        return [
            f"Managed by hand from now on: people {obj.user_count}, groups {obj.group_count}.",
            f"Tokens that end: {obj.token_count}.",
        ]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """Show the form with the connection's address, tokens, people and recent requests below it."""
        obj = kwargs.get("obj")
        if obj is not None:
            base_url = request.build_absolute_uri(root_url("scim/v2"))
            context.update(
                base_url=base_url,
                token_endpoint=f"{base_url}/oauth2/token",
                provisioning=provisioning_of(obj),
                tokens=[
                    (token, state_badge(token), last_use(token), expiry(token))
                    for token in ScimToken.objects.filter(connection=obj)[:20]
                ],
            )
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response

    @object_action(
        permission=P.SCIM_MANAGE,
        description="New token",
        confirm="With a token the identity provider signs in. Its secret is shown once. A connection may have several, "
        "so that a new one replaces an old one without a gap.",
        url_path="new-token",
        icon="key",
        form=_new_token,
    )
    def new_token(self, request: HttpRequest, obj: ScimConnection, data: dict[str, Any]) -> HttpResponse:
        """Make a token and show its secret."""
        token_id = once.row_id(request, _FORM)
        if ScimToken.objects.filter(pk=token_id).exists():
            raise DomainError("This form has made its token already. Open a new one for another.", code="already_made")
        issued: IssuedKey = create_scim_token(
            connection=obj,
            name=data["name"],
            expires_at=data["expires_at"],
            allowed_networks=data["allowed_networks"],
            token_id=token_id,
            actor=actor_of(request),
        )
        return show_secret(
            self.admin_site,
            request,
            issued,
            title="The token was created",
            intro=f"Token “{issued.key.name}” of {obj}. Paste the secret into the identity provider.",
            done_url=self.object_url(obj),
            try_url=f"{root_url('scim/v2')}/Users?count=1",
            try_help="The answer is a list of provisioned users, empty at first.",
        )

    @object_action(
        permission=P.SCIM_MANAGE,
        description="Revoke a token",
        confirm="The token ends at once and for good. People and groups stay as they are.",
        url_path="revoke-token",
        icon="key_off",
        danger=True,
        form=_revocation,
        when=lambda connection: getattr(connection, "token_count", 1) > 0,
    )
    def revoke_token(self, request: HttpRequest, obj: ScimConnection, data: dict[str, Any]) -> None:
        """End one token."""
        token = own_row(ScimToken, data["token"], related=("connection",))
        if token.connection_id != obj.pk:
            raise DomainError("This token belongs to another connection.", field="token", code="gone")
        revoke_scim_token(token=token, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"The token {token.name} was revoked.")

    @admin.display(description="Connection", ordering="name")
    def title(self, obj: ScimConnection) -> str:
        """Return name and identity provider."""
        return two_lines(obj.name, obj.get_provider_display())

    @admin.display(description="People and groups")
    def people(self, obj: Any) -> str:
        """Return how many people and groups it manages."""
        return two_lines(f"People: {obj.user_count}", f"Groups: {obj.group_count}")

    @admin.display(description="Tokens in force")
    def tokens(self, obj: Any) -> int:
        """Return how many tokens it has."""
        return int(obj.token_count)

    @admin.display(description="Last request")
    def last_request(self, obj: Any) -> str:
        """Return when the identity provider last asked for something."""
        if obj.last_request_at is None:
            return two_lines("Never")
        return two_lines(date_format(obj.last_request_at), f"{obj.last_request_at:%H:%M} UTC")
