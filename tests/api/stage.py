"""An organization with one row of everything that an address of the API can name."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from accounts.key_format import KeyKind
from accounts.models import SamlKey, SsoGroupMapping, SsoIdentity, SsoSetupLink, User
from accounts.services.api_keys import create_api_key
from accounts.services.scim_connections import create_scim_connection
from accounts.services.scim_tokens import create_scim_token
from accounts.services.service_accounts import create_service_account, set_service_account_project_role
from accounts.services.sign_in_policy import add_sign_in_exception
from audit.models import Event, SignedCheckpoint
from audit.recorder import ACCESS_DENIED, record
from audit.sealing.sealer import seal
from audit.services.erasures import request_erasure
from audit.services.exports import request_export
from audit.services.holds import set_hold
from audit.services.saved_searches import save_search
from gateway.services.provider_credentials import create_provider_credential
from gateway.services.signing_keys import settle_signing_keys
from isolation.actor import SYSTEM, Actor, ActorKind
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tenants.permissions import P
from tenants.services.domains import confirm_domain
from tenants.services.exceptions import grant_to_member
from tenants.services.groups import add_group_member, create_group, set_group_role
from tenants.services.invitations import invite_member
from tenants.services.members import set_project_role
from tenants.services.roles import create_role
from tests.api.calls import Caller, anybody, by
from tests.filling import fill_alerts, fill_sink, fill_token, fill_usage
from tests.people import Tenant
from tests.sso.stored import stored_connection

LEFT = "left@acme.example"
ROLES = ("owner", "admin", "member", "viewer", "auditor", "none")


@dataclass
class Stage:
    """Acme, filled, and everybody who may ask for its rows.

    Attributes:
        tenant: Acme.
        places: by the name of a path's parameter, the value that names a row of Acme.
        callers: each role of Acme, "stranger", "operator" (without a visit) and "anonymous", ready to ask.
        own: by the caller, the values that name a row of their own.
    """

    tenant: Tenant
    places: dict[str, str]
    callers: dict[str, Caller]
    own: dict[str, dict[str, str]] = field(default_factory=dict)

    def places_for(self, caller: str) -> dict[str, str]:
        """Return the values that name Acme's rows; of those that belong to somebody, the caller's own or an owner's."""
        return self.places | self.own.get(caller, self.own["owner"])


def places_of(tenant: Tenant) -> dict[str, str]:
    """Fill the organization and return what names its rows."""
    settle_signing_keys()
    with tenant_scope(tenant.organization), acting_as(SYSTEM):
        organization, project = tenant.organization, tenant.project
        owner = user_actor(tenant.owner, organization.pk)
        membership = tenant.membership("member")
        viewer = tenant.role("viewer")
        group = create_group(organization=organization, name="Acme engineers", actor=SYSTEM)
        place = add_group_member(group=group, membership=membership, actor=SYSTEM)
        group_role = set_group_role(group=group, role=viewer, actor=SYSTEM)
        set_project_role(membership=membership, project=project, role=tenant.role("member"), actor=SYSTEM)
        role = create_role(organization=organization, name="Acme writers", permissions=[P.TRACES_WRITE], actor=SYSTEM)
        sent = invite_member(organization=organization, email="new@acme.example", role=viewer, actor=SYSTEM)
        grant = grant_to_member(
            project=project, membership=membership, permission=P.PROVIDER_CREDENTIALS_READ, actor=SYSTEM
        )
        key = create_api_key(
            organization=organization,
            kind=KeyKind.PROJECT,
            name="Acme ingestion",
            scopes=[P.TRACES_WRITE],
            project=project,
            actor=SYSTEM,
        )
        account = create_service_account(
            organization=organization, name="Acme judge", kind="evaluator", role=viewer, actor=SYSTEM
        )
        # An operator's word: nothing of it is looked up in DNS.
        domain = confirm_domain(organization=organization, name="acme.example", reason="Acme's own", actor=SYSTEM)
        connection = create_scim_connection(organization=organization, name="Acme directory", role=viewer, actor=SYSTEM)
        token = create_scim_token(connection=connection, name="Acme sync", actor=SYSTEM)
        sso_connection = stored_connection(tenant, membership, viewer, SYSTEM)
        sign_in_exception = add_sign_in_exception(membership=membership, reason="Shared by programs", actor=SYSTEM)
        set_service_account_project_role(account=account, project=project, role=viewer, actor=SYSTEM)
        search = save_search(
            organization_id=organization.pk, name="Acme refusals", query="outcome:denied", actor=owner, is_shared=True
        )
        sink = fill_sink(tenant, owner)
        alert, channel = fill_alerts(tenant, owner)
        credential = create_provider_credential(
            organization=organization,
            name="Acme OpenAI",
            provider="openai",
            kind="oauth_client",
            # No name below .example resolves: nobody is asked when it is tested.
            options={"token_url": "https://idp.example/token", "client_id": "acme"},
            secret="kept-by-the-vault",
            project=project,
            actor=SYSTEM,
        )
        usage_limit = fill_usage(tenant, owner)
        places = {
            "organization": organization.slug,
            "project": project.slug,
            "member": str(membership.pk),
            "group": str(group.pk),
            "place": str(place.pk),
            "group_role": str(group_role.pk),
            "role": str(role.pk),
            "invitation": str(sent.invitation.pk),
            "exception": str(grant.pk),
            "key": str(key.key.pk),
            "account": str(account.pk),
            "domain": str(domain.pk),
            "connection": str(connection.pk),
            "sso_connection": str(sso_connection.pk),
            "saml_key": str(SamlKey.objects.get().pk),
            "sso_identity": str(SsoIdentity.objects.get().pk),
            "sso_group": str(SsoGroupMapping.objects.get().pk),
            "setup_link": str(SsoSetupLink.objects.get().pk),
            "sign_in_exception": str(sign_in_exception.pk),
            "token": str(token.key.pk),
            "project_id": str(project.pk),
            "search": str(search.pk),
            "sink": str(sink.pk),
            "alert": str(alert.pk),
            "alert_rule": "sign_in_burst",
            "alert_channel": str(channel.pk),
            "provider_credential": str(credential.pk),
            "usage_limit": str(usage_limit.pk),
            "event": str(Event.objects.first().pk),
            "access_token": str(fill_token(tenant, owner).pk),
        }
        somebody = Actor(kind=ActorKind.USER, id=uuid4(), label=LEFT)
        record(ACCESS_DENIED, actor=somebody, organization_id=organization.pk)
        held = "held@acme.example"
        record(ACCESS_DENIED, actor=Actor(kind=ActorKind.USER, id=uuid4(), label=held), organization_id=organization.pk)
        hold = set_hold(organization_id=organization.pk, name="Acme case", reason="Court", subject=held, actor=owner)
        places["hold"] = str(hold.pk)
    seal()
    with tenant_scope(tenant.organization), acting_as(SYSTEM):
        erasure = request_erasure(organization_id=organization.pk, person=LEFT, reason="Article 17", actor=owner)
        export = request_export(organization_id=organization.pk, format="ndjson", actor=SYSTEM, reason="Yearly")
        made = {"erasure": str(erasure.pk), "export": str(export.pk)}
        return places | made | {"from": str(SignedCheckpoint.objects.get().size)}


def own_places_of(tenant: Tenant) -> dict[str, dict[str, str]]:
    """Return what names each member's own rows: a personal key."""
    with tenant_scope(tenant.organization), acting_as(SYSTEM):
        keys = {
            role: create_api_key(
                organization=tenant.organization,
                kind=KeyKind.PERSONAL,
                name=f"Acme {role}",
                scopes=[P.TRACES_READ],
                user=tenant.people[role],
                actor=SYSTEM,
            )
            for role in ROLES
        }
    return {role: {"personal_key": str(issued.key.pk)} for role, issued in keys.items()}


def stage_of(acme: Tenant, stranger: User, operator: User) -> Stage:
    """Return Acme with everybody signed in."""
    callers = {role: by(acme.people[role]) for role in ROLES}
    callers |= {"stranger": by(stranger), "operator": by(operator), "anonymous": anybody()}
    own = own_places_of(acme)
    own = {name: own.get(name, own["owner"]) | _session_of(caller) for name, caller in callers.items()}
    return Stage(acme, places_of(acme), callers, own)


def _session_of(caller: Caller) -> dict[str, str]:
    """Return what names the session that somebody asks with; of nobody one that there is not."""
    store: Any = caller.client.session
    row = store.known()
    return {"session": str(row.pk if row else uuid4())}
