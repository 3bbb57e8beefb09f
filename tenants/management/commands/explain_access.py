"""``manage.py explain_access``: why somebody may or may not do something."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

from isolation.actor import Actor
from isolation.commands import ScopedCommand
from isolation.exceptions import UnknownPermission
from isolation.scope import tenant_scope
from tenants.access import explain, user_actor
from tenants.lookups import organization_id_of
from tenants.models import Project


class Command(ScopedCommand):
    """Explains one permission of one person."""

    help = "Say whether a person holds a permission in an organization or project, and why."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("email")
        parser.add_argument("permission", help="A catalogue name, such as members:invite.")
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--project", metavar="SLUG")

    def run(self, actor: Actor, **options: Any) -> str:
        """Print the answer and its reasons."""
        user = get_user_model().objects.filter(email=options["email"].strip().lower()).first()
        organization_id = organization_id_of(options["organization"])
        if user is None or organization_id is None:
            raise CommandError("There is no such login." if user is None else "There is no such organization.")
        with tenant_scope(organization_id):
            project = None
            if options["project"]:
                project = Project.objects.filter(slug=options["project"]).first()
                if project is None:
                    raise CommandError("There is no such project in this organization.")
            try:
                explanation = explain(user_actor(user, organization_id), options["permission"], project)
            except UnknownPermission as error:
                raise CommandError(f"There is no permission {error}.") from error
        answer = "yes" if explanation.allowed else "no"
        return "\n".join([f"{explanation.permission}: {answer}", *(f"  {reason}" for reason in explanation.reasons)])
