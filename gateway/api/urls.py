"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import path

import api.converters  # noqa: F401 - registers `reference`
from gateway.oauth import views as oauth

from . import usage, usage_limits

ORGANIZATION = "organizations/<reference:organization>"

urlpatterns = [
    path("oauth2/token", oauth.token, name="oauth_token"),
    path("oauth2/revoke", oauth.revoke, name="oauth_revoke"),
    path(f"{ORGANIZATION}/usage", usage.Usage.as_view()),
    path(f"{ORGANIZATION}/usage.csv", usage.UsageFile.as_view()),
    path(f"{ORGANIZATION}/usage-limits", usage_limits.UsageLimits.as_view()),
    path(f"{ORGANIZATION}/usage-limits/<uuid:usage_limit>", usage_limits.OneUsageLimit.as_view()),
    path(f"{ORGANIZATION}/usage-limits/<uuid:usage_limit>/usage", usage_limits.UsageOfLimit.as_view()),
    path("model-prices", usage.Prices.as_view()),
]
