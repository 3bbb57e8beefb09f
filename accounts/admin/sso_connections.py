"""Single sign-on: the connections to identity providers, with instructions, a test, and the switch."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.forms.sso import OwnersForm, SamlConnectionForm, SsoConnectionForm
from accounts.models import (
    SamlKey,
    SignInPolicy,
    SsoConnection,
    SsoGroupMapping,
    SsoIdentity,
    SsoLogin,
    SsoProtocol,
    SsoProvider,
)
from accounts.saml_providers import SAML_GUIDES, saml_claims, saml_guide_for
from accounts.services.saml_keys import add_saml_key, remove_saml_key, use_saml_key
from accounts.services.sso_connections import (
    create_saml_connection,
    create_sso_connection,
    delete_sso_connection,
    refresh_sso_connection,
    set_sso_enabled,
    update_sso_connection,
)
from accounts.services.sso_groups import add_group_mapping, remove_group_mapping
from accounts.services.sso_owners import allow_owners, end_owners
from accounts.sso.oidc.registration import backchannel_logout_uri, redirect_uri, signed_out_uri
from accounts.sso.saml.addresses import acs_url, entity_id, slo_url
from accounts.sso.saml.certificates import Certificate
from accounts.sso.views import begin_test
from accounts.sso_providers import GUIDES, guide_for
from console import once
from console.access import actor_of, can
from console.actions import list_action, object_action
from console.inlines import ScopedTabularInline
from console.sites import tenant_site
from isolation.exceptions import DomainError
from tenants.admin.common import WithHistory, badge, organization_of, two_lines
from tenants.models import Domain
from tenants.permissions import P

from .common import KEY_STYLE, moment
from .new_people import RoleOfNewPeople

LOGINS_SHOWN = 8
SOON = 30
_FORM = "ssoconnection"


class FollowingGroups(ScopedTabularInline):
    """Which groups follow the groups claim."""

    model = SsoGroupMapping
    fields = ("value", "group")
    autocomplete_fields = ("group",)
    hide_title = True
    verbose_name = "group"
    verbose_name_plural = "Groups that follow the claim"
    permissions: ClassVar = {"view": P.SSO_READ, "add": P.SSO_MANAGE, "delete": P.SSO_MANAGE}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the mappings with their groups."""
        rows: QuerySet[Any] = super().get_queryset(request).select_related("connection", "group")
        return rows.order_by("group__name", "value")

    def add(self, request: HttpRequest, parent: Any, values: dict[str, Any]) -> Any:
        """Let a group follow a value."""
        return add_group_mapping(connection=parent, actor=actor_of(request), **values)

    def remove(self, request: HttpRequest, row: Any) -> None:
        """Let it follow no more."""
        remove_group_mapping(mapping=row, actor=actor_of(request))


@admin.register(SsoConnection, site=tenant_site)
class SsoConnectionAdmin(WithHistory, RoleOfNewPeople):
    """The connections through which the organization's people sign in."""

    permissions: ClassVar = {
        "view": P.SSO_READ,
        "add": P.SSO_MANAGE,
        "change": P.SSO_MANAGE,
        "delete": P.SSO_MANAGE,
    }
    menu = ("Access", 50)
    menu_title = "Single sign-on"
    menu_covers = ("accounts/ssologin/", "accounts/ssoidentity/", "accounts/ssosetuplink/", "sso/setup-links/")
    icon = "passkey"
    description = "Let people sign in with the accounts that they have at your identity provider."
    empty_title = "No connections yet"
    empty_text = "Connect your identity provider: then your people sign in there, and need no password here."
    delete_text = "Nobody signs in through it any more."

    form = SsoConnectionForm
    list_display = ("title", "protocol_name", "state", "issuer", "last_login")
    search_fields = ("^name",)
    search_help_text = "Search by the beginning of a name"
    ordering = ("name", "pk")
    actions_list = ("invite", "setup_links")
    actions_detail = ("enable", "disable", "refresh", "owners", "no_owners", "add_key", "use_key", "remove_key")
    fieldsets = (
        (None, {"fields": ("name", "provider", "issuer", "client_id", "secret")}),
        ("Who comes in", {"fields": ("joining", "role", "domains", "scim_connection")}),
        ("Signing out", {"fields": ("ends_at_provider",)}),
        ("Claims", {"fields": ("scopes", "email_claim", "name_claim", "external_id_claim", "groups_claim")}),
    )
    saml_fieldsets = (
        (None, {"fields": ("name", "provider", "metadata_url", "metadata_file", "metadata_xml")}),
        ("Who comes in", {"fields": ("joining", "role", "domains", "scim_connection", "allows_idp_initiated")}),
        ("Signing out", {"fields": ("ends_at_provider",)}),
        (
            "Attributes",
            {"fields": ("subject_attribute", "email_claim", "name_claim", "external_id_claim", "groups_claim")},
        ),
        ("Requests", {"fields": ("signs_requests",)}),
    )
    inlines = (FollowingGroups,)
    change_form_before_template = "console/includes/once.html"
    change_form_outer_before_template = "accounts/sso/connection_before.html"
    change_form_outer_after_template = "accounts/sso/connection_after.html"

    class Media:
        css = KEY_STYLE
        js = ("console/copy.js",)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the field; no SCIM connection has words of its own."""
        formfield = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "scim_connection":
            formfield.empty_label = "Not said: any, while people sign in through one connection"
        return formfield

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask which provider it is and how it is spoken to first, then for the connection."""
        if request.GET.get("protocol") in SsoProtocol.values:
            form: HttpResponse = super().add_view(request, form_url, extra_context)
            return form
        self.demand(request, "add")
        context = {
            "title": "Connect an identity provider",
            "providers": [_Choice(provider) for provider in SsoProvider],
            "cancel_url": reverse("console:accounts_ssoconnection_changelist"),
        }
        return tenant_site.render(request, "accounts/sso/provider.html", context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        """Return the form of the connection's protocol, with the attributes that its provider sends by itself."""
        if not _is_saml(request, obj):
            return super().get_form(request, obj, change=change, **kwargs)
        return super().get_form(request, obj, change=change, **{**kwargs, "form": SamlConnectionForm})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields of the connection's protocol."""
        return self.saml_fieldsets if _is_saml(request, obj) else super().get_fieldsets(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with what the chosen provider sends by itself; a SAML connection signs its requests."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        provider = _chosen(request)
        if provider is not None:
            initial |= {"provider": provider, "name": "" if provider == SsoProvider.OTHER else provider.label}
        if _is_saml(request, None):
            initial |= {"signs_requests": True, **saml_claims(provider or SsoProvider.OTHER)}
        return initial

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Return the groups once the connection is there and says which claim they follow."""
        return super().get_inlines(request, obj) if obj is not None and obj.groups_claim else ()

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the connections with what a row shows."""
        latest = SsoIdentity.objects.filter(connection=OuterRef("pk")).order_by("-last_used_at")
        last_login_at = Subquery(latest.values("last_used_at")[:1])
        rows: QuerySet[Any] = super().narrow(request, queryset).annotate(last_login_at=last_login_at)
        return rows

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Lead to the connection's page, where it is tested and switched on."""
        messages.success(request, f"The connection {obj} was created. Test it, then switch it on.")
        return HttpResponseRedirect(self.object_url(obj))

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> SsoConnection:
        """Create the connection whose redirect URI the form showed; people sign in once it is switched on."""
        connection_id = once.row_id(request, _FORM)
        if SsoConnection.objects.filter(pk=connection_id).exists():
            raise DomainError("This form was sent twice; the connection is there already.", code="already_made")
        if _is_saml(request, None):
            given = _with_metadata(values)
            return create_saml_connection(
                organization=organization_of(request),
                connection_id=connection_id,
                actor=actor_of(request),
                **(given if _chosen(request) else _with_defaults(given)),
            )
        return create_sso_connection(
            organization=organization_of(request),
            connection_id=connection_id,
            client_secret=values.pop("secret"),
            actor=actor_of(request),
            **values,
        )

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change what was changed; an empty secret stays the stored one, and so do metadata that nobody gave anew."""
        secret = values.pop("secret", "") or None
        given = _with_metadata(values) if obj.is_saml else {**values, "client_secret": secret}
        changed = update_sso_connection(connection=obj, actor=actor_of(request), **given)
        if obj.owner_value and not changed.owner_value:
            messages.warning(request, f"{obj} makes nobody an owner any more. An owner has to allow that again.")

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        """Delete the connection with its identities."""
        delete_sso_connection(connection=obj, actor=actor_of(request))

    def delete_phrase(self, request: HttpRequest, obj: Any) -> str:
        """Return the name, to be typed."""
        return str(obj.name)

    def delete_consequences(self, request: HttpRequest, obj: Any) -> list[str]:
        """Return what ends and what stays."""
        known = SsoIdentity.objects.filter(connection=obj).count()
        return [
            "Sessions that it opened end with the next request.",
            (
                f"People who signed in through it: {known}. They stay members; who has no password chooses one by "
                "“Forgot your password?”."
            ),
            "The list of recent sign-ins goes; the audit log keeps them.",
            *(["Whom it made an owner stays one until somebody changes that by hand."] if obj.owner_value else []),
        ]

    @list_action(permission=P.SSO_MANAGE, description="Invite somebody to set it up", icon="link")
    def invite(self, request: HttpRequest) -> HttpResponse:
        """Lead to the form of a new set-up link."""
        return HttpResponseRedirect(reverse("console:sso_setup_link_new"))

    @list_action(permission=P.SSO_READ, description="Set-up links", icon="list")
    def setup_links(self, request: HttpRequest) -> HttpResponse:
        """Lead to the set-up links that there are."""
        return HttpResponseRedirect(reverse("console:accounts_ssosetuplink_changelist"))

    @object_action(
        permission=P.SSO_MANAGE,
        description="Switch on",
        confirm="People with an address in a verified domain are led to this identity provider from the sign-in page. "
        "Passwords go on working.",
        icon="toggle_on",
        when=lambda connection: not connection.is_enabled,
    )
    def enable(self, request: HttpRequest, obj: SsoConnection, data: dict[str, Any]) -> HttpResponse:
        """Let people sign in."""
        set_sso_enabled(connection=obj, enabled=True, actor=actor_of(request))
        messages.success(request, f"People can sign in through {obj} now.")
        return HttpResponseRedirect(self.object_url(obj))

    @object_action(
        permission=P.SSO_MANAGE,
        description="Switch off",
        confirm="Nobody signs in through it until it is switched on again, and sessions that it opened end with their "
        "next request.",
        icon="toggle_off",
        danger=True,
        when=lambda connection: connection.is_enabled,
    )
    def disable(self, request: HttpRequest, obj: SsoConnection, data: dict[str, Any]) -> HttpResponse:
        """Let nobody in any more."""
        set_sso_enabled(connection=obj, enabled=False, actor=actor_of(request))
        messages.success(request, f"Nobody signs in through {obj} any more.")
        return HttpResponseRedirect(self.object_url(obj))

    @object_action(
        permission=P.SSO_MANAGE,
        description="Ask the provider again",
        confirm="Its endpoints and keys are fetched anew, as once a day by itself. Do it now when the provider has "
        "changed something and people cannot sign in.",
        icon="sync",
    )
    def refresh(self, request: HttpRequest, obj: SsoConnection, data: dict[str, Any]) -> HttpResponse:
        """Fetch what the provider says of itself."""
        refresh_sso_connection(connection=obj)
        messages.success(request, f"What {obj} says of itself is up to date.")
        return HttpResponseRedirect(self.object_url(obj))

    @object_action(
        permission=P.ORGANIZATION_DELETE,
        description="Let it make owners",
        confirm="Whoever controls a group at the identity provider then controls this organization: each sign-in with "
        "the value makes the person an owner, each without it takes that back. Owners by hand stay owners, and the "
        "last owner always does. It ends when the connection's provider, its metadata or certificates, or the claims "
        "that say who somebody is are changed.",
        icon="shield_person",
        danger=True,
        form=OwnersForm,
        when=lambda connection: bool(connection.groups_claim and not connection.owner_value),
    )
    def owners(self, request: HttpRequest, obj: SsoConnection, data: dict[str, Any]) -> HttpResponse:
        """Let a value of the groups claim make owners."""
        allow_owners(connection=obj, value=data["owner_value"], actor=actor_of(request))
        messages.success(request, f"Whoever comes through {obj} with this value is an owner now.")
        return HttpResponseRedirect(self.object_url(obj))

    @object_action(
        permission=P.SSO_MANAGE,
        description="Let it make no owners",
        confirm="The provider makes nobody an owner any more. Whom it made one has their earlier role again from their "
        "next sign-in through single sign-on; the last owner stays.",
        icon="remove_moderator",
        when=lambda connection: bool(connection.owner_value),
    )
    def no_owners(self, request: HttpRequest, obj: SsoConnection, data: dict[str, Any]) -> HttpResponse:
        """Let the provider make nobody an owner."""
        end_owners(connection=obj, actor=actor_of(request))
        messages.success(request, f"{obj} makes nobody an owner any more.")
        return HttpResponseRedirect(self.object_url(obj))

    @object_action(
        permission=P.SSO_MANAGE,
        description="Add a key",
        confirm="A second key pair is made. It stands in our metadata and decrypts at once; the first one goes on "
        "signing until you let the second one sign.",
        icon="key",
        when=lambda connection: connection.is_saml and _keys(connection) == 1,
    )
    def add_key(self, request: HttpRequest, obj: SsoConnection, data: dict[str, Any]) -> HttpResponse:
        """Make the next key."""
        add_saml_key(connection=obj, actor=actor_of(request))
        messages.success(request, "The second key is there. Give its certificate to the identity provider.")
        return HttpResponseRedirect(self.object_url(obj))

    @object_action(
        permission=P.SSO_MANAGE,
        description="Let the other key sign",
        confirm="Requests are signed by the other key from now on. The identity provider has to know its certificate.",
        icon="swap_horiz",
        when=lambda connection: connection.is_saml and _keys(connection) > 1,
    )
    def use_key(self, request: HttpRequest, obj: SsoConnection, data: dict[str, Any]) -> HttpResponse:
        """Let the key sign that did not."""
        use_saml_key(key=SamlKey.objects.get(connection=obj, is_signing=False), actor=actor_of(request))
        messages.success(request, "The other key signs now. Remove the former one once nothing is encrypted for it.")
        return HttpResponseRedirect(self.object_url(obj))

    @object_action(
        permission=P.SSO_MANAGE,
        description="Remove the other key",
        confirm="What the identity provider encrypts for the key that does not sign is not read any more.",
        icon="key_off",
        danger=True,
        when=lambda connection: connection.is_saml and _keys(connection) > 1,
    )
    def remove_key(self, request: HttpRequest, obj: SsoConnection, data: dict[str, Any]) -> HttpResponse:
        """Remove the key that does not sign."""
        remove_saml_key(key=SamlKey.objects.get(connection=obj, is_signing=False), actor=actor_of(request))
        messages.success(request, "The other key was removed.")
        return HttpResponseRedirect(self.object_url(obj))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """Show the form with what the provider needs above it, instructions and recent sign-ins below."""
        obj = kwargs.get("obj")
        if obj is not None:
            context.update(self._about(request, obj))
        elif kwargs.get("add"):
            context["once"], connection_id = once.kept_token(request, _FORM)
            provider = _chosen(request)
            context["provider_name"] = provider.label if provider else ""
            if _is_saml(request, None):
                context["saml"] = _addresses(connection_id)
                guides: Any = SAML_GUIDES if provider is None else {provider: saml_guide_for(provider)}
                context["saml_guides"] = {SsoProvider(one).label: guide for one, guide in guides.items()}
            else:
                context["redirect_uri"] = redirect_uri(connection_id)
                guides = GUIDES if provider is None else {provider: guide_for(provider)}
                context["guides"] = {SsoProvider(one).label: guide for one, guide in guides.items()}
        response: HttpResponse = super().render_change_form(request, context, **kwargs)
        return response

    def _about(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        logins = SsoLogin.objects.filter(connection=obj).order_by("-time", "-pk")[:LOGINS_SHOWN]
        by_connection = f"?connection__id__exact={obj.pk}"
        label = obj.get_provider_display()
        spoken = (
            {
                "saml": _addresses(obj.pk) | {"guide": saml_guide_for(obj.provider)},
                "saml_guides": {label: saml_guide_for(obj.provider)},
                "certificates": _certificates(obj),
            }
            if obj.is_saml
            else {
                "redirect_uri": redirect_uri(obj.pk),
                "signed_out_uri": signed_out_uri(obj.pk),
                "backchannel_logout_uri": backchannel_logout_uri(obj.pk),
                "offers_sign_out": "end_session_endpoint" in obj.metadata,
                "guides": {label: guide_for(obj.provider)},
            }
        )
        return {
            **spoken,
            "connection": obj,
            "state_badge": self.state(obj),
            "steps": self._steps(request, obj),
            "failing_domains": Domain.objects.filter(verified_at__isnull=False, failing_since__isnull=False),
            "test_url": reverse("console:sso_test", args=[obj.pk]) if can(request, P.SSO_MANAGE, obj) else "",
            "login_rows": [
                {
                    "login": login,
                    "when": moment(login.time),
                    "outcome": outcome_badge(login),
                    "url": reverse("console:accounts_ssologin_change", args=[login.pk]),
                }
                for login in logins
            ],
            "logins_url": f"{reverse('console:accounts_ssologin_changelist')}{by_connection}",
            "identities_url": f"{reverse('console:accounts_ssoidentity_changelist')}{by_connection}",
        }

    def _steps(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Return what is still to do and what is done, from the connection to its enforcement; none once all is."""
        logins = SsoLogin.objects.filter(connection=obj, succeeded=True)
        known = SsoIdentity.objects.filter(connection=obj, issuer=obj.issuer).exists()
        policy = can(request, P.SIGN_IN_POLICY_READ)
        steps = [
            ("Connected", True, "", ""),
            (
                "Verify the domain of your people's addresses",
                Domain.objects.filter(verified_at__isnull=False).exists(),
                "The sign-in page finds this connection by it, and addresses count in it only.",
                reverse("console:tenants_domain_changelist"),
            ),
            (
                "Test it",
                known or logins.exists(),
                "A real sign-in in a new window. It changes nothing, and shows each check and claim.",
                "",
            ),
            ("Switch it on", obj.is_enabled, "Passwords go on working.", ""),
            (
                "Require it",
                SignInPolicy.of(obj.organization_id).requires_sso,
                "Once somebody has come in through it, an owner can require it in the sign-in policy.",
                reverse("console:sign_in_policy") if policy else "",
            ),
        ]
        if all(done for _, done, _, _ in steps):
            return []
        return [{"title": title, "done": done, "text": text, "url": url} for title, done, text, url in steps]

    @admin.display(description="Connection", ordering="name")
    def title(self, obj: SsoConnection) -> str:
        """Return name and provider."""
        return two_lines(obj.name, obj.get_provider_display())

    @admin.display(description="Protocol", ordering="protocol")
    def protocol_name(self, obj: SsoConnection) -> str:
        """Return how the provider is spoken to."""
        return str(obj.get_protocol_display())

    @admin.display(description="State")
    def state(self, obj: SsoConnection) -> str:
        """Return whether people can sign in."""
        return badge("On", "good") if obj.is_enabled else badge("Off", "warn")

    @admin.display(description="Last sign-in")
    def last_login(self, obj: Any) -> str:
        """Return when somebody came through it last."""
        return moment(obj.last_login_at) if obj.last_login_at else badge("Never")


@tenant_site.page("sso/<uuid:connection_id>/test/", name="sso_test", title="Test sign-in", permission=P.SSO_MANAGE)
def test_connection(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """Begin a real sign-in that changes nothing and shows every check.

    Raises:
        Http404: there is no such connection in this organization.
    """
    connection = SsoConnection.objects.filter(pk=connection_id).first()
    if connection is None:
        raise Http404("There is no such connection here.")
    return begin_test(request, connection)


def outcome_badge(login: SsoLogin) -> str:
    """Return how a sign-in went."""
    return badge(login.outcome, "good" if login.succeeded else "bad")


@dataclass(frozen=True, slots=True)
class _Choice:
    """A provider on the first page, with the ways in which it is spoken to."""

    provider: SsoProvider

    @property
    def ways(self) -> list[tuple[str, str]]:
        """Return protocols and where each goes on; those that there are instructions for, both for an unknown one."""
        offered = [(SsoProtocol.OIDC, self.provider in GUIDES), (SsoProtocol.SAML, self.provider in SAML_GUIDES)]
        start = reverse("console:accounts_ssoconnection_add")
        return [
            (str(protocol.label), f"{start}?protocol={protocol}&provider={self.provider}")
            for protocol, has_guide in offered
            if has_guide
        ]


def _chosen(request: HttpRequest) -> SsoProvider | None:
    """Return the provider that the first page led on with, None without one."""
    given = request.GET.get("provider", "")
    return SsoProvider(given) if given in SsoProvider.values else None


def _is_saml(request: HttpRequest, obj: Any) -> bool:
    if obj is not None:
        return bool(obj.is_saml)
    return request.GET.get("protocol") == SsoProtocol.SAML


def _keys(connection: SsoConnection) -> int:
    return int(SamlKey.objects.filter(connection=connection).count())


def _with_metadata(values: dict[str, Any]) -> dict[str, Any]:
    """Return a form's values with the metadata of its file or its text."""
    file = values.pop("metadata_file", "")
    text = values.pop("metadata_xml", "")
    return values | {"metadata_xml": file or text}


def _with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Return values without those names of attributes that nobody changed: the provider's own count then."""
    fresh = SsoConnection()
    usual = {name: getattr(fresh, name) for name in _NAMES}
    return {name: value for name, value in values.items() if name not in usual or value != usual[name]}


_NAMES = ("email_claim", "name_claim", "external_id_claim")


def _addresses(connection_id: UUID) -> dict[str, Any]:
    return {
        "entity_id": entity_id(connection_id),
        "acs_url": acs_url(connection_id),
        "slo_url": slo_url(connection_id),
    }


def _certificates(connection: SsoConnection) -> list[dict[str, Any]]:
    """Return the certificates of both sides, with how long they last."""
    rows = SamlKey.objects.filter(connection=connection).order_by("-is_signing", "created_at")
    ours = [
        ("Ours, signs" if row.is_signing else "Ours, decrypts", Certificate.of(row.certificate), True) for row in rows
    ]
    theirs = [("The provider's", Certificate.of(body), False) for body in connection.keys.get("certificates", [])]
    return [
        {
            "whose": whose,
            "fingerprint": certificate.fingerprint,
            "body": certificate.body if is_ours else "",
            "expires": moment(certificate.expires_at),
            "left": _left(certificate.days_left),
        }
        for whose, certificate, is_ours in [*ours, *theirs]
    ]


def _left(days: int) -> str:
    if days < 0:
        return badge("Expired", "bad")
    return badge(f"{days} days left", "warn" if days <= SOON else "good")
