"""How many wrong keys may be tried, by address and by public id; each process counts for itself."""

from collections import OrderedDict

TRACKED = 50_000
_LATELY = 60.0


class Limiter:
    """Buckets that fill with wrong guesses and leak evenly; what is right is never counted.

    Args:
        per_minute: how many guesses a bucket holds; it is empty again after a minute without any.
    """

    def __init__(self, per_minute: int) -> None:
        self._size = float(per_minute)
        self._leak = per_minute / 60
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str, now: float) -> int:
        """Return after how many whole seconds the next guess is allowed, 0 for now."""
        excess = self._level(name, now) + 1 - self._size
        return int(excess / self._leak) + 1 if excess > 0 else 0

    def counted_lately(self, name: str, now: float) -> bool:
        """Return whether a wrong guess was counted within a minute."""
        found = self._buckets.get(name)
        return found is not None and now - found[1] < _LATELY

    def count(self, name: str, now: float) -> None:
        """Count one wrong guess."""
        level = self._level(name, now) + 1
        if name not in self._buckets and len(self._buckets) >= TRACKED:
            self._buckets.popitem(last=False)
        self._buckets[name] = (min(level, self._size + 1), now)
        self._buckets.move_to_end(name)

    def _level(self, name: str, now: float) -> float:
        level, when = self._buckets.get(name, (0.0, now))
        return max(0.0, level - (now - when) * self._leak)
