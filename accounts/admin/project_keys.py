"""A project's keys, on the page of the project."""

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.selectors import keys_in_project
from console.access import actor_of, can
from isolation.actor import ActorKind
from tenants.admin.projects import SECTIONS
from tenants.models import Project
from tenants.permissions import P

from .key_table import key_table


def project_keys(request: HttpRequest, project: Project) -> SafeString:
    """Return the section, empty for whoever may not see the project's keys."""
    if not can(request, P.API_KEYS_READ, project):
        return SafeString("")
    may_make = actor_of(request).kind is ActorKind.USER and can(request, P.API_KEYS_MANAGE, project)
    new_key = f"{reverse('console:accounts_apikey_add')}?kind=project&project={project.pk}"
    context = {
        "keys": key_table(keys_in_project(project, actor_of(request))),
        "all_url": f"{reverse('console:accounts_apikey_changelist')}?project__id__exact={project.pk}",
        "new_key_url": new_key if may_make and not project.is_being_deleted else "",
    }
    return render_to_string("accounts/project_keys.html", context)


SECTIONS.append(project_keys)
