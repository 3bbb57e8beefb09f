"""Who could read, worked out backwards, against who was seen to be able to, while random things happened."""

import random
from contextlib import suppress
from typing import Any

import pytest

from audit.models import Event
from audit.past_readers import readers_when
from audit.querysets import READ
from audit.readers import readers_of
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants.models import (
    Group,
    GroupMember,
    GroupRole,
    Membership,
    ProjectGroupGrant,
    ProjectMembership,
    ProjectUserGrant,
    Role,
    Source,
)
from tenants.services import exceptions, groups, members, roles
from tests.audit.events import write
from tests.people import Tenant

STEPS = 40


class Life:
    """An organization to which random things happen."""

    def __init__(self, tenant: Tenant, actor: Actor, seed: int) -> None:
        self.tenant, self.actor = tenant, actor
        self.random = random.Random(seed)  # noqa: S311 - the same for each run

    def some(self, model: Any) -> Any:
        """Return some row of a table.

        Raises:
            DomainError: it is empty.
        """
        rows = list(model.objects.order_by("pk"))
        if model is Membership:
            rows = [row for row in rows if row.user_id != self.tenant.owner.pk]
        if not rows:
            raise DomainError("There is none.")
        return self.random.choice(rows)

    def step(self, number: int) -> None:
        """Let something happen."""
        acting: dict[str, Any] = {"actor": self.actor}
        some = self.some
        place: dict[str, Any] = {"project": self.tenant.project, **acting}
        permissions = self.random.choice([[READ], ["projects:read"]])
        organization = self.tenant.organization
        choices = [
            lambda: members.change_role(membership=some(Membership), role=some(Role), **acting),
            lambda: members.set_member_active(membership=some(Membership), active=self.random.random() < 0.5, **acting),
            lambda: members.remove_member(membership=some(Membership), **acting),
            lambda: members.add_member(
                organization=organization,
                user=self.tenant.people[self.random.choice(["admin", "member", "viewer"])],
                role=some(Role),
                source=Source.MANUAL,
                **acting,
            ),
            lambda: members.set_project_role(membership=some(Membership), role=some(Role), **place),
            lambda: members.remove_project_role(project_membership=some(ProjectMembership), **acting),
            lambda: groups.create_group(organization=organization, name=f"Group {number}", **acting),
            lambda: groups.update_group(group=some(Group), name=f"Group {number}", **acting),
            lambda: groups.delete_group(group=some(Group), **acting),
            lambda: groups.add_group_member(group=some(Group), membership=some(Membership), **acting),
            lambda: groups.remove_group_member(place=some(GroupMember), **acting),
            lambda: groups.set_group_role(group=some(Group), role=some(Role), **acting),
            lambda: groups.set_group_role(group=some(Group), role=some(Role), **place),
            lambda: groups.remove_group_role(group_role=some(GroupRole), **acting),
            lambda: roles.create_role(
                organization=organization, name=f"Role {number}", permissions=permissions, **acting
            ),
            lambda: roles.update_role(role=some(Role), name=f"Role {number}", permissions=permissions, **acting),
            lambda: roles.delete_role(role=some(Role), **acting),
            lambda: exceptions.grant_to_member(membership=some(Membership), permission=READ, **place),
            lambda: exceptions.grant_to_group(group=some(Group), permission=READ, **place),
            lambda: exceptions.revoke_exception(grant=some(ProjectUserGrant), **acting),
            lambda: exceptions.revoke_exception(grant=some(ProjectGroupGrant), **acting),
        ]
        with suppress(DomainError):
            self.random.choice(choices)()


def seen(tenant: Tenant, event: Event) -> set[str]:
    """Return who can read an event now."""
    return {reader.label for reader in readers_of(tenant.organization.pk, event.project_id, READ).named}


@pytest.mark.parametrize("seed", range(4))
def test_nobody_is_named_wrongly_and_nobody_is_left_out_without_a_word(acme: Tenant, seed: int) -> None:
    recorded: list[tuple[Event, set[str]]] = []
    with acme.acting("owner") as actor:
        life = Life(acme, actor, seed)
        for number in range(STEPS):
            life.step(number)
            for project_id in (None, acme.project.pk):
                event = write(acme.organization.pk, action="access.denied", project_id=project_id)
                recorded.append((event, seen(acme, event)))
        certain = 0
        for event, could in recorded:
            past = readers_when(event, READ)
            named, doubts = {reader.label for reader in past.named}, " ".join(past.doubts)
            sure = {reader.label for reader in past.named if ", unless a group" not in reader.why}
            assert sure <= could, (event.project_id, past)
            if "These groups were deleted" not in doubts:
                assert all(label in doubts for label in could - named), (event.project_id, past)
            certain += named == could
    assert certain > STEPS
