"""What the console's pages read, in a fixed number of statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db.models import BooleanField, Count, Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from console.lists import capped_count
from isolation.actor import Actor

from .access import authority_for
from .authority import GrantSource, MemberAuthority, RoleGrant
from .domain_names import mail_domain
from .lookups import MembershipSummary
from .models import (
    Domain,
    DomainMethod,
    GroupMember,
    Invitation,
    Membership,
    Project,
    ProjectGroupGrant,
    ProjectMembership,
    ProjectUserGrant,
    Role,
)
from .permissions import PERMISSIONS, BuiltinRole, P

DOMAIN_STATES = ("pending", "verified", "failing")
MOST_EXCEPTIONS = 200

_ORIGINS = {
    GrantSource.MEMBERSHIP: "role in the organization",
    GrantSource.GROUP: "group {group}",
    GrantSource.PROJECT_MEMBERSHIP: "own role in this project",
    GrantSource.PROJECT_GROUP: "group {group} in this project",
}


@dataclass(frozen=True, slots=True)
class ProjectAccess:
    """What a member is in one project, and why.

    Attributes:
        project: the project.
        stored: the member's own role there, or None.
        roles: the names of the roles that decide.
        origins: where each of them comes from, in words.
        exceptions: the labels of the permissions granted one by one.
        visible: whether the member sees the project at all.
    """

    project: Project
    stored: ProjectMembership | None
    roles: tuple[str, ...]
    origins: tuple[str, ...]
    exceptions: tuple[str, ...]
    visible: bool


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """An exception as a page shows it.

    Attributes:
        kind: "member" or "group".
        pk: of the grant.
        holder: who has it.
        permission: its label.
        name: its catalogue name.
    """

    kind: str
    pk: UUID
    holder: str
    permission: str
    name: str


def project_access(
    membership: Membership, authority: MemberAuthority, projects: Sequence[Project]
) -> list[ProjectAccess]:
    """Return a member's access to each of `projects`, by one statement more than the authority took."""
    own = {
        place.project_id: place
        for place in ProjectMembership.objects.filter(membership=membership, project__in=list(projects)).select_related(
            "role"
        )
    }
    return [
        ProjectAccess(
            project=project,
            stored=own.get(project.pk),
            roles=tuple(grant.role for grant in authority.roles_in(project.pk)),
            origins=tuple(origin(grant) for grant in authority.roles_in(project.pk)),
            exceptions=tuple(PERMISSIONS[name].label for name in sorted(authority.exceptions.get(project.pk, {}))),
            visible=authority.allows(P.PROJECTS_READ, project),
        )
        for project in projects
    ]


def origin(grant: RoleGrant) -> str:
    """Return in words where a role comes from."""
    return _ORIGINS.get(grant.source, "support").format(group=grant.group)


def number_of(rows: "QuerySet[Any]", column: str) -> Coalesce:
    """Return an annotation that counts, by a subquery, the rows whose `column` names the row annotated.

    A join with ``Count`` would group by every column of the list, and two of them would multiply.
    """
    mine = rows.filter(**{column: OuterRef("pk")}).order_by()
    return Coalesce(Subquery(mine.values(column).annotate(number=Count("pk")).values("number")), 0)


def with_group_count(members: Any) -> Any:
    """Add to each member the number of groups they are in."""
    return members.annotate(group_count=number_of(GroupMember.objects.all(), "membership"))


def with_second_factor(members: Any, *, told: bool = True) -> Any:
    """Add to each member whether their login has a second factor; None when the reader is not told.

    Args:
        members: memberships.
        told: whether the reader manages members: who has none is worth knowing to others too.
    """
    if not told:
        return members.annotate(has_second_factor=Value(None, output_field=BooleanField(null=True)))
    factors = Authenticator.objects.filter(user_id=OuterRef("user_id")).exclude(type=Authenticator.Type.RECOVERY_CODES)
    return members.annotate(has_second_factor=Exists(factors))


def with_sizes(groups: Any) -> Any:
    """Add to each group the number of its members."""
    return groups.annotate(size=number_of(GroupMember.objects.all(), "group"))


def roles_with_holders() -> list[tuple[Role, int]]:
    """Return each role of the organization with the number of members who have it, built-in ones first."""
    roles = Role.objects.annotate(holders=number_of(Membership.objects.all(), "role"))
    order = list(BuiltinRole)

    def place(role: Role) -> tuple[int, str]:
        return (order.index(BuiltinRole(role.key)) if role.is_builtin else len(order)), role.name.lower()

    return [(role, role.holders) for role in sorted(roles, key=place)]


def exceptions_in(project: Project) -> list[ExceptionRow]:
    """Return the exceptions of a project, at most `MOST_EXCEPTIONS` of each kind, in two statements."""
    of_users = ProjectUserGrant.objects.filter(content_object=project).select_related("user", "permission")
    of_groups = ProjectGroupGrant.objects.filter(content_object=project).select_related("group", "permission")
    order = ("permission__codename", "pk")
    return [
        *(_row("member", grant, grant.user) for grant in of_users.order_by(*order)[:MOST_EXCEPTIONS]),
        *(_row("group", grant, grant.group) for grant in of_groups.order_by(*order)[:MOST_EXCEPTIONS]),
    ]


def find_exception(project: Project, kind: str, pk: UUID) -> ProjectUserGrant | ProjectGroupGrant | None:
    """Return an exception of the project, or None."""
    models: dict[str, Any] = {"member": ProjectUserGrant, "group": ProjectGroupGrant}
    model = models.get(kind)
    if model is None:
        return None
    holder = "user" if kind == "member" else "group"
    return model.objects.filter(content_object=project, pk=pk).select_related("permission", holder).first()  # type: ignore[no-any-return]


def transfer_targets(memberships: Iterable[MembershipSummary], user: Any, current: UUID) -> list[MembershipSummary]:
    """Return the other organizations in which a person may accept a project.

    Args:
        memberships: every membership of the person.
        user: that person.
        current: the id of the organization that the project is in.
    """
    return [
        summary
        for summary in memberships
        if summary.is_active
        and summary.organization_id != current
        and summary.suspended_at is None
        and summary.purge_at is None
        and _may_receive(user, summary.organization_id)
    ]


def open_invitations_number() -> int:
    """Return how many invitations can still be accepted, counted up to a cap."""
    rows = Invitation.objects.filter(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())
    return capped_count(rows)[0]


def members_number() -> int:
    """Return how many active members there are, counted up to a cap."""
    return capped_count(Membership.objects.filter(is_active=True))[0]


def projects_number(actor: Actor) -> int:
    """Return how many projects the actor sees, counted up to a cap."""
    return capped_count(Project.objects.visible_to(actor))[0]


def is_verified_domain(email: str) -> bool:
    """Return whether an address's domain is verified for the organization whose scope is open.

    Exactly this domain: a subdomain is another one. An address that two programs could read differently is at none.
    """
    name = mail_domain(email)
    return name is not None and Domain.objects.filter(name=name, verified_at__isnull=False).exists()


def has_had_domain(emails: Iterable[str]) -> bool:
    """Return whether one of the addresses is in a domain that is verified, or was until it was lost.

    For what the organization, whose scope is open, asks of its own people; nobody is let in by it.
    """
    names = {name for email in emails if (name := mail_domain(email))}
    counts = Q(verified_at__isnull=False) | Q(lost_at__isnull=False)
    return bool(names) and Domain.objects.filter(counts, name__in=names).exists()


def domains_in_state(domains: Any, state: str) -> Any:
    """Return the domains of a queryset that are in one of `DOMAIN_STATES`, by the columns behind `Domain.state`."""
    conditions = {
        "pending": Q(verified_at=None),
        "verified": Q(verified_at__isnull=False, failing_since=None),
        "failing": Q(failing_since__isnull=False),
    }
    return domains.filter(conditions[state])


def domains_to_check() -> "QuerySet[Domain]":
    """Return the verified domains whose record the daily check looks for, in every organization that is in scope."""
    domains: QuerySet[Domain] = Domain.objects.filter(method=DomainMethod.DNS).order_by("organization_id", "name")
    return domains


def _may_receive(user: Any, organization_id: UUID) -> bool:
    authority = authority_for(user, organization_id)
    return authority.allows(P.PROJECTS_CREATE, None) and authority.allows(P.PROJECTS_TRANSFER, None)


def _row(kind: str, grant: Any, holder: Any) -> ExceptionRow:
    name = grant.permission.codename
    label = PERMISSIONS[P(name)].label if name in PERMISSIONS else name
    return ExceptionRow(kind, grant.pk, str(holder), label, name)
