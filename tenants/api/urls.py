"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import path

from . import organizations

urlpatterns = [
    path("organizations", organizations.Organizations.as_view()),
    path("organizations/<reference:organization>", organizations.OneOrganization.as_view()),
    path("organizations/<reference:organization>/restore", organizations.OrganizationRestore.as_view()),
]
