"""``manage.py signing_keys``: the keys that sign access tokens; JSON on standard output."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.management.key_options import as_json
from gateway.models import SigningKey
from gateway.services.signing_keys import (
    cost_of_revoking,
    ready_at,
    revoke_signing_key,
    rotate_signing_keys,
    settle_signing_keys,
)
from isolation.actor import Actor
from isolation.commands import ScopedCommand
from vault.exceptions import VaultError


class Command(ScopedCommand):
    """Lists, rotates and revokes the signing keys as the system."""

    help = "List, rotate and revoke the keys that sign access tokens. Prints JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments of each verb."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="List the keys, and where in its life each is.")
        rotate = verbs.add_parser("rotate", help="Let the next key sign; no token is refused by it.")
        rotate.add_argument("--reason", default="By command", help="Why; it stands in the audit log.")
        revoke = verbs.add_parser("revoke", help="End a leaked key at once; what it signed is refused.")
        revoke.add_argument("kid", help="Its key ID.")
        revoke.add_argument("--reason", required=True, help="Why; it stands in the audit log.")

    def run(self, actor: Actor, **options: Any) -> str:
        """Do what the verb says; return its JSON."""
        try:
            settle_signing_keys()
            return as_json(getattr(self, f"_{options['verb']}")(actor, options))
        except VaultError as error:
            raise CommandError(str(error)) from error

    def _list(self, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        return [_shown(key) for key in SigningKey.objects.all()]

    def _rotate(self, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        return _shown(rotate_signing_keys(actor=actor, reason=options["reason"]))

    def _revoke(self, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        key = SigningKey.objects.filter(pk=options["kid"]).first()
        if key is None:
            raise CommandError(f"There is no signing key {options['kid']}. “signing_keys list” shows them.")
        cost = cost_of_revoking(key)
        signing = revoke_signing_key(key=key, actor=actor, reason=options["reason"])
        self.stderr.write(cost, self.style.NOTICE)
        return {"revoked": key.pk, "signs_now": signing.pk if signing else None}


def _shown(key: SigningKey) -> dict[str, Any]:
    """Return a key as it is printed: nothing of its private part."""
    return {
        "kid": key.kid,
        "state": str(key.state),
        "held_by": "vault" if key.wrapped is not None else None,
        "published_at": key.created_at,
        "ready_at": ready_at(key) if key.signs_from is None else None,
        "signs_from": key.signs_from,
        "retired_at": key.retired_at,
        "withdrawn_at": key.withdrawn_at,
        "revoked_at": key.revoked_at,
        "reason": key.reason,
    }
