"""A passkey in software: stored for somebody, and answering as a device that has asked who holds it."""

import base64
import hashlib
import json
from typing import Any

from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction
from django.test import Client
from fido2 import cbor
from fido2.cose import ES256
from fido2.webauthn import AttestedCredentialData, AuthenticatorData

from accounts.models import User
from accounts.services.users import person
from isolation.context import acting_as

LOGIN = "/accounts/2fa/webauthn/login/"
ORIGIN = "https://testserver"
_ID = b"credential"
_RP = hashlib.sha256(b"testserver").digest()


class Passkey:
    """A passkey of somebody's.

    Args:
        user: whose; it is stored at once.
    """

    def __init__(self, user: User) -> None:
        self._user = user
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = ES256.from_cryptography_key(self._key.public_key())
        credential = AttestedCredentialData.create(bytes(16), _ID, public)
        data = AuthenticatorData.create(_RP, AuthenticatorData.FLAG(0x45), 0, credential)
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": bytes(data)})
        response = {
            "attestationObject": _text(attestation),
            "clientDataJSON": _text(_client("webauthn.create", "AA")),
        }
        stored = {"id": _text(_ID), "rawId": _text(_ID), "type": "public-key", "response": response}
        values = {"name": "Laptop", "credential": {**stored, "clientExtensionResults": {"credProps": {"rk": True}}}}
        with acting_as(person(user)), transaction.atomic():
            Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data=values)

    def sign_in(self, browser: Client) -> Any:
        """Sign in by it alone; return the answer."""
        script = {"X-Requested-With": "XMLHttpRequest"}
        asked = browser.get(LOGIN, secure=True, headers=script).json()["request_options"]["publicKey"]
        client = _client("webauthn.get", asked["challenge"])
        data = bytes(AuthenticatorData.create(_RP, AuthenticatorData.FLAG(0x05), 1))
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": _text(client),
            "authenticatorData": _text(data),
            "signature": _text(signature),
            "userHandle": _text(user_pk_to_url_str(self._user).encode()),
        }
        answer = {"id": _text(_ID), "rawId": _text(_ID), "type": "public-key", "response": response}
        return browser.post(LOGIN, {"credential": json.dumps(answer)}, secure=True)


def _client(kind: str, challenge: str) -> bytes:
    return json.dumps({"type": kind, "challenge": challenge, "origin": ORIGIN}).encode()


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
