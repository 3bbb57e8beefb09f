"""Proofs of a log's tree, from the stored leaves and nodes; whoever reads them reads through row-level security."""

from collections import OrderedDict
from typing import Any
from uuid import UUID

from .merkle import STORED_EVERY, Edge, Subtree, consistency_proof, fold, inclusion_proof, node_hash

_LEAVES = "SELECT hash FROM audit_leaf WHERE organization_id = %s AND seq >= %s AND seq < %s ORDER BY seq"
_NODES = """
SELECT hash FROM audit_node WHERE organization_id = %s AND level = %s AND place >= %s AND place < %s ORDER BY place
"""


class IncompleteTree(LookupError):  # noqa: N818 - reads as the statement it is
    """Leaves or nodes of the tree are missing."""


def prove_inclusion(cursor: Any, log: UUID, *, seq: int, size: int) -> list[bytes]:
    """Return the audit path of an event in the tree of `size` leaves.

    Args:
        cursor: of a role that may read the log.
        log: the organization, or `notes.INSTALLATION`.
        seq: the event's number.
        size: of a checkpoint.

    Raises:
        ValueError: there is no such event in a tree of that size.
        IncompleteTree: the stored tree has holes.
    """
    return inclusion_proof(seq, size, _subtrees(cursor, log))


def prove_consistency(cursor: Any, log: UUID, *, old: int, new: int) -> list[bytes]:
    """Return the proof that the log of `new` events begins with the one of `old` events.

    Raises:
        ValueError: the old log is the larger one.
        IncompleteTree: the stored tree has holes.
    """
    return consistency_proof(old, new, _subtrees(cursor, log))


def edge_at(cursor: Any, log: UUID, size: int) -> Edge:
    """Return the right edge of the tree at any size.

    Raises:
        IncompleteTree: the stored tree has holes.
    """
    subtree, hashes, start = _subtrees(cursor, log), [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            hashes.append(subtree(level, start >> level))
            start += 1 << level
    return Edge(size, hashes)


class Tree:
    """A log's tree for many proofs, one after the other: it reads and folds 256 hashes once, not for each proof.

    Args:
        cursor: of a role that may read the log.
        log: the organization, or `notes.INSTALLATION`.
    """

    _KEPT = 64

    def __init__(self, cursor: Any, log: UUID) -> None:
        self._cursor, self._log = cursor, log
        self._blocks: OrderedDict[tuple[int, int], list[list[bytes]]] = OrderedDict()

    def prove(self, seq: int, size: int) -> list[bytes]:
        """Return the audit path of an event in the tree of `size` leaves.

        Raises:
            ValueError: there is no such event in a tree of that size.
            IncompleteTree: the stored tree has holes.
        """
        return inclusion_proof(seq, size, self._subtree)

    def _subtree(self, level: int, place: int) -> bytes:
        above, stored = level % STORED_EVERY, level - level % STORED_EVERY
        block, offset = divmod(place << above, 1 << STORED_EVERY)
        rows = self._block(stored, block)
        try:
            return rows[above][offset >> above]
        except IndexError:
            raise IncompleteTree(f"The tree of {self._log} lacks hashes of level {stored}, block {block}.") from None

    def _block(self, stored: int, block: int) -> list[list[bytes]]:
        """Return the hashes of 256 neighbours of a stored level, and of the levels above them."""
        key = (stored, block)
        if key in self._blocks:
            self._blocks.move_to_end(key)
            return self._blocks[key]
        first = block << STORED_EVERY
        bounds = [first, first + (1 << STORED_EVERY)]
        self._cursor.execute(*((_NODES, [self._log, stored, *bounds]) if stored else (_LEAVES, [self._log, *bounds])))
        rows = [[bytes(row[0]) for row in self._cursor.fetchall()]]
        for _ in range(STORED_EVERY - 1):
            below = rows[-1]
            rows.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
        self._blocks[key] = rows
        if len(self._blocks) > self._KEPT:
            self._blocks.popitem(last=False)
        return rows


def _subtrees(cursor: Any, log: UUID) -> Subtree:
    def subtree(level: int, place: int) -> bytes:
        stored = level - level % STORED_EVERY
        count = 1 << level - stored
        first = place * count
        if stored:
            cursor.execute(_NODES, [log, stored, first, first + count])
        else:
            cursor.execute(_LEAVES, [log, first, first + count])
        hashes = [bytes(row[0]) for row in cursor.fetchall()]
        if len(hashes) != count:
            raise IncompleteTree(f"The tree of {log} lacks hashes of level {stored} from {first} on.")
        return fold(hashes)

    return subtree
