"""Browsers, places and ways of signing in, in words."""

from typing import Any

import pytest

from accounts.models import Session
from accounts.sessions.rows import Ways
from accounts.sessions.store import SessionStore
from accounts.sessions.words import browser_of, place_of
from tests.accounts.sessions.stage import FIREFOX, SAFARI


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox 130 on Linux"),
        (SAFARI, "Safari 17 on Mac OS X"),
        ("curl/8.5.0", "curl 8"),
        ("", "An unknown browser"),
        ("   ", "An unknown browser"),
        ("\x00\x01", "An unknown browser"),
        ("(" * 100_000, "An unknown browser"),
    ],
)
def test_a_browser_in_words(user_agent: str, words: str) -> None:
    assert browser_of(user_agent) == words


@pytest.mark.parametrize(
    ("ip", "words"),
    [
        ("203.0.114.7", "203.0.114.7"),
        ("10.1.2.3", "10.1.2.3, a private network"),
        ("192.168.0.9", "192.168.0.9, a private network"),
        ("127.0.0.1", "127.0.0.1, the portal's own machine"),
        ("::1", "::1, the portal's own machine"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1, a private network"),
        ("fe80::1", "fe80::1, a private network"),
        ("2a00:1450:4001:80e::200e", "2a00:1450:4001:80e::200e"),
        (None, "No address"),
    ],
)
def test_a_place_in_words(ip: str | None, words: str) -> None:
    assert place_of(ip, here="198.51.100.1") == words


def test_the_readers_own_address() -> None:
    assert place_of("10.1.2.3", here="10.1.2.3") == "10.1.2.3, the address that you use now"


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([{"method": "password", "at": 1}], "Password"),
        ([{"method": "password"}, {"method": "password", "reauthenticated": True}], "Password"),
        ([{"method": "password"}, {"method": "mfa", "type": "totp"}], "Password, then authenticator app"),
        ([{"method": "mfa", "type": "webauthn", "passwordless": True}], "Passkey"),
        ([{"method": "mfa", "type": "unheard of"}], "Unknown way of signing in"),
        ([], "Unknown way of signing in"),
        (None, "Unknown way of signing in"),
    ],
)
def test_a_way_in_words(records: Any, words: str) -> None:
    data = {"account_authentication_methods": records}
    assert Ways().of(Session(session_data=SessionStore().encode(data))) == words


def test_a_session_of_another_secret_key_is_told_without_its_way() -> None:
    assert Ways().of(Session(session_data="not signed by us")) == "Unknown way of signing in"
