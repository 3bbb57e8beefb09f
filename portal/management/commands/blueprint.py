"""``manage.py blueprint``: organizations as a file describes them."""

import json
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from accounts.models import User
from isolation.actor import Actor
from isolation.commands import ScopedCommand
from portal.blueprint.document import Document, understand
from portal.blueprint.engine import Engine, Plan
from portal.blueprint.exporting import export
from portal.blueprint.initial import initial
from portal.blueprint.printing import as_json, as_text, done, summary
from portal.blueprint.problems import BlueprintError
from portal.blueprint.reader import read
from portal.blueprint.schema import published

CHANGES = 2


class Command(ScopedCommand):
    help = "Compare organizations with a YAML file, make them as it says, or write such a file. See docs/blueprint.md."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="plan|apply|export|schema|start")
        plan = verbs.add_parser("plan", help="Show what apply would change. Exit code 2: there are changes.")
        apply = verbs.add_parser("apply", help="Make the changes, one transaction for each organization.")
        for verb in (plan, apply):
            verb.add_argument("file", type=Path, metavar="FILE")
            verb.add_argument("--as", dest="person", metavar="EMAIL", help="Act with this person's authority.")
            verb.add_argument("--json", action="store_true", help="Print the changes as JSON.")
        apply.add_argument("--yes", action="store_true", help="Do not ask.")
        exported = verbs.add_parser("export", help="Write organizations as such a file, without any secret.")
        exported.add_argument("organizations", nargs="+", metavar="ORGANIZATION")
        exported.add_argument("--output", type=Path, metavar="FILE", help="Write to this file, not to the terminal.")
        verbs.add_parser("schema", help="Print the JSON Schema of such files.")
        verbs.add_parser("start", help="Apply GATEHOUSE_INIT_* and GATEHOUSE_BLUEPRINT, as every start does.")

    def run(self, actor: Actor, **options: Any) -> str:
        """Do what the verb says."""
        match options["verb"]:
            case "plan":
                return self._plan(actor, **options)
            case "apply":
                return self._apply(actor, **options)
            case "export":
                return self._export(actor, **options)
            case "schema":
                return json.dumps(published(), indent=2)
            case _:
                return self._start(actor)

    def _plan(self, actor: Actor, *, file: Path, person: str | None, **options: Any) -> str:
        plans = _engine(understand(read(file)), actor, person).plan()
        self.stdout.write(as_json(plans) if options["json"] else _told(plans))
        if any(plan.changes for plan in plans):
            sys.exit(CHANGES)
        return ""

    def _apply(self, actor: Actor, *, file: Path, person: str | None, **options: Any) -> str:
        engine = _engine(understand(read(file)), actor, person)
        plans = engine.plan()
        if not any(plan.changes for plan in plans):
            return as_json(plans) if options["json"] else _told(plans)
        if not options["json"]:
            self.stdout.write(_told(plans))
        if not options["yes"]:
            self._ask(as_json=options["json"])
        applied = self._carry_out(engine, None if options["yes"] else plans)
        return as_json(applied) if options["json"] else done(applied)

    def _start(self, actor: Actor) -> str:
        """Apply what the environment asks for; what it makes is said, and nothing when nothing is to do."""
        plans: list[Plan] = []
        for document in (initial(settings.GATEHOUSE_INIT), _file(settings.GATEHOUSE_BLUEPRINT)):
            if document is not None:
                engine = _engine(document, actor, None)
                planned = engine.plan()
                # Several containers may start at once: what another one has done meanwhile is fine.
                plans += self._carry_out(engine, None) if any(plan.changes for plan in planned) else planned
        last = done(plans) if any(plan.changes for plan in plans) else ""
        return "\n\n".join(part for part in (as_text(plans), last) if part)

    def _carry_out(self, engine: Engine, agreed: list[Plan] | None) -> list[Plan]:
        applied: list[Plan] = []
        try:
            for plan in engine.apply(agreed):
                applied.append(plan)  # noqa: PERF402 - what was committed before an error is told
        except BlueprintError as error:
            named = ", ".join(plan.organization or "the logins" for plan in applied if plan.changes)
            before = f"\nApplied before that, and kept: {named}." if named else "\nNothing was changed."
            raise CommandError(f"{error.message}{before}") from error
        return applied

    def _ask(self, *, as_json: bool) -> None:
        if as_json or not sys.stdin.isatty():
            raise CommandError("Nobody is there to be asked. Add --yes to apply without a question.")
        if input("Make these changes? Only “yes” does: ").strip() != "yes":
            raise CommandError("Nothing was changed.")

    def _export(self, actor: Actor, *, organizations: list[str], output: Path | None, **options: Any) -> str:
        text = export(organizations, actor=actor)
        if output is None:
            return text
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}.") from error
        return f"Wrote {output}."


def _file(path: Path | None) -> Document | None:
    return understand(read(path)) if path else None


def _engine(document: Document, actor: Actor, email: str | None) -> Engine:
    person = None
    if email is not None:
        person = User.objects.filter(email=email.strip().lower(), is_active=True).first()
        if person is None:
            raise CommandError(f"Nobody signs in as {email}.")
    return Engine(document, actor, person)


def _told(plans: list[Plan]) -> str:
    return "\n\n".join(part for part in (as_text(plans), summary(plans)) if part)
