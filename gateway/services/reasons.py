"""Why something ends, in the words of whoever ends it."""

from isolation.exceptions import DomainError

LONGEST_REASON = 300


def checked_reason(text: str, *, is_needed: bool) -> str:
    """Return a reason without outer white space.

    Raises:
        DomainError: it is too long, or is missing and needed.
    """
    reason = text.strip()
    if is_needed and not reason:
        raise DomainError("Say why: the log keeps it.", field="reason", code="reason_missing")
    if len(reason) > LONGEST_REASON:
        raise DomainError(f"Say it in {LONGEST_REASON} characters.", field="reason", code="too_long")
    return reason
