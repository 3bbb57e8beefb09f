"""A fake of Google's token server and of `logs.import` of the Chronicle API, our own, from their published rules."""

import base64
import json
import secrets
import time
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwk, jwt

from tests.audit.sinks.fakes.base import Fake, Fault, check_record, said, unpacked
from tests.audit.sinks.receivers import Answer, Request


@cache
def private_key() -> str:
    """Return a service account's private key."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


class GoogleSecOpsFake(Fake):
    """One service account, one instance, one log type.

    Attributes:
        tokens: those that are good.
        given: how many tokens were given.
        logs: what it stored.
    """

    kind = "google_secops"
    account = "gatehouse@acme-secops.iam.gserviceaccount.com"
    key_id = "0123456789abcdef"
    instance = "cccccccc-0000-4000-8000-000000000003"
    log_type = "GATEHOUSE_AUDIT_CUSTOM"

    def __init__(self, receiver: Any) -> None:
        super().__init__(receiver)
        self.tokens: set[str] = set()
        self.given = 0
        self.logs: list[dict[str, Any]] = []
        self.largest = 4_000_000

    @property
    def parent(self) -> str:
        return f"projects/acme-secops/locations/eu/instances/{self.instance}"

    def key(self) -> str:
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "acme-secops",
                "private_key_id": self.key_id,
                "private_key": private_key(),
                "client_email": self.account,
                "token_uri": f"{self.receiver.url}/token",
            }
        )

    def options(self) -> dict[str, Any]:
        return {
            "key": self.key(),
            "project": "acme-secops",
            "location": "eu",
            "instance": self.instance,
            "log_type": self.log_type,
            "url": self.receiver.url,
        }

    def faults(self) -> list[Fault]:
        return [*super().faults(), lambda _request: Answer(200, b"<html>welcome</html>")]

    def accept(self, request: Request) -> Answer:
        if request.path == "/token":
            return self._give(dict(parse_qsl(unpacked(request).decode())))
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if request.path != f"/v1beta/{self.parent}/logTypes/{self.log_type}/logs:import":
            return _error(404, "NOT_FOUND", "Requested entity was not found.")
        body = unpacked(request)
        if len(body) > self.largest:
            return _error(413, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 4000000 bytes.")
        given = json.loads(body)
        assert set(given) == {"inlineSource"}
        logs = given["inlineSource"]["logs"]
        if self.poison & {int(log["labels"]["seq"]["value"]) for log in logs}:
            return _error(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        for log in logs:
            assert set(log) == {"data", "logEntryTime", "collectionTime", "labels"}
            collected, happened = (datetime.fromisoformat(log[name]) for name in ("collectionTime", "logEntryTime"))
            assert collected >= happened
            seq, identifier = int(log["labels"]["seq"]["value"]), log["labels"]["event_id"]["value"]
            check_record(json.loads(base64.b64decode(log["data"], validate=True)), seq, identifier)
            self.logs.append(log)
            self.store(seq, identifier)
        return said(200, {})

    def _give(self, form: dict[str, str]) -> Answer:
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        token = jwt.decode(form["assertion"], jwk.RSAKey.import_key(private_key()), algorithms=["RS256"])
        claims, now = token.claims, time.time()
        if token.header["kid"] != self.key_id or claims["iss"] != self.account:
            return said(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        assert claims["aud"] == f"{self.receiver.url}/token"
        assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        assert claims["iat"] <= now < claims["exp"] <= claims["iat"] + 3_600
        access = secrets.token_urlsafe(60)
        self.tokens.add(access)
        self.given += 1
        return said(200, {"access_token": access, "expires_in": 3_599, "token_type": "Bearer"})


def _error(status: int, name: str, message: str) -> Answer:
    return said(status, {"error": {"code": status, "message": message, "status": name}})
