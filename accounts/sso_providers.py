"""How each identity provider is connected for single sign-on: what to click there, in its own words, and its issuer."""

from dataclasses import dataclass

from .models.sso import SsoProvider


@dataclass(frozen=True, slots=True)
class SsoGuide:
    """The instructions for one identity provider.

    Attributes:
        steps: what to do there, in order; the redirect URI stands on the same page.
        issuer: what its issuer looks like.
        notes: what to know of how it behaves.
    """

    steps: tuple[str, ...]
    issuer: str
    notes: tuple[str, ...] = ()


GUIDES: dict[str, SsoGuide] = {
    SsoProvider.ENTRA: SsoGuide(
        steps=(
            "In the Entra admin center open App registrations, New registration.",
            "Supported account types: Accounts in this organizational directory only.",
            "Redirect URI: platform Web, and the redirect URI of this page. Register.",
            "Overview shows the Application (client) ID: that is the client ID here.",
            "Certificates & secrets, New client secret: copy its Value (not the Secret ID) as the client secret.",
            "Token configuration, Add optional claim, ID: email. Accept the permission that it asks for.",
            "Enterprise applications, the app, Properties: Assignment required, so that only assigned people come in.",
        ),
        issuer="https://login.microsoftonline.com/TENANT-ID/v2.0",
        notes=(
            (
                "TENANT-ID is the Directory (tenant) ID of the overview. “common” is refused: its tokens name another "
                "issuer, and anybody at Microsoft could sign in."
            ),
            "Without the optional claim email, enter preferred_username as the claim with the e-mail address.",
            "When SCIM sends objectId as externalId, enter oid as the claim with the SCIM externalId.",
        ),
    ),
    SsoProvider.OKTA: SsoGuide(
        steps=(
            "In the Admin Console open Applications, Create App Integration: OIDC, Web Application.",
            "Grant type: Authorization Code. Sign-in redirect URIs: the redirect URI of this page.",
            "Assignments: the group whose people may come in, without Federation Broker Mode. Save.",
            "General shows Client ID and Client secret.",
        ),
        issuer="https://YOUR-ORG.okta.com",
        notes=(
            "On the tab Sign On, OpenID Connect ID Token, choose the Okta URL as the issuer, not Dynamic.",
            "What Okta's SCIM sends as externalId is sub: leave that claim as it is.",
        ),
    ),
    SsoProvider.GOOGLE: SsoGuide(
        steps=(
            "In the Google Cloud console open Google Auth Platform, Audience: User type Internal.",
            "Clients, Create client, Web application.",
            "Authorized redirect URIs: the redirect URI of this page.",
            "Create, and copy client ID and client secret now: the secret is shown this once.",
        ),
        issuer="https://accounts.google.com",
        notes=(
            (
                "User type Internal keeps everybody outside your Workspace out. Here, an address counts in verified "
                "domains only."
            ),
            "In older consoles: APIs & Services, OAuth consent screen, then Credentials, OAuth client ID.",
        ),
    ),
    SsoProvider.AUTH0: SsoGuide(
        steps=(
            "In the Auth0 dashboard open Applications, Create Application, Regular Web Applications.",
            "Settings, Allowed Callback URLs: the redirect URI of this page. Save Changes.",
            "Settings shows Client ID and Client Secret.",
            "Credentials, Authentication Method: Client Secret (Basic).",
            "Settings, Advanced Settings, OAuth: JSON Web Token Signature Algorithm is RS256.",
        ),
        issuer="https://YOUR-TENANT.auth0.com/",
        notes=(
            "The issuer ends with a slash.",
            "People need an e-mail address that Auth0 calls verified.",
        ),
    ),
    SsoProvider.COGNITO: SsoGuide(
        steps=(
            "In the AWS console open the user pool, App clients, Create app client: Traditional web application.",
            "Return URL: the redirect URI of this page.",
            "Login pages, Edit: Authorization code grant; scopes openid, email and profile.",
            "The app client shows Client ID and Client secret.",
        ),
        issuer="https://cognito-idp.REGION.amazonaws.com/USER-POOL-ID",
        notes=(
            "The user pool needs a domain, or there is no page to sign in. The issuer is not that domain.",
            "People need an e-mail address that is marked as verified.",
        ),
    ),
    SsoProvider.ONELOGIN: SsoGuide(
        steps=(
            "Applications, Add App, “OpenId Connect (OIDC)”, Save.",
            "Configuration, Redirect URI's: the redirect URI of this page.",
            "SSO shows Client ID and Client Secret; Token Endpoint, Authentication Method: Basic.",
            "Access: the roles whose people may come in.",
        ),
        issuer="https://YOUR-SUBDOMAIN.onelogin.com/oidc/2",
        notes=("When the SCIM template sends the user's id as externalId, leave sub as the claim with it.",),
    ),
    SsoProvider.KEYCLOAK: SsoGuide(
        steps=(
            "In the admin console choose the realm, Clients, Create client: OpenID Connect.",
            "Client authentication: On. Standard flow only.",
            "Valid redirect URIs: the redirect URI of this page. Save.",
            "Credentials shows the Client Secret; the client ID is the one you chose.",
        ),
        issuer="https://keycloak.example.com/realms/REALM",
        notes=(
            "People need an e-mail address that Keycloak calls verified.",
            "The client includes the issuer in its answers, as it does unless that is switched off under Advanced.",
        ),
    ),
    SsoProvider.AUTHENTIK: SsoGuide(
        steps=(
            "Admin interface, Applications, Create with provider: OAuth2/OpenID.",
            "Client type: Confidential. Redirect URIs: Strict, the redirect URI of this page.",
            "Signing Key: choose one; without it tokens are signed by the client secret, which is not accepted.",
            "Encryption Key: none. Subject mode: Based on the User's hashed ID.",
            "Copy Client ID and Client Secret.",
        ),
        issuer="https://authentik.example.com/application/o/SLUG/",
        notes=(
            "The issuer ends with a slash.",
            (
                "Since 2025.10 authentik calls no e-mail address verified: give the provider a scope mapping for email "
                "that returns email_verified as True, or let SCIM send the people."
            ),
        ),
    ),
    SsoProvider.OTHER: SsoGuide(
        steps=(
            "Register a confidential web client for the authorization code flow.",
            "Its redirect URI is the one of this page, exactly.",
            "Let it use the scopes openid, email and profile, and sign ID tokens with RS256, PS256, ES256 or EdDSA.",
        ),
        issuer="https://idp.example.com",
        notes=("The issuer is what stands as “issuer” at ISSUER/.well-known/openid-configuration.",),
    ),
}


def guide_for(provider: str) -> SsoGuide:
    """Return the instructions for a provider; those for any when it has none of its own."""
    return GUIDES.get(provider, GUIDES[SsoProvider.OTHER])
