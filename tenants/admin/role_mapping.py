"""The page before a group gives another role: who would gain or lose what."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from console.access import actor_of
from console.sites import tenant_site
from tenants.mapping_preview import MOST_READ, Effect, Mapping, authorities_of_group, effects
from tenants.models import Group, Project, Role
from tenants.permissions import PERMISSIONS, P

from .managed import is_managed

CONFIRMED = "mapping_confirmed"
ALLOW_OWNER = "allow_owner"
MOST_SHOWN = 50
MOST_LABELS = 8
_PREFIX = "roles"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A role that a posted form wants a group to give.

    Attributes:
        role: the role.
        project: where, or None.
    """

    role: Role
    project: Project | None


def wanted_roles(request: HttpRequest) -> list[Wanted]:
    """Return the roles that a group's posted form adds, and that the actor could give.

    What names nothing, or is above the actor, is left to the form and the service, which say why.
    """
    asked = list(_asked(request))
    roles = {str(role.pk): role for role in Role.objects.filter(pk__in=_ids(role for role, _ in asked))}
    projects = {
        str(project.pk): project
        for project in Project.objects.visible_to(actor_of(request)).filter(pk__in=_ids(place for _, place in asked))
    }
    return [
        Wanted(roles[role], projects.get(place))
        for role, place in asked
        if role in roles
        and (not place or place in projects)
        and all(actor_of(request).can(name, projects.get(place)) for name in roles[role].permissions)
    ]


def show_preview(request: HttpRequest, group: Group, wanted: list[Wanted], cancel_url: str) -> HttpResponse:
    """Return the page that tells what the roles would change, and asks to confirm."""
    mappings = [
        Mapping(group.name, item.role.name, frozenset(item.role.permissions), item.project.pk if item.project else None)
        for item in wanted
    ]
    members, more_members = authorities_of_group(group)
    found = effects(members, mappings)
    names = {item.project.pk: item.project.name for item in wanted if item.project}
    owner = any(item.role.is_owner for item in wanted)
    context = {
        "title": "Give a role",
        "subtitle": str(group),
        "wanted": wanted,
        "managed": is_managed(group),
        "members_number": len(members),
        "more_members": MOST_READ if more_members else 0,
        "affected": len({effect.person for effect in found}),
        "rows": [_row(effect, names) for effect in found[:MOST_SHOWN]],
        "more_rows": max(0, len(found) - MOST_SHOWN),
        "asks_owner": owner and is_managed(group),
        "carried": [
            (name, value)
            for name, values in request.POST.lists()
            if name not in {"csrfmiddlewaretoken", CONFIRMED, ALLOW_OWNER}
            for value in values
        ],
        "cancel_url": cancel_url,
    }
    response: HttpResponse = tenant_site.render(request, "tenants/mapping_preview.html", context)
    return response


def is_confirmed(request: HttpRequest) -> bool:
    """Return whether the posted form comes from the preview."""
    return CONFIRMED in request.POST


def allows_owner(request: HttpRequest) -> bool:
    """Return whether the box that lets the identity provider make owners was ticked."""
    return ALLOW_OWNER in request.POST


def _asked(request: HttpRequest) -> Any:
    total = request.POST.get(f"{_PREFIX}-TOTAL_FORMS", "")
    for number in range(min(int(total), 1_000) if total.isascii() and total.isdigit() else 0):
        row = f"{_PREFIX}-{number}-"
        role = request.POST.get(f"{row}role", "")
        if role and not request.POST.get(f"{row}id") and not request.POST.get(f"{row}DELETE"):
            yield role, request.POST.get(f"{row}project", "")


def _ids(values: Any) -> list[Any]:
    found = []
    for value in values:
        try:
            found.append(Role._meta.pk.to_python(value))
        except ValidationError:
            continue
    return [value for value in found if value]


def _row(effect: Effect, names: dict[Any, str]) -> dict[str, Any]:
    return {
        "person": effect.person,
        "place": names.get(effect.project_id, "The organization"),
        "before": ", ".join(effect.before) or "Nothing",
        "after": ", ".join(effect.after) or "Nothing",
        "gained": _labels(effect.gained),
        "lost": _labels(effect.lost),
    }


def _labels(permissions: frozenset[P]) -> str:
    labels = [PERMISSIONS[name].label for name in sorted(permissions)]
    more = f" and {len(labels) - MOST_LABELS} more" if len(labels) > MOST_LABELS else ""
    return ", ".join(labels[:MOST_LABELS]) + more
