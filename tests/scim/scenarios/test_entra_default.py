"""Entra ID in its default dialect: capitalised operations, booleans as strings, members removed by value."""

import pytest

from tests.people import Tenant
from tests.scim import held
from tests.scim.scenarios.entra import check_connection, entra, grouped, matched
from tests.scim.stage import ENTERPRISE, Scim, operation, patch, refused
from tests.tenants.stage import events


@pytest.fixture
def provider(scim: Scim) -> Scim:
    """Return acme's provider with Entra's headers."""
    return entra(scim)


def test_a_full_life(acme: Tenant, provider: Scim) -> None:
    check_connection(provider)
    grace = matched(provider, "grace", **{ENTERPRISE: {"department": "Navy"}})
    boss = matched(provider, "boss")
    path = f"/Users/{grace['id']}"
    assert held.is_member(acme, "grace@acme.example")
    assert grace[ENTERPRISE] == {"department": "Navy"}

    update = patch(
        operation("Add", f"{ENTERPRISE}:manager", boss["id"]),
        operation("Replace", 'emails[type eq "work"].value', "hopper@acme.example"),
        operation("Add", 'phoneNumbers[type eq "mobile"].value', "+1 555 0100"),
        operation("Add", 'addresses[type eq "work"].postalCode', "22201"),
        operation("Replace", "name.familyName", "Hopper"),
        operation("Add", "title", "Admiral"),
        operation("Replace", f"{ENTERPRISE}:department", "Reserve"),
    )
    assert provider.patch(path, update).status in {200, 204}
    read = provider.get(path).json
    assert read[ENTERPRISE]["department"] == "Reserve"
    assert read[ENTERPRISE]["manager"]["value"] == boss["id"]
    assert [one["value"] for one in read["emails"]] == ["hopper@acme.example"]
    assert read["phoneNumbers"] == [{"type": "mobile", "value": "+1 555 0100"}]
    assert (read["name"]["familyName"], read["title"]) == ("Hopper", "Admiral")

    group = grouped(provider, "Engineers")
    where = f"/Groups/{group['id']}"
    assert "members" not in provider.get(where, excludedAttributes="members").json
    for user in (grace, boss):
        query = f'id eq "{group["id"]}" and members eq "{user["id"]}"'
        assert provider.found(query, at="/Groups", excludedAttributes="members") == []
        add = provider.patch(where, patch(operation("Add", "members", [{"$ref": None, "value": user["id"]}])))
        assert (add.status, add.json) == (204, None)
        assert len(provider.found(query, at="/Groups", excludedAttributes="members")) == 1
    assert held.groups(acme)["Engineers"] == set(provider_emails(acme, "grace", "boss"))

    remove = provider.patch(where, patch(operation("Remove", "members", [{"$ref": None, "value": boss["id"]}])))
    assert (remove.status, remove.json) == (204, None)
    assert provider.members(group) == {grace["id"]}
    assert provider.patch(where, patch(operation("Replace", "displayName", "Makers"))).status == 204
    assert provider.members(group) == {grace["id"]}

    disable = provider.patch(path, patch(operation("Replace", "active", "False")))
    assert disable.status in {200, 204}
    assert provider.get(path).json["active"] is False
    assert provider.members(group) == {grace["id"]}
    assert len(events(acme, "member.deactivated")) == 1
    assert provider.patch(path, patch(operation("Add", "active", "True"))).status in {200, 204}
    assert provider.get(path).json["active"] is True
    assert len(events(acme, "member.reactivated")) == 1

    assert provider.patch(path, patch(operation("Remove", f"{ENTERPRISE}:manager"))).status in {200, 204}
    assert "manager" not in provider.get(path).json[ENTERPRISE]
    assert provider.delete(path).status == 204
    refused(provider.get(path), 404)
    assert provider.members(group) == set()
    assert provider.delete(where).status == 204
    assert set(held.groups(acme)) == set()
    assert events(acme, "member.removed")[-1].actor_kind == "scim_connection"


def provider_emails(acme: Tenant, *names: str) -> list[str]:
    """Return the sign-in addresses of the active members whose name or new name this is."""
    known = {"grace": {"grace@acme.example", "hopper@acme.example"}, "boss": {"boss@acme.example"}}
    active = held.active_members(acme)
    return [email for name in names for email in known[name] & active]
