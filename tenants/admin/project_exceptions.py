"""Taking an exception back."""

from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from console.access import actor_of, require
from console.confirm import ConfirmForm, add_refusal, show_confirmation
from console.sites import tenant_site
from isolation.exceptions import DomainError
from tenants.models import Project
from tenants.permissions import P
from tenants.selectors import find_exception
from tenants.services.exceptions import revoke_exception


@tenant_site.page(
    "projects/<uuid:project_id>/exceptions/<str:kind>/<uuid:grant_id>/revoke/",
    name="revoke_exception",
    title="Revoke exception",
    permission=None,
)
def revoke(request: HttpRequest, project_id: UUID, kind: str, grant_id: UUID) -> HttpResponse:
    """Ask, then revoke; the permission is asked in the project."""
    project = Project.objects.visible_to(actor_of(request)).filter(pk=project_id).first()
    if project is None:
        raise Http404("There is no such project here.")
    require(request, P.PROJECTS_MANAGE, project)
    grant = find_exception(project, kind, grant_id)
    if grant is None:
        raise Http404("There is no such exception here.")
    back = reverse("console:tenants_project_change", args=[project.pk])
    form = ConfirmForm.build(request)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                revoke_exception(grant=grant, actor=actor_of(request))
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, "The exception was revoked.")
            return HttpResponseRedirect(back)
    holder = getattr(grant, "user", None) or getattr(grant, "group", None)
    return show_confirmation(
        tenant_site,
        request,
        title="Revoke exception",
        message=f"{holder} will no longer hold {grant.permission.codename} in {project} unless a role allows it.",
        form=form,
        submit="Revoke",
        cancel_url=back,
    )
