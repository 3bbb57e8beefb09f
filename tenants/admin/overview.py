"""What the tenant console's overview tells on top of its cards."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from audit.models import Event
from console.access import actor_of, can
from console.lists import COUNT_CAP
from console.sites import tenant_site
from tenants.permissions import P
from tenants.selectors import members_number, open_invitations_number, projects_number

from .common import authority_of, organization_of

_LATEST = 6

FIGURES: list[Callable[[HttpRequest], list[dict[str, Any]]]] = []
"""Further numbers: apps above this one add functions that return key, number, label, url and perhaps words after it."""


def overview(request: HttpRequest) -> dict[str, Any]:
    """Return numbers, next steps and the latest events, each only for whoever may see it."""
    organization = organization_of(request)
    figures = _figures(request)
    reads_log = authority_of(request).allows_somewhere(P.AUDIT_LOG_READ)
    return {
        "title": organization.name,
        "organization": organization,
        "may_delete": can(request, P.ORGANIZATION_DELETE),
        "figures": [*figures, *(figure for more in FIGURES for figure in more(request))],
        "counted": COUNT_CAP,
        "steps": [] if organization.is_being_deleted else _steps(request, figures),
        "shows_events": reads_log,
        "events": list(Event.objects.visible_to(actor_of(request)).order_by("-time", "-id")[:_LATEST])
        if reads_log
        else [],
        "log_url": reverse("console:audit_log"),
    }


def _figures(request: HttpRequest) -> list[dict[str, Any]]:
    figures = []
    if can(request, P.MEMBERS_READ):
        figures.append(
            {"key": "members", "number": members_number(), "label": "active member", "url": _list("membership")}
        )
    if authority_of(request).allows_somewhere(P.PROJECTS_READ):
        number = projects_number(actor_of(request))
        figures.append({"key": "projects", "number": number, "label": "project", "url": _list("project")})
    if can(request, P.MEMBERS_READ):
        url = f"{_list('invitation')}?state=pending"
        figures.append(
            {"key": "invitations", "number": open_invitations_number(), "label": "pending invitation", "url": url}
        )
    return figures


def _steps(request: HttpRequest, figures: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return what somebody who starts an organization does first."""
    numbers = {figure["key"]: figure["number"] for figure in figures}
    steps = []
    if numbers.get("projects") == 0 and can(request, P.PROJECTS_CREATE):
        text = "Projects hold keys and credentials; people have roles in them."
        steps.append(
            {"text": text, "action": "Create the first project", "url": reverse("console:tenants_project_add")}
        )
    if numbers.get("members") == 1 and numbers.get("invitations") == 0 and can(request, P.MEMBERS_INVITE):
        text = "You are alone here."
        steps.append({"text": text, "action": "Invite a colleague", "url": reverse("console:invite")})
    return steps


def _list(model: str) -> str:
    return reverse(f"console:tenants_{model}_changelist")


tenant_site.overview_template = "tenants/overview.html"
tenant_site.overview_context.append(overview)
