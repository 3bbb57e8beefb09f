"""How each identity provider is connected over SAML 2.0: what to click there, in its own words, and what it sends."""

from dataclasses import dataclass, field

from .models.sso import SsoProvider

_SOAP = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"
_MICROSOFT = "http://schemas.microsoft.com"


@dataclass(frozen=True, slots=True)
class SamlGuide:
    """The instructions for one identity provider.

    Attributes:
        steps: what to do there, in order; our addresses stand on the same page.
        metadata: where its metadata stand, or how to get them.
        entity_id: what it calls our entity ID.
        acs_url: what it calls our assertion consumer service.
        claims: the names of attributes that it sends by itself, by the connection's fields.
        notes: what to know of how it behaves.
    """

    steps: tuple[str, ...]
    metadata: str
    entity_id: str = "Entity ID"
    acs_url: str = "ACS URL"
    claims: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


SAML_GUIDES: dict[str, SamlGuide] = {
    SsoProvider.ENTRA: SamlGuide(
        steps=(
            "In the Entra admin center open Enterprise applications, New application, Create your own application.",
            "Single sign-on, SAML. Basic SAML Configuration, Edit: Identifier (Entity ID) and Reply URL of this page.",
            "Logout Url: the logout address of this page.",
            "Attributes & Claims: Unique User Identifier is user.objectid, name identifier format Persistent.",
            "SAML Certificates: copy the App Federation Metadata Url into the field Metadata URL here.",
            "SAML Certificates, Edit: Signing Option “Sign SAML response and assertion”, SHA-256.",
            "Users and groups: who may come in.",
        ),
        metadata="https://login.microsoftonline.com/TENANT-ID/federationmetadata/2007-06/federationmetadata.xml?appid=APP-ID",
        entity_id="Identifier (Entity ID)",
        acs_url="Reply URL (Assertion Consumer Service URL)",
        claims={
            "email_claim": f"{_SOAP}/emailaddress",
            "name_claim": f"{_MICROSOFT}/identity/claims/displayname",
            "external_id_claim": f"{_MICROSOFT}/identity/claims/objectidentifier",
        },
        notes=(f"Groups come as {_MICROSOFT}/ws/2008/06/identity/claims/groups once a group claim is added.",),
    ),
    SsoProvider.OKTA: SamlGuide(
        steps=(
            "In the Admin Console open Applications, Create App Integration: SAML 2.0.",
            "Single sign-on URL and Audience URI (SP Entity ID): the addresses of this page.",
            "Name ID format: Persistent or EmailAddress. Application username: one that is never given anew.",
            "Attribute Statements: email is user.email, name is user.displayName.",
            "Show Advanced Settings: Assertion Signature Signed, Signature Algorithm RSA-SHA256.",
            "On the tab Sign On copy the Metadata URL.",
            "Assignments: who may come in.",
        ),
        metadata="https://YOUR-ORG.okta.com/app/APP-ID/sso/saml/metadata",
        entity_id="Audience URI (SP Entity ID)",
        acs_url="Single sign-on URL",
        notes=("For single logout, upload the certificate of this page as Signature Certificate.",),
    ),
    SsoProvider.GOOGLE: SamlGuide(
        steps=(
            "In the Admin console open Apps, Web and mobile apps, Add app, Add custom SAML app.",
            "Download metadata, and give the file here.",
            "Service provider details: ACS URL and Entity ID of this page. Leave “Signed response” off.",
            "Name ID format: PERSISTENT or EMAIL; Name ID: Primary email.",
            "Attributes: Primary email as email, First name as name.",
            "User access: On for those who may come in.",
        ),
        metadata="A file: Google publishes no address.",
        notes=(
            "“Signed response” signs the response instead of the assertion, which is not accepted.",
            "Google has no single logout for custom apps. Its certificate lasts five years.",
        ),
    ),
    SsoProvider.AUTH0: SamlGuide(
        steps=(
            "In the dashboard open Applications, the application, Addons, SAML2 Web App.",
            "Application Callback URL: the ACS URL of this page.",
            'Settings: "audience" is the entity ID of this page, "signatureAlgorithm" is "rsa-sha256".',
            'Settings: "digestAlgorithm" is "sha256"; "nameIdentifierFormat" is the persistent one.',
            "Usage: copy the address of Identity Provider Metadata.",
        ),
        metadata="https://YOUR-TENANT.auth0.com/samlp/metadata/CLIENT-ID",
        entity_id="audience",
        acs_url="Application Callback URL",
        claims={"email_claim": f"{_SOAP}/emailaddress", "name_claim": f"{_SOAP}/name"},
    ),
    SsoProvider.ONELOGIN: SamlGuide(
        steps=(
            "Applications, Add App, “SAML Custom Connector (Advanced)”, Save.",
            "Configuration: Audience (EntityID), Recipient and ACS (Consumer) URL of this page, and its validator.",
            "SAML signature element: Assertion or Both. SAML nameID format: Persistent or Email.",
            "Parameters: add email and name, “Include in SAML assertion”.",
            "SSO: SAML Signature Algorithm SHA-256, and copy the Issuer URL as the metadata URL.",
        ),
        metadata="https://app.onelogin.com/saml/metadata/APP-ID",
        entity_id="Audience (EntityID)",
        acs_url="ACS (Consumer) URL",
    ),
    SsoProvider.KEYCLOAK: SamlGuide(
        steps=(
            "Clients, Create client: SAML; Client ID is the entity ID of this page.",
            "Valid redirect URIs and Master SAML Processing URL: the ACS URL of this page.",
            "Name ID format: persistent. Force POST binding: On.",
            "Signature and Encryption: Sign assertions On, Signature algorithm RSA_SHA256.",
            "Keys: Client signature required On, and import the certificate of this page.",
            "Client scopes, the dedicated one: mappers that send email and name as attributes.",
        ),
        metadata="https://keycloak.example.com/realms/REALM/protocol/saml/descriptor",
        entity_id="Client ID",
        acs_url="Master SAML Processing URL",
    ),
    SsoProvider.AUTHENTIK: SamlGuide(
        steps=(
            "Applications, Create with provider: SAML Provider.",
            "ACS URL: of this page; Service Provider Binding: Post; Audience: the entity ID of this page.",
            "Signing Certificate: choose one; Sign assertions: On. Signature algorithm RSA-SHA256.",
            "NameID Property Mapping: authentik default SAML Mapping: User ID.",
            "Overview, Related objects: copy the address of the metadata.",
        ),
        metadata="https://authentik.example.com/application/saml/SLUG/metadata/",
        entity_id="Audience",
        claims={
            "email_claim": f"{_SOAP}/emailaddress",
            "name_claim": f"{_SOAP}/name",
        },
        notes=("The attribute for groups is http://schemas.xmlsoap.org/claims/Group.",),
    ),
    SsoProvider.ADFS: SamlGuide(
        steps=(
            "AD FS Management, Relying Party Trusts, Add: import data published online: the entity ID of this page.",
            "Claim issuance policy: objectGUID as Name ID (Persistent), E-Mail-Addresses and Display-Name.",
        ),
        metadata="https://adfs.example.com/FederationMetadata/2007-06/FederationMetadata.xml",
        claims={"email_claim": f"{_SOAP}/emailaddress", "name_claim": f"{_SOAP}/name"},
    ),
    SsoProvider.JUMPCLOUD: SamlGuide(
        steps=(
            "SSO Applications, Add New Application, Custom Application, SAML.",
            "SP Entity ID and ACS URLs: of this page. SAMLSubject NameID Format: persistent.",
            "Sign: Assertion, or both. Signature Algorithm: RSA-SHA256.",
            "User attribute mapping: email is email, name is displayname. Activate, then Copy Metadata URL.",
        ),
        metadata="https://sso.jumpcloud.com/saml2/metadata/APP",
        entity_id="SP Entity ID",
    ),
    SsoProvider.OTHER: SamlGuide(
        steps=(
            "Register a service provider by the metadata of this page, or by its entity ID and ACS URL (HTTP-POST).",
            "Let it sign assertions with RSA or ECDSA and SHA-256 or more.",
            "Let it send a NameID that is never given anew, and the attributes email and name.",
        ),
        metadata="https://idp.example.com/metadata",
    ),
}


def saml_guide_for(provider: str) -> SamlGuide:
    """Return the instructions for a provider; those for any when it has none of its own."""
    return SAML_GUIDES.get(provider, SAML_GUIDES[SsoProvider.OTHER])


def saml_claims(provider: str) -> dict[str, str]:
    """Return the names of the attributes that a provider sends by itself, by the connection's fields."""
    return dict(saml_guide_for(provider).claims)
