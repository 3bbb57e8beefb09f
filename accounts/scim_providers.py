"""How each identity provider is connected: what to click there, what goes where, and how it behaves."""

from dataclasses import dataclass

from .models.scim_connection import IdentityProvider

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """One line of an attribute table.

    Attributes:
        theirs: the attribute at the identity provider.
        scim: where it is sent to.
        note: what Gatehouse does with it.
    """

    theirs: str
    scim: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Guide:
    """The instructions for one way to connect one identity provider.

    Attributes:
        title: what it is called.
        steps: what to do there, in order.
        attributes: which of its attributes are mapped to what.
        habits: what to know of how it behaves.
    """

    title: str
    steps: tuple[str, ...]
    attributes: tuple[AttributeRow, ...]
    habits: tuple[str, ...]


_SIGNS_IN = "The person's name in requests; no two people have the same, upper and lower case do not count."
_MAIL = "Decides who it is: the login with this address, found or made where the domain is verified."
_ACTIVE = "False ends access to this organization, personal keys and open invitations at once."
_ID = "The provider's own id; kept as it was sent."
_KEPT = "Kept and given back."

OKTA_ATTRIBUTES = (
    AttributeRow("userName", "userName", _SIGNS_IN),
    AttributeRow("email", 'emails[type eq "work"].value', _MAIL),
    AttributeRow("givenName", "name.givenName", _KEPT),
    AttributeRow("familyName", "name.familyName", _KEPT),
    AttributeRow("displayName", "displayName", "The name of a login that is made."),
    AttributeRow("(status)", "active", _ACTIVE),
    AttributeRow("(Okta id)", "externalId", _ID),
    AttributeRow("department", f"{ENTERPRISE}:department", _KEPT),
)
PLAIN_ATTRIBUTES = (
    AttributeRow("user name", "userName", _SIGNS_IN),
    AttributeRow("e-mail address", 'emails[type eq "work"].value', _MAIL),
    AttributeRow("first name", "name.givenName", _KEPT),
    AttributeRow("last name", "name.familyName", _KEPT),
    AttributeRow("enabled", "active", _ACTIVE),
    AttributeRow("id", "externalId", _ID),
)

GUIDES: dict[str, tuple[Guide, ...]] = {
    IdentityProvider.OKTA: (
        Guide(
            title="Okta, app made with the App Integration Wizard",
            steps=(
                (
                    "In the Admin Console open Applications and the app through which people sign in. On the tab "
                    "General, edit App Settings, set Provisioning to SCIM and save."
                ),
                "On the new tab Provisioning choose Integration, then Edit.",
                "SCIM connector base URL: the base URL above. Unique identifier field for users: userName.",
                "Supported provisioning actions: tick Push New Users, Push Profile Updates and Push Groups.",
                "Authentication Mode: HTTP Header. Paste a token of this connection into Authorization: Bearer.",
                (
                    "Test Connector Configuration, then Save. If it complains that no users were returned: a new "
                    "connection has none yet. Assign somebody first, or create them by SCIM, and test again."
                ),
                "Under To App, Edit: enable Create Users, Update User Attributes and Deactivate Users.",
                "Assign people on the tab Assignments; on the tab Push Groups choose the groups to send.",
            ),
            attributes=OKTA_ATTRIBUTES,
            habits=(
                "Okta never deletes people: who is unassigned becomes inactive, and comes back with the same roles.",
                "An app of this kind sends the whole person with every change (PUT).",
                "Use one group to assign people and another one to push; Okta recommends that they differ.",
            ),
        ),
        Guide(
            title="Okta, app from the integration network (SCIM 2.0 Test App, OAuth Bearer Token)",
            steps=(
                "Applications, Browse App Catalog, “SCIM 2.0 Test App (OAuth Bearer Token)”, Add Integration.",
                "On the tab Provisioning choose Configure API Integration and Enable API integration.",
                "SCIM 2.0 Base Url: the base URL above. OAuth Bearer Token: a token of this connection.",
                "Test API Credentials, then Save.",
                "Under To App, Edit: enable Create Users, Update User Attributes and Deactivate Users.",
                "Assign people, and choose groups on the tab Push Groups.",
            ),
            attributes=OKTA_ATTRIBUTES,
            habits=(
                "An app of this kind deactivates with a PATCH without a path; that is understood.",
                "Okta never deletes people: who is unassigned becomes inactive, and comes back with the same roles.",
            ),
        ),
    ),
    IdentityProvider.ENTRA: (
        Guide(
            title="Microsoft Entra ID",
            steps=(
                (
                    "In the Entra admin center open Enterprise applications, New application, Create your own "
                    "application, “Integrate any other application you don't find in the gallery”."
                ),
                "Open Provisioning, New configuration.",
                (
                    "Tenant URL: the base URL above. Authentication: bearer token, and paste a token of this "
                    "connection into Secret Token. With OAuth 2.0 client credentials: the token endpoint above, "
                    "the token's public id as client identifier and its secret as client secret."
                ),
                "Test connection, then Create.",
                "Under Attribute mapping leave Groups enabled if groups are to come, and compare the table below.",
                "Under Users and groups assign who is to be provisioned.",
                "Set Provisioning Status to On. The first cycle starts by itself, the next ones every 40 minutes.",
            ),
            attributes=(
                AttributeRow("userPrincipalName", "userName", _SIGNS_IN),
                AttributeRow("mail", 'emails[type eq "work"].value', _MAIL),
                AttributeRow('Switch([IsSoftDeleted], , "False", "True", "True", "False")', "active", _ACTIVE),
                AttributeRow("displayName", "displayName", "The name of a login that is made."),
                AttributeRow("givenName", "name.givenName", _KEPT),
                AttributeRow("surname", "name.familyName", _KEPT),
                AttributeRow("mailNickname", "externalId", "Better objectId: a mail nickname may change."),
                AttributeRow("department", f"{ENTERPRISE}:department", _KEPT),
                AttributeRow("manager", f"{ENTERPRISE}:manager", _KEPT),
            ),
            habits=(
                (
                    "Entra sends “True” and “False” as texts. They are understood: the flag aadOptscim062020 in "
                    "the Tenant URL is not needed, and does no harm."
                ),
                "Who is unassigned or deleted becomes inactive; after 30 days Entra deletes them for good.",
                "People of nested groups do not come along: assign each group itself.",
                "Guests without a mailbox have no mail: map userPrincipalName or otherMails to the e-mail address.",
                "On-demand provisioning tries one person at once, without the wait of 40 minutes.",
            ),
        ),
    ),
    IdentityProvider.ONELOGIN: (
        Guide(
            title="OneLogin",
            steps=(
                "Applications, Add App, “SCIM Provisioner with SAML (SCIM v2 Enterprise)”, Save.",
                (
                    "On the page Configuration: SCIM Base URL is the base URL above, SCIM Bearer Token a token of"
                    " this connection. Custom Headers: Content-Type: application/scim+json."
                ),
                "API Connection, Enable.",
                "On the page Provisioning: Enable provisioning; decide whether an administrator has to approve.",
                "“When users are deleted in OneLogin, or the user's app access is removed”: Suspend or Delete.",
                "On the page Parameters tick Include in User Provisioning at the fields below, also Groups.",
                "On the page Rules map roles to groups: Set Groups in … for each role.",
            ),
            attributes=PLAIN_ATTRIBUTES,
            habits=(
                "Its first request asks for a person who cannot exist; the empty answer is what it wants.",
                "It may send one e-mail address instead of a list of them; that is understood.",
                "Groups come through rules, not by themselves: without a rule nobody is in one.",
            ),
        ),
    ),
    IdentityProvider.JUMPCLOUD: (
        Guide(
            title="JumpCloud",
            steps=(
                (
                    "SSO Applications, Add New Application, Custom Application; tick Export users to this app "
                    "(Identity Management)."
                ),
                "On the tab Identity Management: API Type SCIM API, SCIM Version 2.0.",
                (
                    "Base URL: the base URL above. Token Key: a token of this connection. Test User Email: an "
                    "address that belongs to nobody: a member with it would be taken over, and removed after the test."
                ),
                "Test Connection, then Activate.",
                "Enable management of User Groups and Group Membership.",
                "On the tab User Groups tick the groups to send; their people come with them.",
            ),
            attributes=PLAIN_ATTRIBUTES,
            habits=(
                "The connection test makes a user and a group and deletes both again: they appear among the requests.",
                "When a group is unbound, its people become inactive.",
                "A group without people is not sent. One made by hand under the same name is handed over here first.",
            ),
        ),
    ),
    IdentityProvider.AUTHENTIK: (
        Guide(
            title="authentik",
            steps=(
                "Admin interface, Applications, Providers, Create, SCIM Provider.",
                "URL: the base URL above. Token: a token of this connection. SCIM compatibility mode: Default.",
                "User and group property mappings: the two managed ones, authentik default SCIM Mapping.",
                "Under User filtering choose a group if not everybody is to be provisioned.",
                "Open the application through which people sign in, and add the provider as a backchannel provider.",
                "Open the provider and run a full sync once; from then on changes are sent as they happen.",
            ),
            attributes=(
                AttributeRow("username", "userName", _SIGNS_IN),
                AttributeRow("email", 'emails[type eq "other"].value', _MAIL),
                AttributeRow("name", "displayName, name.formatted", "The name of a login that is made."),
                AttributeRow("is_active", "active", _ACTIVE),
                AttributeRow("uid", "externalId", _ID),
            ),
            habits=(
                "It deletes people when they leave its filter, instead of making them inactive.",
                "Members of groups are sent one by one, in large requests; that is understood.",
                "A group with a name that exists is looked up and adopted when it was provisioned by this connection.",
            ),
        ),
    ),
    IdentityProvider.KEYCLOAK: (
        Guide(
            title="Keycloak, with a SCIM client plugin",
            steps=(
                (
                    "Keycloak sends no SCIM by itself: put a SCIM client plugin into the providers directory, "
                    "build and restart."
                ),
                "Realm settings, Events, Event listeners: add scim.",
                "User federation, Add SCIM provider.",
                "SCIM 2.0 endpoint: the base URL above. Endpoint content type: application/scim+json.",
                "Auth mode: BEARER, and as auth password or token a token of this connection.",
                "Enable propagation of users, and of groups if they are to come along.",
                "Save, then Synchronize all users.",
            ),
            attributes=PLAIN_ATTRIBUTES,
            habits=(
                "Changes are sent as they happen; what failed meanwhile is repeated by the next full sync only.",
                "The plugin sends whole people and groups (PUT): who is not in a group it sends leaves that group.",
                "The names of the fields differ between plugins and their versions.",
            ),
        ),
    ),
    IdentityProvider.CANAILLE: (
        Guide(
            title="Canaille",
            steps=(
                "In Canaille's configuration set ENABLE_CLIENT under CANAILLE_SCIM to true.",
                "Make or open the client of this application, with the base URL above as its client URI.",
                "Name this portal's host among the TRUSTED_DOMAINS under CANAILLE_OIDC.",
                (
                    "Canaille signs in with an access token that it keeps for the client, and has no field for one "
                    "made elsewhere: store a token of this connection there in Canaille's database."
                ),
                "Save a person or a group once: it is sent as soon as it changes.",
            ),
            attributes=(
                AttributeRow("user_name", "userName", _SIGNS_IN),
                AttributeRow("emails", "emails[].value", _MAIL),
                AttributeRow("given_name", "name.givenName", _KEPT),
                AttributeRow("family_name", "name.familyName", _KEPT),
                AttributeRow("lock_date", "active", _ACTIVE),
                AttributeRow("id", "externalId", _ID),
            ),
            habits=(
                "It looks people and groups up by externalId, and sends them whole (PUT).",
                "It reads the resource types and schemas before its first change.",
            ),
        ),
    ),
    IdentityProvider.OTHER: (
        Guide(
            title="Any client of SCIM 2.0",
            steps=(
                "Enter the base URL above. Where users and groups are asked for one by one, append /Users and /Groups.",
                (
                    "Authentication: a bearer token, and paste a token of this connection. Where OAuth 2.0 client"
                    " credentials are asked for: the token endpoint above, the token's public id and its secret."
                ),
                "Let it send people first, then groups.",
                "Look at Recent requests: each failure stands there with its reason.",
            ),
            attributes=PLAIN_ATTRIBUTES,
            habits=(
                (
                    "What is understood, and how, the service says itself: /ServiceProviderConfig, /ResourceTypes"
                    " and /Schemas below the base URL."
                ),
            ),
        ),
    ),
}


def guides_for(provider: str) -> tuple[Guide, ...]:
    """Return the instructions for a provider; those for any client when it has none of its own."""
    return GUIDES.get(provider, GUIDES[IdentityProvider.OTHER])
