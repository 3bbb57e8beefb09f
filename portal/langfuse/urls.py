"""The addresses below /api/public/."""

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from . import health, keys, memberships, projects


@csrf_exempt
@transaction.non_atomic_requests
def nowhere(request: HttpRequest) -> JsonResponse:
    """Answer an address that Gatehouse does not have (404)."""
    text = "Gatehouse has no such endpoint: it manages organizations, projects, members and keys. See docs/langfuse.md."
    return JsonResponse({"message": text}, status=404)


urlpatterns = [
    path("health", health.health),
    path("ready", health.ready),
    path("projects", projects.OwnProject.as_view()),
    path("projects/<str:project>", projects.OneProject.as_view()),
    path("projects/<str:project>/apiKeys", keys.ProjectKeys.as_view()),
    path("projects/<str:project>/apiKeys/<str:key>", keys.OneProjectKey.as_view()),
    path("projects/<str:project>/memberships", memberships.ProjectMemberships.as_view()),
    path("organizations/projects", projects.OrganizationProjects.as_view()),
    path("organizations/apiKeys", keys.OrganizationKeys.as_view()),
    path("organizations/memberships", memberships.OrganizationMemberships.as_view()),
    re_path(r"", nowhere),
]
