"""Whether a key is accepted: when, and from where."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.key_format import KeyKind
from accounts.key_record import KeyRecord, address_in
from accounts.services.key_rules import check_networks

NOW = datetime(2027, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def record(**values: Any) -> KeyRecord:
    plain = dict.fromkeys(KeyRecord.__slots__)
    known = {
        "key_id": uuid.uuid4(),
        "kind": KeyKind.ORGANIZATION,
        "name": "Key",
        "public_id": "gatepk",
        "scopes": ["traces:read"],
        "allowed_networks": [],
        "organization_id": uuid.uuid4(),
        "organization_suspended": False,
    }
    return KeyRecord(**{**plain, **known, **values})


@pytest.mark.parametrize(
    ("address", "networks", "inside"),
    [
        ("203.0.113.7", ["203.0.113.7/32"], True),
        ("203.0.113.8", ["203.0.113.7/32"], False),
        ("203.0.113.8", ["198.51.100.0/24", "203.0.113.0/24"], True),
        ("::ffff:203.0.113.8", ["203.0.113.0/24"], True),
        ("::ffff:198.51.100.1", ["203.0.113.0/24"], False),
        ("2001:db8::1", ["2001:db8::/32"], True),
        ("2001:db9::1", ["2001:db8::/32"], False),
        ("203.0.113.8", ["2001:db8::/32"], False),
        ("2001:db8::1", ["0.0.0.0/0"], False),
        ("203.0.113.8", ["::/0"], False),
        ("203.0.113.8", ["0.0.0.0/0"], True),
        ("fe80::1%eth0", ["fe80::/10"], False),
        ("203.0.113.8, 10.0.0.1", ["0.0.0.0/0"], False),
        ("203.0.113.08", ["0.0.0.0/0"], False),
        ("0xcb007108", ["0.0.0.0/0"], False),
        ("localhost", ["127.0.0.0/8"], False),
        ("", ["0.0.0.0/0", "::/0"], False),
        ("\x00", ["0.0.0.0/0", "::/0"], False),
    ],
)
def test_where_an_address_lies(address: str, networks: list[str], inside: bool) -> None:
    assert address_in(address, networks) is inside
    assert record(allowed_networks=networks).accepts_address(address) is inside


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (" 203.0.113.7 ", "203.0.113.7/32"),
        ("203.0.113.7/24", "203.0.113.0/24"),
        ("2001:DB8::1/32", "2001:db8::/32"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_a_list_is_kept_in_the_form_in_which_clients_are_compared(written: str, stored: str) -> None:
    assert check_networks([written, written]) == [stored]


def test_without_a_list_everybody_with_one_nobody_unknown() -> None:
    assert record().accepts_address(None)
    assert record().accepts_address("nonsense")
    assert not record(allowed_networks=["0.0.0.0/0", "::/0"]).accepts_address(None)


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({}, None),
        ({"expires_at": NOW + HOUR}, None),
        ({"expires_at": NOW}, "expired"),
        ({"expires_at": NOW - HOUR}, "expired"),
        ({"secret_expires_at": NOW + HOUR}, None),
        ({"secret_expires_at": NOW}, "expired"),
        ({"expires_at": NOW + HOUR, "secret_expires_at": NOW - HOUR}, "expired"),
        ({"expires_at": NOW - HOUR, "secret_expires_at": NOW + HOUR}, "expired"),
        ({"revoked_at": NOW}, "revoked"),
        ({"revoked_at": NOW + HOUR}, "revoked"),
        ({"revoked_at": NOW, "expires_at": NOW - HOUR}, "revoked"),
        ({"organization_suspended": True}, "suspended"),
        ({"organization_closing": True}, None),
    ],
)
def test_when_a_key_is_accepted(values: dict[str, Any], refusal: str | None) -> None:
    assert record(**values).refusal(now=NOW) == refusal


def test_a_scope_that_this_version_lacks_is_ignored() -> None:
    assert record(scopes=["traces:read", "traces:fold"]).permissions == {"traces:read"}
