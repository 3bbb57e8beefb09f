"""``manage.py create_operator``: the first operator of an installation."""

import getpass
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.core.validators import validate_email

from accounts.models import User
from accounts.services.users import create_user, update_user
from isolation.actor import Actor
from isolation.commands import ScopedCommand


class Command(ScopedCommand):
    """Creates an operator, or makes an existing login one."""

    help = "Create an operator of this installation, or make an existing login one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("email")
        parser.add_argument("--name", default="")
        parser.add_argument(
            "--password-stdin", action="store_true", help="Read the password from standard input instead of asking."
        )

    def run(self, actor: Actor, **options: Any) -> str:
        """Create or promote the login."""
        email = options["email"].strip().lower()
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"{email} is no e-mail address.") from error
        existing = User.objects.filter(email=email).first()
        if existing is not None:
            update_user(user=existing, actor=actor, is_operator=True)
            return f"{email} is an operator now."
        password = sys.stdin.readline().rstrip("\n") if options["password_stdin"] else getpass.getpass("Password: ")
        try:
            validate_password(password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        create_user(email=email, name=options["name"], password=password, verified=True, actor=actor, is_operator=True)
        return f"Created the operator {email}. Sign in at /admin/."
