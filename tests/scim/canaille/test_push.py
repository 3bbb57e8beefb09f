"""Canaille pushes people and groups: what it creates, changes, locks and deletes arrives in Gatehouse."""

from accounts.models import ProvisionedUser, ScimConnection, ScimRequest, User
from isolation.scope import tenant_scope
from tenants.models import Group, GroupMember, Membership, Source
from tests.people import Tenant
from tests.scim import held
from tests.scim.stage import ENTERPRISE
from tests.tenants.stage import events

from .conftest import Canaille

GRACE = "grace@acme.example"
ALAN = "alan@acme.example"


def provisioned(tenant: Tenant, name: str) -> ProvisionedUser:
    with tenant_scope(tenant.organization):
        user: ProvisionedUser = ProvisionedUser.objects.select_related("membership").get(user_name=name)
        return user


def actions(tenant: Tenant, connection: ScimConnection, *, after: int = 0) -> list[str]:
    """Return what the connection did, oldest first, without the first ones."""
    return [event.action for event in events(tenant) if event.actor_id == connection.pk][after:]


def test_nobody_of_another_organization_is_touched(acme: Tenant, globex: Tenant, canaille: Canaille) -> None:
    before = held.active_members(globex), len(events(globex))
    canaille.new_person("grace")
    canaille.new_person("hank", emails=["owner@globex.example"])
    assert (held.active_members(globex), len(events(globex))) == before
    assert held.is_member(acme, GRACE)
    assert not held.is_member(acme, "owner@globex.example")


def test_a_person_is_created(acme: Tenant, connection: ScimConnection, canaille: Canaille) -> None:
    canaille.new_person("grace", title="Admiral", department="Compilers", employee_number="1906")
    assert User.objects.get(email=GRACE).name == "Grace Hopper"
    grace = provisioned(acme, "grace")
    assert grace.external_id
    assert grace.connection_id == connection.pk
    assert grace.membership is not None
    assert (grace.membership.is_active, grace.membership.source) == (True, Source.SCIM)
    assert grace.attributes["title"] == "Admiral"
    enterprise = grace.attributes[ENTERPRISE]
    assert (enterprise["department"], enterprise["employeeNumber"]) == ("Compilers", "1906")
    assert actions(acme, connection) == ["member.added", "provisioned_user.created"]


def test_a_password_is_kept_nowhere(acme: Tenant, canaille: Canaille) -> None:
    canaille.new_person("grace", password="of Canaille alone")
    with tenant_scope(acme.organization):
        (pushed,) = ScimRequest.objects.filter(method="POST")
    assert "password" in pushed.body
    assert "$" not in pushed.body, "Canaille pushes the hash"
    assert "password" not in provisioned(acme, "grace").attributes
    assert not User.objects.get(email=GRACE).has_usable_password()


def test_a_person_is_changed(acme: Tenant, connection: ScimConnection, canaille: Canaille) -> None:
    canaille.new_person("grace")
    before, so_far = provisioned(acme, "grace"), len(actions(acme, connection))
    canaille.person("grace", display_name="Amazing Grace", title="Rear Admiral")
    grace = provisioned(acme, "grace")
    assert (grace.pk, grace.membership_id) == (before.pk, before.membership_id)
    assert (grace.attributes["displayName"], grace.attributes["title"]) == ("Amazing Grace", "Rear Admiral")
    assert actions(acme, connection, after=so_far) == ["provisioned_user.updated"]


def test_a_person_is_locked_and_unlocked(acme: Tenant, connection: ScimConnection, canaille: Canaille) -> None:
    canaille.new_person("grace")
    canaille.new_group("engineers", "grace")
    before, so_far = provisioned(acme, "grace"), len(actions(acme, connection))
    canaille.person("grace", locked=True)
    assert not held.is_member(acme, GRACE)
    assert actions(acme, connection, after=so_far) == ["provisioned_user.updated", "member.deactivated"]
    canaille.person("grace", locked=False)
    assert held.is_member(acme, GRACE)
    assert held.groups(acme) == {"engineers": {GRACE}}
    grace = provisioned(acme, "grace")
    assert (grace.pk, grace.membership_id) == (before.pk, before.membership_id)
    assert actions(acme, connection, after=so_far)[2:] == ["provisioned_user.updated", "member.reactivated"]


def test_a_person_is_deleted(acme: Tenant, connection: ScimConnection, canaille: Canaille) -> None:
    canaille.new_person("grace")
    canaille.new_person("alan")
    canaille.new_group("engineers", "grace", "alan")
    before, so_far = provisioned(acme, "grace"), len(actions(acme, connection))
    canaille.delete_person("grace")
    assert not held.is_member(acme, GRACE)
    assert held.groups(acme) == {"engineers": {ALAN}}
    assert actions(acme, connection, after=so_far) == ["provisioned_user.deleted", "member.removed"]
    canaille.new_person("grace")
    assert provisioned(acme, "grace").pk != before.pk
    assert held.is_member(acme, GRACE)


def test_a_group_lives(acme: Tenant, connection: ScimConnection, canaille: Canaille) -> None:
    canaille.new_person("grace")
    canaille.new_person("alan")
    so_far = len(actions(acme, connection))
    canaille.new_group("engineers", "grace")
    assert held.groups(acme) == {"engineers": {GRACE}}
    with tenant_scope(acme.organization):
        assert Group.objects.get(name="engineers").source == Source.SCIM

    canaille.group("engineers", members=["grace", "alan"])
    assert held.groups(acme) == {"engineers": {GRACE, ALAN}}
    canaille.group("engineers", members=["alan"])
    assert held.groups(acme) == {"engineers": {ALAN}}

    canaille.group("engineers", display_name="builders")
    assert held.groups(acme) == {"builders": {ALAN}}

    canaille.delete_group("engineers")
    assert held.groups(acme) == {}
    assert held.is_member(acme, ALAN)
    assert [action for action in actions(acme, connection, after=so_far) if action.startswith("group.")] == [
        "group.created",
        "group.member_added",
        "group.member_added",
        "group.member_removed",
        "group.updated",
        "group.deleted",
    ]
    with tenant_scope(acme.organization):
        assert not GroupMember.objects.exists()
        assert Membership.objects.filter(user__email=ALAN).exists()
