"""The lines of an export: each event in its format, with what stands beside it."""

from collections.abc import Iterator
from typing import Any

from audit.formats import Format
from audit.formats.ndjson import line

from .proving import Proofs
from .selection import Selection


def lines_of(
    selection: Selection, kind: Format, cursor: Any, piece: tuple[int, int], *, is_first: bool, alone: bool
) -> Iterator[bytes]:
    """Yield the lines of a piece; a transaction of the log's role must be open.

    Args:
        selection: what is exported.
        kind: in which format.
        cursor: of the log's role.
        piece: first number, number after the last.
        is_first: whether no line was written before.
        alone: whether the lines become the file; otherwise one is put together from them.
    """
    if not kind.proves:
        yield from filter(None, map(kind.encode, selection.events(*piece)))
        return
    proofs = Proofs(cursor, selection, *piece, alone=alone)
    events = selection.events(*piece)
    if is_first or proofs.is_each_proven:
        for event in events:
            yield line(event, proofs.beside(event.seq, is_first=is_first))
            is_first = False
            if not proofs.is_each_proven:
                break
    checkpoints = proofs.checkpoints
    for event in events:
        yield line(event, checkpoints.get(event.seq, ""))
