"""The base of management commands: who acts, through which door, and one line for what went wrong."""

import getpass
from abc import ABC, abstractmethod
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError

from .actor import Actor, ActorKind, FullAuthority
from .context import Origin, Via, acting_as, originating
from .exceptions import DomainError
from .scope import settling


class ScopedCommand(ABC, BaseCommand):
    """Runs `run(actor, **options)` as the system, recorded with the name of the shell's user."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        """Run the command; a refusal becomes a CommandError with its message."""
        actor = Actor(ActorKind.SYSTEM, None, f"{getpass.getuser()} (command line)", authority=FullAuthority())
        try:
            with originating(Origin(via=Via.CLI)), acting_as(actor), settling():
                return self.run(actor, **options)
        except DomainError as error:
            raise CommandError(error.message) from error
        except PermissionDenied as error:
            raise CommandError(str(error)) from error

    @abstractmethod
    def run(self, actor: Actor, **options: Any) -> str | None:
        """Do the work; what it returns is printed."""
