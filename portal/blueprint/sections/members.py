"""Members, their roles in projects, and invitations to those who are none yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from django.db.models import Exists, OuterRef

from accounts.models import ProvisionedUser, User
from portal.blueprint.changes import Change, Row, Section, Stage, Verb
from portal.blueprint.document import Item, Key
from tenants.mails import send_invitation
from tenants.models import Invitation, Membership, ProjectMembership, Source
from tenants.permissions import BuiltinRole
from tenants.services.invitations import invite_member, resend_invitation, revoke_invitation
from tenants.services.members import (
    add_member,
    change_role,
    remove_member,
    remove_project_role,
    set_member_active,
    set_project_role,
)
from tenants.services.open_invitations import revoke_open_invitations

_ADDED = "Added by a blueprint"
_NOT_MENTIONED = "Not in the blueprint"


class Members(Section):
    """Members by e-mail address.

    Those whom an identity provider manages are not pruned; whether they are active is its own to say.

    Who has a login is made a member at once when the installation itself acts; anybody else is invited. What hangs on
    the membership of somebody who is only invited (roles in projects, places in groups) waits until they have joined.
    """

    table: ClassVar[str] = "members"
    noun: ClassVar[str] = "member"
    section: ClassVar[str] = "members"

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._invitations = Invitations(stage)

    def current(self) -> dict[Key, Row]:
        members = Membership.objects.select_related("user", "role").order_by("user__email")
        return {
            member.user.email: Row({"role": member.role.key, "active": member.is_active}, member) for member in members
        }

    def additions(self) -> Iterator[Change]:
        """Yield new owners first, so that an owner who stops being one is not the last."""
        yield from sorted(super().additions(), key=lambda change: not _makes_owner(change))

    def absent(self, key: Key, item: Item) -> Iterator[Change]:
        email = str(key)
        stage = self.stage
        if item.values.get("active") is False:
            return  # nobody to keep out
        if stage.additions_only and not stage.is_new and email not in stage.newcomers:
            return  # somebody removed them, and they stay removed
        if stage.direct and login_of(email):
            yield from super().absent(key, item)
        else:
            yield from self._invitations.ask(email, item)

    def create(self, key: Key, item: Item) -> Any:
        stage, email = self.stage, str(key)
        membership = add_member(
            organization=stage.organization,
            user=login_of(email),
            role=stage.role(item.values["role"]),
            source=Source.OPERATOR,
            actor=stage.actor,
            reason=_ADDED,
        )
        revoke_open_invitations(email=email, actor=stage.actor, reason=_ADDED)
        return membership

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        stage, stored = self.stage, row.stored
        if values["role"] != row.values["role"]:
            change_role(membership=stored, role=stage.role(values["role"]), actor=stage.actor)
        if values["active"] != row.values["active"]:
            set_member_active(membership=stored, active=values["active"], actor=stage.actor)

    def is_surplus(self, key: Key, row: Row) -> bool:
        return bool(row.stored.source != Source.SCIM)

    def remove(self, row: Row) -> Any:
        return remove_member(membership=row.stored, actor=self.stage.actor, reason=_NOT_MENTIONED)

    def removals(self) -> Iterator[Change]:
        yield from super().removals()
        yield from self._invitations.removals()


@dataclass(frozen=True, slots=True)
class _Offer:
    """What an invitation offers: a role, and at most one project with a role in it."""

    role: str
    project: str | None
    project_role: str | None

    def fields(self) -> dict[str, Any]:
        offered = {"role": self.role, f"role in {self.project}": self.project_role}
        return {name: value for name, value in offered.items() if value is not None}


class Invitations(Section):
    """Open invitations: how people without a login, or those whom nobody may add unasked, become members."""

    table: ClassVar[str] = "members"
    noun: ClassVar[str] = "invitation"
    section: ClassVar[str] = "members"

    def current(self) -> dict[Key, Row]:
        waiting = Invitation.objects.select_related("role", "project", "project_role").filter(
            accepted_at=None, revoked_at=None
        )
        return {
            invitation.email.lower(): Row(
                {
                    "offer": _Offer(
                        invitation.role.key,
                        invitation.project.slug if invitation.project else None,
                        invitation.project_role.key if invitation.project_role else None,
                    )
                },
                invitation,
            )
            for invitation in waiting.order_by("email")
        }

    @cached_property
    def _open(self) -> dict[Key, Row]:
        return self.current()

    def ask(self, email: str, item: Item) -> Iterator[Change]:
        """Yield what brings the invitation of an address in line: a new one, another one, or a new link."""
        offer = self._offer(email, item)
        row = self._open.get(email)
        if row is None:
            fields = {name: (None, value) for name, value in offer.fields().items()}
            run = partial(self._invite, email, offer)
            yield Change(Verb.CREATE, self.noun, email, fields, item.path, run, note=self._waiting(email, offer))
            return
        if self.stage.additions_only:
            return
        old: _Offer = row.values["offer"]
        if old != offer:
            names = [*old.fields(), *(name for name in offer.fields() if name not in old.fields())]
            before, after = old.fields(), offer.fields()
            fields = {
                name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
            }
            run = partial(self._replace, row, email, offer)
            yield Change(Verb.UPDATE, self.noun, email, fields, item.path, run, note="a new mail replaces the old one")
        elif not row.stored.is_open:
            run = partial(self._resend, row)
            yield Change(Verb.UPDATE, self.noun, email, {"state": (row.stored.state, "pending")}, item.path, run)

    def create(self, key: Key, item: Item) -> Any:
        return self._invite(str(key), self._offer(str(key), item))

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        raise AssertionError("invitations are replaced")

    def remove(self, row: Row) -> Any:
        return revoke_invitation(invitation=row.stored, actor=self.stage.actor, reason=_NOT_MENTIONED)

    def is_surplus(self, key: Key, row: Row) -> bool:
        return bool(row.stored.is_open) and not ProvisionedUser.objects.waiting().filter(email=key).exists()

    def _offer(self, email: str, item: Item) -> _Offer:
        """Return the role and the first project of an entry: an invitation carries one."""
        projects = {
            key[1]: place.values["role"]
            for key, place in self.stage.wanted.table("member_projects").items()
            if key[0] == email
        }
        project = next(iter(projects), None)
        return _Offer(item.values["role"], project, projects[project] if project else None)

    def _waiting(self, email: str, offer: _Offer) -> str:
        wanted = self.stage.wanted
        places = [key[1] for key in wanted.table("member_projects") if key[0] == email and key[1] != offer.project]
        groups = [key[0] for key in wanted.table("group_members") if key[1] == email]
        waits = [*(f"the role in {place}" for place in places), *(f"the group {group}" for group in groups)]
        return f"once they have joined, apply again for {', '.join(waits)}" if waits else ""

    def _invite(self, email: str, offer: _Offer) -> None:
        stage = self.stage
        sent = invite_member(
            organization=stage.organization,
            email=email,
            role=stage.role(offer.role),
            project=stage.project(offer.project) if offer.project else None,
            project_role=stage.role(offer.project_role) if offer.project_role else None,
            actor=stage.actor,
        )
        send_invitation(sent)

    def _replace(self, row: Row, email: str, offer: _Offer) -> None:
        revoke_invitation(invitation=row.stored, actor=self.stage.actor, reason="Replaced by a blueprint")
        self._invite(email, offer)

    def _resend(self, row: Row) -> None:
        send_invitation(resend_invitation(invitation=row.stored, actor=self.stage.actor))


class MemberProjects(Section):
    """Members' roles in projects."""

    table: ClassVar[str] = "member_projects"
    noun: ClassVar[str] = "project role"
    section: ClassVar[str] = "members"

    def current(self) -> dict[Key, Row]:
        roles = ProjectMembership.objects.select_related("project", "role", "membership__user")
        return {
            (place.membership.user.email, place.project.slug): Row({"role": place.role.key}, place)
            for place in roles.order_by("membership__user__email", "project__slug")
        }

    def label(self, key: Key) -> str:
        return f"{key[0]} in {key[1]}"

    def absent(self, key: Key, item: Item) -> Iterator[Change]:
        if joins(self.stage, key[0]):
            yield from super().absent(key, item)

    def create(self, key: Key, item: Item) -> Any:
        stage = self.stage
        return set_project_role(
            membership=stage.membership(key[0]),
            project=stage.project(key[1]),
            role=stage.role(item.values["role"]),
            actor=stage.actor,
        )

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        stored, stage = row.stored, self.stage
        return set_project_role(
            membership=stored.membership, project=stored.project, role=stage.role(values["role"]), actor=stage.actor
        )

    def is_surplus(self, key: Key, row: Row) -> bool:
        return self.stage.wanted.writes("members", key[0], "projects")

    def remove(self, row: Row) -> Any:
        return remove_project_role(project_membership=row.stored, actor=self.stage.actor)


def login_of(email: str) -> User | None:
    """Return the login with this address when somebody has proven that it is theirs.

    Anybody can sign up with somebody else's address; a membership must not wait there for them.
    """
    proven = EmailAddress.objects.filter(user=OuterRef("pk"), email=OuterRef("email"), verified=True)
    user: User | None = User.objects.filter(Exists(proven), email=email).first()
    return user


def joins(stage: Stage, email: str) -> bool:
    """Return whether an address is a member's, or becomes one by this very blueprint."""
    if Membership.objects.filter(user__email=email).exists():
        return True
    item = stage.wanted.table("members").get(email)
    return bool(item and item.values.get("active", True) and stage.direct and login_of(email))


def _makes_owner(change: Change) -> bool:
    return bool(change.fields.get("role", ("", ""))[1] == BuiltinRole.OWNER)
