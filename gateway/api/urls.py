"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import path

from gateway.oauth import views as oauth

from . import credentials

_CREDENTIALS = "organizations/<reference:organization>/provider-credentials"
_CREDENTIAL = f"{_CREDENTIALS}/<uuid:provider_credential>"

urlpatterns = [
    path("oauth2/token", oauth.token, name="oauth_token"),
    path("oauth2/revoke", oauth.revoke, name="oauth_revoke"),
    path(_CREDENTIALS, credentials.ProviderCredentials.as_view()),
    path(f"{_CREDENTIALS}/resolve", credentials.ProviderCredentialResolution.as_view()),
    path(_CREDENTIAL, credentials.OneProviderCredential.as_view()),
    path(f"{_CREDENTIAL}/rotate", credentials.ProviderCredentialRotation.as_view()),
    path(f"{_CREDENTIAL}/put-back", credentials.ProviderCredentialPuttingBack.as_view()),
    path(f"{_CREDENTIAL}/enable", credentials.ProviderCredentialEnabling.as_view()),
    path(f"{_CREDENTIAL}/disable", credentials.ProviderCredentialDisabling.as_view()),
    path(f"{_CREDENTIAL}/test", credentials.ProviderCredentialTest.as_view()),
]
