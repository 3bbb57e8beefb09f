"""``manage.py reset_second_factors``: for somebody who lost their phone, their passkeys and their recovery codes."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import User
from accounts.services.second_factors import remove_second_factors
from isolation.actor import Actor
from isolation.commands import ScopedCommand


class Command(ScopedCommand):
    help = (
        "Remove somebody's authenticator app, passkeys and recovery codes. They sign in with the password alone, and "
        "are told by mail."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--reason", required=True, help="Such as how you made sure who is asking; it is audited.")

    def run(self, actor: Actor, **options: Any) -> str:
        email = options["email"].strip().lower()
        user = User.objects.filter(email=email).first()
        if user is None:
            raise CommandError(f"Nobody signs in as {email}. Use the address that the person signs in with.")
        removed = remove_second_factors(user=user, actor=actor, reason=options["reason"])
        return (
            f"Removed from {email}: {', '.join(removed)}. The password alone signs them in now; they were told by mail."
        )
