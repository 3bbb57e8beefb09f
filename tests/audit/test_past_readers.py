"""Who could read an event when it happened: through its page, against what was true at the time."""

from datetime import UTC, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.services.api_keys import revoke_api_key, update_api_key
from accounts.services.service_accounts import create_service_account, delete_service_account
from accounts.services.users import set_user_active
from audit import past_readers
from audit.catalogue import catalogue
from audit.models import Event
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Membership, ProjectGroupGrant, ProjectMembership, ProjectUserGrant
from tenants.permissions import P
from tenants.services.exceptions import grant_to_group, grant_to_member, revoke_exception
from tenants.services.groups import (
    add_group_member,
    create_group,
    delete_group,
    remove_group_member,
    remove_group_role,
    set_group_role,
    update_group,
)
from tenants.services.members import (
    change_role,
    remove_member,
    remove_project_role,
    set_member_active,
    set_project_role,
)
from tenants.services.roles import create_role, delete_role, update_role
from tests.accounts.api.stage import make_key
from tests.audit.events import write
from tests.audit.readers import reader_of_one_project
from tests.people import Tenant, signed_in
from tests.tenants.test_deletion import age, purge, schedule

LOG = "/o/acme/audit/"
DECIDING_NOTHING = {
    "group.handed_over",
    "group.released",
    "member.handed_over",
    "member.owner_kept",
    "member.released",
    "member.sessions_ended",
}
PEOPLE = {"owner@acme.example", "admin@acme.example", "auditor@acme.example"}


def page_of(event: Event, user: User) -> Any:
    """Return what an event's page is made from."""
    return signed_in(user).get(f"{LOG}{event.pk}/").context


def past_of(tenant: Tenant, event: Event) -> dict[str, str]:
    """Return who is said to have been able to read an event, and why."""
    return {reader.label: reader.why for reader in page_of(event, tenant.owner)["past"].named}


# Registration ------------------------------------------------------------------------------------


def test_every_change_of_what_decides_is_undone_or_known_to_decide_nothing() -> None:
    undone = frozenset[str]().union(*(source.actions for source in past_readers.sources))
    deciding = ("role.", "member.", "project_role.", "group.", "exception.", "api_key.")
    known = {action.name for action in catalogue if action.name.startswith(deciding)}
    assert undone <= {action.name for action in catalogue}
    assert known - undone == DECIDING_NOTHING


# Strangers ---------------------------------------------------------------------------------------


def test_a_stranger_and_a_reader_of_one_project_are_told_nobody(acme: Tenant, globex: Tenant, stranger: User) -> None:
    event = write(acme.organization.pk, project_id=acme.project.pk)
    assert signed_in(stranger).get(f"{LOG}{event.pk}/").status_code == 404
    assert signed_in(stranger).get(f"/o/globex/audit/{event.pk}/").status_code == 404
    page = signed_in(reader_of_one_project(acme)).get(f"{LOG}{event.pk}/")
    assert page.status_code == 200
    assert "past" not in page.context
    assert "admin@acme.example" not in page.content.decode()


def test_what_another_organization_changed_is_not_undone_here(acme: Tenant, globex: Tenant) -> None:
    event = write(acme.organization.pk)
    with globex.acting("owner") as actor:
        create_role(organization=globex.organization, name="Reader", permissions=[P.AUDIT_LOG_READ], actor=actor)
    assert set(past_of(acme, event)) == PEOPLE
    assert not page_of(event, acme.owner)["past"].doubts


# Members -----------------------------------------------------------------------------------------


def test_roles_given_and_members_removed_since_are_undone(acme: Tenant) -> None:
    event = write(acme.organization.pk)
    with acme.acting("owner") as actor:
        change_role(membership=acme.membership("member"), role=acme.role("admin"), actor=actor)
        change_role(membership=acme.membership("auditor"), role=acme.role("viewer"), actor=actor)
        remove_member(membership=acme.membership("admin"), actor=actor)
    context = page_of(event, acme.owner)
    assert {reader.label for reader in context["readers"].named} == {"owner@acme.example", "member@acme.example"}
    assert past_of(acme, event) == {
        "owner@acme.example": "role Owner",
        "admin@acme.example": "role Admin, left since",
        "auditor@acme.example": "role Auditor",
    }
    assert context["past"].doubts == ("Whether the login of somebody who left since was closed then is not known.",)
    assert "Who could read this when it happened" in signed_in(acme.owner).get(f"{LOG}{event.pk}/").content.decode()


def test_members_who_were_closed_out_then_are_not_named(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        set_member_active(membership=acme.membership("admin"), active=False, actor=actor)
    set_user_active(user=acme.auditor, active=False, actor=SYSTEM)
    event = write(acme.organization.pk)
    with acme.acting("owner") as actor:
        set_member_active(membership=acme.membership("admin"), active=True, actor=actor)
    set_user_active(user=acme.auditor, active=True, actor=SYSTEM)
    assert set(past_of(acme, event)) == {"owner@acme.example"}


def test_custom_roles_allow_what_they_allowed_under_the_name_they_had(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        role = create_role(
            organization=acme.organization, name="Reader", permissions=[P.AUDIT_LOG_READ, P.MEMBERS_READ], actor=actor
        )
        change_role(membership=acme.membership("member"), role=role, actor=actor)
    event = write(acme.organization.pk)
    with acme.acting("owner") as actor:
        update_role(role=role, name="Watcher", permissions=[P.MEMBERS_READ], actor=actor)
        change_role(membership=acme.membership("member"), role=acme.role("viewer"), actor=actor)
        delete_role(role=role, actor=actor)
    assert past_of(acme, event)["member@acme.example"] == "role Reader"


def test_groups_give_what_they_gave_under_the_name_they_had(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        group = create_group(organization=acme.organization, name="Crew", actor=actor)
        given = set_group_role(group=group, role=acme.role("auditor"), actor=actor)
        add_group_member(group=group, membership=acme.membership("viewer"), actor=actor)
        place = add_group_member(group=group, membership=acme.membership("member"), actor=actor)
    event = write(acme.organization.pk)
    with acme.acting("owner") as actor:
        remove_group_member(place=place, actor=actor)
        add_group_member(group=group, membership=acme.membership("none"), actor=actor)
        update_group(group=group, name="Staff", actor=actor)
        remove_group_role(group_role=given, actor=actor)
    past = past_of(acme, event)
    assert set(past) == {*PEOPLE, "member@acme.example", "viewer@acme.example"}
    assert past["member@acme.example"] == "role Auditor through the group Crew"


def test_roles_and_exceptions_in_the_project_are_undone(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        group = create_group(organization=acme.organization, name="Crew", actor=actor)
        add_group_member(group=group, membership=acme.membership("member"), actor=actor)
        hidden = set_project_role(
            membership=acme.membership("auditor"), project=acme.project, role=acme.role("none"), actor=actor
        )
        exception = {"project": acme.project, "permission": P.AUDIT_LOG_READ, "actor": actor}
        grants: list[ProjectUserGrant | ProjectGroupGrant] = [
            grant_to_member(membership=acme.membership("viewer"), **exception),
            grant_to_group(group=group, **exception),
        ]
    event, outside = write(acme.organization.pk, project_id=acme.project.pk), write(acme.organization.pk)
    with acme.acting("owner") as actor:
        remove_project_role(project_membership=ProjectMembership.objects.get(pk=hidden.pk), actor=actor)
        for grant in grants:
            revoke_exception(grant=grant, actor=actor)
        grant_to_member(membership=acme.membership("none"), **exception)
        set_project_role(membership=acme.membership("admin"), project=acme.project, role=acme.role("none"), actor=actor)
    assert set(past_of(acme, event)) == {
        *(PEOPLE - {"auditor@acme.example"}),
        "viewer@acme.example",
        "member@acme.example",
    }
    assert set(past_of(acme, outside)) == PEOPLE
    assert not page_of(event, acme.owner)["past"].doubts


def test_a_changed_role_in_the_project_counts_as_it_was(acme: Tenant) -> None:
    viewer = reader_of_one_project(acme)
    event = write(acme.organization.pk, project_id=acme.project.pk)
    with acme.acting("owner") as actor:
        set_project_role(
            membership=acme.membership("viewer"), project=acme.project, role=acme.role("none"), actor=actor
        )
    assert past_of(acme, event)[viewer.email] == "role Auditor"


# Keys --------------------------------------------------------------------------------------------


def test_keys_have_the_scopes_and_the_end_that_they_had(acme: Tenant) -> None:
    soon = timezone.now() + timedelta(hours=1)
    with tenant_scope(acme.organization):
        revoked, narrowed = (make_key(acme, "audit_log:read").key for _ in range(2))
        widened = make_key(acme, "projects:read").key
    event = write(acme.organization.pk, project_id=acme.project.pk)
    with tenant_scope(acme.organization):
        revoke_api_key(key=revoked, actor=SYSTEM)
        for key, scope in ((narrowed, "projects:read"), (widened, "audit_log:read")):
            update_api_key(key=key, name="Renamed", scopes=[scope], expires_at=soon, actor=SYSTEM)
        make_key(acme, "audit_log:read")
    assert {label for label in past_of(acme, event) if "@" not in label} == {str(revoked), str(narrowed)}


def test_a_key_that_went_with_its_service_account_is_not_guessed(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        account = create_service_account(
            organization=acme.organization, name="Judge", kind="evaluator", role=acme.role("auditor"), actor=SYSTEM
        )
        key = make_key(acme, "audit_log:read", kind="service_account", service_account=account).key
    event = write(acme.organization.pk)
    assert past_of(acme, event)[str(key)] == "its scope audit_log:read, as far as Judge might"
    with tenant_scope(acme.organization):
        delete_service_account(account=account, actor=SYSTEM)
    past = page_of(event, acme.owner)["past"]
    assert {reader.label for reader in past.named} == PEOPLE
    assert past.doubts == (f"What these keys, which are gone since, allowed is not known: {key}.",)


# What cannot be told -----------------------------------------------------------------------------


def test_what_went_with_a_member_or_a_group_is_not_guessed(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        group = create_group(organization=acme.organization, name="Crew", actor=actor)
        set_group_role(group=group, role=acme.role("auditor"), actor=actor)
        for name in ("viewer", "member"):
            add_group_member(group=group, membership=acme.membership(name), actor=actor)
    event = write(acme.organization.pk)
    with acme.acting("owner") as actor:
        remove_member(membership=acme.membership("viewer"), actor=actor)
        delete_group(group=group, actor=actor)
    context = page_of(event, acme.owner)
    assert set(past_of(acme, event)) == PEOPLE
    unknown = "their groups, roles in projects and exceptions are not known"
    assert context["past"].doubts == (
        f"These people left since, and {unknown}: viewer@acme.example.",
        "These groups were deleted since; whom they let read is not known: Crew.",
    )


def test_in_a_project_nobody_who_is_gone_is_named_by_a_role_that_another_may_have_replaced(acme: Tenant) -> None:
    event = write(acme.organization.pk, project_id=acme.project.pk)
    with acme.acting("owner") as actor:
        remove_member(membership=acme.membership("admin"), actor=actor)
    assert set(past_of(acme, event)) == PEOPLE - {"admin@acme.example"}
    (doubt,) = page_of(event, acme.owner)["past"].doubts
    assert doubt.endswith("are not known: admin@acme.example.")


def test_of_an_organization_that_is_gone_nobody_is_named(
    acme: Tenant, operator: User, superuser: psycopg.Connection
) -> None:
    event = write(acme.organization.pk)
    schedule(acme, "organization")
    age(superuser, "organization", acme)
    purge(acme, "organization")
    client = signed_in(operator)
    client.post(f"/admin/audit/deleted/{acme.organization.pk}/", {"reason": "Request of the tax office, 12/26"})
    past = client.get(f"/admin/audit/{event.pk}/").context["past"]
    assert not past.named
    assert past.doubts == ("The organization was deleted since: who could read its log is not known.",)


@pytest.mark.unattributed
def test_changes_past_the_log_are_told(acme: Tenant, globex: Tenant) -> None:
    event = write(acme.organization.pk)
    for tenant in (globex, acme):
        assert not page_of(event, acme.owner)["past"].doubts
        with tenant.acting("owner") as actor:
            create_group(organization=tenant.organization, name="Crew", actor=actor)
            Membership.objects.update(role=tenant.role("owner"))
    (doubt,) = page_of(event, acme.owner)["past"].doubts
    assert doubt == "Roles, members or keys were changed past the log since then: that is not undone here."


def test_retired_events_are_told(acme: Tenant, superuser: psycopg.Connection) -> None:
    event = write(acme.organization.pk)
    insert = (
        "INSERT INTO audit_receipt (organization_id, month, first, last, events, note, time)"
        " VALUES (%s, %s, 0, 0, 1, '', now())"
    )
    month = event.time.astimezone(UTC).date().replace(day=1)
    superuser.execute(insert, [acme.organization.pk, month - timedelta(days=1)])
    assert not page_of(event, acme.owner)["past"].doubts
    superuser.execute(insert, [acme.organization.pk, month])
    (doubt,) = page_of(event, acme.owner)["past"].doubts
    assert doubt == "Events since then were retired: what they changed is not undone here."


def test_of_a_project_that_is_gone_no_member_is_named(acme: Tenant) -> None:
    event = write(acme.organization.pk, project_id=uuid4())
    past = page_of(event, acme.owner)["past"]
    assert not past.named
    assert "The project was deleted or moved since" in past.doubts[0]


def test_too_many_changes_are_not_undone(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    event = write(acme.organization.pk)
    with acme.acting("owner") as actor:
        for role in ("admin", "viewer"):
            change_role(membership=acme.membership("member"), role=acme.role(role), actor=actor)
    monkeypatch.setattr(past_readers, "MOST_CHANGES", 1)
    past = page_of(event, acme.owner)["past"]
    assert not past.named
    assert past.doubts == ("More than 1 changes since then would have to be undone.",)


def test_a_snapshot_that_lacks_what_is_needed_is_told(acme: Tenant) -> None:
    event = write(acme.organization.pk)
    write(acme.organization.pk, action="member.removed", target_id="gone", before={"role": "Admin"})
    past = page_of(event, acme.owner)["past"]
    assert {reader.label for reader in past.named} == PEOPLE
    assert past.doubts == ("Not known any more is what these said: grace@acme.example.",)


def test_the_number_of_statements_does_not_grow(acme: Tenant, operator: User) -> None:
    event = write(acme.organization.pk, project_id=acme.project.pk)
    visits = [(signed_in(acme.owner), f"{LOG}{event.pk}/"), (signed_in(operator), f"/admin/audit/{event.pk}/")]

    def statements() -> list[int]:
        counts = []
        for client, address in visits:
            client.get(address)
            with (
                CaptureQueriesContext(connections["default"]) as app,
                CaptureQueriesContext(connections["operator"]) as wide,
            ):
                assert client.get(address).status_code == 200
            counts.append(len(app) + len(wide))
        return counts

    def change(number: int) -> None:
        with acme.acting("owner") as actor:
            group = create_group(organization=acme.organization, name=f"Crew {number}", actor=actor)
            set_group_role(group=group, role=acme.role("auditor"), actor=actor)
            for name in ("viewer", "member")[: number + 1]:
                add_group_member(group=group, membership=acme.membership(name), actor=actor)
                change_role(membership=acme.membership(name), role=acme.role("none"), actor=actor)
                set_project_role(
                    membership=acme.membership(name), project=acme.project, role=acme.role("viewer"), actor=actor
                )
            exception = {"project": acme.project, "permission": P.AUDIT_LOG_READ, "actor": actor}
            grant_to_group(group=group, **exception)
            make_key(acme, "audit_log:read")
        set_user_active(user=acme.auditor, active=bool(number % 2), actor=SYSTEM)

    change(0)
    few = statements()
    for number in (1, 2, 3):
        change(number)
    assert statements() == few
