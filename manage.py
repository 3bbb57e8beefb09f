#!/usr/bin/env python
"""Django's command line; starts the embedded PostgreSQL for the length of a command when it does not run."""

import os
import sys


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from portal.database import available_database  # noqa: PLC0415 - after the settings module is named
    from portal.embedded_postgres import EmbeddedPostgresError  # noqa: PLC0415
    from portal.environment import ConfigurationError  # noqa: PLC0415

    try:
        with available_database(sys.argv[1:2]):
            from django.core.management import execute_from_command_line  # noqa: PLC0415

            execute_from_command_line(sys.argv)
    except (ConfigurationError, EmbeddedPostgresError) as error:
        sys.exit(f"Gatehouse: {error}")


if __name__ == "__main__":
    main()
