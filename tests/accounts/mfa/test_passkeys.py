"""Passkeys without a browser: what is no answer of one, whom an answer may name, names, and who may touch whose.

With a browser and an authenticator: tests/acceptance/test_passkeys.py.
"""

import base64
import json
from typing import Any

import pytest
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.test import Client
from fido2 import cbor
from fido2.cose import CoseKey
from fido2.webauthn import AttestedCredentialData, AuthenticatorData

from accounts.models import User
from accounts.services.users import person
from isolation.context import acting_as
from tests.accounts.log import of_installation
from tests.accounts.mfa.stage import confirm, is_signed_in, sign_in
from tests.people import Tenant, signed_in

LOGIN = "/accounts/2fa/webauthn/login/"
_KEY = '{"id": "AA", "rawId": "AA", "type": "public-key", "response": %s}'
GARBAGE = [
    "",
    "{",
    "null",
    "[]",
    "1",
    '"text"',
    "{}",
    '{"id": 1, "rawId": 1, "type": "public-key", "response": {}}',
    _KEY % "[]",
    _KEY % '{"userHandle": 7}',
    _KEY % '{"clientDataJSON": "AA", "authenticatorData": "AA", "signature": "AA", "userHandle": "AA"}',
    _KEY % '{"clientDataJSON": "AA", "attestationObject": "AA"}',
]


def answer_for(user_handle: str) -> str:
    """Return what looks like the answer of a passkey, with a signature of nobody."""
    client = {"type": "webauthn.get", "challenge": "AA", "origin": "http://testserver"}
    parts = {
        "clientDataJSON": json.dumps(client).encode(),
        "authenticatorData": bytes(AuthenticatorData.create(bytes(32), AuthenticatorData.FLAG(5), 0)),
        "signature": b"signature",
        "userHandle": user_handle.encode(),
    }
    response = {name: base64.urlsafe_b64encode(value).decode().rstrip("=") for name, value in parts.items()}
    return json.dumps({"id": "AA", "rawId": "AA", "type": "public-key", "response": response})


def stored_passkey(user: User, name: str = "Laptop") -> Authenticator:
    """Store a passkey whose private half nobody has."""
    point = {1: 2, 3: -7, -1: 1, -2: bytes(range(32)), -3: bytes(range(32))}
    credential = AttestedCredentialData.create(bytes(16), b"credential", CoseKey.parse(point))
    data = AuthenticatorData.create(bytes(32), AuthenticatorData.FLAG(0x45), 0, credential)
    attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": bytes(data)})
    client = json.dumps({"type": "webauthn.create", "challenge": "AA", "origin": "http://testserver"}).encode()
    encoded = {
        "attestationObject": base64.urlsafe_b64encode(attestation).decode().rstrip("="),
        "clientDataJSON": base64.urlsafe_b64encode(client).decode().rstrip("="),
    }
    answer = {
        "id": "Y3JlZGVudGlhbA",
        "rawId": "Y3JlZGVudGlhbA",
        "type": "public-key",
        "response": encoded,
        "clientExtensionResults": {"credProps": {"rk": True}},
    }
    with acting_as(person(user)), transaction.atomic():
        made: Authenticator = Authenticator.objects.create(
            user=user, type=Authenticator.Type.WEBAUTHN, data={"name": name, "credential": answer}
        )
    return made


@pytest.mark.parametrize("credential", GARBAGE)
def test_what_is_no_answer_of_a_passkey_is_refused(acme: Tenant, credential: str) -> None:
    stored_passkey(acme.member)
    browser = Client()
    browser.get(LOGIN, headers={"Accept": "application/json"})
    assert browser.post(LOGIN, {"credential": credential})["Location"] == "/accounts/login/"
    assert not is_signed_in(browser)

    pending, _ = sign_in(acme.member)
    pending.get("/accounts/2fa/authenticate/")
    assert pending.post("/accounts/2fa/authenticate/", {"credential": credential}).status_code == 200
    assert not is_signed_in(pending)

    own = signed_in(acme.member)
    confirm(own)
    own.get("/accounts/2fa/webauthn/add/")
    assert own.post("/accounts/2fa/webauthn/add/", {"name": "x", "credential": credential}).status_code == 200
    assert Authenticator.objects.filter(type="webauthn").count() == 1


def test_no_answer_tells_who_has_a_login_or_a_passkey(acme: Tenant) -> None:
    stored_passkey(acme.member)
    handles = [user_pk_to_url_str(user) for user in (acme.member, acme.viewer)]
    handles += ["00000000-0000-4000-8000-000000000000", "nobody"]
    told = set()
    for handle in handles:
        browser = Client()
        asked = browser.get(LOGIN, headers={"Accept": "application/json"}).json()["request_options"]["publicKey"]
        assert not asked.get("allowCredentials")
        assert asked["userVerification"] == "required"
        answer = browser.post(LOGIN, {"credential": answer_for(handle)}, follow=True)
        told.add(("This passkey was not accepted." in answer.text, answer.status_code, len(answer.redirect_chain)))
        assert not is_signed_in(browser)
    assert told == {(True, 200, 1)}
    assert [event.reason for event in of_installation("user.sign_in_failed")] == ["A passkey that was not accepted"] * 4
    assert {event.target_label for event in of_installation("user.sign_in_failed")} == {""}, "nobody was recognized"


def test_passkey_sign_ins_are_limited_for_an_address(acme: Tenant, settings: Any) -> None:
    settings.MFA_RATE_LIMITS = {"webauthn_login": "2/m/ip"}
    answers = [Client().post(LOGIN, {"credential": "{}"}).status_code for _ in range(3)]
    assert answers == [302, 302, 429]


def test_a_passkey_is_renamed_with_an_event(acme: Tenant) -> None:
    passkey = stored_passkey(acme.member)
    browser = signed_in(acme.member)
    page = f"/accounts/2fa/webauthn/keys/{passkey.pk}/edit/"
    assert browser.post(page, {"name": "Phone"})["Location"].startswith("/accounts/reauthenticate/")
    confirm(browser)
    assert browser.post(page, {"name": "  "}).status_code == 200
    assert browser.post(page, {"name": "x" * 61}).status_code == 200
    assert browser.post(page, {"name": "Phone"}).status_code == 302
    (event,) = of_installation("second_factor.renamed")
    assert (event.before, event.after) == ({"name": "Laptop"}, {"name": "Phone"})
    assert "Phone" in browser.get("/accounts/2fa/").text


def test_nobody_touches_somebody_elses(acme: Tenant, stranger: User) -> None:
    passkey = stored_passkey(acme.member)
    for person_ in (stranger, acme.owner):
        browser = signed_in(person_)
        confirm(browser)
        for part in ("edit", "remove"):
            page = f"/accounts/2fa/webauthn/keys/{passkey.pk}/{part}/"
            assert browser.get(page).status_code == 404
            assert browser.post(page, {"name": "Mine"}).status_code == 404
    assert Authenticator.objects.get().wrap().name == "Laptop"


def test_a_passkey_is_removed_with_an_event_and_a_mail(acme: Tenant, mailoutbox: list[Any]) -> None:
    passkey = stored_passkey(acme.member)
    browser = signed_in(acme.member)
    confirm(browser)
    assert browser.post(f"/accounts/2fa/webauthn/keys/{passkey.pk}/remove/").status_code == 302
    assert of_installation("second_factor.removed")[0].before == {"kind": "passkey", "name": "Laptop"}
    assert [message.subject for message in mailoutbox] == ["A passkey of your account was removed"]


def test_passkeys_are_made_for_the_host_that_people_use(acme: Tenant, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["portal.example.com"]
    settings.MFA_TOTP_ISSUER = "Acme portal"
    asked = Client().get(LOGIN, headers={"Accept": "application/json", "Host": "portal.example.com:8443"})
    assert asked.json()["request_options"]["publicKey"]["rpId"] == "portal.example.com"
    assert Client().get(LOGIN, headers={"Host": "elsewhere.example"}).status_code == 400


def test_markup_in_a_name_is_shown_as_text(acme: Tenant) -> None:
    stored_passkey(acme.member, "<blink onclick=alert(1)>")
    browser = signed_in(acme.member)
    confirm(browser)
    for page in ("", "webauthn/"):
        assert "<blink" not in browser.get(f"/accounts/2fa/{page}").text
