"""The addresses of the API, below /api/; each app brings its own."""

from django.urls import include, path, re_path

import api.converters  # noqa: F401 - registers `reference`, which the apps' paths use
from api.views import nowhere

from .views.elsewhere import introspection

urlpatterns = [
    path("v1/", include("api.urls")),
    path("v1/", include("accounts.api.urls")),
    path("v1/", include("tenants.api.urls")),
    path("v1/", include("audit.api.urls")),
    path("v1/", include("gateway.api.urls")),
    path("v1/introspect", introspection),
    path("public/", include("portal.langfuse.urls")),
    re_path(r"", nowhere),
]
