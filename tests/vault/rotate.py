"""``manage.py rotate_keys`` as a process of its own on a test's database, with the test's table."""

import sys

import django
from django.core.management import call_command


def main(database: str, *arguments: str) -> None:
    """Run the command."""
    django.setup()
    from tests import database as databases  # noqa: PLC0415 - after django.setup()
    from tests.vault.notes import Note  # noqa: PLC0415 - the same
    from vault import usage  # noqa: PLC0415 - the same

    databases.use_database(database)
    everything = usage.encrypted_models
    usage.encrypted_models = lambda: [*everything(), Note]
    call_command("rotate_keys", *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
