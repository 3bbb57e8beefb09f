"""``manage.py platform_key``: the keys with which services of the platform verify keys; JSON on standard output."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Q

from accounts import key_format
from accounts.management.key_options import (
    WHERE_SECRETS_ARE,
    add_value_arguments,
    as_json,
    expiry,
    named,
    predefined_secret,
)
from accounts.models import PlatformKey
from accounts.services.key_rules import IssuedKey
from accounts.services.platform_keys import create_platform_key, revoke_platform_key, rotate_platform_key
from isolation.actor import Actor
from isolation.commands import ScopedCommand
from vault.exceptions import VaultError


class Command(ScopedCommand):
    """Makes, lists, rotates and revokes platform keys as the system."""

    help = "Make, list, rotate and revoke the platform's own keys, which belong to no organization. Prints JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments of each verb."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        add_value_arguments(verbs.add_parser("create", help="Make a key; the output has its secret."))
        verbs.add_parser("list", help="List the keys.")
        rotate = verbs.add_parser("rotate", help="Give a key another secret; the old one ends at once.")
        rotate.add_argument("key", help="Its id, public id or name.")
        revoke = verbs.add_parser("revoke", help="End a key for good.")
        revoke.add_argument("key", help="Its id, public id or name.")
        revoke.add_argument("--reason", default="", help="Why; it stands in the audit log.")

    def run(self, actor: Actor, **options: Any) -> str:
        """Do what the verb says; return its JSON."""
        try:
            return as_json(getattr(self, f"_{options['verb']}")(actor, options))
        except VaultError as error:
            raise CommandError(str(error)) from error

    def _create(self, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        issued = create_platform_key(
            name=options["name"],
            actor=actor,
            expires_at=expiry(options),
            allowed_networks=options["network"],
            note=options["note"],
            secret=predefined_secret(options),
        )
        return self._issued(issued)

    def _list(self, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        return [_shown(key) for key in PlatformKey.objects.all()]

    def _rotate(self, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        return self._issued(rotate_platform_key(key=_find(options["key"]), actor=actor))

    def _revoke(self, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        return _shown(revoke_platform_key(key=_find(options["key"]), actor=actor, reason=options["reason"]))

    def _issued(self, issued: IssuedKey) -> dict[str, Any]:
        self.stderr.write(WHERE_SECRETS_ARE, self.style.NOTICE)
        return {**_shown(issued.key), "secret": issued.secret}


def _find(name: str) -> PlatformKey:
    key: PlatformKey | None = PlatformKey.objects.filter(named(name) | Q(name=name)).first()
    if key is None:
        raise CommandError(f"There is no platform key {name}.")
    return key


def _shown(key: PlatformKey) -> dict[str, Any]:
    """Return a key as it is printed, without its secret."""
    return {
        "id": key.pk,
        "public_id": key.public_id,
        "kind": str(key_format.KeyKind.PLATFORM),
        "name": key.name,
        "allowed_networks": key.allowed_networks,
        "note": key.note,
        "state": key.state,
        "last_four": key.last_four,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "last_used_ip": key.last_used_ip,
        "revoked_at": key.revoked_at,
        "revocation_reason": key.revocation_reason,
    }
