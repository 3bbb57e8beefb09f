"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import path

from . import (
    api_keys,
    leak_reports,
    me,
    personal_keys,
    scim,
    scim_tokens,
    second_factors,
    service_accounts,
    sessions,
    sign_in_policy,
    sso,
    sso_identities,
    sso_keys,
    sso_setup,
)

_ORGANIZATION = "organizations/<reference:organization>"
_KEYS = f"{_ORGANIZATION}/api-keys"
_PERSONAL = f"{_ORGANIZATION}/personal-keys"
_ACCOUNTS = f"{_ORGANIZATION}/service-accounts"
_CONNECTIONS = f"{_ORGANIZATION}/scim/connections"
_CONNECTION = f"{_CONNECTIONS}/<uuid:connection>"
_SSO_CONNECTIONS = f"{_ORGANIZATION}/sso/connections"
_SSO_CONNECTION = f"{_SSO_CONNECTIONS}/<uuid:sso_connection>"

urlpatterns = [
    path("me", me.Me.as_view()),
    path("me/sessions", sessions.OwnSessions.as_view()),
    path("me/sessions/end-others", sessions.OtherSessions.as_view()),
    path("me/sessions/<uuid:session>", sessions.OneOwnSession.as_view()),
    path(f"{_ORGANIZATION}/members/<uuid:member>/end-sessions", sessions.MemberSessions.as_view()),
    path("me/second-factors", second_factors.SecondFactors.as_view()),
    path("leak-reports", leak_reports.LeakReporting.as_view()),
    path("leak-reports/pattern", leak_reports.LeakPattern.as_view()),
    path(_KEYS, api_keys.ApiKeys.as_view()),
    path(f"{_KEYS}/revoke", api_keys.ApiKeysRevocation.as_view()),
    path(f"{_KEYS}/<uuid:key>", api_keys.OneApiKey.as_view()),
    path(f"{_KEYS}/<uuid:key>/rotate", api_keys.ApiKeyRotation.as_view()),
    path(f"{_KEYS}/<uuid:key>/revoke", api_keys.ApiKeyRevocation.as_view()),
    path(_PERSONAL, personal_keys.PersonalKeys.as_view()),
    path(f"{_PERSONAL}/<uuid:personal_key>", personal_keys.OnePersonalKey.as_view()),
    path(f"{_PERSONAL}/<uuid:personal_key>/rotate", personal_keys.PersonalKeyRotation.as_view()),
    path(f"{_PERSONAL}/<uuid:personal_key>/revoke", personal_keys.PersonalKeyRevocation.as_view()),
    path(_ACCOUNTS, service_accounts.ServiceAccounts.as_view()),
    path(f"{_ACCOUNTS}/<uuid:account>", service_accounts.OneServiceAccount.as_view()),
    path(f"{_ACCOUNTS}/<uuid:account>/project-roles", service_accounts.ServiceAccountProjectRoles.as_view()),
    path(
        f"{_ACCOUNTS}/<uuid:account>/project-roles/<uuid:project_id>",
        service_accounts.OneServiceAccountProjectRole.as_view(),
    ),
    path(_CONNECTIONS, scim.Connections.as_view()),
    path(_CONNECTION, scim.OneConnection.as_view()),
    path(f"{_CONNECTION}/users", scim.ProvisionedUsers.as_view()),
    path(f"{_CONNECTION}/requests", scim.ScimRequests.as_view()),
    path(f"{_CONNECTION}/tokens", scim_tokens.Tokens.as_view()),
    path(f"{_CONNECTION}/tokens/<uuid:token>", scim_tokens.OneToken.as_view()),
    path(f"{_CONNECTION}/tokens/<uuid:token>/revoke", scim_tokens.TokenRevocation.as_view()),
    path(f"{_ORGANIZATION}/sign-in-policy", sign_in_policy.Policy.as_view()),
    path(f"{_ORGANIZATION}/sign-in-policy/exceptions", sign_in_policy.Exceptions.as_view()),
    path(f"{_ORGANIZATION}/sign-in-policy/exceptions/<uuid:sign_in_exception>", sign_in_policy.OneException.as_view()),
    path(f"{_ORGANIZATION}/sso/setup-links", sso_setup.SetupLinks.as_view()),
    path(f"{_ORGANIZATION}/sso/setup-links/<uuid:setup_link>", sso_setup.OneSetupLink.as_view()),
    path(_SSO_CONNECTIONS, sso.SsoConnections.as_view()),
    path(_SSO_CONNECTION, sso.OneSsoConnection.as_view()),
    path(f"{_SSO_CONNECTION}/enable", sso.SsoConnectionOn.as_view()),
    path(f"{_SSO_CONNECTION}/disable", sso.SsoConnectionOff.as_view()),
    path(f"{_SSO_CONNECTION}/refresh", sso_keys.SsoConnectionRefreshed.as_view()),
    path(f"{_SSO_CONNECTION}/keys", sso_keys.SamlKeys.as_view()),
    path(f"{_SSO_CONNECTION}/keys/<uuid:saml_key>", sso_keys.OneSamlKey.as_view()),
    path(f"{_SSO_CONNECTION}/keys/<uuid:saml_key>/use", sso_keys.SamlKeyInUse.as_view()),
    path(f"{_SSO_CONNECTION}/groups", sso.FollowingGroups.as_view()),
    path(f"{_SSO_CONNECTION}/groups/<uuid:sso_group>", sso.OneFollowingGroup.as_view()),
    path(f"{_SSO_CONNECTION}/owners", sso.SsoOwners.as_view()),
    path(f"{_SSO_CONNECTION}/identities", sso_identities.SsoIdentities.as_view()),
    path(f"{_SSO_CONNECTION}/identities/<uuid:sso_identity>", sso_identities.OneSsoIdentity.as_view()),
    path(f"{_SSO_CONNECTION}/logins", sso.SsoLogins.as_view()),
]
