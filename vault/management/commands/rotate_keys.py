"""``manage.py rotate_keys``: data keys under the active key-encryption key, secrets under new data keys, a report."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from isolation.actor import Actor
from isolation.commands import ScopedCommand
from isolation.scope import operator_scope
from vault import rotation
from vault.exceptions import MissingKey, VaultError, WrongKey
from vault.hidden import Hidden
from vault.keyring import KEYS, keyring
from vault.models import DataKey
from vault.report import lines, report
from vault.usage import data_keys_by_key

INCOMPLETE = 3


class Command(ScopedCommand):
    help = (
        "Wrap every organization's data keys under the active key-encryption key; with --data-keys also make new data "
        "keys and encrypt every secret again. Online; run it again after an interruption. "
        "Exit status: 0 done, 1 nothing was changed, 3 something was left out (see the report)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--data-keys", action="store_true", help="Also change the data keys themselves.")
        parser.add_argument(
            "--anew",
            action="store_true",
            help="With --data-keys: begin a new rotation although the last one is not finished.",
        )
        parser.add_argument("--report", action="store_true", help="Change nothing; say what uses which key.")
        parser.add_argument("--json", action="store_true", help="Print the report as JSON.")

    def run(self, actor: Actor, **options: Any) -> str:
        outcome = rotation.Outcome()
        try:
            if not options["report"]:
                outcome = self._rotate(actor, data_keys=options["data_keys"], anew=options["anew"])
            with operator_scope("rotate_keys: what uses which key"):
                found = report(settings.KEYRING)
        except VaultError as error:
            raise CommandError(str(error)) from error
        if not options["report"]:
            found = {"rotation": asdict(outcome)} | found
        text = json.dumps(found, indent=2) if options["json"] else "\n".join([*_told(outcome, options), *lines(found)])
        if outcome.complete:
            return text
        self.stdout.write(text)
        first = next(iter(outcome.failed.values()), None) or f"{outcome.unreadable[0]} does not open."
        left = f"{len(outcome.failed)} organizations and {len(outcome.unreadable)} secrets"
        raise CommandError(f"{left} were left as they were. {first}", returncode=INCOMPLETE)

    def _rotate(self, actor: Actor, *, data_keys: bool, anew: bool) -> rotation.Outcome:
        """Rotate one organization after the other; one that fails is left out.

        Raises:
            VaultError: the active key cannot be used, or a key in use is missing: nothing was changed.
        """
        _try_active_key()
        for number in data_keys_by_key():
            if number not in keyring().key_numbers:
                raise MissingKey(number, KEYS)
        with operator_scope("rotate_keys: which organizations have data keys"):
            everybody = sorted(DataKey.objects.order_by().values_list("organization_id", flat=True).distinct())
            started = (None if anew else _interrupted()) or timezone.now()
        outcome = rotation.Outcome()
        for position, organization_id in enumerate(everybody, start=1):
            with _leaving_out(outcome, organization_id):
                outcome.rewrapped += rotation.rewrap(organization_id, actor=actor)
                if data_keys:
                    outcome.new_data_keys += rotation.begin(organization_id, rotation=started, actor=actor)
            self._progress(f"{position}/{len(everybody)} {organization_id}: data keys")
        for organization_id in everybody if data_keys else ():
            if str(organization_id) not in outcome.failed:
                with _leaving_out(outcome, organization_id):
                    rotation.finish(organization_id, actor=actor, outcome=outcome, progress=self._progress)
        return outcome

    def _progress(self, line: str) -> None:
        self.stderr.write(line)
        self.stderr.flush()


@contextmanager
def _leaving_out(outcome: rotation.Outcome, organization_id: UUID) -> Iterator[None]:
    """Note an organization whose keys cannot be used, and go on with the next one."""
    try:
        yield
    except VaultError as error:
        outcome.failed[str(organization_id)] = str(error)


def _interrupted() -> datetime | None:
    """Return when the rotation began that was interrupted, None when all are finished; `operator_scope` is open.

    A rotation retires every organization's data key before it encrypts the first secret again, and destroys the
    retired ones as it goes: as long as one is left, the rotation is not finished.
    """
    unfinished = DataKey.objects.exclude(retired_at=None).order_by().values("organization_id")
    newest = DataKey.objects.filter(retired_at=None, organization_id__in=unfinished).order_by("-rotation").first()
    return newest.rotation if newest else None


def _try_active_key() -> None:
    """Wrap and unwrap something before anything is changed.

    Raises:
        VaultError: the active key-encryption key cannot be used.
    """
    probe, context = Hidden(bytes(32)), {"organization": "none", "data_key": "probe"}
    provider = keyring().provider(keyring().active_key)
    if provider.unwrap(provider.wrap(probe, context), context) != probe:
        raise WrongKey(keyring().active_key, "it does not give back what it wrapped")


def _told(outcome: rotation.Outcome, options: dict[str, Any]) -> list[str]:
    if options["report"]:
        return []
    done = f"rewrapped {outcome.rewrapped} data keys; {outcome.new_data_keys} new data keys"
    done += f", {outcome.reencrypted} secrets encrypted again, {outcome.destroyed} retired data keys destroyed"
    unreadable = [f"does not open: {name}" for name in outcome.unreadable]
    return [done, *unreadable, *(f"left out {name}: {why}" for name, why in outcome.failed.items())]
