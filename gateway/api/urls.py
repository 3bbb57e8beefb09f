"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import path

import api.converters  # noqa: F401 - registers `reference`
from gateway.oauth import views as oauth

from . import credentials, proxy_settings, tokens, usage, usage_limits

_ORGANIZATION = "organizations/<reference:organization>"
_PROXY = f"{_ORGANIZATION}/llm-proxy"
_CREDENTIALS = f"{_ORGANIZATION}/provider-credentials"
_CREDENTIAL = f"{_CREDENTIALS}/<uuid:provider_credential>"
_LIMITS = f"{_ORGANIZATION}/usage-limits"

urlpatterns = [
    path("oauth2/token", oauth.token, name="oauth_token"),
    path("oauth2/revoke", oauth.revoke, name="oauth_revoke"),
    path(_PROXY, proxy_settings.Settings.as_view()),
    path(f"{_PROXY}/tokens", tokens.Tokens.as_view()),
    path(f"{_PROXY}/tokens/<uuid:access_token>", tokens.OneToken.as_view()),
    path(f"{_PROXY}/tokens/<uuid:access_token>/revoke", tokens.OneRevocation.as_view()),
    path(f"{_PROXY}/token-revocations", tokens.Revocations.as_view()),
    path(_CREDENTIALS, credentials.ProviderCredentials.as_view()),
    path(f"{_CREDENTIALS}/resolve", credentials.ProviderCredentialResolution.as_view()),
    path(_CREDENTIAL, credentials.OneProviderCredential.as_view()),
    path(f"{_CREDENTIAL}/rotate", credentials.ProviderCredentialRotation.as_view()),
    path(f"{_CREDENTIAL}/put-back", credentials.ProviderCredentialPuttingBack.as_view()),
    path(f"{_CREDENTIAL}/enable", credentials.ProviderCredentialEnabling.as_view()),
    path(f"{_CREDENTIAL}/disable", credentials.ProviderCredentialDisabling.as_view()),
    path(f"{_CREDENTIAL}/test", credentials.ProviderCredentialTest.as_view()),
    path(f"{_ORGANIZATION}/usage", usage.Usage.as_view()),
    path(f"{_ORGANIZATION}/usage.csv", usage.UsageFile.as_view()),
    path(_LIMITS, usage_limits.UsageLimits.as_view()),
    path(f"{_LIMITS}/<uuid:usage_limit>", usage_limits.OneUsageLimit.as_view()),
    path(f"{_LIMITS}/<uuid:usage_limit>/usage", usage_limits.UsageOfLimit.as_view()),
    path("model-prices", usage.Prices.as_view()),
]
