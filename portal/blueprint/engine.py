"""Plans and applies: each organization in one transaction, under its lock, through the services that everybody uses.

A plan is a rehearsal. What would be refused at the end (a role above one's own, the last owner, a naming pattern) is
refused in the plan too, because the plan does the work and rolls it back.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from accounts.models import ServiceAccount, User
from accounts.services.users import operator_actor, person
from isolation.actor import Actor
from isolation.context import acting_as
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import APP, tenant_scope
from tenants.access import user_actor
from tenants.lookups import organization_id_of
from tenants.models import Group, Invitation, Membership, Organization, Project, Role
from tenants.permissions import BuiltinRole, P
from tenants.services.organizations import create_organization
from tenants.services.rules import locked_organization

from .changes import Change, Section, Stage, Verb
from .document import Document, WantedOrganization
from .logins import Logins
from .problems import BlueprintError, Path, Problem
from .schema import closest
from .sections import SECTIONS
from .sections.members import login_of


@dataclass(frozen=True, slots=True)
class Plan:
    """What a blueprint changes in one place.

    Attributes:
        organization: the slug; "" for logins, which belong to no organization.
        changes: in the order in which they are made.
        warnings: what a person should know although nothing is changed.
    """

    organization: str
    changes: tuple[Change, ...]
    warnings: tuple[Problem, ...] = field(default=(), compare=False)


class Engine:
    """Brings an installation in line with a blueprint.

    Args:
        document: the blueprint.
        actor: the system.
        person: act with this person's authority instead; None: with the installation's own.
    """

    def __init__(self, document: Document, actor: Actor, person: User | None = None) -> None:
        self._document = document
        self._system = actor
        self._person = person
        self._logins = Logins(document, actor, person)
        self._newcomers: frozenset[str] = frozenset()

    def plan(self) -> list[Plan]:
        """Return what `apply` would change; nothing is changed.

        Raises:
            BlueprintError: what `apply` would refuse, of every organization.
        """
        self._logins.check_passwords()
        plans = [Plan("", tuple(self._logins.missing()))]
        problems: list[Problem] = []
        for wanted in self._document.organizations:
            try:
                plans.append(self._organization(wanted, keep=False))
            except BlueprintError as error:
                problems += error.problems
        if problems:
            raise BlueprintError(problems)
        return plans

    def apply(self, agreed: list[Plan] | None = None) -> Iterator[Plan]:
        """Make the changes, one transaction for each organization; yield what was changed, as it is committed.

        Args:
            agreed: what `plan` returned and somebody agreed to; nothing else is done. None: whatever is to be done now.

        Raises:
            BlueprintError: an organization refuses a change, or needs others than were agreed to; that one and those
                after it are unchanged.
        """
        nothing: list[Plan | None] = [None] * (1 + len(self._document.organizations))
        logins, *organizations = agreed or nothing
        with transaction.atomic():
            _queue_up("")
            changes = tuple(self._logins.missing())
            self._compare(logins, Plan("", changes), ("users",))
            self._run(changes)
        self._newcomers = frozenset(change.label for change in changes)
        yield Plan("", changes)
        for wanted, expected in zip(self._document.organizations, organizations, strict=True):
            yield self._organization(wanted, keep=True, expected=expected)

    def _organization(self, wanted: WantedOrganization, *, keep: bool, expected: Plan | None = None) -> Plan:
        """Do all the work for one organization; a rehearsal (`keep` is False) is rolled back."""
        with transaction.atomic():
            if not keep and self._document.users:
                _queue_up("")
                logins = self._logins.missing(rehearsing=True)
                self._newcomers = frozenset(change.label for change in logins)
                self._run(logins)
            _queue_up(wanted.slug)
            changes: list[Change] = []
            organization_id = organization_id_of(wanted.slug) or self._create(wanted, changes)
            with tenant_scope(organization_id), acting_as(self._actor_in(organization_id)) as actor:
                warnings = self._work(wanted, actor, changes, organization_id)
                _check_deferred()
            plan = Plan(wanted.slug, tuple(changes), tuple(warnings))
            self._compare(expected, plan, wanted.path)
            if not keep:
                transaction.set_rollback(True)
        return plan

    def _work(
        self, wanted: WantedOrganization, actor: Actor, changes: list[Change], organization_id: UUID
    ) -> list[Problem]:
        """Make one organization as the file wants it, add what that took to `changes`, and return warnings."""
        with self._blaming(wanted.path):
            actor.require(P.ORGANIZATION_READ)
        organization = locked_organization(organization_id)
        if organization.is_being_deleted:
            raise self._refusal(wanted.path, "This organization is being deleted. Call that off first.")
        if organization.is_suspended and self._person:
            raise self._refusal(wanted.path, "This organization is suspended; its members change nothing meanwhile.")
        stage = Stage(
            wanted,
            organization,
            actor,
            direct=self._person is None,
            additions_only=self._document.additions_only,
            is_new=bool(changes),
            newcomers=self._newcomers,
        )
        _check_references(stage)
        sections: list[Section] = [section(stage) for section in SECTIONS]
        with self._blaming(wanted.path):
            planned = [change for section in sections for change in section.additions()]
            planned += [change for section in reversed(sections) for change in section.removals()]
        self._run(planned)
        changes += planned
        return stage.warnings

    def _create(self, wanted: WantedOrganization, changes: list[Change]) -> UUID:
        """Create a missing organization with its first owner, and return its id."""
        owner, path = self._first_owner(wanted)
        name = wanted.table("settings")[wanted.slug].values.get("name", wanted.slug)
        creator = self._system
        if self._person:
            creator = operator_actor(self._person) if self._person.is_operator else person(self._person)
        made: list[Organization] = []

        def create() -> None:
            made.append(create_organization(slug=wanted.slug, name=name, owner=owner, actor=creator))

        fields = {"name": (None, name), "owner": (None, owner.email)}
        changes.append(Change(Verb.CREATE, "organization", wanted.slug, fields, path, create))
        with acting_as(creator):
            self._run(changes)
        return made[0].pk

    def _first_owner(self, wanted: WantedOrganization) -> tuple[User, Path]:
        owners = [
            str(email)
            for email, item in wanted.table("members").items()
            if item.values["role"] == BuiltinRole.OWNER and item.values.get("active", True)
        ]
        if self._person:
            if self._person.email not in owners:
                said = f"{wanted.slug} does not exist yet. List {self._person.email}, who creates it, as an owner."
                raise self._refusal(wanted.path, said)
            return self._person, wanted.path
        for email in owners:
            if owner := login_of(email):
                return owner, wanted.path
        said = f"{wanted.slug} does not exist yet and needs an owner who can sign in"
        if not owners:
            raise self._refusal(wanted.path, f"{said}: list one under members with the role owner.")
        named = ", ".join(owners)
        raise self._refusal(wanted.path, f"{said}: list {named} under users, or let them sign up first.")

    def _actor_in(self, organization_id: UUID) -> Actor:
        return user_actor(self._person, organization_id) if self._person else self._system

    def _run(self, changes: Iterable[Change]) -> None:
        for change in changes:
            with self._blaming(change.path):
                change.run()

    @contextmanager
    def _blaming(self, path: Path) -> Iterator[None]:
        """Turn a refusal into a problem with the line that asked for it."""
        try:
            yield
        except BlueprintError:
            raise
        except MissingPermission as error:
            acting = self._person.email if self._person else self._system.label
            said = f"{acting} needs the permission {error.permission} for this."
            raise self._refusal(path, said) from error
        except DomainError as error:
            # An organization's own fields stand one level deeper than its name.
            places = [(*path, error.field), (*path, "settings", error.field)] if error.field else []
            place = next((place for place in places if self._stands(place)), path)
            raise self._refusal(place, error.message) from error

    def _stands(self, path: Path) -> bool:
        source = self._document.source
        return path in source.values or path in source.names

    def _compare(self, expected: Plan | None, plan: Plan, path: Path) -> None:
        if expected is not None and expected != plan:
            raise self._refusal(path, "Somebody changed something here since the plan was made. Plan again.")

    def _refusal(self, path: Path, message: str) -> BlueprintError:
        return BlueprintError([self._document.source.problem(path, message, at_key=True)])


def _check_references(stage: Stage) -> None:
    """Refuse names of what is neither in the file nor in the organization.

    Raises:
        BlueprintError: with every such name.
    """
    wanted = stage.wanted
    known: dict[str, set[str]] = {
        "role": {*wanted.table("roles"), *Role.objects.values_list("key", flat=True)},  # type: ignore[arg-type]
        "project": {*wanted.table("projects"), *Project.objects.values_list("slug", flat=True)},  # type: ignore[arg-type]
        "member": {
            *wanted.table("members"),  # type: ignore[arg-type]
            *Membership.objects.values_list("user__email", flat=True),
            *(email.lower() for email in _invited()),
        },
        "group": {name.lower() for name in (*wanted.table("groups"), *Group.objects.values_list("name", flat=True))},
        "service account": {
            name.lower()
            for name in (*wanted.table("service_accounts"), *ServiceAccount.objects.values_list("name", flat=True))
        },
    }
    problems = []
    for reference in wanted.references:
        names = known.get(reference.noun)
        if names is None or reference.key in names:
            continue
        said = closest(reference.noun, reference.key, sorted(names))
        problems.append(wanted.source.problem(reference.path, said))
    if problems:
        raise BlueprintError(problems)


def _invited() -> Any:
    return Invitation.objects.filter(accepted_at=None, revoked_at=None).values_list("email", flat=True)


def _queue_up(slug: str) -> None:
    """Wait until no other blueprint works on this organization, which need not exist yet."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"gatehouse blueprint {slug}"])


def _check_deferred() -> None:
    """Let the database check now what it would check at commit: a rehearsal never gets there."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
