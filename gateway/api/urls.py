"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import path

from gateway.oauth import views as oauth

urlpatterns = [
    path("oauth2/token", oauth.token, name="oauth_token"),
    path("oauth2/revoke", oauth.revoke, name="oauth_revoke"),
]
