"""``manage.py audit``: seal, verify, export, retire, erase, change the signing key, show the keys."""

import json
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from audit.audit_events import record_export
from audit.directory import directory
from audit.exports.kinds import KINDS
from audit.exports.making import reading
from audit.exports.streaming import Asked, prepare, stream
from audit.notes import INSTALLATION
from audit.package import PACKAGE
from audit.retention.erasing import carry_out
from audit.retention.retiring import retire
from audit.sealing.database import can_seal, sealer_cursor
from audit.sealing.keys import key_history, rotate_key
from audit.sealing.sealer import seal
from audit.services.erasures import preview_erasure, request_erasure
from audit.verification import Findings, LogVerifier, compare_with_witness, logs_with_checkpoints, verify_keys
from isolation.actor import Actor
from isolation.commands import ScopedCommand
from isolation.scope import operator_scope, tenant_scope
from vault.exceptions import VaultError

PROBLEMS = 3
_ASKED = ("query", "since", "until")


class Command(ScopedCommand):
    help = "Seal, verify, export, retire; change the key that signs the log. All but export need SEALER_DATABASE_URL."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        sealing = verbs.add_parser("seal", help="Seal what is new, as the worker does each second.")
        sealing.add_argument("--everything", action="store_true", help="Look for every event that has no leaf.")
        verify = verbs.add_parser("verify", help="Verify whole logs. Exit status 3: something is wrong.")
        self._add_log(verify, required=False)
        verify.add_argument(
            "--witness", type=Path, action="append", default=[], help="Checkpoints that were kept elsewhere."
        )
        verify.add_argument("--json", action="store_true", help="Print the report as JSON.")
        rotate = verbs.add_parser("rotate_key", help="Let a new key sign; the old one signs it and is destroyed.")
        rotate.add_argument("--reason", required=True, help="Why; the installation's log keeps it.")
        verbs.add_parser("keys", help="Print the history of keys: signed notes.")
        export = verbs.add_parser("export", help="Write a part of one log into a file, as an evidence export does.")
        self._add_log(export, required=True)
        export.add_argument("--format", choices=list(KINDS), default=PACKAGE.name)
        export.add_argument("--query", default="", help="As in the search field of the audit log.")
        export.add_argument("--from", dest="since", type=_moment, help="2026-01-31, or 2026-01-31T09:00; UTC.")
        export.add_argument("--to", dest="until", type=_moment, help="Up to before this time.")
        export.add_argument("--output", type=Path, required=True, metavar="FILE", help="A new file.")

        verbs.add_parser("retire", help="Retire what is out of time, as the worker does at night.")
        erase = verbs.add_parser("erase", help="Carry out the erasures that are due, or ask for one.")
        self._add_log(erase, required=False)
        erase.add_argument("--person", help="Address, or id of the login.")
        erase.add_argument("--reason", help="Why; the log keeps it. Without the person's name.")
        erase.add_argument("--dry-run", action="store_true", help="Only count what would go.")

    def run(self, actor: Actor, **options: Any) -> str:
        if options["verb"] != "export" and not can_seal():
            raise CommandError("SEALER_DATABASE_URL is not set: this machine cannot read every log.")
        try:
            return str(getattr(self, f"_{options['verb']}")(actor, options))
        except VaultError as error:
            raise CommandError(str(error)) from error

    @staticmethod
    def _add_log(parser: ArgumentParser, *, required: bool) -> None:
        help_ = "Its identifier or id; 'installation' for the installation's own log."
        parser.add_argument("--organization", required=required, metavar="SLUG", help=help_)

    def _seal(self, actor: Actor, options: dict[str, Any]) -> str:
        return f"{seal(seconds=float('inf'), everything=options['everything'])} events sealed."

    def _rotate_key(self, actor: Actor, options: dict[str, Any]) -> str:
        number = rotate_key(actor=actor, reason=options["reason"])
        return f"Key {number} signs from now on. Publish its statement: manage.py audit keys"

    def _keys(self, actor: Actor, options: dict[str, Any]) -> str:
        with sealer_cursor() as cursor:
            return "\n".join(row.statement for row in key_history(cursor))

    def _export(self, actor: Actor, options: dict[str, Any]) -> str:
        log, output, kind = self._log(options["organization"]), options["output"], KINDS[options["format"]]
        if output.exists():
            raise CommandError(f"{output} is there already: name a new file.")
        told = {"format": kind.name, "filter": {name: str(options[name]) for name in _ASKED if options[name]}}
        with reading(log, "audit export, on the command line"):
            asked = Asked(options["organization"], options["query"], options["since"], options["until"], actor)
            with tenant_scope(log):
                prepared = prepare(log, kind, asked)
                record_export(actor, None if log == INSTALLATION else log, told)  # before anything leaves
            descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    count = stream(prepared, kind, file, asked)
            except BaseException:
                output.unlink()
                raise
        return f"{count} events in {output}"

    def _verify(self, actor: Actor, options: dict[str, Any]) -> str:
        logs = [self._log(options["organization"])] if options["organization"] else logs_with_checkpoints()
        witnessed: dict[UUID, list[Any]] = {}
        for path in options["witness"]:
            for log, problems in compare_with_witness(path.read_text(encoding="utf-8")).items():
                witnessed.setdefault(log, []).extend(problems)
        findings = []
        for log in dict.fromkeys([*logs, *(log for log in witnessed if not options["organization"])]):
            found = LogVerifier(log, progress=lambda number, log=log: self._progress(log, number)).run()  # type: ignore[misc]
            found.problems += witnessed.get(log, [])
            findings.append(found)
        wrong_keys = verify_keys()
        report = {
            "keys": [problem.as_json() for problem in wrong_keys],
            "logs": [
                {
                    "log": "installation" if found.log == INSTALLATION else str(found.log),
                    "events": found.events,
                    "verified": found.verified,
                    "retired": found.retired,
                    "erased": found.erased,
                    "problems": [problem.as_json() for problem in found.problems],
                }
                for found in findings
            ],
        }
        text = json.dumps(report, indent=2) if options["json"] else "\n".join(_lines(findings, wrong_keys))
        count = len(wrong_keys) + sum(len(found.problems) for found in findings)
        if not count:
            return text
        self.stdout.write(text)
        raise CommandError(f"{count} problems found.", returncode=PROBLEMS)

    def _retire(self, actor: Actor, options: dict[str, Any]) -> str:
        return f"{retire()} events retired."

    def _erase(self, actor: Actor, options: dict[str, Any]) -> str:
        if not options["organization"] and not options["person"]:
            return f"{carry_out()} erasures carried out."
        if not options["organization"] or not options["person"]:
            raise CommandError("Name both --organization and --person, or neither.")
        log, person = self._log(options["organization"]), options["person"]
        with tenant_scope(log):
            if options["dry_run"]:
                plan = preview_erasure(organization_id=log, person=person, actor=actor).plan
                held = f" The legal hold “{plan.hold}” prevents it." if plan.hold else ""
                return f"{plan.fields} values of {plan.events} events would go.{held}"
            request = request_erasure(organization_id=log, person=person, reason=options["reason"] or "", actor=actor)
            return f"Erased after {request.due_at:%Y-%m-%d %H:%M} UTC, unless it is called off."

    def _progress(self, log: UUID, number: int) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"{'installation' if log == INSTALLATION else log}: {number}")

    @staticmethod
    def _log(text: str) -> UUID:
        """Return the log that an argument names.

        Raises:
            CommandError: there is no such organization.
        """
        if text == "installation":
            return INSTALLATION
        try:
            return UUID(text)
        except ValueError:
            pass
        with operator_scope(f"audit: the log of {text}"):
            found = directory().find_organization(text)
        if found is None:
            raise CommandError(f"There is no organization {text}.")
        return found


def _lines(findings: list[Findings], wrong_keys: list[Any]) -> list[str]:
    lines = [f"PROBLEM keys: {problem.text}" for problem in wrong_keys]
    for found in findings:
        name = "installation" if found.log == INSTALLATION else str(found.log)
        retired = f", {found.retired} retired under receipts" if found.retired else ""
        erased = f", {found.erased} personal values erased" if found.erased else ""
        lines.append(f"{name}: {found.verified} sealed events{retired}{erased}, {len(found.problems)} problems")
        lines += [
            f"PROBLEM {name}: {problem.kind}: {problem.text}{f' ({problem.event})' if problem.event else ''}"
            for problem in found.problems
        ]
    return lines


def _moment(text: str) -> datetime:
    """Return the time that an argument names, in UTC unless it says more.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time: write 2026-01-31 or 2026-01-31T09:00") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
