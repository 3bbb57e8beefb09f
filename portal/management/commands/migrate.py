"""``migrate`` on the migrator's connection: the role that runs the portal cannot change the schema."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connections

MIGRATOR = "migrator"


class Command(MigrateCommand):
    """Migrates as gatehouse_migrator unless ``--database`` says otherwise."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Change the default of ``--database``."""
        super().add_arguments(parser)
        parser.set_defaults(database=MIGRATOR)

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate; refuses without the migrator's connection."""
        if options["database"] not in connections:
            raise CommandError("MIGRATOR_DATABASE_URL is not set: it names the role that migrates, gatehouse_migrator.")
        super().handle(*args, **options)
