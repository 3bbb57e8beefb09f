"""Tells owners what they must not miss: the identity provider wants the last of them to go."""

from datetime import timedelta
from uuid import UUID

from django.core.cache import cache
from django.db import transaction

from accounts.mails import last_owner_alerts

_AGAIN_AFTER = timedelta(hours=24)


def alert_last_owner(organization_id: UUID, connection: str, detail: str) -> None:
    """Mail the owners, once a day, that the last of them was not deprovisioned; the scope must be open.

    Args:
        organization_id: whose.
        connection: the name of the connection that asked for it.
        detail: what the identity provider was told.
    """
    if cache.add(f"scim-last-owner:{organization_id}", 1, _AGAIN_AFTER.total_seconds()):
        for message in last_owner_alerts(connection, detail):
            transaction.on_commit(message.send, robust=True)
