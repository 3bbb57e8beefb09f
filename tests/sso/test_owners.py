"""An identity provider makes owners only where an owner said so, and never as whoever it became since."""

import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from accounts.models import SignInPolicy, SsoConnection, SsoIdentity, SsoRequired
from accounts.services.connection_actor import provider_actor
from accounts.services.sso_connections import delete_sso_connection, unlink_identity, update_sso_connection
from accounts.services.sso_owners import allow_owners, end_owners
from accounts.signals import sign_in_policy_updated
from audit.alerts.claims import wake
from audit.redaction import snapshot
from isolation.actor import FRESH_FOR, SYSTEM, Actor, ActorKind, FullAuthority
from isolation.context import acting_as
from isolation.exceptions import DomainError, FreshSignInNeeded, MissingPermission
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tenants.models import Membership
from tenants.permissions import P
from tenants.services.members import change_role
from tests.accounts.admin.test_sso import answers
from tests.accounts.api.stage import organization_key, with_key
from tests.api.calls import by
from tests.audit.alerts.stage import raised
from tests.people import Tenant, signed_in
from tests.sso.hostile import Hostile
from tests.sso.stage import Sso, connect
from tests.tenants.stage import events

OWNERS = "portal-owners"


@pytest.fixture
def allowed(sso: Sso) -> Sso:
    """Return the connection whose provider makes owners."""
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        update_sso_connection(connection=sso.connection, groups_claim="groups", actor=SYSTEM)
    allow(sso)
    return sso


def allow(sso: Sso) -> None:
    """Let an owner allow it."""
    with sso.tenant.acting("owner") as owner:
        allow_owners(connection=sso.connection, value=OWNERS, actor=owner)


def value_of(sso: Sso) -> str:
    """Return what makes owners now."""
    with tenant_scope(sso.tenant.organization):
        return str(SsoConnection.objects.get(pk=sso.connection.pk).owner_value)


def role_of(tenant: Tenant, name: str = "member") -> str:
    """Return the role that somebody has."""
    with tenant_scope(tenant.organization):
        return str(tenant.membership(name).role.key)


def come(sso: Sso, *groups: str) -> str:
    """Sign the member in with groups; return their role afterwards."""
    sso.idp.claims |= {"groups": list(groups)}
    assert sso.sign_in().user_id
    return role_of(sso.tenant)


def demote_the_owner(sso: Sso) -> None:
    """Leave nobody an owner but whom the provider made one."""
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        owner = sso.tenant.membership("owner")
        change_role(membership=owner, role=sso.tenant.role("viewer"), actor=SYSTEM)


def test_an_admin_who_turns_the_connection_to_their_own_provider_is_no_owner(allowed: Sso, other_idp: Hostile) -> None:
    with allowed.tenant.acting("admin") as admin:
        update_sso_connection(
            connection=allowed.connection, issuer=other_idp.issuer, client_secret="theirs", actor=admin
        )
    assert value_of(allowed) == ""
    (ended,) = events(allowed.tenant, "sso_connection.owners_ended")
    assert (ended.before["owner_value"], ended.actor_label) == (OWNERS, "admin@acme.example")
    other_idp.claims |= {"groups": [OWNERS]}
    Sso(allowed.tenant, other_idp, allowed.connection).sign_in()
    assert role_of(allowed.tenant) == "member"
    with allowed.tenant.acting("admin") as admin, pytest.raises(DomainError):
        allow_owners(connection=allowed.connection, value=OWNERS, actor=admin)


@pytest.mark.parametrize(
    "change",
    [
        {"groups_claim": "nickname"},
        {"groups_claim": ""},
        {"email_claim": "manager"},
        {"external_id_claim": "department"},
        {"client_id": "another"},
        {"scopes": "openid email profile nickname"},
    ],
)
@pytest.mark.parametrize("who", ["admin", "owner"])
def test_what_an_owner_relied_on_changes_and_nobody_becomes_one(allowed: Sso, who: str, change: dict[str, Any]) -> None:
    with allowed.tenant.acting(who) as actor:
        update_sso_connection(connection=allowed.connection, actor=actor, **change)
    assert value_of(allowed) == ""


def test_what_says_nothing_of_the_provider_leaves_it(allowed: Sso) -> None:
    with allowed.tenant.acting("admin") as admin:
        update_sso_connection(
            connection=allowed.connection, name="Renamed", name_claim="nickname", client_secret="next", actor=admin
        )
    assert value_of(allowed) == OWNERS
    assert events(allowed.tenant, "sso_connection.owners_ended") == []


def full(kind: ActorKind) -> Callable[[Sso], Actor]:
    """Return an actor of a kind to whom everything is allowed."""
    return lambda sso: Actor(kind, sso.connection.pk, "x", sso.tenant.organization.pk, FullAuthority())


@pytest.mark.parametrize(
    "actor",
    [
        *(full(kind) for kind in ActorKind if kind is not ActorKind.USER),
        lambda sso: SYSTEM,
        lambda sso: provider_actor(sso.connection),
    ],
)
def test_nobody_but_an_owner_in_person_allows_it(sso: Sso, actor: Callable[[Sso], Actor]) -> None:
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        update_sso_connection(connection=sso.connection, groups_claim="groups", actor=SYSTEM)
        with pytest.raises(DomainError) as refusal:
            allow_owners(connection=sso.connection, value=OWNERS, actor=actor(sso))
    assert refusal.value.code == "owners_only"
    assert value_of(sso) == ""


def test_an_admin_takes_it_away_and_neither_gives_nor_turns_it(allowed: Sso) -> None:
    with allowed.tenant.acting("admin") as admin:
        with pytest.raises(DomainError) as refusal, transaction.atomic():
            allow_owners(connection=allowed.connection, value="all", actor=admin)
        assert refusal.value.code == "above_own_permissions"
        end_owners(connection=allowed.connection, actor=admin)
        with pytest.raises(DomainError):
            allow_owners(connection=allowed.connection, value=OWNERS, actor=admin)
    assert value_of(allowed) == ""
    with allowed.tenant.acting("viewer") as viewer, pytest.raises(MissingPermission):
        end_owners(connection=allowed.connection, actor=viewer)


def test_a_stranger_reaches_nothing(allowed: Sso, globex: Tenant) -> None:
    with globex.acting("owner") as stranger:
        for verb in (
            lambda: allow_owners(connection=allowed.connection, value="x", actor=stranger),
            lambda: end_owners(connection=allowed.connection, actor=stranger),
        ):
            with pytest.raises((DomainError, MissingPermission)), transaction.atomic():
                verb()
    assert value_of(allowed) == OWNERS


def test_without_a_claim_there_is_nothing_to_allow(sso: Sso) -> None:
    with sso.tenant.acting("owner") as owner:
        for value, code in ((OWNERS, "groups_claim_missing"), (" ", "required")):
            with pytest.raises(DomainError) as refusal, transaction.atomic():
                allow_owners(connection=sso.connection, value=value, actor=owner)
            assert (refusal.value.field, refusal.value.code) == ("owner_value", code)


def test_the_value_makes_an_owner_and_its_absence_takes_that_back(allowed: Sso) -> None:
    for groups, role in (
        ((), "member"),
        ((OWNERS.upper(),), "member"),
        (("x", OWNERS), "owner"),
        ((OWNERS,), "owner"),
        (("x",), "member"),
        ((), "member"),
    ):
        assert come(allowed, *groups) == role, groups
    given, taken = events(allowed.tenant, "member.role_changed")
    assert (given.before["role"], given.after["role"], given.actor_kind) == ("Member", "Owner", "identity_provider")
    assert (taken.before["role"], taken.after["role"]) == ("Owner", "Member")


def test_too_many_groups_for_a_token_make_no_owner(allowed: Sso, idp: Hostile) -> None:
    assert come(allowed, OWNERS) == "owner"
    del idp.claims["groups"]
    idp.claims |= {"hasgroups": True}
    assert allowed.sign_in().user_id
    assert role_of(allowed.tenant) == "member"


def test_once_it_is_taken_away_the_next_sign_in_takes_the_role_back(allowed: Sso) -> None:
    assert come(allowed, OWNERS) == "owner"
    with allowed.tenant.acting("admin") as admin:
        end_owners(connection=allowed.connection, actor=admin)
    assert role_of(allowed.tenant) == "owner"
    assert come(allowed, OWNERS) == "member"


def test_to_forget_the_account_keeps_nobody_an_owner(allowed: Sso) -> None:
    """Otherwise whoever manages connections would make what the claim gave last for ever."""
    assert come(allowed, OWNERS) == "owner"
    with allowed.tenant.acting("admin") as admin:
        unlink_identity(identity=SsoIdentity.objects.get(connection=allowed.connection), actor=admin)
    with tenant_scope(allowed.tenant.organization):
        assert Membership.objects.get(user=allowed.tenant.member).owner_through == allowed.connection.pk


def test_the_last_owner_stays_one_and_the_log_says_so(allowed: Sso) -> None:
    assert come(allowed, OWNERS) == "owner"
    demote_the_owner(allowed)
    assert come(allowed) == "owner"
    (kept,) = events(allowed.tenant, "member.owner_kept")
    assert kept.target_label == "member@acme.example"
    assert "at least one active owner" in allowed.logins()[-1].checks[-1]["detail"]
    with tenant_scope(allowed.tenant.organization), acting_as(SYSTEM):
        owner = allowed.tenant.membership("owner")
        change_role(membership=owner, role=allowed.tenant.role("owner"), actor=SYSTEM)
    assert come(allowed) == "member"


def test_the_break_glass_owner_stays_one_and_comes_in(allowed: Sso) -> None:
    assert come(allowed, OWNERS) == "owner"
    with tenant_scope(allowed.tenant.organization), acting_as(SYSTEM):
        member = allowed.tenant.membership("member")
        asked = {"sso_required": SsoRequired.EVERYBODY, "break_glass": member}
        policy = SignInPolicy(organization=allowed.tenant.organization, **asked)
        policy.save(force_insert=True)
        sign_in_policy_updated.announce(policy, actor=SYSTEM, after=snapshot(policy))
    assert come(allowed) == "owner"
    (kept,) = events(allowed.tenant, "member.owner_kept")
    assert "break-glass owner" in kept.reason


def test_an_owner_by_hand_stays_one(allowed: Sso) -> None:
    come(allowed)
    with tenant_scope(allowed.tenant.organization), acting_as(SYSTEM):
        member = allowed.tenant.membership("member")
        change_role(membership=member, role=allowed.tenant.role("owner"), actor=SYSTEM)
    assert come(allowed, OWNERS) == "owner"
    assert come(allowed) == "owner"


def test_a_role_by_hand_ends_what_the_claim_gave(allowed: Sso) -> None:
    assert come(allowed, OWNERS) == "owner"
    with tenant_scope(allowed.tenant.organization), acting_as(SYSTEM):
        member = allowed.tenant.membership("member")
        for key in ("viewer", "owner"):
            change_role(membership=member, role=allowed.tenant.role(key), actor=SYSTEM)
    assert come(allowed) == "owner"


def test_somebody_elses_address_makes_no_owner(allowed: Sso, idp: Hostile) -> None:
    """Provisioning or a claim may tie the account of a person in that group to another member."""
    come(allowed)
    idp.claims |= {"email": "boss@acme.example"}
    assert come(allowed, OWNERS) == "member"
    assert not allowed.logins()[-1].checks[-1]["passed"]
    idp.claims |= {"email": "member@acme.example", "email_verified": False}
    assert come(allowed, OWNERS) == "member"


def test_a_test_makes_no_owner(allowed: Sso, idp: Hostile) -> None:
    idp.claims |= {"groups": [OWNERS]}
    owner = signed_in(allowed.tenant.owner)
    owner.get(allowed.leave(owner, f"/o/acme/sso/{allowed.connection.pk}/test/"))
    assert role_of(allowed.tenant) == "member"


def test_a_deleted_connection_takes_nothing_back_until_they_come_by_another(allowed: Sso) -> None:
    assert come(allowed, OWNERS) == "owner"
    with tenant_scope(allowed.tenant.organization), acting_as(SYSTEM):
        delete_sso_connection(connection=allowed.connection, actor=SYSTEM)
    assert role_of(allowed.tenant) == "owner"
    other = connect(allowed.tenant, allowed.idp, name="Another")
    member = signed_in(allowed.tenant.member)  # an owner comes by a new account once they have proved their password
    assert other.sign_in(member).user_id
    assert role_of(allowed.tenant) == "member"


def test_another_connection_leaves_what_the_first_gave(allowed: Sso) -> None:
    assert come(allowed, OWNERS) == "owner"
    other = connect(allowed.tenant, allowed.idp, name="Another")
    assert other.sign_in(signed_in(allowed.tenant.member)).user_id
    assert role_of(allowed.tenant) == "owner"


def test_the_value_is_in_the_api_and_only_an_owners_session_sets_it(allowed: Sso) -> None:
    path = f"/organizations/acme/sso/connections/{allowed.connection.pk}"
    assert by(allowed.tenant.viewer).get(path).status_code == 403
    assert by(allowed.tenant.admin).get(path).json()["owner_value"] == OWNERS
    key = with_key(organization_key(allowed.tenant, P.SSO_READ, P.SSO_MANAGE, P.ORGANIZATION_DELETE).secret)
    for caller, code in ((key, "owners_only"), (by(allowed.tenant.admin), "above_own_permissions")):
        refused = caller.post(f"{path}/owners", {"owner_value": "all"})
        assert (refused.status_code, refused.json()["code"]) == (403, code)
    assert by(allowed.tenant.owner).post(f"{path}/owners", {"owner_value": "all"}).json()["owner_value"] == "all"
    assert by(allowed.tenant.admin).delete(f"{path}/owners").status_code == 204
    assert value_of(allowed) == ""


def test_the_console_says_what_it_means_and_asks_owners_only(allowed: Sso) -> None:
    page = f"/o/acme/accounts/ssoconnection/{allowed.connection.pk}/"
    admin, owner = signed_in(allowed.tenant.admin), signed_in(allowed.tenant.owner)
    shown = admin.get(f"{page}change/").content.decode()
    assert OWNERS in shown
    assert "Let it make no owners" in shown
    assert "Let it make owners" not in shown
    assert admin.get(f"{page}owners/").status_code == 403
    assert admin.post(f"{page}owners/", {"owner_value": "all"}).status_code == 403
    assert admin.post(f"{page}no_owners/").status_code == 302
    assert value_of(allowed) == ""
    assert "controls this organization" in owner.get(f"{page}owners/").content.decode()
    assert owner.post(f"{page}owners/", {"owner_value": "all"}).status_code == 302
    assert value_of(allowed) == "all"
    form = {**answers(allowed.idp), "name": "Corporate", "secret": "", "groups_claim": "roles"}
    form |= dict.fromkeys(re.findall(r'name="([^"]*-(?:TOTAL|INITIAL)_FORMS)"', shown), "0")
    changed = admin.post(f"{page}change/", form, follow=True).content.decode()
    assert "An owner has to allow that again" in changed
    assert value_of(allowed) == ""


def test_it_takes_a_fresh_sign_in(allowed: Sso) -> None:
    with tenant_scope(allowed.tenant.organization):
        long_ago = timezone.now() - FRESH_FOR - timedelta(minutes=1)
        actor = user_actor(allowed.tenant.owner, allowed.tenant.organization.pk, proved_at=long_ago)
        with pytest.raises(FreshSignInNeeded):
            allow_owners(connection=allowed.connection, value="all", actor=actor)


def test_the_command_takes_it_away(allowed: Sso) -> None:
    out = io.StringIO()
    call_command("sso_connection", "end-owners", "--organization", "acme", "--name", "Corporate", stdout=out)
    assert json.loads(out.getvalue())["owner_value"] == value_of(allowed) == ""


def test_the_alert_sees_that_it_was_allowed_and_who_became_an_owner(sso: Sso) -> None:
    wake()
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        update_sso_connection(connection=sso.connection, groups_claim="groups", actor=SYSTEM)
    allow(sso)
    assert come(sso, OWNERS) == "owner"
    told = {sentence for alert in raised(sso.tenant, "privilege_granted") for sentence in alert.told}
    assert f"Whoever comes with “{OWNERS}” through Corporate becomes an owner." in told
    assert "member@acme.example has the role Owner now." in told
