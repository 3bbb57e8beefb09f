"""A fake of Datadog's log intake of our own, built from the published rules of its API, version 2."""

import json
import time
from typing import Any

from tests.audit.sinks.fakes.base import Fake, check_record, said, unpacked
from tests.audit.sinks.receivers import Answer, Request

_DATES = ("timestamp", "date", "_timestamp", "Timestamp", "eventTime", "published_date")
_OLDEST = 18 * 3_600


class DatadogFake(Fake):
    """An intake with one API key; what it accepts with a time of more than 18 hours ago it drops without a word.

    Attributes:
        entries: what it stored.
        dropped: what it accepted and did not store.
    """

    kind = "datadog"
    key = "0123456789abcdef0123456789abcdef"

    def __init__(self, receiver: Any) -> None:
        super().__init__(receiver)
        self.entries: list[dict[str, Any]] = []
        self.dropped: list[dict[str, Any]] = []
        self.largest = 5_000_000

    def options(self) -> dict[str, Any]:
        return {"url": f"{self.receiver.url}/api/v2/logs", "api_key": self.key}

    def accept(self, request: Request) -> Answer:
        assert request.path == "/api/v2/logs"
        if "dd-api-key" not in request.headers:
            return _errors(401, "Unauthorized")
        if request.headers["dd-api-key"] != self.key:
            return _errors(403, "Forbidden")
        body = unpacked(request)
        if len(body) > self.largest:
            return _errors(413, "Payload Too Large")
        entries = json.loads(body)
        if (
            request.headers["content-type"] != "application/json"
            or not isinstance(entries, list)
            or len(entries) > 1_000
        ):
            return _errors(400, "Bad Request")
        if self.poison & {entry["event_seq"] for entry in entries}:
            return _errors(400, "Bad Request")
        for entry in entries:
            self._take(entry)
        return said(202, {})

    def _take(self, entry: dict[str, Any]) -> None:
        assert len(json.dumps(entry, ensure_ascii=False).encode()) <= 1_000_000  # a longer one is cut off
        told = [entry[name] for name in _DATES if name in entry]
        if any(time.time() - moment / 1_000 > _OLDEST for moment in told):
            self.dropped.append(entry)
            return
        if "gatehouse" in entry:
            check_record(entry["gatehouse"], entry["event_seq"], entry["event_id"])
        self.entries.append(entry)
        self.store(entry["event_seq"], entry["event_id"])


def _errors(status: int, title: str) -> Answer:
    return said(status, {"errors": [{"status": str(status), "title": title, "detail": title}]})
