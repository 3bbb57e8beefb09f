"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import path

from gateway.oauth import views as oauth

from . import proxy_settings, tokens

_PROXY = "organizations/<reference:organization>/llm-proxy"

urlpatterns = [
    path("oauth2/token", oauth.token, name="oauth_token"),
    path("oauth2/revoke", oauth.revoke, name="oauth_revoke"),
    path(_PROXY, proxy_settings.Settings.as_view()),
    path(f"{_PROXY}/tokens", tokens.Tokens.as_view()),
    path(f"{_PROXY}/tokens/<uuid:access_token>", tokens.OneToken.as_view()),
    path(f"{_PROXY}/tokens/<uuid:access_token>/revoke", tokens.OneRevocation.as_view()),
    path(f"{_PROXY}/token-revocations", tokens.Revocations.as_view()),
]
