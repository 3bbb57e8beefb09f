"""A fake Elasticsearch of our own, built from the published rules of `_bulk` for data streams."""

import base64
import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from tests.audit.sinks.fakes.base import Fake, Fault, check_record, said, unpacked
from tests.audit.sinks.receivers import Answer, Request

CONFLICT = ("version_conflict_engine_exception", "version conflict, document already exists (current version [1])")
MAPPING = ("document_parsing_exception", "[1:200] failed to parse field [event.before.role] of type [long]")
BUSY = ("es_rejected_execution_exception", "rejected execution of coordinating operation")


def wrong(status: int, error: tuple[str, str], cause: str = "") -> dict[str, Any]:
    """Return what is said of one document."""
    told: dict[str, Any] = {"type": error[0], "reason": error[1]}
    if cause:
        told["caused_by"] = {"type": "illegal_argument_exception", "reason": cause}
    return {"status": status, "error": told}


class ElasticsearchFake(Fake):
    """A cluster with one data stream.

    Attributes:
        documents: by id.
        failing: what is said of an event by its number, before it is looked at.
        has_failure_store: whether documents that do not fit go there.
        largest: bytes of a request.
    """

    kind = "elasticsearch"
    has_order = False
    key = "VnVhQ2ZHY0JDZGJrU0tEYjpub3RhcmVhbGtleQ=="
    index = "gatehouse-audit"

    def __init__(self, receiver: Any) -> None:
        super().__init__(receiver)
        self.documents: dict[str, dict[str, Any]] = {}
        self.failing: dict[int, dict[str, Any]] = {}
        self.has_failure_store = False
        self.largest = 100_000_000
        self.user = ""

    def options(self) -> dict[str, Any]:
        return {"url": self.receiver.url, "index": self.index, "api_key": self.key}

    def faults(self) -> list[Fault]:
        def some(request: Request) -> Answer:
            numbers = [document["seq"] for _id, document in _read(unpacked(request).decode())]
            self.failing = {seq: wrong(429, BUSY) for seq in numbers[::3]}
            answer = self.accept(request)
            self.failing = {}
            return answer

        lies: list[Fault] = [
            some,
            lambda _request: said(200, {"errors": False, "items": []}),
            lambda _request: Answer(200, b"<html>Kibana</html>"),
        ]
        return [*super().faults(), *lies]

    def accept(self, request: Request) -> Answer:
        path, _, query = request.path.partition("?")
        pair = base64.b64encode(self.user.encode()).decode()
        wanted = f"Basic {pair}" if self.user else f"ApiKey {self.key}"
        if request.headers.get("authorization") != wanted:
            return _refused(401, "security_exception", "unable to authenticate")
        if path != f"/{self.index}/_bulk":
            return _refused(404, "index_not_found_exception", "no such index")
        if request.headers["content-type"] not in {"application/x-ndjson", "application/json"}:
            return _refused(406, "media_type_header_exception", "Invalid media-type")
        body = unpacked(request).decode()
        if len(body) > self.largest:
            return Answer(413)
        if not body.endswith("\n"):
            return _refused(400, "illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]")
        items = [
            {"create": {"_index": f".ds-{self.index}-000001", "_id": identifier, **self._create(identifier, document)}}
            for identifier, document in _read(body)
        ]
        whole = {"took": 3, "errors": any("error" in item["create"] for item in items), "items": items}
        return said(200, _filtered(whole, parse_qs(query).get("filter_path", [""])[0]))

    def _create(self, identifier: str, document: dict[str, Any]) -> dict[str, Any]:
        datetime.fromisoformat(document["@timestamp"])
        seq = document["seq"]
        if seq in self.failing:
            return self.failing[seq]
        if identifier in self.documents:
            return wrong(409, CONFLICT)
        if seq in self.poison:
            if self.has_failure_store:
                return {"status": 201, "result": "created", "failure_store": "used"}
            return wrong(400, MAPPING, 'For input string: "Viewer"')
        check_record(document, seq, identifier)
        self.documents[identifier] = document
        self.store(seq, identifier)
        return {"_version": 1, "result": "created", "status": 201}


def _read(body: str) -> list[tuple[str, dict[str, Any]]]:
    """Return ids and documents; a data stream takes `create` only."""
    rows = [json.loads(row) for row in body.splitlines()]
    assert all(set(action) == {"create"} for action in rows[::2])
    return [(action["create"]["_id"], document) for action, document in zip(rows[::2], rows[1::2], strict=True)]


def _refused(status: int, kind: str, reason: str) -> Answer:
    return said(status, {"error": {"type": kind, "reason": reason}, "status": status})


def _filtered(answer: dict[str, Any], paths: str) -> dict[str, Any]:
    """Return an answer with the parts that `filter_path` names."""
    if not paths:
        return answer
    names = [path.split(".")[2:] for path in paths.split(",") if path.startswith("items.*.")]
    items = []
    for item in answer["items"]:
        kept: dict[str, Any] = {}
        for name in names:
            source, target = item["create"], kept
            for part in name[:-1]:
                source, target = source.get(part, {}), target.setdefault(part, {}) if part in source else {}
            if name[-1] in source:
                target[name[-1]] = source[name[-1]]
        items.append({"create": kept})
    return {"items": items}
