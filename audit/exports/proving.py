"""What stands in the lines beside an event so that they can be verified: checkpoints, keys, proofs."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from audit.merkle import Edge
from audit.proofs import Tree, edge_at
from audit.sealing.keys import key_history

from .selection import Selection

SPACING = 1_000
"""In lines, a checkpoint after about so many events is enough."""
MOST_CHECKPOINTS = 10_000
"""In a package, so many of them are enough."""

# With the cosignatures below it, as a note has several signatures.
_COLUMNS = """
c.size, c.note || coalesce((SELECT string_agg(s.line, '' ORDER BY s.name) FROM audit_cosignature s
                            WHERE s.organization_id = c.organization_id AND s.size = c.size), ''), c.edge
"""
# The newest one of each so many events, and the newest cosigned one; the last one of the range is always among them.
_CHECKPOINTS = f"""
WITH chosen AS (
    SELECT max(size) AS size FROM audit_checkpoint
    WHERE organization_id = %(log)s AND size > %(start)s AND size <= %(end)s GROUP BY size / %(spacing)s
    UNION
    SELECT max(size) FROM audit_cosignature
    WHERE organization_id = %(log)s AND size > %(start)s AND size <= %(end)s GROUP BY size / %(spacing)s
)
SELECT {_COLUMNS} FROM audit_checkpoint c JOIN chosen USING (size) WHERE c.organization_id = %(log)s ORDER BY size
"""  # noqa: S608 - columns of ours
_NEXT = f"""
SELECT {_COLUMNS} FROM audit_checkpoint c WHERE organization_id = %s AND size >= %s ORDER BY size LIMIT 1
"""  # noqa: S608 - the same


def edge_texts(packed: bytes, size: int) -> list[str]:
    """Return an edge's hashes in base64."""
    return [b64encode(each).decode() for each in Edge.unpacked(size, packed).hashes]


def key_statements(cursor: Any) -> list[str]:
    """Return the signed statements of all keys, oldest first."""
    return [key.statement for key in key_history(cursor)]


def checkpoints(cursor: Any, selection: Selection) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of a package's file of checkpoints: those of the range, or the one that proves each event."""
    if not selection.is_complete:
        yield _line(checkpoint_at(cursor, selection.log, selection.as_of))
        return
    if selection.first:
        edge = edge_at(cursor, selection.log, selection.first)
        yield {
            "note": None,
            "size": selection.first,
            "edge": edge_texts(edge.packed(), selection.first),
        }
    spacing = max(1, (selection.end - selection.first) // MOST_CHECKPOINTS)
    yield from map(_line, _between(cursor, selection.log, selection.first, selection.end, spacing))


def checkpoint_at(cursor: Any, log: UUID, size: int) -> tuple[int, str, bytes]:
    """Return (size, note, edge) of the first checkpoint over so many events."""
    cursor.execute(_NEXT, [log, size])
    found, note, edge = cursor.fetchone()
    return found, note, bytes(edge)


class Proofs:
    """Adds to the lines of one piece what they need to stand alone.

    Args:
        cursor: of a role that may read the log.
        selection: what is exported.
        start, end: the piece.
        alone: whether the lines are all there is; in a package, files beside them hold checkpoints and keys.

    Attributes:
        checkpoints: further members of a line, by the number of its event: the checkpoint over it and those before.
    """

    def __init__(self, cursor: Any, selection: Selection, start: int, end: int, *, alone: bool) -> None:
        self._cursor, self._selection, self._alone = cursor, selection, alone
        self._tree = Tree(cursor, selection.log)
        self._proven_by: tuple[int, str, bytes] | None = None  # each line of the piece has a proof, as far as this
        self._start, self._until = start, end
        self.checkpoints: dict[int, str] = {}
        if not selection.is_complete:
            self._proven_by = checkpoint_at(cursor, selection.log, selection.as_of)
        elif alone:
            spacing = SPACING if selection.end - selection.first > MOST_CHECKPOINTS else 1
            found = _between(cursor, selection.log, start, end, spacing)
            self.checkpoints = {each[0] - 1: f',"checkpoint":{_json(_line(each))}' for each in found}
            if selection.first:
                # The tree before the range is not there: as far as the first checkpoint, lines prove themselves.
                self._proven_by = checkpoint_at(cursor, selection.log, selection.first + 1)
                self._until = self._proven_by[0]

    @property
    def is_each_proven(self) -> bool:
        """Return whether lines of the piece have a proof of their own."""
        return self._proven_by is not None and self._start < self._until

    def beside(self, seq: int, *, is_first: bool) -> str:
        """Return further members of an event's line, each with a comma before it.

        Args:
            seq: the event's number.
            is_first: whether it is the first line of all.
        """
        members = ""
        if is_first and self._alone:
            members += f',"keys":{_json(key_statements(self._cursor))}'
        if self._proven_by is not None and seq < self._until:
            size = self._proven_by[0]
            path = [b64encode(each).decode() for each in self._tree.prove(seq, size)]
            members += f',"proof":{{"size":{size},"path":{_json(path)}}}'
            if is_first and self._alone:
                return f'{members},"checkpoint":{_json(_line(self._proven_by))}'
        return members + self.checkpoints.get(seq, "")


def _between(cursor: Any, log: UUID, start: int, end: int, spacing: int) -> Iterator[tuple[int, str, bytes]]:
    cursor.execute(_CHECKPOINTS, {"log": log, "start": start, "end": end, "spacing": spacing})
    while found := cursor.fetchmany(SPACING):
        yield from ((size, note, bytes(edge)) for size, note, edge in found)


def _line(checkpoint: tuple[int, str, bytes]) -> dict[str, Any]:
    size, note, edge = checkpoint
    return {"note": note, "edge": edge_texts(edge, size)}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
