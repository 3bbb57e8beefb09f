"""The list of what was checked in a sign-in, for those who look for the reason of a failure."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from outbound.exceptions import OutboundError

from .exceptions import SignInRefused


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Attributes:
        what: the check, in words.
        passed: whether it held.
        detail: why it did not, or what was found.
    """

    what: str
    passed: bool
    detail: str = ""


@dataclass
class Checklist:
    """What was checked so far, in order; the last one may have failed."""

    checks: list[Check] = field(default_factory=list)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Note whether what happens inside succeeds.

        Raises:
            SignInRefused: it did not.
        """
        try:
            yield
        except OutboundError as error:
            self.checks.append(Check(what, passed=False, detail=error.detail))
            raise SignInRefused(error.detail) from error
        except SignInRefused as refused:
            self.checks.append(Check(what, passed=False, detail=refused.reason))
            raise
        self.checks.append(Check(what, passed=True))

    def note(self, what: str, detail: str, *, passed: bool = True) -> None:
        """Note what was found, which refuses nobody."""
        self.checks.append(Check(what, passed=passed, detail=detail))

    def stored(self) -> list[dict[str, object]]:
        """Return the checks as JSON values."""
        return [asdict(check) for check in self.checks]
