"""A webhook, signed as Standard Webhooks say (https://www.standardwebhooks.com): HMAC-SHA256 and Ed25519."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar
from uuid import NAMESPACE_URL, uuid5

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from audit.sinks.base import Entry, Item, Limits, Option, Rejection, refuse
from audit.sinks.exceptions import Gone
from audit.sinks.http import CONNECTION, HttpDestination
from outbound.exchange import Reply

OVERLAP = timedelta(hours=24)
"""How long the secret before the last one signs as well."""

_SECRET, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"
_SHORTEST, _LONGEST = 24, 64
_GONE = 410
_KEY_BYTES = 32


class Webhook(HttpDestination):
    """Posts batches to an address of the organization's own."""

    kind = "webhook"
    label = "Webhook"
    summary = "Signed JSON to an https address of yours (Standard Webhooks)."
    steps = (
        "Have an https address that takes POST. Store what comes, then answer with 200 to 299.",
        "Write the address here. Leave the signing secret empty: one is made, and shown once.",
        (
            "Verify webhook-signature of every request with it, or with the public key on the sink's page, then "
            "send a test event."
        ),
    )
    guarantee = (
        "A batch counts as delivered when your address answers with a status from 200 to 299. Answer after you have "
        "stored it. A batch whose answer was lost comes again, with the same webhook-id and the same event ids."
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option("url", "Address", "Where batches are posted to.", Entry.URL),
        Option(
            "secret",
            "Signing secret",
            "whsec_ and 24 to 64 bytes in base64. Leave it empty and one is made, which you see once.",
            secret=True,
            required=False,
        ),
        *CONNECTION,
    )
    limits = Limits(events=500, bytes=1_000_000)

    @classmethod
    def made_secrets(cls, given: Mapping[str, Any]) -> dict[str, str]:
        """Return the secrets that nobody typed in."""
        made = {"signing_key": _PRIVATE + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}
        if not given.get("secret"):
            made["secret"] = new_secret()
        return made

    @classmethod
    def rotated_secrets(cls, old: Mapping[str, str]) -> dict[str, str]:
        """Return the secrets with a new one; the old one signs as well for `OVERLAP`."""
        until = (timezone.now() + OVERLAP).isoformat()
        return {**old, "secret": new_secret(), "previous_secret": old["secret"], "previous_until": until}

    @classmethod
    def public_key(cls, stored: Mapping[str, str]) -> str:
        """Return what verifies the Ed25519 signature: ``whpk_`` and the key in base64."""
        return _PUBLIC + base64.b64encode(_private(stored["signing_key"]).public_key().public_bytes_raw()).decode()

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse an address or a secret that cannot be used.

        Raises:
            DomainError: with the option's name.
        """
        super().check(options)
        secret = str(options.get("secret") or "")
        if secret and not _SHORTEST <= len(_decoded(secret)) <= _LONGEST:
            raise refuse("secret", "The secret is whsec_ and 24 to 64 bytes in base64. Empty: one is made.")

    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Post a batch.

        Raises:
            Later, Blocked, Gone, Refused: by the status.
        """
        identifier = message_id(self.sink_id, batch)
        kind, member = "audit.events", f'"events":[{",".join(item.text for item in batch)}]'
        if batch[0].is_checkpoint:
            kind, member = "audit.checkpoint", f'"checkpoint":{batch[0].text}'
        body = f'{{"type":"{kind}","timestamp":"{batch[-1].time.isoformat()}",{member}}}'.encode()
        self.post_signed(identifier, body)
        return []

    def post_signed(self, identifier: str, body: bytes) -> None:
        """Post a message.

        Args:
            identifier: the same when it is sent again.
            body: JSON.

        Raises:
            Later, Blocked, Gone, Refused: by the status.
        """
        now = timezone.now()
        headers = {
            "content-type": "application/json",
            "webhook-id": identifier,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(self._signatures(identifier, now, body)),
        }
        self.judge(self.post(body, headers))

    def judge(self, reply: Reply) -> None:
        """Raise what a status means.

        Raises:
            Gone: 410, by which an address says that it wants no more messages.
            Later, Blocked, Refused: by any other.
        """
        if reply.status == _GONE:
            raise Gone(f"{self.told(reply)} It wants no more messages: give another address, or remove the sink.")
        super().judge(reply)

    def _signatures(self, identifier: str, now: datetime, body: bytes) -> list[str]:
        signed = f"{identifier}.{int(now.timestamp())}.".encode() + body
        valid = [str(self.given["secret"])]
        until = self.given.get("previous_until")
        if until and now < datetime.fromisoformat(str(until)):
            valid.append(str(self.given["previous_secret"]))
        macs = [hmac.new(_decoded(secret), signed, sha256).digest() for secret in valid]
        found = [f"v1,{base64.b64encode(mac).decode()}" for mac in macs]
        signature = _private(str(self.given["signing_key"])).sign(signed)
        return [*found, f"v1a,{base64.b64encode(signature).decode()}"]


def new_secret() -> str:
    """Return a new signing secret."""
    return _SECRET + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def message_id(sink_id: Any, batch: Sequence[Item]) -> str:
    """Return the id of a batch: the same when the same events are sent again."""
    # By ids, not by numbers: test events have none.
    return f"msg_{uuid5(NAMESPACE_URL, f'{sink_id}/{batch[0].log}/{batch[0].id}/{batch[-1].id}/{len(batch)}').hex}"


def _decoded(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_SECRET), validate=True)
    except binascii.Error:
        return b""


def _private(text: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text.removeprefix(_PRIVATE)))
