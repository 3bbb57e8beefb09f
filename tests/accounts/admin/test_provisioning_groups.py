"""Groups and members that an identity provider manages: what is locked, what stays open, handing over and back."""

from django.test import Client

from accounts.models import ProvisionedGroup
from tenants.models import Group, GroupMember, GroupRole, Membership
from tenants.services.groups import add_group_member, create_group
from tests.accounts.admin.provisioning_stage import Provisioning
from tests.people import Tenant, signed_in
from tests.tenants.admin.conftest import inline
from tests.tenants.stage import events

GROUPS = "/o/acme/tenants/group/"
MEMBERS = "/o/acme/tenants/membership/"
CONFIRMED = {"mapping_confirmed": "yes"}


def answers(**values: str) -> dict[str, object]:
    """Return the answers of a group's form with one more role."""
    return {"name": "Hijacked", "description": "ours", **inline("members"), **inline("roles", **values)}


def roles_of(acme: Tenant, group: object) -> set[str]:
    """Return the keys of the roles that a group gives."""
    with acme.acting("owner"):
        return {row.role.key for row in GroupRole.objects.select_related("role").filter(group=group)}


def test_name_and_members_are_locked_with_a_hint(owner: Client, provisioning: Provisioning, acme: Tenant) -> None:
    group = provisioning.groups["Staff"]
    page = owner.get(f"{GROUPS}{group}/change/").content.decode()

    assert "Managed by the identity provider (Corporate directory)" in page
    assert provisioning.page in page
    for closed in ('name="name"', "delete-group/", 'name="members-__prefix__-membership"'):
        assert closed not in page, closed
    assert 'name="roles-__prefix__-role"' in page

    with acme.acting("owner"):
        stranger = str(acme.membership("none").pk)
    owner.post(f"{GROUPS}{group}/change/", {**answers(), **inline("members", membership=stranger)})
    owner.post(f"{GROUPS}{group}/delete-group/")
    with acme.acting("owner"):
        stored = Group.objects.get(pk=group)
        assert (stored.name, stored.description) == ("Staff", "ours"), "the description is nobody else's"
        assert [str(place.membership) for place in GroupMember.objects.filter(group=group)] == ["member@acme.example"]


def test_a_role_is_previewed_before_it_is_given(owner: Client, provisioning: Provisioning, acme: Tenant) -> None:
    group = provisioning.groups["Idle"]
    with acme.acting("owner"):
        role = str(acme.role("admin").pk)
    preview = owner.post(f"{GROUPS}{group}/change/", answers(role=role))
    page = preview.content.decode()

    assert "member@acme.example" in page
    assert "Everybody whom the identity provider puts into it gets that." in page
    assert roles_of(acme, group) == set()
    assert owner.post(f"{GROUPS}{group}/change/", {**answers(role=role), **CONFIRMED}).status_code == 302
    assert roles_of(acme, group) == {"admin"}


def test_owner_wants_an_owners_word(owner: Client, admin: Client, provisioning: Provisioning, acme: Tenant) -> None:
    group = provisioning.groups["Idle"]
    url = f"{GROUPS}{group}/change/"
    with acme.acting("owner"):
        role = str(acme.role("owner").pk)
    assert ">Owner</option>" in owner.get(url).content.decode()
    assert ">Owner</option>" not in admin.get(url).content.decode()
    assert 'name="allow_owner"' in owner.post(url, answers(role=role)).content.decode()

    without = owner.post(url, {**answers(role=role), **CONFIRMED})
    assert "An owner has to allow that." in without.content.decode()
    admin.post(url, {**answers(role=role), **CONFIRMED, "allow_owner": "on"})
    assert roles_of(acme, group) == set()
    assert owner.post(url, {**answers(role=role), **CONFIRMED, "allow_owner": "on"}).status_code == 302
    assert roles_of(acme, group) == {"owner"}


def test_a_group_is_handed_over_and_taken_back(owner: Client, provisioning: Provisioning, acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        group = create_group(organization=acme.organization, name="By hand", actor=actor)
        for name in ("member", "none"):
            add_group_member(group=group, membership=acme.membership(name), actor=actor)
    url = f"{GROUPS}{group.pk}/"
    assert "Corporate directory" in owner.get(f"{url}hand_over/").content.decode()
    page = owner.post(f"{url}hand_over/", {"connection": str(provisioning.connection)}, follow=True).content.decode()

    assert "is managed by Corporate directory now" in page
    (found,) = provisioning.client.found('displayName eq "BY HAND"', at="/Groups")
    assert [row["value"] for row in found["members"]]
    with acme.acting("owner"):
        assert GroupMember.objects.filter(group=group).count() == 1, "whom the provider does not know has left"
    assert "is managed by hand now" in owner.post(f"{url}manage_by_hand/", follow=True).content.decode()
    with acme.acting("owner"):
        assert not ProvisionedGroup.objects.filter(group=group).exists()
        assert GroupMember.objects.filter(group=group).count() == 1


def test_a_group_that_is_taken_back_gives_owner_no_more(
    owner: Client, provisioning: Provisioning, acme: Tenant
) -> None:
    group = provisioning.groups["Idle"]
    with acme.acting("owner"):
        role = str(acme.role("owner").pk)
    owner.post(f"{GROUPS}{group}/change/", {**answers(role=role), **CONFIRMED, "allow_owner": "on"})
    owner.post(f"{GROUPS}{group}/manage_by_hand/")
    assert roles_of(acme, group) == set()
    (event,) = events(acme, "group.role_removed")
    assert event.before["role"] == "Owner"


def test_handing_over_is_for_who_manages_provisioning(provisioning: Provisioning, acme: Tenant) -> None:
    for name in ("member", "viewer", "auditor"):
        client = signed_in(acme.people[name])
        for part in ("hand_over", "manage_by_hand"):
            url = f"{GROUPS}{provisioning.groups['Staff']}/{part}/"
            assert client.post(url, {"connection": str(provisioning.connection)}).status_code in {403, 404}


def test_a_members_access_is_decided_there(owner: Client, provisioning: Provisioning, acme: Tenant) -> None:
    with acme.acting("owner"):
        member = acme.membership("member")
    url = f"{MEMBERS}{member.pk}/"
    page = owner.get(f"{url}change/").content.decode()

    assert "Managed by the identity provider (Corporate directory)" in page
    for closed in ('name="is_active"', f"{url}remove/"):
        assert closed not in page, closed
    owner.post(f"{url}change/", {"role": str(member.role_id)})
    owner.post(f"{url}remove/", {"reason": ""})
    with acme.acting("owner"):
        assert Membership.objects.get(pk=member.pk).is_active
