"""``manage.py witness``: who cosigns the audit logs of this installation, and whose logs it cosigns."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from audit.cosigning.about import own_witness
from audit.cosigning.asking import ask
from audit.models import Cosigner, WitnessedLog
from audit.sealing.database import can_seal
from audit.services.cosigning import add_cosigner, ensured_cosigning_key, forget_log, remove_cosigner, witness_log
from isolation.actor import Actor
from isolation.commands import ScopedCommand
from isolation.scope import INSTALLATION, tenant_scope
from vault.exceptions import VaultError


class Command(ScopedCommand):
    help = "Have the audit logs cosigned by other installations, and cosign theirs; prints JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("show", help="What another installation needs of this one, and how everything stands.")
        add = verbs.add_parser("add", help="Let another installation cosign the logs of this one.")
        add.add_argument("--url", required=True, help="Its address for cosigning, as its page shows it.")
        add.add_argument("--key", required=True, help="Its key for cosignatures, as its page shows it.")
        remove = verbs.add_parser("remove", help="Ask an installation no more.")
        remove.add_argument("name", help="As `show` names it.")
        trust = verbs.add_parser("trust", help="Cosign the logs of another installation, or take its new key.")
        trust.add_argument("--key", required=True, help="Its key for logs, as its page shows it.")
        forget = verbs.add_parser("forget", help="Cosign the logs of another installation no more.")
        forget.add_argument("name", help="As `show` names it.")
        verbs.add_parser("ask", help="Ask now, as the worker does each minute. Needs SEALER_DATABASE_URL.")

    def run(self, actor: Actor, **options: Any) -> str:
        try:
            if options["verb"] == "ask":
                return self._ask()
            with tenant_scope(INSTALLATION):
                getattr(self, f"_{options['verb']}")(actor, options)
                return json.dumps(own_witness(), default=str, ensure_ascii=False, indent=2)
        except VaultError as error:
            raise CommandError(str(error)) from error

    def _ask(self) -> str:
        if not can_seal():
            raise CommandError("SEALER_DATABASE_URL is not set: this machine cannot read every log.")
        return json.dumps({"cosignatures": ask()})

    def _show(self, actor: Actor, options: dict[str, Any]) -> None:
        ensured_cosigning_key(actor)

    def _add(self, actor: Actor, options: dict[str, Any]) -> None:
        add_cosigner(url=options["url"], key=options["key"], actor=actor)

    def _remove(self, actor: Actor, options: dict[str, Any]) -> None:
        remove_cosigner(cosigner=_named(Cosigner, options["name"]), actor=actor)

    def _trust(self, actor: Actor, options: dict[str, Any]) -> None:
        witness_log(key=options["key"], actor=actor)

    def _forget(self, actor: Actor, options: dict[str, Any]) -> None:
        forget_log(log=_named(WitnessedLog, options["name"]), actor=actor)


def _named(model: Any, name: str) -> Any:
    found = model.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"There is none of the name {name}. Look with: manage.py witness show")
    return found
