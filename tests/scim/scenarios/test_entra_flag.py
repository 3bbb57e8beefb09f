"""Entra ID with ``?aadOptscim062020``: lower-case operations without a path, real booleans, members by filter."""

from dataclasses import replace

import pytest

from tests.people import Tenant
from tests.scim import held
from tests.scim.scenarios.entra import check_connection, entra, grouped, matched
from tests.scim.stage import ENTERPRISE, Answer, Scim, operation, patch, refused
from tests.tenants.stage import events


@pytest.fixture
def provider(scim: Scim) -> Scim:
    """Return acme's provider with Entra's headers."""
    return replace(entra(scim), media="application/scim+json")


def sent(provider: Scim, path: str, *operations: dict[str, object]) -> Answer:
    answer = provider.patch(f"{path}?aadOptscim062020", patch(*operations))
    assert answer.status in {200, 204}, answer
    return answer


def test_a_full_life(acme: Tenant, provider: Scim) -> None:
    check_connection(provider)
    grace, alan = matched(provider, "grace"), matched(provider, "alan")
    path = f"/Users/{grace['id']}"

    sent(
        provider,
        path,
        operation(
            "replace",
            value={
                "displayName": "Grace Hopper",
                "name.givenName": "Grace",
                "name.familyName": "Hopper",
                f"{ENTERPRISE}:employeeNumber": "7",
                f"{ENTERPRISE}:department": "Navy",
                'emails[type eq "work"].value': "grace@acme.example",
            },
        ),
        operation("add", 'phoneNumbers[type eq "mobile"].value', "+1 555 0100"),
    )
    read = provider.get(path).json
    assert read["displayName"] == "Grace Hopper"
    assert (read["name"]["givenName"], read["name"]["familyName"]) == ("Grace", "Hopper")
    assert read[ENTERPRISE] == {"employeeNumber": "7", "department": "Navy"}
    assert read["phoneNumbers"] == [{"type": "mobile", "value": "+1 555 0100"}]

    group = grouped(provider, "Engineers")
    where = f"/Groups/{group['id']}"
    assert sent(provider, where, operation("add", "members", [{"value": grace["id"]}])).json is None
    sent(provider, where, operation("add", "members", [{"value": alan["id"]}]))
    assert held.groups(acme)["Engineers"] == {"grace@acme.example", "alan@acme.example"}
    sent(provider, where, operation("remove", f'members[value eq "{alan["id"]}"]'))
    assert held.groups(acme)["Engineers"] == {"grace@acme.example"}
    sent(provider, where, operation("replace", value={"displayName": "Makers"}))
    assert held.groups(acme) == {"Makers": {"grace@acme.example"}}

    sent(provider, path, operation("replace", "active", value=False))
    assert not held.is_member(acme, "grace@acme.example")
    assert events(acme, "member.deactivated")[-1].actor_kind == "scim_connection"
    sent(provider, path, operation("replace", value={"active": True}))
    assert held.is_member(acme, "grace@acme.example")
    assert held.groups(acme) == {"Makers": {"grace@acme.example"}}

    assert provider.delete(path).status == 204
    refused(provider.get(path), 404)
    assert held.groups(acme) == {"Makers": set()}
    assert matched(provider, "grace")["id"] != grace["id"]
    assert provider.delete(where).status == 204
