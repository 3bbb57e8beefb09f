"""Places and providers by real databases in MaxMind's format, written here; alerts that need them."""

import os
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from audit.alerts.locations import NOWHERE, Location, locator
from audit.alerts.registry import RULES
from tests.audit.alerts.stage import BERLIN, HOME, TOKYO, alerts_of, evaluated, raised, signed_in_from
from tests.people import Tenant

PLACES: dict[str, dict[str, Any]] = {
    f"{BERLIN}/32": {
        "country": {"iso_code": "DE", "names": {"en": "Germany", "de": "Deutschland"}},
        "city": {"names": {"en": "Berlin"}},
        "location": {"latitude": 52.52, "longitude": 13.405, "accuracy_radius": 20},
    },
    f"{TOKYO}/32": {
        "country": {"iso_code": "JP", "names": {"en": "Japan"}},
        "city": {"names": {"en": "Tokyo"}},
        "location": {"latitude": 35.6895, "longitude": 139.6917},
    },
    f"{HOME}/32": {"registered_country": {"iso_code": "DE", "names": {"en": "Germany"}}},
}
PROVIDERS: dict[str, dict[str, Any]] = {
    f"{BERLIN}/32": {"autonomous_system_number": 3320, "autonomous_system_organization": "Deutsche Telekom AG"},
    f"{TOKYO}/32": {"autonomous_system_number": 2516, "autonomous_system_organization": "KDDI CORPORATION"},
    f"{HOME}/32": {"autonomous_system_number": 3320, "autonomous_system_organization": "Deutsche Telekom AG"},
}


def write(path: Path, networks: dict[str, dict[str, Any]], kind: str) -> Path:
    """Write a database; each has a time of its own, as one that is replaced later has."""
    before = path.stat().st_mtime if path.exists() else 0
    writer = MMDBWriter(ip_version=4, database_type=kind, languages=["en"], description="Gatehouse's tests")
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    os.utime(path, (before + 10, before + 10))
    return path


@pytest.fixture
def databases(settings: Any, tmp_path: Path) -> Path:
    settings.GEOIP_DATABASE = write(tmp_path / "city.mmdb", PLACES, "GeoLite2-City")
    settings.GEOIP_ASN_DATABASE = write(tmp_path / "asn.mmdb", PROVIDERS, "GeoLite2-ASN")
    return tmp_path


def test_what_another_organization_s_people_did_makes_no_place_known(
    acme: Tenant, globex: Tenant, databases: Path
) -> None:
    for ago in (300, 200):
        signed_in_from(acme, BERLIN, ago)
        signed_in_from(globex, TOKYO, ago)
    signed_in_from(acme, TOKYO, 1)
    (alert,) = raised(acme, "new_country")
    assert "Tokyo, Japan" in str(alert.told)
    assert alerts_of(globex, "new_country") == []


def test_addresses_are_found_in_both(databases: Path) -> None:
    found = locator().find(BERLIN)
    assert found == Location("DE", "Berlin, Germany", (52.52, 13.405), "AS3320 Deutsche Telekom AG")
    assert locator().find(HOME) == Location("DE", "Germany", None, "AS3320 Deutsche Telekom AG")
    assert locator().find("203.0.113.200") == NOWHERE
    assert locator().find("2001:db8::1") == NOWHERE  # IPv6 in a database of IPv4
    assert locator().find("") == NOWHERE
    assert RULES["impossible_travel"].missing() == ""


def test_a_country_alone_is_enough_for_a_country(acme: Tenant, databases: Path) -> None:
    for ago in (300, 200):
        signed_in_from(acme, BERLIN, ago)
    signed_in_from(acme, HOME, 1)  # the same country, known by its registration alone
    assert raised(acme, "new_country") == []
    assert alerts_of(acme, "impossible_travel") == []


def test_impossible_travel_is_told_with_both_places(acme: Tenant, databases: Path) -> None:
    signed_in_from(acme, BERLIN, 60)
    signed_in_from(acme, TOKYO, 1)
    (alert,) = raised(acme, "impossible_travel")
    assert "Berlin, Germany" in str(alert.told)
    assert "Tokyo, Japan" in str(alert.told)


def test_a_new_network_is_told_by_its_provider(acme: Tenant, databases: Path) -> None:
    for ago in (300, 200):
        signed_in_from(acme, BERLIN, ago)
    signed_in_from(acme, HOME, 100)  # another network of the same provider
    assert raised(acme, "new_network") == []
    signed_in_from(acme, TOKYO, 1)
    (alert,) = raised(acme, "new_network")
    assert "AS2516 KDDI CORPORATION" in str(alert.told)


def test_a_database_that_is_replaced_is_read_anew(databases: Path) -> None:
    assert locator().find("203.0.113.200") == NOWHERE
    write(databases / "city.mmdb", {"203.0.113.0/24": {"country": {"iso_code": "FR"}}}, "GeoLite2-Country")
    assert locator().find("203.0.113.200").country == "FR"
    assert locator().find("203.0.113.200").provider == ""


@pytest.mark.parametrize("content", [b"", b"<html>", None])
def test_a_database_that_cannot_be_read_stops_no_alert(
    acme: Tenant, databases: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = databases / "city.mmdb"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    os.utime(path, (99, 99))
    signed_in_from(acme, BERLIN, 300)
    signed_in_from(acme, TOKYO, 1)
    evaluated()
    assert "cannot be read" in caplog.text
    assert alerts_of(acme, "impossible_travel") == []
    assert len(alerts_of(acme, "new_network")) == 1  # the other one is whole
