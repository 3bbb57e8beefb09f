"""What is on the screen as a file at once: CSV or JSON Lines of the newest events, read in batches while it is sent.

It holds what an actor may see, also of some projects only, and proves nothing: see `exports` for what does.
"""

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

from .formats.csv_lines import line
from .formats.record import COLUMNS, as_record
from .models import Event
from .selectors import EventFilter

LIMIT = 100_000
"""Events that one file holds at most; the newest ones."""

BATCH = 1_000

CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


def send(
    events: Callable[[], "QuerySet[Any]"],
    record_export: Callable[[dict[str, Any]], None],
    *,
    wanted: EventFilter,
    form: str,
    stem: str,
) -> StreamingHttpResponse:
    """Record a download and return the file, which is read while it is sent.

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
    # What is written from now on, this download's own event included, is not part of it.
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
    """Yield the CSV text of each list, after a line of column names."""
    yield line(COLUMNS)
    for events in lists:
        yield "".join(line(as_record(event).values()) for event in events)


def json_lines(lists: Iterable[Sequence[Event]]) -> Iterator[str]:
    """Yield one JSON object a line."""
    for events in lists:
        yield "".join(f"{json.dumps(as_record(event), ensure_ascii=False)}\n" for event in events)


_WRITERS = {"csv": csv_lines, "jsonl": json_lines}
