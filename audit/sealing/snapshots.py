"""A `pg_snapshot`: which transactions had ended. What the last one did not see and this one does is new."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Snapshot:
    """PostgreSQL's ``xmin:xmax:xip``.

    Attributes:
        xmax: every transaction from here on had not ended.
        running: those before it that had not ended either.
    """

    xmax: int
    running: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """Return the snapshot that PostgreSQL wrote."""
        _xmin, xmax, running = text.split(":")
        return cls(int(xmax), frozenset(int(each) for each in running.split(",") if each))

    def __str__(self) -> str:
        running = sorted(self.running)
        return f"{running[0] if running else self.xmax}:{self.xmax}:{','.join(map(str, running))}"

    def until(self, xmax: int) -> "Snapshot":
        """Return what this snapshot says of the transactions before `xmax`: a moment of its own, good to stop at."""
        return Snapshot(xmax, frozenset(each for each in self.running if each < xmax))
