"""The tokens with which identity providers sign in: made on a connection's page, shown once, revoked."""

from copy import deepcopy
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.forms.api_keys import RevocationForm
from accounts.forms.scim_tokens import ScimTokenForm, token_life_fields
from accounts.models import ScimConnection, ScimToken
from accounts.scim_addresses import SCIM_PATH
from accounts.services.key_rules import IssuedKey
from accounts.services.scim_tokens import create_scim_token, revoke_scim_token
from console.access import actor_of
from console.actions import object_action
from console.links import root_url
from console.options import TenantModelAdmin
from console.reveal import show_secret
from console.sites import tenant_site
from tenants.admin.common import WithHistory
from tenants.permissions import P

from .common import code
from .issuing import IssuesKeys
from .key_columns import KeyColumns
from .key_filters import StateFilter

_TRY = f"{SCIM_PATH}/Users?count=1"


@admin.register(ScimToken, site=tenant_site)
class ScimTokenAdmin(WithHistory, KeyColumns, IssuesKeys, TenantModelAdmin):
    """The tokens of all connections; the menu leads to them through their connection."""

    permissions: ClassVar = {"view": P.SCIM_READ, "add": P.SCIM_MANAGE}
    empty_title = "No tokens"
    empty_text = "A token is made on the page of its connection."

    form = ScimTokenForm
    list_display = ("title", "of_connection", "used", "expires", "state")
    list_filter = ("connection", StateFilter)
    search_fields = ("^name", "public_id__startswith")
    search_help_text = "Search by the beginning of a name or public id"
    ordering = ("-created_at", "-pk")
    actions_detail = ("revoke",)
    created_title = "The token was created"

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the tokens with their connections."""
        return super().narrow(request, queryset).select_related("connection")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is asked of a new token, or told of one."""
        if obj is None:
            return ("name", "expires_at", "allowed_networks")
        told = ("state", "of_connection", "public_id_text", "secret_text", "used", "expires", "networks_text", "made")
        return (*told, "ended") if obj.revoked_at else told

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return everything once the token is there."""
        return () if obj is None else self.get_fields(request, obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return the form class with fields that know how long a token lives."""
        form_class = super().get_form(request, obj, change, **kwargs)
        form_class.base_fields = deepcopy(form_class.base_fields)
        if obj is None:
            form_class.base_fields.update(token_life_fields())
        return form_class

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return nothing: the link names the connection only."""
        return {}

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show or take the form of a new token.

        Raises:
            Http404: the address names no connection of this organization.
        """
        self.demand(request, "add")
        connection = self._connection(request)
        extra = {"title": f"New token for {connection}", **(extra_context or {})}
        return super().add_view(request, form_url, extra)

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> ScimToken:
        """Create a token of the connection that the address names."""
        connection = self._connection(request)
        token: ScimToken = self.create_once(
            request,
            lambda token_id: create_scim_token(
                connection=connection, actor=actor_of(request), token_id=token_id, **values
            ),
        )
        return token

    def reveal(self, request: HttpRequest, issued: IssuedKey, *, title: str) -> HttpResponse:
        """Return the page with a secret that was just made."""
        token: Any = issued.key
        return show_secret(
            self.admin_site,
            request,
            issued,
            title=title,
            intro=f"Token “{token.name}” of the connection {token.connection}. Paste it at the identity provider.",
            done_url=_page_of(token.connection_id),
            try_url=root_url(_TRY),
            try_help="The answer names one person that this connection provisioned, or none.",
            lost="whoever loses it makes another token",
            id_help="The client id for OAuth 2.0 client credentials; it is no secret.",
        )

    @object_action(
        permission=P.SCIM_MANAGE,
        description="Revoke",
        confirm="The token ends at once and for good, with the access tokens made by it. People and groups stay as "
        "they are; with its last token an identity provider reaches this organization no more.",
        icon="key_off",
        danger=True,
        form=RevocationForm,
        when=lambda token: token.revoked_at is None,
    )
    def revoke(self, request: HttpRequest, obj: ScimToken, data: dict[str, Any]) -> HttpResponse:
        """End the token."""
        revoke_scim_token(token=obj, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"The token {obj.name} was revoked.")
        return HttpResponseRedirect(_page_of(obj.connection_id))

    @admin.display(description="Connection")
    def of_connection(self, obj: ScimToken) -> str:
        """Return whose it is."""
        return str(obj.connection)

    @admin.display(description="Secret")
    def secret_text(self, obj: ScimToken) -> str:
        """Return the end of the secret."""
        return code(f"…{obj.last_four}")

    def _connection(self, request: HttpRequest) -> ScimConnection:
        connections = self.admin_site.get_model_admin(ScimConnection)
        found: ScimConnection | None = connections.get_object(request, request.GET.get("connection", ""))
        if found is None:
            raise Http404("There is no such connection here.")
        return found


def _page_of(connection_id: Any) -> str:
    return reverse("console:accounts_scimconnection_change", args=[connection_id])
