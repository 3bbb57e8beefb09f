"""The address of the SCIM server, with and without a slash at its end."""

from django.urls import path

from .views import serve

urlpatterns = [path("scim/v2", serve), path("scim/v2/", serve), path("scim/v2/<path:path>", serve)]
