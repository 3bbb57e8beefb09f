"""A FAKE of an OTLP/HTTP logs receiver: strict where the specification is, made of its published rules."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from tests.audit.sinks.receivers import Answer, Request

PATH = "/v1/logs"


def _never(_record: Any) -> bool:
    return False


@dataclass
class OtlpFake:
    """What decides about requests, and keeps what it accepts.

    Attributes:
        rejects: whether a record is rejected; the others of its request are stored all the same.
        status: answered instead of 200 when it is not 200.
        headers: of that answer.
        records: what was stored, in order.
        resources: the attributes of the resources.
        headers_seen: those of each request.
    """

    rejects: Callable[[Any], bool] = _never
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    records: list[Any] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)
    headers_seen: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        self.headers_seen.append(request.headers)
        if self.status != 200:
            return Answer(self.status, b"", self.headers)
        if request.method != "POST" or request.path != PATH:
            return Answer(404, b"")
        if request.headers["content-type"] != "application/x-protobuf":
            return Answer(415, b"")
        message = ExportLogsServiceRequest.FromString(request.body)
        rejected = 0
        for resource in message.resource_logs:
            self.resources.append({each.key: each.value.string_value for each in resource.resource.attributes})
            assert resource.resource.attributes
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    assert record.time_unix_nano
                    assert record.observed_time_unix_nano >= record.time_unix_nano
                    assert record.severity_number
                    assert len({each.key for each in record.attributes}) == len(record.attributes)
                    if self.rejects(record):
                        rejected += 1
                    else:
                        self.records.append(record)
        answer = ExportLogsServiceResponse()
        if rejected:
            answer.partial_success.CopyFrom(
                ExportLogsPartialSuccess(rejected_log_records=rejected, error_message="attribute too long")
            )
        return Answer(200, answer.SerializeToString(), {"content-type": "application/x-protobuf"})


def attribute(record: Any, name: str) -> Any:
    """Return an attribute's value."""
    (found,) = (each.value for each in record.attributes if each.key == name)
    return getattr(found, found.WhichOneof("value"))
