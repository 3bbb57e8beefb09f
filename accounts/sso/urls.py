"""Where people sign in through their organization; `/o/<slug>/` begins tests (accounts.admin.sso_connections)."""

from django.urls import path

from . import setup, views
from .oidc import logout as oidc_logout
from .oidc import views as oidc
from .saml import slo
from .saml import views as saml

urlpatterns = [
    path("sso/", views.find, name="sso"),
    path("sso/setup/<uuid:link_id>/", setup.choose, name="sso_setup"),
    path("sso/setup/<uuid:link_id>/connection/", setup.connection, name="sso_setup_connection"),
    path("sso/setup/<uuid:link_id>/refresh/", setup.refresh, name="sso_setup_refresh"),
    path("sso/setup/<uuid:link_id>/domains/<uuid:domain_id>/", setup.look_for_domain, name="sso_setup_domain"),
    path("sso/setup/<uuid:link_id>/test/", setup.test, name="sso_setup_test"),
    path("sso/setup/<uuid:link_id>/tests/<uuid:login_id>/", setup.outcome, name="sso_setup_outcome"),
    path("sso/setup/<uuid:link_id>/finish/", setup.finish, name="sso_setup_finish"),
    path("sso/setup/<str:token>/", setup.enter, name="sso_setup_enter"),
    path("sso/<uuid:connection_id>/start/", views.start, name="sso_start"),
    path("sso/<uuid:connection_id>/callback/", oidc.callback, name="sso_callback"),
    path("sso/<uuid:connection_id>/sign-out/", oidc_logout.sign_out, name="sso_sign_out"),
    path("sso/<uuid:connection_id>/signed-out/", oidc_logout.signed_out, name="sso_signed_out"),
    path(
        "sso/<uuid:connection_id>/backchannel-logout/",
        oidc_logout.backchannel_logout,
        name="sso_backchannel_logout",
    ),
    path("sso/<uuid:connection_id>/saml/metadata/", saml.metadata, name="saml_metadata"),
    path("sso/<uuid:connection_id>/saml/acs/", saml.acs, name="saml_acs"),
    path("sso/<uuid:connection_id>/saml/confirm/", saml.confirm, name="saml_confirm"),
    path("sso/<uuid:connection_id>/saml/slo/", slo.slo, name="saml_slo"),
    path("sso/<uuid:connection_id>/saml/leave/", slo.leave, name="saml_leave"),
]
