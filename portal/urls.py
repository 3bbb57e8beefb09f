"""The addresses of the installation; an organization's console is in `portal.urls_tenant`."""

from django.urls import include, path

from console.sites import operator_site

from .views import addresses, confirm, health, invitations, landing, refused, second_step, sessions, support

urlpatterns = [
    path("", landing.home, name="home"),
    path("organizations/new/", landing.create_organization, name="create_organization"),
    path("invitations/<str:token>/", invitations.show, name="invitation"),
    path("invitations/<str:token>/with/<slug:key>/", invitations.join_with, name="invitation_social"),
    path(
        "invitations/<uuid:invitation_id>/accept/",
        invitations.accept_here,
        name="accept_invitation",
    ),
    path("admin/support/<uuid:organization_id>/", support.enter, name="support_enter"),
    path(
        "admin/support/<uuid:organization_id>/leave/",
        support.leave,
        name="support_leave",
    ),
    path("admin/", operator_site.urls),
    path("api/", include("portal.urls_api")),
    path("", include("accounts.scim.urls")),
    path("", include("accounts.sso.urls")),
    path("", include("gateway.urls")),
    path("accounts/confirm/", confirm.confirm, name="confirm"),
    path("accounts/email/", addresses.Addresses.as_view(), name="account_email"),
    path("accounts/social/", include("accounts.social.urls")),
    path("accounts/", include("allauth.urls")),
    path("accounts/profile/", landing.profile, name="profile"),
    path("accounts/sessions/", sessions.show, name="sessions"),
    path("accounts/sessions/end-others/", sessions.end_others, name="sessions_end_others"),
    path("accounts/sessions/<uuid:session_id>/end/", sessions.end, name="session_end"),
    path("accounts/browsers/<uuid:device_id>/forget/", sessions.forget, name="device_forget"),
    path("accounts/second-step/", second_step.lead, name="second_step"),
    path("healthz/live", health.live, name="health_live"),
    path("healthz/ready", health.ready, name="health_ready"),
]

handler400 = refused.bad_request
handler403 = refused.forbidden
handler404 = refused.not_found
handler500 = refused.server_error
