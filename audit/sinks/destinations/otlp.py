"""OTLP logs over HTTP, in protobuf (https://opentelemetry.io/docs/specs/otlp/).

A server that answers 200 may have rejected records all the same: `partial_success` says how many, and not which. They
are found by sending less at a time.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.utils import timezone
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from audit.sinks.base import Entry, Item, Limits, Option, Rejection, refuse
from audit.sinks.exceptions import Blocked, Later, Refused
from audit.sinks.http import CONNECTION, HttpDestination, retry_after
from outbound.exceptions import Refused as NotAllowed
from outbound.exchange import Reply, checked_headers

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PROTOBUF = "application/x-protobuf"
_RETRYABLE = frozenset({429, 502, 503, 504})
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,100}")
_OURS = frozenset({"content-length", "content-type", "host", "user-agent", "accept-encoding", "transfer-encoding"})
_SERVICE_NAME = "service.name"
_SHOWN = 300


class Otlp(HttpDestination):
    """Exports batches to a collector or to what takes OTLP itself."""

    kind = "otlp"
    label = "OpenTelemetry (OTLP logs)"
    summary = "Log records over OTLP/HTTP in protobuf: an OpenTelemetry Collector, or a backend that takes OTLP."
    steps = (
        "Let a collector receive OTLP over HTTP, with TLS and a token, and queue on disk.",
        "Write its address with the path (usually /v1/logs) here, and the headers that it wants, one a line.",
        "Send a test event.",
    )
    guarantee = (
        "A batch counts as delivered when your server answers 200 and rejects no record. A collector answers before "
        "the backend behind it has stored anything: what it loses after that is lost. A batch whose answer was lost, "
        "and one of which a record was rejected, comes again, with the same ids."
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option("url", "Address", "With its path, such as https://collector.example:4318/v1/logs.", Entry.URL),
        Option(
            "headers", "Headers", "One a line, such as Authorization: Bearer …; kept secret.", Entry.LONG, secret=True,
            required=False,
        ),
        Option(
            "attributes", "Resource attributes", "One a line, such as deployment.environment.name=production.",
            Entry.LONG, required=False,
        ),
        *CONNECTION,
    )  # fmt: skip
    limits = Limits(events=500, bytes=1_000_000)

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse what cannot work.

        Raises:
            DomainError: with the option's name.
        """
        super().check(options)
        _headers(str(options.get("headers", "")))
        _attributes(str(options.get("attributes", "")))

    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Export a batch.

        Raises:
            Later, Blocked: by the status.
            Refused: by the status, or because a record was rejected.
        """
        headers = _headers(str(self.given.get("headers", ""))) | {"content-type": _PROTOBUF}
        reply = self.post(self.request(batch).SerializeToString(), headers)
        self.judge(reply)
        rejected, why = _rejected(reply)
        if rejected > 0:
            told = f": “{why}”" if why else ""
            raise Refused(f"The receiver answered that it rejected {rejected:,} of {len(batch):,} records{told}.")
        return []

    def judge(self, reply: Reply) -> None:
        """Raise what a status means: the specification names those that may be repeated.

        Raises:
            Later: 429, 502, 503, 504.
            Refused: the batch itself.
            Blocked: anything else; nothing is thrown away, so that it is tried now and then.
        """
        if reply.status in _RETRYABLE:
            raise Later(f"The receiver answered with status {reply.status}.", retry_after(reply))
        try:
            super().judge(reply)
        except Later as error:
            raise Blocked(error.reason) from error

    def request(self, batch: Sequence[Item]) -> ExportLogsServiceRequest:
        """Return what is sent for a batch."""
        attributes = {_SERVICE_NAME: "gatehouse", **_attributes(str(self.given.get("attributes", "")))}
        now = _nanoseconds(timezone.now())
        return ExportLogsServiceRequest(
            resource_logs=[
                ResourceLogs(
                    resource=Resource(attributes=[_pair(name, value) for name, value in attributes.items()]),
                    scope_logs=[
                        ScopeLogs(
                            scope=InstrumentationScope(name="gatehouse.audit"),
                            log_records=[_record(item, now) for item in batch],
                        )
                    ],
                )
            ]
        )


def _record(item: Item, now: int) -> LogRecord:
    fine = item.went_well
    return LogRecord(
        time_unix_nano=_nanoseconds(item.time),
        observed_time_unix_nano=now,
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO if fine else SeverityNumber.SEVERITY_NUMBER_WARN,
        severity_text="INFO" if fine else "WARN",
        event_name=f"gatehouse.{item.action}",
        body=AnyValue(string_value=item.text),
        attributes=[
            _pair("gatehouse.id", item.id),
            _pair("gatehouse.seq", item.seq),
            _pair("gatehouse.log", str(item.log)),
            _pair("gatehouse.action", item.action),
        ],
    )


def _pair(name: str, value: str | int) -> KeyValue:
    kind = AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
    return KeyValue(key=name, value=kind)


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def _rejected(reply: Reply) -> tuple[int, str]:
    """Return how many records a server rejected that answered 200, and why.

    Raises:
        Later: the answer is none of OTLP's.
    """
    if reply.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        try:
            partial = json.loads(reply.body or b"{}").get("partialSuccess") or {}
            count, why = int(partial.get("rejectedLogRecords") or 0), str(partial.get("errorMessage") or "")
        except (ValueError, AttributeError, TypeError, OverflowError, RecursionError):
            raise Later(_NOT_OTLP) from None
    else:
        try:
            answer = ExportLogsServiceResponse.FromString(reply.body)
        except DecodeError:
            raise Later(_NOT_OTLP) from None
        count, why = answer.partial_success.rejected_log_records, answer.partial_success.error_message
    return count, "".join(letter for letter in " ".join(why.split()) if letter.isprintable())[:_SHOWN]


_NOT_OTLP = "The receiver answered 200 with something that is not OTLP. Check the address, with its path."


def _headers(text: str) -> dict[str, str]:
    """Return the headers of a text with one a line.

    Raises:
        DomainError: one is malformed, or not for people to choose.
    """
    headers: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon or name.strip().lower() in _OURS:
            raise refuse("headers", "Write one header a line, as Name: value; not those that describe the request.")
        try:
            headers |= checked_headers({name.strip(): value.strip()})
        except NotAllowed:
            raise refuse("headers", "A header has characters that cannot be sent.") from None
    return headers


def _attributes(text: str) -> dict[str, str]:
    """Return the attributes of a text with one a line.

    Raises:
        DomainError: one is malformed.
    """
    attributes: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, equals, value = line.partition("=")
        if not equals or not _ATTRIBUTE.fullmatch(name.strip()):
            raise refuse("attributes", "Write one attribute a line, as name=value.")
        attributes[name.strip()] = value.strip()
    return attributes
