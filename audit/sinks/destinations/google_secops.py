"""Google SecOps: raw logs by the method `logs.import` of the Chronicle API, with a service account's key.

The older Ingestion API (malachiteingestion-pa) is deprecated and ends in July 2027, and push feeds (importPushLogs)
carry a key in the address, so neither is used. Bounds: 4 MB for a request, in which a log is base64; 1 MB for a log.
"""

import base64
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from audit.sinks.base import Entry, Item, Limits, Option, Rejection, refuse
from audit.sinks.bearer import BearerDestination
from audit.sinks.exceptions import Blocked
from audit.sinks.http import CONNECTION
from isolation.exceptions import DomainError
from outbound.addresses import check_url
from outbound.exceptions import Refused as NotAllowed

_LOCATIONS = tuple(
    (name, name)
    for name in (
        "us",
        "eu",
        "africa-south1",
        "asia-northeast1",
        "asia-south1",
        "asia-southeast1",
        "asia-southeast2",
        "australia-southeast1",
        "europe-central2",
        "europe-west12",
        "europe-west2",
        "europe-west3",
        "europe-west6",
        "europe-west9",
        "me-central1",
        "me-central2",
        "me-west1",
        "northamerica-northeast2",
        "southamerica-east1",
    )
)
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_PROJECT = re.compile(r"(?:[a-z0-9.-]{1,80}:)?[a-z0-9][a-z0-9-]{3,62}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOG_TYPE = re.compile(r"[A-Z0-9][A-Z0-9_]{1,99}")
_NEEDED = ("client_email", "private_key", "private_key_id", "token_uri")
_OK = 200


class GoogleSecOps(BearerDestination):
    """Imports batches of raw logs into an instance."""

    kind = "google_secops"
    label = "Google SecOps"
    summary = "Raw logs of a log type in Google Security Operations (Chronicle)."
    steps = (
        "In Google Cloud, make a service account whose role has chronicle.logs.import, and a JSON key of it.",
        "In SecOps, request a custom log type, and make a parser for it (docs/siem/google_secops.md has one).",
        "Write the JSON key whole, project, location, customer ID and log type here, then send a test event.",
    )
    guarantee = (
        "A batch counts as delivered when the Chronicle API has accepted it (200). SecOps parses it afterwards: an "
        "event that the log type's parser does not read stays a raw log without UDM events, and nobody tells us. A "
        "batch that is repeated is the same to the byte; an event may still be there twice, with equal ids."
    )
    giver = "Google"
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "key",
            "Key of a service account",
            "The JSON file, whole. In Google Cloud: IAM & Admin > Service Accounts > Keys. The account needs the "
            "permission chronicle.logs.import.",
            Entry.LONG,
            secret=True,
        ),
        Option("project", "Project", "In SecOps: Settings > SIEM Settings > Profile, the Google Cloud project."),
        Option("location", "Location", "Of the instance.", Entry.CHOICE, default="us", choices=_LOCATIONS),
        Option("instance", "Customer ID", "On the same page: a UUID."),
        Option(
            "log_type",
            "Log type",
            "A custom one made for these events, in capitals. See the page.",
            default="GATEHOUSE_AUDIT_CUSTOM",
        ),
        Option("forwarder", "Forwarder ID", "A UUID, where events should count for a forwarder.", required=False),
        Option(
            "url",
            "Address",
            "In place of the location's, for private access: https://host.",
            Entry.URL,
            required=False,
        ),
        *(option for option in CONNECTION if option.name in {"authorities", "proxy"}),
    )
    limits = Limits(events=1_000, bytes=2_500_000, item=1_000_000)
    batch_seconds = 2
    refused = frozenset({400, 413})
    advice: ClassVar[Mapping[int, str]] = {
        401: "Google does not take the token. Check the service account's key.",
        403: "Give the service account the role Chronicle API Editor, or one with chronicle.logs.import, in the "
        "instance's project.",
        404: "Check project, location, customer ID and log type.",
    }

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse a key or identifiers that cannot be right.

        Raises:
            DomainError: with the option's name.
        """
        super().check(options)
        account = _account(str(options.get("key", "")))
        try:
            check_url(account["token_uri"])
        except NotAllowed as error:
            raise refuse("key", f"The token_uri in the key cannot be used. {error.detail}") from error
        _signed(account)
        if not _PROJECT.fullmatch(str(options.get("project", ""))):
            raise refuse("project", "The project is its ID or its number, not its name.")
        if not _UUID.fullmatch(str(options.get("instance", ""))):
            raise refuse("instance", "The customer ID is a UUID.")
        if not _LOG_TYPE.fullmatch(str(options.get("log_type", ""))):
            raise refuse("log_type", "A log type has capitals, digits and _ only.")
        forwarder = str(options.get("forwarder") or "")
        if forwarder and not _UUID.fullmatch(forwarder):
            raise refuse("forwarder", "The forwarder's ID is a UUID.")

    def address(self) -> str:
        """Return the URL of the method."""
        root = self.given.get("url") or f"https://chronicle.{self.given['location']}.rep.googleapis.com"
        return f"{str(root).rstrip('/')}/v1beta/{self._instance()}/logTypes/{self.given['log_type']}/logs:import"

    def token_request(self) -> tuple[str, Mapping[str, str]]:
        """Return where Google gives a token, and what the service account signs."""
        try:
            account = _account(str(self.given["key"]))
            assertion = _signed(account)
        except DomainError as error:
            raise Blocked(str(error)) from error
        self.hide(assertion)
        return account["token_uri"], {"grant_type": _GRANT, "assertion": assertion}

    def credentials(self) -> str:
        """Return what a token depends on."""
        return str(self.given["key"])

    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Import a batch.

        Raises:
            Later, Blocked, Refused: by the status.
        """
        source: dict[str, Any] = {"logs": [_log(item) for item in batch]}
        if forwarder := self.given.get("forwarder"):
            source["forwarder"] = f"{self._instance()}/forwarders/{forwarder}"
        body = json.dumps({"inlineSource": source}).encode()
        reply = self.post_with_token(body, {"content-type": "application/json"})
        self.judge(reply)
        answer = self.read(reply)
        if reply.status != _OK or not isinstance(answer, dict) or "error" in answer:
            raise Blocked(f"{self.told(reply)} The Chronicle API does not answer so. Check the address.")
        return []

    def _instance(self) -> str:
        project = quote(str(self.given["project"]), safe=":")
        return f"projects/{project}/locations/{self.given['location']}/instances/{self.given['instance']}"


def _log(item: Item) -> dict[str, Any]:
    moment = item.time.isoformat().replace("+00:00", "Z")
    labels = {"event_id": item.id, "seq": str(item.seq), "log": str(item.log)}
    return {
        "data": base64.b64encode(item.text.encode()).decode(),
        "logEntryTime": moment,
        # Not the time of sending: what is sent again is the same to the byte.
        "collectionTime": moment,
        "labels": {name: {"value": value} for name, value in labels.items()},
    }


def _account(text: str) -> dict[str, str]:
    """Return what a service account's key says.

    Raises:
        DomainError: it is none; nothing of it is repeated.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or given.get("type") != "service_account":
        raise refuse("key", "This is not the JSON key of a service account. Paste the whole file.")
    if missing := [name for name in _NEEDED if not isinstance(given.get(name), str) or not given[name]]:
        raise refuse("key", f"The key has no {missing[0]}. Paste the whole file.")
    return {name: given[name] for name in _NEEDED}


def _signed(account: Mapping[str, str]) -> str:
    """Return what the service account asserts (RFC 7523, 2.1).

    Raises:
        DomainError: its private key cannot be used.
    """
    now = int(time.time())
    claims = {
        "iss": account["client_email"],
        "scope": _SCOPE,
        "aud": account["token_uri"],
        "iat": now,
        "exp": now + 3_600,
    }
    try:
        key = jwk.RSAKey.import_key(account["private_key"])
        return jwt.encode({"alg": "RS256", "kid": account["private_key_id"]}, claims, key)
    except (JoseError, ValueError, TypeError):
        raise refuse(
            "key", "The private_key in the key cannot be read. Make a new key, and paste the whole file."
        ) from None
