"""What both dialects of Entra ID share."""

from typing import Any
from uuid import uuid4

from tests.scim.stage import ENTERPRISE, GROUP, USER, Scim

LEGACY_GROUP = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"


def entra(scim: Scim) -> Scim:
    """Return the provider with Entra's headers."""
    return scim.speaking(
        "application/scim+json; charset=utf-8",
        User_Agent="Microsoft.Azure.SyncFabric.ProvisioningAgent",
        Accept="application/scim+json, application/json",
    )


def check_connection(provider: Scim) -> None:
    """Ask for somebody who cannot exist, as "Test connection" does."""
    answer = provider.get("/Users", filter=f'userName eq "{uuid4()}"')
    assert (answer.status, answer.json["totalResults"]) == (200, 0)


def profile(name: str, /, **attributes: Any) -> dict[str, Any]:
    """Return the body of a User as Entra's default mapping makes it."""
    return {
        "schemas": [USER, ENTERPRISE],
        "externalId": name,
        "userName": f"{name}@acme.example",
        "active": True,
        "emails": [{"primary": True, "type": "work", "value": f"{name}@acme.example"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": f"{name.title()} User", "familyName": "User", "givenName": name.title()},
        "roles": [],
        **attributes,
    }


def matched(provider: Scim, name: str, /, **attributes: Any) -> dict[str, Any]:
    """Look for somebody by both matching attributes, then create them."""
    assert provider.found(f'userName eq "{name}@acme.example"') == []
    assert provider.found(f'externalId eq "{name}"') == []
    answer = provider.post("/Users", profile(name, **attributes))
    assert answer.status == 201
    return dict(answer.json)


def grouped(provider: Scim, name: str) -> dict[str, Any]:
    """Look for a group and create it, without members."""
    query = f'displayName eq "{name}"'
    assert provider.found(query, at="/Groups", excludedAttributes="members") == []
    body = {
        "schemas": [GROUP, LEGACY_GROUP],
        "externalId": str(uuid4()),
        "displayName": name,
        "meta": {"resourceType": "Group"},
    }
    answer = provider.post("/Groups", body)
    assert answer.status == 201
    return dict(answer.json)
