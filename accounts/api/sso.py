"""Single sign-on connections, and how the last sign-ins went."""

from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from accounts.models import Joining, ScimConnection, SsoConnection, SsoGroupMapping, SsoLogin, SsoProtocol, SsoProvider
from accounts.models.sso import LONGEST_URL
from accounts.services.sso_connections import (
    create_saml_connection,
    create_sso_connection,
    delete_sso_connection,
    set_sso_enabled,
    update_sso_connection,
)
from accounts.services.sso_groups import add_group_mapping, remove_group_mapping
from accounts.services.sso_owners import allow_owners, end_owners
from accounts.sso.oidc.registration import backchannel_logout_uri, redirect_uri, signed_out_uri
from accounts.sso.saml.addresses import acs_url, entity_id, slo_url
from accounts.sso.saml.certificates import Certificate
from accounts.sso.saml.idp_metadata import LARGEST
from accounts.sso.views import test_url
from api.fields import ReferenceField
from api.operation import Filter, listing, operation
from api.serializers import Answer, Body, Change
from api.views import OrganizationView
from isolation.exceptions import DomainError
from tenants.api.serializers import ROLE_EXAMPLE, RoleName, role_field
from tenants.models import Group
from tenants.permissions import P
from tenants.services.domains import MOST_DOMAINS

TAG = "Single sign-on"
_ISSUER = "Exactly as the provider calls itself, such as `https://acme.okta.com`. It is asked now."
_HELP_ON_SECRETS = "Kept encrypted and never returned. An empty text: a client without a secret."
_JOINING = "Who becomes a member by signing in: people who were provisioned or invited, or anybody it lets in."
_GROUPS = "The claim with the groups; empty: sign-ins change no group."
_SCOPES = "What is asked of the provider, separated by spaces; openid among them."
_METADATA_URL = "SAML: where the provider's metadata stand; fetched now, then daily."
_METADATA_XML = "SAML: the metadata themselves, where there is no address."
_SUBJECT = "SAML: the attribute that says who somebody is; empty: the NameID."
_SIGNS = "SAML: whether requests are signed even where the provider does not ask for it."
_IDP_INITIATED = "SAML: whether sign-ins may begin at the provider; a page asks first."
_ROLE = "What people become who join by signing in; null: the organization's default role. Not above your own."

_DOMAINS = (
    "Whose addresses lead here from the sign-in page and count here: domains of the organization; none: those of each "
    "verified domain."
)
_SCIM = "The SCIM connection of the same directory, by its id: its externalIds and user names count here; or null."
_ENDS = "Whether who signs out here is led on to sign out at the provider, where it offers that."


def _scim_connections(view: Any) -> Any:
    return ScimConnection.objects.all()


class SsoConnectionAnswer(Answer):
    """A connection, without its secret."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    provider = serializers.ChoiceField(choices=SsoProvider.values, help_text="Whose instructions its page shows.")
    protocol = serializers.ChoiceField(choices=SsoProtocol.values, help_text="It never changes.")
    issuer = serializers.CharField(help_text="With SAML, the provider's entity ID.")
    client_id = serializers.CharField(help_text="Empty with SAML.")
    has_secret = serializers.SerializerMethodField(help_text="Whether a client secret is stored.")
    redirect_uri = serializers.SerializerMethodField(help_text="Register this at the provider; null with SAML.")
    entity_id = serializers.SerializerMethodField(help_text="SAML: ours, and where our metadata stand.")
    acs_url = serializers.SerializerMethodField(help_text="SAML: where the provider sends people back.")
    slo_url = serializers.SerializerMethodField(help_text="SAML: where it sends logouts.")
    metadata_url = serializers.CharField(help_text=_METADATA_URL)
    subject_attribute = serializers.CharField(help_text=_SUBJECT)
    signs_requests = serializers.BooleanField(help_text=_SIGNS)
    allows_idp_initiated = serializers.BooleanField(help_text=_IDP_INITIATED)
    certificates_expire_at = serializers.SerializerMethodField(
        help_text="SAML: when the provider's certificates expire, in the order of its metadata."
    )
    joining = serializers.ChoiceField(choices=Joining.values, help_text=_JOINING)
    role = RoleName(allow_null=True, help_text=_ROLE)
    email_claim = serializers.CharField()
    name_claim = serializers.CharField()
    external_id_claim = serializers.CharField()
    groups_claim = serializers.CharField(help_text="Empty: sign-ins change no group.")
    owner_value = serializers.CharField(
        help_text="Whoever has this value in the groups claim is an owner; empty: nobody."
    )
    scopes = serializers.CharField()
    domains = serializers.ListField(child=serializers.CharField(), help_text=_DOMAINS)
    scim_connection = serializers.UUIDField(source="scim_connection_id", allow_null=True, help_text=_SCIM)
    ends_at_provider = serializers.BooleanField(help_text=_ENDS)
    signed_out_uri = serializers.SerializerMethodField(help_text="OpenID: the post-logout redirect URI.")
    backchannel_logout_uri = serializers.SerializerMethodField(
        help_text="OpenID: where the provider tells of sign-outs there."
    )
    test_url = serializers.SerializerMethodField(
        help_text="A real sign-in that changes nothing, for the browser of somebody who manages the connection; how it "
        "went is among the recent sign-ins."
    )
    is_enabled = serializers.BooleanField(help_text="Whether people can sign in through it.")
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()

    def get_has_secret(self, connection: Any) -> bool:
        """Return whether a client secret is stored."""
        return connection.client_secret is not None

    def get_redirect_uri(self, connection: Any) -> str | None:
        """Return where the provider sends people back."""
        return None if connection.is_saml else redirect_uri(connection.pk)

    def get_entity_id(self, connection: Any) -> str | None:
        """Return how we are called."""
        return entity_id(connection.pk) if connection.is_saml else None

    def get_acs_url(self, connection: Any) -> str | None:
        """Return where the provider sends people back."""
        return acs_url(connection.pk) if connection.is_saml else None

    def get_slo_url(self, connection: Any) -> str | None:
        """Return where the provider sends logouts."""
        return slo_url(connection.pk) if connection.is_saml else None

    def get_certificates_expire_at(self, connection: Any) -> list[datetime]:
        """Return when the provider's certificates expire."""
        return [Certificate.of(body).expires_at for body in connection.keys.get("certificates", [])]

    def get_signed_out_uri(self, connection: Any) -> str | None:
        """Return where the provider sends people back who signed out there."""
        return None if connection.is_saml else signed_out_uri(connection.pk)

    def get_backchannel_logout_uri(self, connection: Any) -> str | None:
        """Return where the provider tells that somebody signed out there."""
        return None if connection.is_saml else backchannel_logout_uri(connection.pk)

    def get_test_url(self, connection: Any) -> str:
        """Return where a test begins."""
        return test_url(connection)


class NewSsoConnection(Body):
    """What a new connection needs."""

    name = serializers.CharField(max_length=120)
    protocol = serializers.ChoiceField(choices=SsoProtocol.values, required=False, help_text="Without it: oidc.")
    issuer = serializers.CharField(max_length=LONGEST_URL, required=False, help_text=f"OpenID: {_ISSUER}")
    client_id = serializers.CharField(max_length=255, required=False, help_text="OpenID: of the client there.")
    client_secret = serializers.CharField(
        max_length=2_000, required=False, allow_blank=True, help_text=f"OpenID: {_HELP_ON_SECRETS}"
    )
    metadata_url = serializers.CharField(max_length=LONGEST_URL, required=False, help_text=_METADATA_URL)
    metadata_xml = serializers.CharField(max_length=LARGEST, required=False, help_text=_METADATA_XML)
    subject_attribute = serializers.CharField(max_length=120, required=False, allow_blank=True, help_text=_SUBJECT)
    signs_requests = serializers.BooleanField(required=False, help_text=f"{_SIGNS} Without it: true.")
    allows_idp_initiated = serializers.BooleanField(required=False, help_text=f"{_IDP_INITIATED} Without it: false.")
    provider = serializers.ChoiceField(choices=SsoProvider.values, required=False, help_text="Without it: other.")
    joining = serializers.ChoiceField(choices=Joining.values, required=False, help_text=_JOINING)
    role = role_field(required=False, allow_null=True, help_text=_ROLE)
    email_claim = serializers.CharField(max_length=120, required=False, help_text="Without it: email.")
    name_claim = serializers.CharField(max_length=120, required=False, help_text="Without it: name.")
    external_id_claim = serializers.CharField(
        max_length=120, required=False, help_text="The claim with what SCIM sends as externalId; without it: sub."
    )
    groups_claim = serializers.CharField(max_length=120, required=False, allow_blank=True, help_text=_GROUPS)
    scopes = serializers.CharField(max_length=200, required=False, help_text=_SCOPES)
    domains = serializers.ListField(
        child=serializers.CharField(max_length=253), required=False, max_length=MOST_DOMAINS, help_text=_DOMAINS
    )
    scim_connection = ReferenceField(_scim_connections, required=False, allow_null=True, help_text=_SCIM)
    ends_at_provider = serializers.BooleanField(required=False, help_text=f"{_ENDS} Without it: true.")


class SsoConnectionChange(Change):
    """What of a connection can change."""

    name = serializers.CharField(max_length=120)
    issuer = serializers.CharField(
        max_length=LONGEST_URL, help_text=f"{_ISSUER} With another one, everybody is new to the connection."
    )
    client_id = serializers.CharField(max_length=255)
    client_secret = serializers.CharField(max_length=2_000, allow_blank=True, help_text=_HELP_ON_SECRETS)
    metadata_url = serializers.CharField(max_length=LONGEST_URL, help_text=_METADATA_URL)
    metadata_xml = serializers.CharField(max_length=LARGEST, help_text=_METADATA_XML)
    subject_attribute = serializers.CharField(max_length=120, allow_blank=True, help_text=_SUBJECT)
    signs_requests = serializers.BooleanField(help_text=_SIGNS)
    allows_idp_initiated = serializers.BooleanField(help_text=_IDP_INITIATED)
    provider = serializers.ChoiceField(choices=SsoProvider.values)
    joining = serializers.ChoiceField(choices=Joining.values, help_text=_JOINING)
    role = role_field(allow_null=True, help_text=_ROLE)
    email_claim = serializers.CharField(max_length=120)
    name_claim = serializers.CharField(max_length=120)
    external_id_claim = serializers.CharField(max_length=120)
    groups_claim = serializers.CharField(max_length=120, allow_blank=True, help_text=_GROUPS)
    scopes = serializers.CharField(max_length=200, help_text=_SCOPES)
    domains = serializers.ListField(
        child=serializers.CharField(max_length=253), max_length=MOST_DOMAINS, help_text=_DOMAINS
    )
    scim_connection = ReferenceField(_scim_connections, allow_null=True, help_text=_SCIM)
    ends_at_provider = serializers.BooleanField(help_text=_ENDS)


class FollowingGroupAnswer(Answer):
    """A group that follows a value of the groups claim."""

    id = serializers.UUIDField()
    value = serializers.CharField(help_text="What the claim holds for the people of this group.")
    group = serializers.UUIDField(source="group_id")


class NewFollowingGroup(Body):
    """Which group follows which value."""

    value = serializers.CharField(max_length=255, help_text="A name, or an id at Entra ID; letters' case counts.")
    group = ReferenceField(
        lambda _view: Group.objects.all(), help_text="The group's id. People manage it by hand, not SCIM."
    )


class OwnerValue(Body):
    """Who is an owner."""

    owner_value = serializers.CharField(
        max_length=255, help_text="What the claim holds for owners; letters' case counts."
    )


class CheckAnswer(Answer):
    """One thing that was checked."""

    what = serializers.CharField()
    passed = serializers.BooleanField()
    detail = serializers.CharField(help_text="Why it did not pass, or empty.")


class SsoLoginAnswer(Answer):
    """How a sign-in went. They are kept for a fortnight."""

    id = serializers.UUIDField()
    time = serializers.DateTimeField()
    succeeded = serializers.BooleanField()
    is_test = serializers.BooleanField()
    subject = serializers.CharField()
    email = serializers.CharField()
    reason = serializers.CharField(help_text="Why nobody was signed in, or empty.")
    checks = CheckAnswer(many=True)
    claims = serializers.DictField(child=serializers.CharField(), help_text="What the provider said, cut.")
    ip = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField()


EXAMPLE = {
    "id": "b0415263-7d8e-4f90-8192-c3d4e5f60718",
    "name": "Okta",
    "provider": "okta",
    "protocol": "oidc",
    "issuer": "https://acme.okta.com",
    "client_id": "0oa1ab2cd3ef4gh5ij6k",
    "has_secret": True,
    "redirect_uri": "https://portal.example.com/sso/b0415263-7d8e-4f90-8192-c3d4e5f60718/callback/",
    "entity_id": None,
    "acs_url": None,
    "slo_url": None,
    "metadata_url": "",
    "subject_attribute": "",
    "signs_requests": False,
    "allows_idp_initiated": False,
    "certificates_expire_at": [],
    "joining": "known",
    "role": ROLE_EXAMPLE,
    "email_claim": "email",
    "name_claim": "name",
    "external_id_claim": "sub",
    "groups_claim": "groups",
    "owner_value": "",
    "scopes": "openid email profile",
    "domains": ["acme.example"],
    "scim_connection": "f0a1b2c3-d4e5-4f60-8172-93a4b5c6d7e8",
    "ends_at_provider": True,
    "signed_out_uri": "https://portal.example.com/sso/b0415263-7d8e-4f90-8192-c3d4e5f60718/signed-out/",
    "backchannel_logout_uri": "https://portal.example.com/sso/b0415263-7d8e-4f90-8192-c3d4e5f60718/backchannel-logout/",
    "test_url": "https://portal.example.com/o/acme/sso/b0415263-7d8e-4f90-8192-c3d4e5f60718/test/",
    "is_enabled": True,
    "created_by": "ada@acme.example",
    "created_at": "2026-03-01T08:00:00Z",
}
FOLLOWING_EXAMPLE = {
    "id": "d2637485-9fa0-41a2-9314-e5f607182930",
    "value": "engineers",
    "group": "e3748596-a0b1-42b3-a425-f60718293041",
}
LOGIN_EXAMPLE = {
    "id": "c1526374-8e9f-4091-8203-d4e5f6071829",
    "time": "2026-03-01T09:00:00Z",
    "succeeded": False,
    "is_test": False,
    "subject": "00u1ab2cd3ef4gh5ij6k",
    "email": "grace@elsewhere.example",
    "reason": "grace@elsewhere.example is in no domain that this organization has verified.",
    "checks": [{"what": "This browser began the sign-in", "passed": True, "detail": ""}],
    "claims": {"email": "grace@elsewhere.example"},
    "ip": "203.0.113.7",
    "user_agent": "Mozilla/5.0",
}


class SsoConnections(OrganizationView):
    """The connections of an organization."""

    tag = TAG

    @listing(
        "listSsoConnections",
        "List the single sign-on connections",
        permission=P.SSO_READ,
        response=SsoConnectionAnswer,
        filters={"name": Filter(serializers.CharField(max_length=120, help_text="Exactly this name."), "name")},
        ordering={"created_at": "created_at", "name": "name"},
        default_ordering="name",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Each has its own redirect URI; secrets are never returned."""
        return connections()

    @operation(
        "createSsoConnection",
        "Connect an identity provider",
        permission=P.SSO_MANAGE,
        request=NewSsoConnection,
        response=SsoConnectionAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE | {"is_enabled": False},
        request_example={
            "name": "Okta",
            "provider": "okta",
            "issuer": "https://acme.okta.com",
            "client_id": "0oa1ab2cd3ef4gh5ij6k",
            "client_secret": "the client's secret",
        },
    )
    def post(self) -> SsoConnection:
        """It is off at first. Where the provider wants `redirect_uri` first, change `client_id` afterwards."""
        data = dict(self.data)
        shared = {"organization": self.organization, "actor": self.actor}
        if data.pop("protocol", SsoProtocol.OIDC) == SsoProtocol.SAML:
            _refuse(data, "issuer", "client_id", "client_secret", "scopes", protocol="OpenID Connect")
            return create_saml_connection(**shared, **data)
        _refuse(data, "metadata_url", "metadata_xml", protocol="SAML")
        for name in ("issuer", "client_id", "client_secret"):
            if name not in data:
                raise DomainError("This is needed for OpenID Connect.", field=name, code="required")
        return create_sso_connection(**shared, **data)


class OneSsoConnection(OrganizationView):
    """One connection."""

    tag = TAG

    @operation(
        "getSsoConnection",
        "Return a single sign-on connection",
        permission=P.SSO_READ,
        response=SsoConnectionAnswer,
        example=EXAMPLE,
    )
    def get(self, sso_connection: UUID) -> SsoConnection:
        """Without its secret."""
        found: SsoConnection = self.find(connections(), pk=sso_connection)
        return found

    @operation(
        "updateSsoConnection",
        "Change a single sign-on connection",
        permission=P.SSO_MANAGE,
        request=SsoConnectionChange,
        response=SsoConnectionAnswer,
        example=EXAMPLE,
        request_example={"client_secret": "the next secret"},
    )
    def patch(self, sso_connection: UUID) -> SsoConnection:
        """What is left out stays as it is, the secret too."""
        stored = self.locked(connections(), pk=sso_connection)
        return update_sso_connection(connection=stored, actor=self.actor, **self.data)

    @operation("deleteSsoConnection", "Delete a single sign-on connection", permission=P.SSO_MANAGE, status=204)
    def delete(self, sso_connection: UUID) -> None:
        """Sessions that it opened end; members stay."""
        self.lock_organization()
        delete_sso_connection(connection=self.locked(connections(), pk=sso_connection), actor=self.actor)


class SsoConnectionSwitch(OrganizationView):
    """Whether people can sign in."""

    tag = TAG
    enabled: bool

    def switched(self, connection: UUID) -> SsoConnection:
        """Return the connection, switched on or off."""
        self.lock_organization()
        stored = self.locked(connections(), pk=connection)
        set_sso_enabled(connection=stored, enabled=self.enabled, actor=self.actor)
        found: SsoConnection = self.find(connections(), pk=connection)
        return found


class SsoConnectionOn(SsoConnectionSwitch):
    """Switches a connection on."""

    enabled = True

    @operation(
        "enableSsoConnection",
        "Let people sign in through a connection",
        permission=P.SSO_MANAGE,
        response=SsoConnectionAnswer,
        example=EXAMPLE,
    )
    def post(self, sso_connection: UUID) -> SsoConnection:
        """People with an address in a verified domain are led there from the sign-in page."""
        return self.switched(sso_connection)


class SsoConnectionOff(SsoConnectionSwitch):
    """Switches a connection off."""

    enabled = False

    @operation(
        "disableSsoConnection",
        "Let nobody in through a connection",
        permission=P.SSO_MANAGE,
        response=SsoConnectionAnswer,
        example=EXAMPLE | {"is_enabled": False},
    )
    def post(self, sso_connection: UUID) -> SsoConnection:
        """Sessions that it opened end with their next request."""
        return self.switched(sso_connection)


class FollowingGroups(OrganizationView):
    """The groups that follow a connection's groups claim."""

    tag = TAG

    @listing(
        "listSsoGroups",
        "List the groups that follow the claim",
        permission=P.SSO_READ,
        response=FollowingGroupAnswer,
        filters={"group": Filter(serializers.UUIDField(help_text="This group."), "group_id")},
        ordering={"value": "value"},
        default_ordering="value",
        example=FOLLOWING_EXAMPLE,
    )
    def get(self, sso_connection: UUID) -> Any:
        """Each sign-in puts people into these groups, or takes them out."""
        return SsoGroupMapping.objects.filter(connection=self.find(connections(), pk=sso_connection))

    @operation(
        "addSsoGroup",
        "Let a group follow the claim",
        permission=P.SSO_MANAGE,
        request=NewFollowingGroup,
        response=FollowingGroupAnswer,
        status=HTTPStatus.CREATED,
        example=FOLLOWING_EXAMPLE,
        request_example={"value": "engineers", "group": FOLLOWING_EXAMPLE["group"]},
    )
    def post(self, sso_connection: UUID) -> SsoGroupMapping:
        """This takes `groups:manage` too, and roles of the group that are not above your own."""
        connection = self.find(connections(), pk=sso_connection)
        return add_group_mapping(connection=connection, actor=self.actor, **self.data)


class OneFollowingGroup(OrganizationView):
    """One group that follows."""

    tag = TAG

    @operation("removeSsoGroup", "Let a group follow no more", permission=P.SSO_MANAGE, status=204)
    def delete(self, sso_connection: UUID, sso_group: UUID) -> None:
        """Who is in it stays."""
        rows = SsoGroupMapping.objects.filter(connection=self.find(connections(), pk=sso_connection))
        remove_group_mapping(mapping=self.locked(rows, pk=sso_group), actor=self.actor)


class SsoOwners(OrganizationView):
    """Whether the provider makes owners."""

    tag = TAG

    @operation(
        "allowSsoOwners",
        "Let a value of the groups claim make owners",
        permission=P.SSO_MANAGE,
        request=OwnerValue,
        response=SsoConnectionAnswer,
        example=EXAMPLE | {"owner_value": "portal-owners"},
        request_example={"owner_value": "portal-owners"},
    )
    def post(self, sso_connection: UUID) -> SsoConnection:
        """Owners only, and in person: no key does. Whoever controls that group there controls the organization."""
        stored = self.locked(connections(), pk=sso_connection)
        allow_owners(connection=stored, value=self.data["owner_value"], actor=self.actor)
        found: SsoConnection = self.find(connections(), pk=sso_connection)
        return found

    @operation("endSsoOwners", "Let the provider make no owners any more", permission=P.SSO_MANAGE, status=204)
    def delete(self, sso_connection: UUID) -> None:
        """Whom it made one is none with their next sign-in; the last owner stays."""
        end_owners(connection=self.locked(connections(), pk=sso_connection), actor=self.actor)


class SsoLogins(OrganizationView):
    """How the last sign-ins went."""

    tag = TAG

    @listing(
        "listSsoLogins",
        "List a connection's recent sign-ins",
        permission=P.SSO_READ,
        response=SsoLoginAnswer,
        filters={"succeeded": Filter(serializers.BooleanField(help_text="Whether they came in."), "succeeded")},
        ordering={"time": "time"},
        default_ordering="-time",
        example=LOGIN_EXAMPLE,
    )
    def get(self, sso_connection: UUID) -> Any:
        """What was checked, and why somebody was refused; tests among them."""
        return SsoLogin.objects.filter(connection=self.find(connections(), pk=sso_connection))


def _refuse(data: dict[str, Any], *names: str, protocol: str) -> None:
    for name in names:
        if name in data:
            raise DomainError(f"This belongs to {protocol}.", field=name, code="invalid")


def connections() -> Any:
    """Return the connections with what an answer shows of them."""
    return SsoConnection.objects.select_related("role", "organization")
