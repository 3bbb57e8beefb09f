"""The Merkle tree of RFC 6962, section 2.1: its right edge, its root, its proofs.

Nothing here knows where hashes are stored. Leaves are numbered from 0.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

HASH_BYTES = 32
STORED_EVERY = 8
"""Of the inner nodes those of the levels 8, 16, 24 … are stored: for each step a proof reads 128 hashes at most."""

Emit = Callable[[int, int, bytes], None]
Subtree = Callable[[int, int], bytes]
"""Returns the root of the complete subtree of 2**level leaves at a position: (level, position)."""

_LEAF, _NODE = b"\x00", b"\x01"
_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf's bytes."""
    return _sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node with two children."""
    return _sha256(_NODE + left + right).digest()


class Edge:
    """The right edge of a tree: the roots of its complete subtrees, largest first; all that appending needs.

    Args:
        size: the number of leaves.
        hashes: one for each bit that is set in `size`.

    Raises:
        ValueError: there are more or fewer hashes than that.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count() or any(len(each) != HASH_BYTES for each in self.hashes):
            raise ValueError(f"This is not the edge of a tree of {size} leaves.")

    @classmethod
    def unpacked(cls, size: int, packed: bytes) -> "Edge":
        """Return the edge whose hashes were joined by `packed`.

        Raises:
            ValueError: it is not of a tree of that size.
        """
        return cls(size, (packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)))

    def packed(self) -> bytes:
        """Return the hashes, joined."""
        return b"".join(self.hashes)

    def append(self, leaf: bytes, emit: Emit | None = None) -> None:
        """Add a leaf.

        Args:
            leaf: its hash.
            emit: called for each completed node of a level that is stored: level, position, hash.
        """
        hashes, position, level, above = self.hashes, self.size, 0, leaf
        while position & 1:
            above = _sha256(_NODE + hashes.pop() + above).digest()
            position >>= 1
            level += 1
            if emit is not None and level % STORED_EVERY == 0:
                emit(level, position, above)
        hashes.append(above)
        self.size += 1

    def root(self) -> bytes:
        """Return the tree's root; of the empty tree the hash of nothing."""
        if not self.hashes:
            return _sha256().digest()
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the audit path of a leaf (RFC 6962, 2.1.1), the leaf's sibling first.

    Raises:
        ValueError: there is no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
    start, stop, path = 0, size, []
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            path.append(_range_root(middle, stop, subtree))
            stop = middle
        else:
            path.append(_range_root(start, middle, subtree))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """Return the proof that the tree of `new` leaves begins with that of `old` ones (RFC 6962, 2.1.2).

    Raises:
        ValueError: the old tree is the larger one.
    """
    if not 0 <= old <= new:
        raise ValueError(f"A tree of {old} leaves is no beginning of one with {new}.")
    if old in {0, new}:
        return []
    start, stop, path, whole = 0, new, [], True
    while old != stop:
        middle = start + _split(stop - start)
        if old <= middle:
            path.append(_range_root(middle, stop, subtree))
            stop = middle
        else:
            path.append(_range_root(start, middle, subtree))
            start, whole = middle, False
    if not whole:
        path.append(_range_root(start, stop, subtree))
    return path[::-1]


def proves_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Return whether the path leads from the leaf to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def proves_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Return whether the tree with the new root begins with that of the old one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new or (old == 0 and path):
        return False
    if old == 0:
        return old_root == _sha256().digest()
    if old == new:
        return not path and old_root == new_root
    steps = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not steps:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, step)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of neighbouring complete subtrees of one level, a power of two of them."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def _range_root(start: int, stop: int, subtree: Subtree) -> bytes:
    """Return the root over the leaves from `start` on, as RFC 6962 splits them: complete subtrees, largest first."""
    return Edge(stop - start, (subtree(*each) for each in _complete(start, stop))).root()


def _complete(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield (level, position) of the complete subtrees, largest first, that make up a range of the tree."""
    while start < stop:
        level = (stop - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
