"""The addresses of the portal, and those of sign-in by a code that is mailed, which the portal does not offer."""

from allauth.account import views
from django.urls import path

from portal import urls

urlpatterns = [
    path("by-code/", views.request_login_code, name="account_request_login_code"),
    path("by-code/confirm/", views.confirm_login_code, name="account_confirm_login_code"),
    *urls.urlpatterns,
]
