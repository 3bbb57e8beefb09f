"""The console of one organization, below /o/<slug>/ (`portal.middleware.scope` moves that into the script prefix)."""

from django.urls import path

from console.sites import tenant_site

from .views import refused

urlpatterns = [path("", tenant_site.urls)]

handler403 = refused.forbidden
handler404 = refused.not_found
handler500 = refused.server_error
