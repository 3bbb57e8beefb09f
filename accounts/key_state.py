"""Whether a key is accepted now, in one word (no models)."""

from typing import Any

from django.utils import timezone

STATES = ("active", "expired", "revoked")


class HasState:
    """Mixed into the models of keys."""

    name: Any
    expires_at: Any
    revoked_at: Any

    @property
    def heading(self) -> str:
        """Return what the key's pages are called; its public id stands on them."""
        return str(self.name)

    @property
    def state(self) -> str:
        """Return which of `STATES` it is in; `KeyQuerySet.in_state` finds the same rows."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= timezone.now() else "active"
