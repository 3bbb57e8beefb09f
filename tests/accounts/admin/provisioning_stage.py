"""Acme with a connection, a token, people in every state, groups with and without a role, and requests."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.models import ProvisionedGroup, ProvisionedUser, ScimRequest
from accounts.services.scim_connections import create_scim_connection
from accounts.services.scim_tokens import create_scim_token
from tenants.services.groups import set_group_role
from tests.people import Tenant
from tests.scim.stage import Scim

LIST = "/o/acme/accounts/scimconnection/"
SECRET = "hunter2-of-ada"


@dataclass
class Provisioning:
    """Primary keys of what came through a connection."""

    tenant: Tenant
    connection: UUID
    token: UUID
    client: Scim
    people: dict[str, UUID]
    groups: dict[str, UUID]
    failure: UUID

    @property
    def page(self) -> str:
        """Return the address of the connection's page."""
        return f"{LIST}{self.connection}/change/"

    @property
    def drift(self) -> str:
        """Return the address of its drift report."""
        return f"/o/acme/provisioning/{self.connection}/drift/"

    def urls(self) -> list[str]:
        """Return every page about one of the rows, below the organization's address."""
        person = next(iter(self.people.values()))
        return [
            *(f"accounts/scimconnection/{self.connection}/{part}/" for part in ("change", "delete", "history")),
            *(f"accounts/scimtoken/{self.token}/{part}/" for part in ("change", "revoke", "history")),
            f"accounts/scimrequest/{self.failure}/change/",
            f"accounts/provisioneduser/{person}/change/",
            f"accounts/provisioneduser/{person}/release/",
            f"provisioning/{self.connection}/drift/",
            *(f"tenants/group/{self.groups['Staff']}/{part}/" for part in ("hand_over", "manage_by_hand")),
        ]

    def changing_urls(self) -> list[str]:
        """Return those of `urls` that take an answer; the others refuse any before they look for their row."""
        shown = ("scimrequest", "provisioneduser", "scimtoken")
        told = tuple(
            url
            for url in self.urls()
            if "drift" in url or (url.endswith("/change/") and any(name in url for name in shown))
        )
        return [url for url in self.urls() if url not in told]


def user_body(name: str, domain: str, **values: Any) -> dict[str, Any]:
    """Return a SCIM User with an address."""
    email = f"{name}@{domain}"
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": email,
        "emails": [{"value": email, "type": "work", "primary": True}],
        "active": True,
        **values,
    }


def provisioned(tenant: Tenant, name: str = "Corporate directory") -> Provisioning:
    """Return a furnished connection: the member is active, the viewer inactive, ada waits, ben has no address."""
    with tenant.acting("owner") as owner:
        connection = create_scim_connection(organization=tenant.organization, name=name, provider="entra", actor=owner)
        token = create_scim_token(connection=connection, name="First", actor=owner)
    domain = f"{tenant.organization.slug}.example"
    client = Scim(token.secret)
    bodies = {
        "ada": user_body("ada", "elsewhere.example", password=SECRET),
        "ben": {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": f"ben-of-{domain}"},
    }
    if "member" in tenant.people:
        bodies |= {"member": user_body("member", domain), "viewer": user_body("viewer", domain)}
    ids = {who: client.post("/Users", body).json["id"] for who, body in bodies.items()}
    for group in ("Staff", "Idle"):
        client.post(
            "/Groups",
            {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "displayName": group,
                "members": [{"value": ids["member"]}] if "member" in ids else [],
            },
        )
    client.post("/Users", bodies["ada"])  # a second time: refused
    with tenant.acting("owner") as owner:
        groups = {str(row): row.group_id for row in ProvisionedGroup.objects.filter(connection=connection)}
        staff = ProvisionedGroup.objects.select_related("group").get(group=groups["Staff"]).group
        set_group_role(group=staff, role=tenant.role("viewer"), actor=owner)
        people = {
            who: row.pk
            for who, body in bodies.items()
            for row in ProvisionedUser.objects.filter(user_name=body["userName"])
        }
        failure = ScimRequest.objects.filter(status=409).get().pk
    return Provisioning(tenant, connection.pk, token.key.pk, client, people, groups, failure)
