"""Parquet for analytics: a file of row groups, written one after the other."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from audit.sealing.reading import SealedEvent

from . import ndjson
from .base import Format, Sink
from .record import CHANGES, COLUMNS, sealed_record

ROW_GROUP = 20_000
"""Events of one row group: as many are in memory at once."""

SCHEMA = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("hash", pa.string(), nullable=False),
        *(pa.field(name, pa.timestamp("us", tz="UTC") if name == "time" else pa.string()) for name in COLUMNS),
        pa.field("leaf", pa.string()),
    ]
)


class _File:
    """What pyarrow takes for a file."""

    closed = False

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._written = 0

    def write(self, data: Any) -> int:
        """Pass the bytes on."""
        size = self._sink.write(bytes(data))
        self._written += size
        return size

    def tell(self) -> int:
        """Return how much was written."""
        return self._written

    def flush(self) -> None:
        """Do nothing: the sink is closed by whoever opened it."""

    def close(self) -> None:
        """Do nothing, as well."""


def record(event: SealedEvent) -> dict[str, Any]:
    """Return the cells of a sealed event; changes are JSON texts."""
    found = sealed_record(event) or {}
    return _cells({"seq": event.seq, "hash": b64encode(event.hash).decode(), "leaf": event.body, "event": found})


def write(lines: Iterable[bytes], sink: Sink) -> None:
    """Write a Parquet file of the events of NDJSON lines."""
    rows = iter(lines)
    with ParquetWriter(pa.PythonFile(_File(sink), mode="w"), SCHEMA, compression="zstd") as writer:
        for group in iter(lambda: list(islice(rows, ROW_GROUP)), []):
            writer.write_batch(pa.RecordBatch.from_pylist(list(_read(group)), schema=SCHEMA))


def _read(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        yield _cells(json.loads(line))


def _cells(line: dict[str, Any]) -> dict[str, Any]:
    event = line.get("event") or {}
    cells = {name: event.get(name) for name in COLUMNS}
    for name in CHANGES:
        cells[name] = json.dumps(cells[name], ensure_ascii=False) if event else None
    cells["time"] = datetime.fromisoformat(cells["time"]) if cells["time"] else None
    return {"seq": line["seq"], "hash": line["hash"], **cells, "leaf": line["leaf"]}


PARQUET = Format(
    name="parquet",
    label="Parquet, for analytics",
    content_type="application/vnd.apache.parquet",
    extension="parquet",
    record=record,
    encode=ndjson.line,
    write=write,
)
