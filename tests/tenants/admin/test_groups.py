"""Groups: members and roles inline, deletion."""

from typing import Any

from django.test import Client

from tenants.models import Group, GroupMember, GroupRole
from tenants.services.members import set_project_role
from tenants.services.roles import create_role
from tests.people import Tenant
from tests.tenants.admin.conftest import Furniture, inline, member_of

GROUPS = "/o/acme/tenants/group/"


def post(client: Client, pk: Any, **inlines: Any) -> Any:
    """Post a group's form."""
    return client.post(
        f"{GROUPS}{pk}/change/",
        {"name": "Science", "mapping_confirmed": "yes", **inline("roles"), **inline("members"), **inlines},
    )


def test_a_group_is_created_and_leads_to_its_members(owner: Client, acme: Tenant) -> None:
    page = owner.post(f"{GROUPS}add/", {"name": "Data science", "description": "x"}, follow=True).content.decode()

    assert "Choose its roles and members." in page
    assert "Members of the group" in page
    with acme.acting("owner"):
        assert Group.objects.get().description == "x"


def test_a_taken_name_is_refused_in_the_form(owner: Client, rows: Furniture) -> None:
    page = owner.post(f"{GROUPS}add/", {"name": "science"}).content.decode()

    assert "There is already a group with this name." in page


def test_a_member_joins_and_leaves(owner: Client, rows: Furniture) -> None:
    viewer = member_of(rows.tenant, "viewer")
    assert post(owner, rows.group, **inline("members", membership=str(viewer.pk))).status_code == 302
    with rows.tenant.acting("owner"):
        places = {
            place.membership.user.email: place.pk for place in GroupMember.objects.select_related("membership__user")
        }
    assert set(places) == {"member@acme.example", "viewer@acme.example"}

    page = owner.get(f"{GROUPS}{rows.group}/change/").content.decode()
    assert "viewer@acme.example" in page
    first, second = sorted(places)
    removal = {
        "members-TOTAL_FORMS": 2,
        "members-INITIAL_FORMS": 2,
        "members-0-id": str(places[first]),
        "members-1-id": str(places[second]),
        "members-1-DELETE": "on",
    }
    assert post(owner, rows.group, **removal).status_code == 302
    with rows.tenant.acting("owner"):
        assert [str(place.membership) for place in GroupMember.objects.all()] == [first]


def test_somebody_twice_is_refused(owner: Client, rows: Furniture) -> None:
    page = post(owner, rows.group, **inline("members", membership=str(rows.member))).content.decode()

    assert "This member is already in the group." in page


def test_a_role_is_given_and_replaced(owner: Client, rows: Furniture) -> None:
    acme = rows.tenant
    with acme.acting("owner"):
        member, admin = acme.role("member").pk, acme.role("admin").pk
    post(owner, rows.group, **inline("roles", role=str(member), project=str(rows.project)))
    post(owner, rows.group, **inline("roles", role=str(admin), project=str(rows.project)))

    with acme.acting("owner"):
        given = {(row.role.key, row.project_id) for row in GroupRole.objects.select_related("role")}
    assert given == {("viewer", None), ("admin", rows.project)}


def test_what_a_role_changes_is_shown_before_it_is_given(owner: Client, rows: Furniture) -> None:
    acme = rows.tenant
    with acme.acting("owner"):
        role = str(acme.role("admin").pk)
    answers = {"name": "Renamed", **inline("members"), **inline("roles", role=role)}
    page = owner.post(f"{GROUPS}{rows.group}/change/", answers).content.decode()

    assert "1 of 1 member would gain or lose something now." in page
    assert "member@acme.example" in page
    for name, value in answers.items():
        assert f'name="{name}" value="{value}"' in page, name
    with acme.acting("owner"):
        assert GroupRole.objects.get().role.key == "viewer"
        assert Group.objects.get().name == "Science"


def test_the_preview_names_no_project_that_the_actor_does_not_see(admin: Client, rows: Furniture) -> None:
    acme = rows.tenant
    with acme.acting("owner") as actor:
        role = str(acme.role("viewer").pk)
        set_project_role(membership=acme.membership("admin"), project=acme.project, role=acme.role("none"), actor=actor)
    answers = {"name": "Science", **inline("members"), **inline("roles", role=role, project=str(rows.project))}

    assert "Chatbot" not in admin.post(f"{GROUPS}{rows.group}/change/", answers).content.decode()


def test_owner_is_not_offered_and_a_role_above_ones_own_is_refused(admin: Client, rows: Furniture) -> None:
    acme = rows.tenant
    page = admin.get(f"{GROUPS}{rows.group}/change/").content.decode()
    assert ">Owner<" not in page
    with acme.acting("owner") as actor:
        above = create_role(
            organization=acme.organization, name="Mover", permissions=["projects:transfer"], actor=actor
        )

    response = post(admin, rows.group, **inline("roles", role=str(above.pk)))
    assert response.status_code == 200
    assert "You cannot give the role Mover" in response.content.decode()
    with acme.acting("owner"):
        assert GroupRole.objects.count() == 1


def test_deleting_asks_first(owner: Client, rows: Furniture) -> None:
    url = f"{GROUPS}{rows.group}/delete-group/"

    assert "lose at once what the group gave them" in owner.get(url).content.decode()
    assert "The group Science was deleted." in owner.post(url, {"reason": ""}, follow=True).content.decode()
    with rows.tenant.acting("owner"):
        assert not Group.objects.exists()


def test_an_empty_list_says_what_a_group_is_for(owner: Client, acme: Tenant) -> None:
    page = owner.get(GROUPS).content.decode()

    assert "No groups yet" in page
    assert "New group" in page


def test_select_fields_find_members_and_projects_by_their_beginning(owner: Client, rows: Furniture) -> None:
    def found(model: str, field: str, term: str) -> list[str]:
        query = {"app_label": "tenants", "model_name": model, "field_name": field, "term": term}
        return [hit["text"] for hit in owner.get("/o/acme/autocomplete/", query).json()["results"]]

    assert found("groupmember", "membership", "View") == ["viewer@acme.example"]
    assert len(found("groupmember", "membership", "")) == 6
    assert found("grouprole", "project", "chat") == ["Chatbot"]
    assert found("projectmembership", "membership", "acme") == []
