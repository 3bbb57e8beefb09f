"""``manage.py seed_demo``: demo organizations, people and projects for a development installation."""

from typing import Any

from isolation.actor import Actor
from isolation.commands import ScopedCommand
from portal.demo import logins
from portal.seeding import seed


class Command(ScopedCommand):
    """Fills in the demo; runs as often as one likes."""

    help = "Create the demo organizations and logins; what exists already is left as it is. Refuses in production."

    def run(self, actor: Actor, **options: Any) -> str:
        """Fill in what is missing."""
        seed(actor)
        return f"The demo is there: {len(logins())} logins." if options["verbosity"] > 1 else ""
