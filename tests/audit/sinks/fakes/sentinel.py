"""A fake of Entra and of Azure Monitor's Logs Ingestion API of our own, built from their published rules."""

import json
import secrets
from typing import Any
from urllib.parse import parse_qsl

from tests.audit.sinks.fakes.base import Fake, check_record, said, unpacked
from tests.audit.sinks.receivers import Answer, Request

_COLUMNS = {"TimeGenerated", "EventTime", "EventId", "Seq", "Log", "Action", "Record"}
_CELL = 65_536


class SentinelFake(Fake):
    """One application, one rule, one stream.

    Attributes:
        tokens: those that are good.
        given: how many tokens were given.
        life: seconds that a token is said to be good for.
        rows: what it stored.
        too_large: how many requests were.
    """

    kind = "sentinel"
    tenant = "aaaaaaaa-0000-4000-8000-000000000001"
    client = "bbbbbbbb-0000-4000-8000-000000000002"
    secret = "xyz8Q~not-a-real-client-secret"
    rule = "dcr-000a00a000a00000a000000aa000a0aa"
    stream = "Custom-Gatehouse_CL"

    def __init__(self, receiver: Any) -> None:
        super().__init__(receiver)
        self.tokens: set[str] = set()
        self.given = 0
        self.life: Any = 3_599
        self.rows: list[dict[str, Any]] = []
        self.largest = 1_048_576
        self.too_large = 0

    def options(self) -> dict[str, Any]:
        return {
            "url": self.receiver.url,
            "rule": self.rule,
            "stream": self.stream,
            "tenant_id": self.tenant,
            "client_id": self.client,
            "client_secret": self.secret,
            "authority": self.receiver.url,
        }

    def accept(self, request: Request) -> Answer:
        if request.path == f"/{self.tenant}/oauth2/v2.0/token":
            return self._give(dict(parse_qsl(unpacked(request).decode())))
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _error(401, "InvalidToken", "The token is not valid.")
        if request.path != f"/dataCollectionRules/{self.rule}/streams/{self.stream}?api-version=2023-01-01":
            return _error(404, "NotFound", "Data collection rule was not found.")
        body = unpacked(request)
        if len(body) > self.largest:
            self.too_large += 1
            return _error(413, "ContentLengthLimitExceeded", "Maximum allowed content length: 1048576 bytes (1 MB).")
        rows = json.loads(body)
        if self.poison & {row["Seq"] for row in rows}:
            return _error(400, "InvalidPayload", "The input stream does not match the declared columns.")
        for row in rows:
            assert set(row) == _COLUMNS
            assert len(json.dumps(row["Record"], ensure_ascii=False).encode()) <= _CELL  # more is cut off
            check_record(row["Record"], row["Seq"], row["EventId"])
            self.rows.append(row)
            self.store(row["Seq"], row["EventId"])
        return Answer(204, b"")

    def _give(self, form: dict[str, str]) -> Answer:
        wanted = {
            "grant_type": "client_credentials",
            "client_id": self.client,
            "client_secret": self.secret,
            "scope": "https://monitor.azure.com//.default",
        }
        if form != wanted:
            told = f"AADSTS7000215: Invalid client secret provided. You sent {form['client_secret']}."
            return said(401, {"error": "invalid_client", "error_description": told})
        token = secrets.token_urlsafe(40)
        self.tokens.add(token)
        self.given += 1
        return said(200, {"token_type": "Bearer", "expires_in": self.life, "access_token": token})


def _error(status: int, code: str, message: str) -> Answer:
    return said(status, {"error": {"code": code, "message": message}})
