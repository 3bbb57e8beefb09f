"""What happened to an organization's data keys; the audit app, which lies above, ties them to its actions.

The first five carry what `audit.signals.ChangeSignal` carries: target, actor, before, after, project, organization_id,
reason.
"""

from typing import Any

from django.dispatch import Signal

from isolation.actor import Actor

data_key_created = Signal()
"""An organization stored its first secret."""

data_keys_rewrapped = Signal()
"""A data key is wrapped under another key-encryption key now."""

data_key_rotated = Signal()
"""A new data key took over; every secret of the organization is encrypted again under it."""

data_key_retired = Signal()
"""A data key encrypts nothing more; what it encrypted is encrypted again under the next."""

data_key_destroyed = Signal()
"""A data key is gone, and with it whatever ciphertext still names it."""

rows_reencrypted = Signal()
"""Rows were encrypted again in this transaction, which is an event of its own.

Sends: data_key (the one they are encrypted under now).
"""


def announce(
    signal: Signal,
    target: Any,
    *,
    actor: Actor,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> None:
    """Tell that a data key changed.

    Args:
        signal: one of the first five.
        target: the data key.
        actor: who did it.
        before: JSON values before.
        after: JSON values after.
        reason: why.
    """
    signal.send(
        sender=type(target),
        target=target,
        actor=actor,
        before=before,
        after=after,
        project=None,
        organization_id=target.organization_id,
        reason=reason,
    )
