"""CSV for spreadsheets: a line for each event, and no cell that a spreadsheet takes for a formula."""

import csv
import json
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from audit.sealing.reading import SealedEvent

from .base import Format
from .record import COLUMNS, sealed_record

SEALED_COLUMNS = ("seq", "hash", *COLUMNS)

# What a spreadsheet takes for a formula, or for a new cell that begins one (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class _Echo:
    """A file that returns what is written."""

    def write(self, text: str) -> str:
        """Return the text."""
        return text


_writer = csv.writer(_Echo())


def line(values: Iterable[Any]) -> str:
    """Return a line of CSV; a cell never begins like a formula."""
    text: str = _writer.writerow([_cell(value) for value in values])
    return text


def record(event: SealedEvent) -> dict[str, Any]:
    """Return the cells of a sealed event; of one that is gone its number and hash are left."""
    found = sealed_record(event) or dict.fromkeys(COLUMNS)
    return {"seq": event.seq, "hash": b64encode(event.hash).decode(), **found}


def encode(event: SealedEvent) -> bytes:
    """Return the line of a sealed event."""
    return line(record(event).values()).encode()


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


CSV = Format(
    name="csv",
    label="CSV, for spreadsheets",
    content_type="text/csv; charset=utf-8",
    extension="csv",
    record=record,
    encode=encode,
    head=line(SEALED_COLUMNS).encode(),
)
