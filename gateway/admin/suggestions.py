"""What the pages of the LLM auth proxy suggest while a project is typed."""

from django.http import Http404, HttpRequest, JsonResponse

from console.access import actor_of
from console.sites import tenant_site
from console.suggest import send_suggestions, typed_in
from gateway.forms.projects import PURPOSES
from gateway.named_rows import projects_of


@tenant_site.page(
    "llm/projects/suggestions/<slug:purpose>/", name="llm_project_suggestions", title="Suggestions", permission=None
)
def suggest_projects(request: HttpRequest, purpose: str) -> JsonResponse:
    """Send the projects in which the actor holds what the purpose takes.

    Raises:
        Http404: there is no such purpose.
    """
    if purpose not in PURPOSES:
        raise Http404("Nothing asks for projects so.")
    rows = projects_of(actor_of(request), PURPOSES[purpose])
    return send_suggestions(rows.beginning(typed_in(request.GET.get("typed", ""))))
