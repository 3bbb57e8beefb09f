"""``manage.py create_organization``: for scripts that set an installation up."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

from isolation.actor import Actor
from isolation.commands import ScopedCommand
from tenants.services.organizations import create_organization


class Command(ScopedCommand):
    """Creates an organization with its first owner."""

    help = "Create an organization with its built-in roles and its first owner."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("slug")
        parser.add_argument("--name", help="What people read; the slug when left out.")
        parser.add_argument("--owner", required=True, metavar="EMAIL", help="An existing login.")

    def run(self, actor: Actor, **options: Any) -> str:
        """Create the organization."""
        owner = get_user_model().objects.filter(email=options["owner"].strip().lower()).first()
        if owner is None:
            raise CommandError(f"Nobody signs in as {options['owner']}. Let them sign up first.")
        organization = create_organization(
            slug=options["slug"], name=options["name"] or options["slug"], owner=owner, actor=actor
        )
        return f"Created {organization.name}: /o/{organization.slug}/"
