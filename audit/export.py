"""The filtered log as a file: CSV or JSON Lines, read in batches while it is sent."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from console.keyset import KeysetPage, KeysetPaginator
from console.lists import capped_count
from isolation.scope import continuation

from .models import Event
from .selectors import EventFilter

LIMIT = 100_000
"""Events that one export holds at most; the newest ones."""

BATCH = 1_000

COLUMNS = (
    "id",
    "time",
    "organization_id",
    "actor_kind",
    "actor_id",
    "actor_label",
    "via",
    "action",
    "outcome",
    "target_type",
    "target_id",
    "target_label",
    "project_id",
    "project_label",
    "before",
    "after",
    "reason",
    "request_id",
    "session",
    "ip",
    "user_agent",
)

CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}

# What a spreadsheet takes for a formula, or for a new cell that begins one (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def as_record(event: Event) -> dict[str, Any]:
    """Return an event as JSON values, in the order of `COLUMNS`; times are UTC in ISO 8601."""
    return {name: _plain(getattr(event, name)) for name in COLUMNS}


def send(
    events: Callable[[], "QuerySet[Any]"],
    record_export: Callable[[dict[str, Any]], None],
    *,
    wanted: EventFilter,
    form: str,
    stem: str,
) -> StreamingHttpResponse:
    """Record an export and return the file, which is read while it is sent.

    Args:
        events: makes the queryset of what may be exported and passes the filter; called inside the scope.
        record_export: writes the event that tells of it.
        wanted: the filter, for that event.
        form: a key of `CONTENT_TYPES`.
        stem: how the file's name begins.
    """
    now = timezone.now()
    number, truncated = capped_count(events(), LIMIT)
    record_export({"format": form, "events": number, "truncated": truncated, "filter": wanted.described()})
    # What is written from now on, this export's own event included, is not part of it.
    lists = batches(lambda: events().filter(time__lte=now), continuation(), limit=number)
    name = f"{stem}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.{form}"
    return StreamingHttpResponse(
        _WRITERS[form](lists),
        content_type=CONTENT_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def batches(
    events: Callable[[], "QuerySet[Any]"],
    run: Callable[[Callable[[], KeysetPage]], KeysetPage],
    *,
    limit: int = LIMIT,
    size: int = BATCH,
) -> Iterator[Sequence[Event]]:
    """Yield events, newest first, in lists; each list is one short query.

    Args:
        events: makes the filtered queryset; called inside the scope.
        run: `isolation.scope.continuation()`: the response outlives its request's scope.
        limit: events yielded at most.
        size: events in a list.
    """
    cursor: str | None = None
    left = limit
    while left > 0:
        page = run(lambda at=cursor: KeysetPaginator(events(), time_field="time", per_page=size).page(at))  # type: ignore[misc]
        if page.rows:
            yield page.rows[:left]
        left -= len(page.rows)
        cursor = page.older
        if cursor is None:
            return


def csv_lines(lists: Iterable[Sequence[Event]]) -> Iterator[str]:
    """Yield the CSV text of each list, after a line of column names. A cell never begins like a formula."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for events in lists:
        yield "".join(writer.writerow([_cell(value) for value in as_record(event).values()]) for event in events)


def json_lines(lists: Iterable[Sequence[Event]]) -> Iterator[str]:
    """Yield one JSON object a line."""
    for events in lists:
        yield "".join(f"{json.dumps(as_record(event), ensure_ascii=False)}\n" for event in events)


_WRITERS = {"csv": csv_lines, "jsonl": json_lines}


class _Echo:
    """A file that returns what is written."""

    def write(self, text: str) -> str:
        """Return the text."""
        return text


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | dict | list):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
