"""What the audit app listens to at this level."""

from django.dispatch import Signal

access_denied = Signal()
"""An actor lacked a permission. Sends: actor, permission (str), obj."""

operator_scope_entered = Signal()
"""Tenants are about to be crossed. Sends: actor, reason (str). A receiver that raises keeps the scope shut."""
