"""A fake HTTP Event Collector of our own, built from Splunk's pages on its endpoints, its codes and acknowledgement."""

import json
import re
from typing import Any
from uuid import UUID

from tests.audit.sinks.fakes.base import Fake, Fault, check_record, said, unpacked
from tests.audit.sinks.receivers import Answer, Request

TEXTS = {
    0: (200, "Success"),
    1: (403, "Token disabled"),
    2: (401, "Token is required"),
    3: (401, "Invalid authorization"),
    4: (403, "Invalid token"),
    5: (400, "No data"),
    6: (400, "Invalid data format"),
    7: (400, "Incorrect index"),
    8: (500, "Internal server error"),
    9: (503, "Server is busy"),
    10: (400, "Data channel is missing"),
    11: (400, "Invalid data channel"),
    12: (400, "Event field is required"),
    13: (400, "Event field cannot be blank"),
    14: (400, "ACK is disabled"),
    15: (400, "Error in handling indexed fields"),
    16: (400, "Query string authorization is not enabled"),
    18: (503, "HEC is unhealthy, queues are full"),
    19: (503, "HEC is unhealthy, ack service unavailable"),
    20: (503, "HEC is unhealthy, queues are full, ack service unavailable"),
    21: (400, "Invalid token"),
    22: (400, "Token disabled"),
    23: (503, "Server is shutting down"),
    24: (200, "HEC queue is approaching its capacity limit"),
    25: (200, "HEC ACK is approaching its capacity limit"),
    26: (429, "HEC queue is at capacity and cannot process any more requests"),
    27: (429, "HEC ACK channel is at capacity and cannot process any more requests"),
}
_ENVELOPE = {"time", "host", "source", "sourcetype", "index", "event", "fields"}


def code(number: int, **more: Any) -> Answer:
    """Return what Splunk says with a code."""
    status, text = TEXTS[number]
    return said(status, {"text": text, "code": number, **{name.replace("_", "-"): each for name, each in more.items()}})


class SplunkFake(Fake):
    """A collector with one token.

    Attributes:
        has_acknowledgement: whether its token has indexer acknowledgement.
        confirms: whether batches are ever confirmed.
        pending: events that were taken and are not indexed yet, by channel and number.
        keeps_before: whether events before one that is invalid are stored although the batch is refused.
        largest: bytes of a request.
        node: what its load balancer knows clients by; "" for none.
    """

    kind = "splunk_hec"
    token = "12345678-1234-1234-1234-1234567890ab"
    indexes = frozenset({"main", "audit"})

    def __init__(self, receiver: Any) -> None:
        super().__init__(receiver)
        self.has_acknowledgement = False
        self.confirms = True
        self.pending: dict[tuple[str, int], list[dict[str, Any]]] = {}
        self.keeps_before = True
        self.largest = 1_000_000
        self.node = ""
        self.envelopes: list[dict[str, Any]] = []
        self._count = 0

    def options(self) -> dict[str, Any]:
        return {"url": self.receiver.url, "token": self.token, "index": "audit"}

    def faults(self) -> list[Fault]:
        lies: list[Fault] = [
            lambda _request: said(200, {"text": "Server is busy", "code": 9}),
            lambda _request: Answer(200, b"<html>Splunk</html>"),
            lambda _request: said(200, {"text": "HEC is healthy", "code": 17}),
        ]
        return [*super().faults(), *lies, *(lambda _request, number=number: code(number) for number in (1, 8, 9, 26))]

    def accept(self, request: Request) -> Answer:
        path, _, query = request.path.partition("?")
        if "token=" in query:
            return code(16)
        channel = request.headers.get("x-splunk-request-channel", "")
        if wrong := self._unwelcome(request.headers.get("authorization", ""), channel):
            return code(wrong)
        if path == "/services/collector/ack":
            return self._confirm(request, channel)
        assert path == "/services/collector/event"
        return self._take(request, channel)

    def _unwelcome(self, authorization: str, channel: str) -> int:
        if not re.fullmatch(r"Splunk [!-~]+", authorization):
            return 3 if authorization else 2
        if authorization != f"Splunk {self.token}":
            return 4
        if self.has_acknowledgement and not channel:
            return 10
        try:
            UUID(channel)
        except ValueError:
            return 11
        return 0

    def _take(self, request: Request, channel: str) -> Answer:
        body = unpacked(request).decode()
        if len(body.encode()) > self.largest:
            return Answer(413, b"Request entity too large")
        events, wrong = _read(body)
        for position, event in enumerate(events):
            number = self._fault_of(event)
            if number:
                wrong = code(number, invalid_event_number=position)
                events = events[:position]
                break
        if wrong is not None:
            if self.keeps_before:
                self._index(events)
            return wrong
        if not events:
            return code(5)
        if not self.has_acknowledgement:
            self._index(events)
            return code(0)
        self._count += 1
        self.pending[channel, self._count] = events
        headers = (
            {"set-cookie": f"AWSALB={self.node}; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/"} if self.node else {}
        )
        body_of = {"text": "Success", "code": 0, "ackId": self._count}
        return Answer(200, json.dumps(body_of).encode(), headers)

    def _confirm(self, request: Request, channel: str) -> Answer:
        if not self.has_acknowledgement:
            return code(14)
        acks = {}
        for number in request.json()["acks"]:
            reaches = not self.node or f"AWSALB={self.node}" in request.headers.get("cookie", "")
            found = self.pending.pop((channel, number), None) if self.confirms and reaches else None
            acks[str(number)] = found is not None
            self._index(found or [])
        return said(200, {"acks": acks})

    def _fault_of(self, event: dict[str, Any]) -> int:
        if not set(event) <= _ENVELOPE or not isinstance(event.get("time"), int | float):
            return 6
        if "event" not in event:
            return 12
        if event["event"] in {"", None} if isinstance(event["event"], str | None) else False:
            return 13
        if any(isinstance(value, dict | list) for value in event.get("fields", {}).values()):
            return 15
        if event.get("index", "main") not in self.indexes:
            return 7
        return 6 if event["fields"]["seq"] in self.poison else 0

    def _index(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            fields = event["fields"]
            check_record(event["event"], fields["seq"], fields["id"])
            self.envelopes.append(event)
            self.store(fields["seq"], fields["id"])


def _read(body: str) -> tuple[list[dict[str, Any]], Answer | None]:
    """Return the objects of a body, one after another, and what is said where they end."""
    events: list[dict[str, Any]] = []
    decoder, at = json.JSONDecoder(), 0
    while at < len(body):
        try:
            event, at = decoder.raw_decode(body, at)
        except ValueError:
            return events, code(6, invalid_event_number=len(events))
        events.append(event)
        at += len(body[at:]) - len(body[at:].lstrip())
    return events, None
