"""What the audit viewer asks this app: whom an id stands for, and who may read."""

from uuid import UUID

from django.db import connections
from django.db.models import Exists, OuterRef, Q

from audit import readers, subjects
from audit.readers import MOST, Reader, Readers
from audit.subjects import Subject
from isolation.actor import Actor
from isolation.context import crossing_tenants
from isolation.scope import APP, OPERATOR

from .authority import MemberAuthority, assemble
from .models import GroupMember, Membership, Project, ProjectGroupGrant, ProjectUserGrant, Role
from .permissions import P


def find_member(pk: UUID, actor: Actor) -> Subject | None:
    """Return the person with a login's or a membership's id; across organizations that is one person too."""
    rows = list(Membership.objects.select_related("user").filter(Q(pk=pk) | Q(user_id=pk))[:MOST])
    if not rows:
        return None
    user = rows[0].user
    return Subject("person", user.email, (user.pk, *(row.pk for row in rows)), (user.pk,), (user.email,), (user.email,))


def find_project(pk: UUID, actor: Actor) -> Subject | None:
    """Return the project with an id."""
    project = Project.objects.filter(pk=pk).first()
    return Subject("project", project.name, (pk,), is_project=True) if project else None


def people_who_may(organization_id: UUID, project_id: UUID | None, permission: str) -> Readers:
    """Return the members who hold a permission in a project, or in the organization as a whole (three statements)."""
    name = P(permission)
    able = [role.pk for role in Role.objects.for_organization(organization_id) if name in role.permissions]
    members = Membership.objects.for_organization(organization_id).filter(is_active=True, user__is_active=True)
    chosen = members.filter(_maybe(able, project_id)).select_related("user").order_by("user__email")
    candidates = {row.user_id: row.user.email for row in chosen[: MOST + 1]}
    named = [
        Reader(candidates[user_id], "person", _why(authority, name, project_id))
        for user_id, authority in _authorities(organization_id, list(candidates)).items()
        if name in authority.permissions_in(project_id)
    ]
    return Readers(tuple(sorted(named, key=lambda reader: reader.label)[:MOST]), more=len(candidates) > MOST)


def _maybe(able: list[UUID], project_id: UUID | None) -> Q:
    """Return the condition that somebody has a role or an exception that could allow it; what decides comes later."""
    places = Q(group__roles__project=None) | Q(group__roles__project_id=project_id)
    through_group = GroupMember.objects.filter(places, membership=OuterRef("pk"), group__roles__role__in=able)
    condition = Q(role__in=able) | Q(Exists(through_group))
    if project_id is None:
        return condition
    granted = ProjectUserGrant.objects.filter(user=OuterRef("user"), content_object_id=project_id)
    groups = ProjectGroupGrant.objects.filter(content_object_id=project_id).values("group")
    through_grant = GroupMember.objects.filter(membership=OuterRef("pk"), group__in=groups)
    in_project = Q(project_memberships__project_id=project_id, project_memberships__role__in=able)
    own = Membership.objects.filter(in_project, pk=OuterRef("pk"))
    return condition | Q(Exists(granted)) | Q(Exists(through_grant)) | Q(Exists(own))


def _authorities(organization_id: UUID, user_ids: list[UUID]) -> dict[UUID, MemberAuthority]:
    rows: dict[UUID, list[tuple[object, ...]]] = {user_id: [] for user_id in user_ids}
    with connections[OPERATOR if crossing_tenants() else APP].cursor() as cursor:
        cursor.execute(
            "SELECT person.id, held.* FROM unnest(%s::uuid[]) AS person(id)"
            " CROSS JOIN LATERAL tenants_authority(%s, person.id) AS held",
            [user_ids, organization_id],
        )
        for user_id, *row in cursor.fetchall():
            rows[user_id].append(tuple(row))
    return {user_id: assemble(organization_id, found) for user_id, found in rows.items()}


def _why(authority: MemberAuthority, permission: P, project_id: UUID | None) -> str:
    roles = [str(role) for role in authority.roles_in(project_id) if permission in role.permissions]
    return f"role {', '.join(roles)}" if roles else "an exception in this project"


subjects.finders += [find_member, find_project]
readers.sources.append(people_who_may)
