"""Which fields of an event a sink sends; the others are withheld as redaction withholds them."""

from collections.abc import Collection

from audit.leaf import CHANGES, PERSONAL
from audit.sealing.reading import SealedEvent
from isolation.exceptions import DomainError

from .application import withholding

LABELS = {
    "actor_label": "Who did it: address or name",
    "actor_id": "Who did it: id",
    "target_type": "What it was done to: kind",
    "target_id": "What it was done to: id",
    "target_label": "What it was done to: name or address",
    "project_label": "Project's name",
    "project_id": "Project's id",
    "before": "Values before a change",
    "after": "Values after a change",
    "reason": "Reason",
    "ip": "IP address",
    "user_agent": "Browser (user agent)",
    "session": "Session",
    "request_id": "Request's id",
}
"""What may be left out, in words. The rest every format needs: id, time, log, action, outcome, kind of actor, via."""

_COMMITTED = frozenset({*PERSONAL, *CHANGES})


def left_out(sent: Collection[str] | None) -> frozenset[str]:
    """Return the names of the fields that a sink does not send.

    Args:
        sent: those of `LABELS` that it sends; None: all of them.
    """
    return frozenset() if sent is None else frozenset(LABELS).difference(sent)


def in_words(sent: Collection[str] | None) -> str:
    """Return which fields a sink sends, for people."""
    missing = left_out(sent)
    names = [name.replace("_", " ") for name in LABELS if name in missing]
    return f"all but {', '.join(names)}" if names else "all of them"


def checked(sent: Collection[str] | None, *, sends_leaves: bool) -> list[str] | None:
    """Return a selection as it is stored, in the order of `LABELS`; None when it is of every field.

    Args:
        sent: what was chosen, None for every field.
        sends_leaves: whether records carry the leaf, in which what names nobody stands as it is.

    Raises:
        DomainError: a field is unknown, or leaves in the leaf all the same.
    """
    if sent is None:
        return None
    if unknown := sorted(set(sent) - LABELS.keys()):
        text = f"There is no field {unknown[0]!r} to choose: choose among {', '.join(LABELS)}."
        raise DomainError(text, field="sent_fields", code="invalid")
    plain = [name for name in LABELS if name in left_out(sent) - _COMMITTED]
    if plain and sends_leaves:
        text = f"With proofs, each record carries its leaf, where {', '.join(plain)} can be read. "
        text += "Send that as well, or turn the proofs off."
        raise DomainError(text, field="sent_fields", code="in_leaf")
    return None if not left_out(sent) else [name for name in LABELS if name in sent]


def selected(event: SealedEvent, names: frozenset[str]) -> SealedEvent:
    """Return an event without fields: their values are gone, and with them what opens their commitments.

    Args:
        event: with its row.
        names: of the fields that are left out.
    """
    found = event.row if names else None
    if found is None:
        return event
    row = {name: None if name in names else value for name, value in found.items()}
    return event.showing(row, withholding(event, lambda name: name.partition(".")[0] in names))
