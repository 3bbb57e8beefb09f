"""The installation's sinks: they receive the log of every organization, and the installation's own."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from uuid import UUID

from django.http import HttpRequest

from audit.directory import directory
from audit.sinks.base import Destination
from audit.sinks.registry import DESTINATIONS
from console.access import actor_of
from isolation.actor import FRESH_FOR
from isolation.scope import INSTALLATION, tenant_scope

from .sinks import SinkPages


class OperatorSinkPages(SinkPages):
    """The same for operators; only they enter their site."""

    description = "Deliver the logs of every organization to one SIEM, and see that they arrive."
    intro = (
        "These receive the log of every organization, and the installation's own. Sinks of one organization are in its "
        "own console."
    )

    # Each question is itself an event, which such a sink delivers.
    refresh_seconds = 15

    def ask_early(self, request: HttpRequest) -> None:
        """Ask for a fresh sign-in.

        Raises:
            FreshSignInNeeded: there would be little time left to fill in a form.
        """
        actor_of(request).require_fresh_sign_in(within=FRESH_FOR / 2)

    def opened(self, request: HttpRequest) -> AbstractContextManager[None]:
        """Open the installation's own scope."""
        return tenant_scope(INSTALLATION)

    def receipts_url(self, log: UUID) -> str:
        """Return where the receipts of a log are; the page shows the installation's without one."""
        chosen = f"?log={log}" if log != INSTALLATION else ""
        return f"{self.url('audit_retention')}{chosen}#receipts-title"

    def owner_id(self, request: HttpRequest) -> UUID:
        """Return what stands in place of an organization."""
        return INSTALLATION

    def names_of(self, logs: Sequence[UUID]) -> dict[UUID, str]:
        """Return the identifiers of organizations."""
        return directory().organizations({log for log in logs if log != INSTALLATION})

    def kinds(self) -> list[type[Destination]]:
        """Return every destination."""
        return list(DESTINATIONS.values())
