"""Where people sign in through their organization; `/o/<slug>/` begins tests (accounts.admin.sso_connections)."""

from django.urls import path

from . import views

urlpatterns = [
    path("sso/", views.find, name="sso"),
    path("sso/<uuid:connection_id>/start/", views.start, name="sso_start"),
    path("sso/<uuid:connection_id>/callback/", views.callback, name="sso_callback"),
]
