"""The address of the SCIM server, with and without a slash at its end."""

from django.urls import path

from accounts.scim_addresses import SCIM_PATH

from .views import serve

urlpatterns = [path(SCIM_PATH, serve), path(f"{SCIM_PATH}/", serve), path(f"{SCIM_PATH}/<path:path>", serve)]
