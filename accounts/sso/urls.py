"""Where people sign in through their organization; `/o/<slug>/` begins tests (accounts.admin.sso_connections)."""

from django.urls import path

from . import logout, views

urlpatterns = [
    path("sso/", views.find, name="sso"),
    path("sso/<uuid:connection_id>/start/", views.start, name="sso_start"),
    path("sso/<uuid:connection_id>/callback/", views.callback, name="sso_callback"),
    path("sso/<uuid:connection_id>/sign-out/", logout.sign_out, name="sso_sign_out"),
    path("sso/<uuid:connection_id>/signed-out/", logout.signed_out, name="sso_signed_out"),
    path("sso/<uuid:connection_id>/backchannel-logout/", logout.backchannel_logout, name="sso_backchannel_logout"),
]
