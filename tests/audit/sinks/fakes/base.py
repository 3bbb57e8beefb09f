"""What our fakes of receivers share. Each is a fake of our own, built from the published rules of its protocol."""

import gzip
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Self
from uuid import UUID, uuid4

from audit.models import Sink
from audit.services.sinks import create_sink
from audit.sinks.base import Item
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.audit.sinks.stage import letters_of, sealed
from tests.people import Tenant

Fault = Callable[[Request], Answer | None]


class Fake(ABC):
    """A receiver that holds to its protocol's rules, and breaks as a test wants.

    Attributes:
        receiver: what serves it.
        arrived: number and id of each event that it stored, as they came.
        poison: numbers of events that it refuses for good.
        fault: asked before each request; None from it lets the request through.
        has_order: whether it stores events one after another; documents of an index have no order of their own.
        has_poison: whether it can refuse an event for what is in it.
    """

    kind: ClassVar[str]
    has_order: ClassVar[bool] = True
    has_poison: ClassVar[bool] = True

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.arrived: list[tuple[int, str]] = []
        self.poison: set[int] = set()
        self.fault: Fault = lambda _request: None
        receiver.rule = lambda request: self.fault(request) or self.accept(request)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        with Receiver().running() as receiver:
            yield cls(receiver)

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Return what a sink has to be told."""

    @abstractmethod
    def accept(self, request: Request) -> Answer:
        """Do as the published rules say."""

    def faults(self) -> list[Fault]:
        """Return how it may break, for chaos."""

        def lost(request: Request) -> Answer:
            self.accept(request)
            return Answer(502, b"Bad Gateway")

        def closed(request: Request) -> Answer:
            self.accept(request)
            return Answer(0)

        return [
            lost,
            closed,
            lambda _request: Answer(0),
            lambda _request: Answer(429, headers={"Retry-After": "1"}),
            lambda _request: Answer(500, b"oops"),
            lambda _request: Answer(503, b"<html>unavailable</html>"),
        ]

    def store(self, seq: int, identifier: str) -> None:
        self.arrived.append((seq, identifier))

    def sink(self, tenant: Tenant, *, options: dict[str, Any] | None = None, **values: Any) -> Sink:
        """Return a new sink that delivers everything here."""
        with tenant.acting("owner") as actor:
            made = create_sink(
                organization_id=tenant.organization.pk,
                kind=self.kind,
                name="Our SIEM",
                options={**self.options(), **(options or {})},
                actor=actor,
                **{"from_beginning": True, "batch_seconds": 0, "sends_checkpoints": False, **values},
            )
        return made.sink

    def numbers(self) -> list[int]:
        """Return the numbers of the events, in the order in which each came first."""
        return list(dict.fromkeys(seq for seq, _identifier in self.arrived))

    def requests(self) -> list[Request]:
        return self.receiver.requests


def check_complete(fake: Fake, tenant: Tenant, sink: Sink) -> None:
    """Check that everything is there in order, once by its id, but what was refused, which is set aside."""
    numbers = fake.numbers() if fake.has_order else sorted(fake.numbers())
    assert numbers == [seq for seq in range(sealed(tenant)) if seq not in fake.poison]
    assert len({identifier for _seq, identifier in fake.arrived}) == len(fake.numbers())
    assert len(set(fake.arrived)) == len(fake.numbers())
    assert {letter.seq for letter in letters_of(sink)} == fake.poison


def unpacked(request: Request) -> bytes:
    """Return a body, decompressed where its header says so."""
    if request.headers.get("content-encoding", "identity") == "gzip":
        return gzip.decompress(request.body)
    return request.body


def said(status: int, value: Any, **headers: str) -> Answer:
    """Return an answer in JSON."""
    return Answer(status, json.dumps(value).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


def check_record(record: Any, seq: int, identifier: str) -> None:
    """Check that a native record is the event that it is said to be."""
    assert record["seq"] == seq
    assert record["event"]["id"] == identifier


def item(seq: int = 0, text: str = "", time: datetime | None = None) -> Item:
    """Return an event by itself."""
    identifier = str(uuid4())
    moment = time or datetime(2026, 1, 5, 9, 0, 0, 123456, UTC)
    native = json.dumps({"seq": seq, "event": {"id": identifier}})
    return Item(seq, identifier, UUID(int=7), moment, "member.added", text or native)
