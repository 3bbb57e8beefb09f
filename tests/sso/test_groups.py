"""Groups follow the claim of a sign-in: in, out, and never where nobody said so."""

from typing import Any

import pytest

from accounts.models import SsoGroupMapping
from accounts.services.sso_connections import update_sso_connection
from accounts.services.sso_groups import add_group_mapping, remove_group_mapping
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.models import Group
from tenants.services.groups import add_group_member, create_group, set_group_role
from tests.people import Tenant, signed_in
from tests.scim import held
from tests.scim.stage import Scim, connection_of, token_of
from tests.sso.hostile import Hostile
from tests.sso.stage import Sso
from tests.tenants.stage import events

MEMBER = "member@acme.example"


@pytest.fixture
def groups(sso: Sso) -> dict[str, Group]:
    """Return two groups that follow a value each, and one that follows none; the claim is `groups`."""
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        update_sso_connection(
            connection=sso.connection, groups_claim="groups", scopes="openid email groups", actor=SYSTEM
        )
        made = {
            name: create_group(organization=sso.tenant.organization, name=name, actor=SYSTEM)
            for name in ("Engineers", "Auditors", "By hand")
        }
        for name, value in (("Engineers", "eng"), ("Engineers", "eng-leads"), ("Auditors", "aud")):
            add_group_mapping(connection=sso.connection, value=value, group=made[name], actor=SYSTEM)
        member = sso.tenant.membership("member")
        add_group_member(group=made["By hand"], membership=member, actor=SYSTEM)
    return made


def places(tenant: Tenant) -> set[str]:
    """Return the names of the member's groups."""
    return {name for name, people in held.groups(tenant).items() if MEMBER in people}


def test_each_sign_in_puts_in_and_takes_out(sso: Sso, idp: Hostile, groups: dict[str, Group]) -> None:
    for said, wanted in (
        (["eng"], {"Engineers"}),
        (["eng-leads", "aud"], {"Engineers", "Auditors"}),
        (["unknown", "AUD"], set()),
        ("aud", {"Auditors"}),
        ([{"display": "eng"}, 7, None], set()),
        ({"eng": True}, set()),
    ):
        idp.claims |= {"groups": said}
        assert sso.sign_in().user_id
        assert places(sso.tenant) == wanted | {"By hand"}, said
    assert idp.requested("/authorize")[0].form["scope"] == "openid email groups"
    (added, *_) = events(sso.tenant, "group.member_added")
    assert added.actor_kind in {"identity_provider", "system"}


def test_without_the_claim_nobody_stays_in(sso: Sso, idp: Hostile, groups: dict[str, Group]) -> None:
    idp.claims |= {"groups": ["eng"]}
    sso.sign_in()
    del idp.claims["groups"]
    sso.sign_in()
    assert places(sso.tenant) == {"By hand"}


@pytest.mark.parametrize("odd", [[], {}, 7, "yes"])
def test_odd_signs_of_too_many_groups_are_none(sso: Sso, idp: Hostile, groups: dict[str, Group], odd: Any) -> None:
    del idp.claims["groups"]
    idp.claims |= {"hasgroups": odd, "_claim_names": odd}
    assert sso.sign_in().user_id
    assert places(sso.tenant) == {"By hand"}


@pytest.mark.parametrize("overage", [{"_claim_names": {"groups": "src1"}}, {"hasgroups": True}])
def test_too_many_groups_for_a_token_change_nothing(
    sso: Sso, idp: Hostile, groups: dict[str, Group], overage: dict[str, Any]
) -> None:
    idp.claims |= {"groups": ["eng"]}
    sso.sign_in()
    del idp.claims["groups"]
    idp.claims |= overage
    assert sso.sign_in().user_id
    assert places(sso.tenant) == {"Engineers", "By hand"}
    assert "overage" in sso.logins()[-1].checks[-1]["detail"]


def test_a_group_that_follows_no_more_keeps_its_people(sso: Sso, idp: Hostile, groups: dict[str, Group]) -> None:
    idp.claims |= {"groups": ["aud"]}
    sso.sign_in()
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM):
        remove_group_mapping(mapping=SsoGroupMapping.objects.get(value="aud"), actor=SYSTEM)
    idp.claims |= {"groups": []}
    sso.sign_in()
    assert places(sso.tenant) == {"Auditors", "By hand"}


def test_a_test_changes_no_group(sso: Sso, idp: Hostile, groups: dict[str, Group]) -> None:
    idp.claims |= {"groups": ["eng"]}
    owner = signed_in(sso.tenant.owner)
    owner.get(sso.leave(owner, f"/o/acme/sso/{sso.connection.pk}/test/"))
    assert places(sso.tenant) == {"By hand"}
    assert sso.logins()[-1].checks[-1]["detail"] == "Engineers"


def test_nobody_lets_a_group_follow_that_gives_more_than_they_hold(sso: Sso, groups: dict[str, Group]) -> None:
    with sso.tenant.acting("owner") as owner:
        set_group_role(group=groups["By hand"], role=sso.tenant.role("admin"), actor=owner)
    with sso.tenant.acting("admin") as admin:
        add_group_mapping(connection=sso.connection, value="hand", group=groups["By hand"], actor=admin)
    with sso.tenant.acting("viewer") as viewer, pytest.raises(MissingPermission):
        add_group_mapping(connection=sso.connection, value="x", group=groups["By hand"], actor=viewer)


def test_a_group_of_scim_follows_no_claim(sso: Sso, groups: dict[str, Group]) -> None:
    scim = Scim(token_of(sso.tenant, connection_of(sso.tenant)).secret)
    pushed = scim.group("Pushed")
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM), pytest.raises(DomainError) as refusal:
        add_group_mapping(connection=sso.connection, value="x", group=Group.objects.get(pk=pushed["id"]), actor=SYSTEM)
    assert refusal.value.code == "managed_by_scim"


def test_a_strangers_group_does_not_follow(sso: Sso, globex: Tenant, groups: dict[str, Group]) -> None:
    with tenant_scope(globex.organization), acting_as(SYSTEM):
        foreign = create_group(organization=globex.organization, name="Theirs", actor=SYSTEM)
    with sso.tenant.acting("owner") as owner, pytest.raises((DomainError, MissingPermission)):
        add_group_mapping(connection=sso.connection, value="x", group=foreign, actor=owner)


def test_the_same_pair_once(sso: Sso, groups: dict[str, Group]) -> None:
    with tenant_scope(sso.tenant.organization), acting_as(SYSTEM), pytest.raises(DomainError) as refusal:
        add_group_mapping(connection=sso.connection, value="aud", group=groups["Auditors"], actor=SYSTEM)
    assert (refusal.value.field, refusal.value.code) == ("value", "duplicate")
