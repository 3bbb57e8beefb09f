"""``manage.py sink``: where sealed events are delivered, of an organization or of the installation; prints JSON."""

import json
from argparse import BooleanOptionalAction
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from audit.directory import directory
from audit.masking.selection import LABELS
from audit.models import DeadLetter, DeadLetterState, RecordFormat, Sink
from audit.services.sink_delivery import replay_sink, test_sink, try_sink_now
from audit.services.sinks import create_sink, delete_sink, set_sink_active
from audit.sinks.health import health_of
from audit.sinks.registry import DESTINATIONS
from isolation.actor import Actor
from isolation.commands import ScopedCommand
from isolation.scope import INSTALLATION, operator_scope, tenant_scope
from vault.exceptions import VaultError

_COMMON = (
    *("format", "query", "sent_fields", "has_proofs", "sends_checkpoints"),
    *("batch_events", "batch_bytes", "batch_seconds"),
)
_VERBS = {
    "list": "List the sinks, and how each stands.",
    "add": "Add a sink; the output has the signing secret that was made, once.",
    "show": "Show one with its settings, without secrets.",
    "test": "Send a test event and wait for the answer.",
    "pause": "Send nothing until it is resumed; nothing is lost.",
    "resume": "Go on where it stopped.",
    "try": "Do not wait for the next try.",
    "replay": "Send events again from a number or a time on.",
    "remove": "Remove a sink; what it has received stays where it is.",
}


class Command(ScopedCommand):
    """Does to sinks what the console does, as the system."""

    help = "Deliver the audit log to a SIEM: add, list, show, test, pause, resume, replay and remove sinks."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments of each verb."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        for name, text in _VERBS.items():
            verb = verbs.add_parser(name, help=text)
            whose = verb.add_mutually_exclusive_group(required=True)
            whose.add_argument("--organization", metavar="SLUG")
            whose.add_argument("--installation", action="store_true", help="Sinks that receive every log.")
            if name == "add":
                self._add_values(verb)
            elif name != "list":
                verb.add_argument("sink", help="Its name or id.")
            if name == "replay":
                start = verb.add_mutually_exclusive_group(required=True)
                start.add_argument("--from", type=int, dest="seq", metavar="NUMBER", help="The first event's number.")
                start.add_argument("--since", metavar="TIME", help="Such as 2026-03-01T00:00:00Z; without a zone: UTC.")

    def run(self, actor: Actor, **options: Any) -> str:
        """Do what the verb says; return its JSON."""
        owner = _owner(options)
        try:
            with tenant_scope(owner):
                shown = getattr(self, f"_{options['verb']}")(owner, actor, options)
        except VaultError as error:
            raise CommandError(str(error)) from error
        return json.dumps(shown, default=_plain, ensure_ascii=False, indent=2)

    @staticmethod
    def _add_values(verb: CommandParser) -> None:
        verb.add_argument("--kind", required=True, help=f"One of {', '.join(sorted(DESTINATIONS))}.")
        verb.add_argument("--name", required=True)
        verb.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="What it is told; repeatable.",
        )
        verb.add_argument(
            "--option-file",
            action="append",
            default=[],
            metavar="NAME=FILE",
            help="The same from a file: certificates, and secrets, which do not belong among arguments.",
        )
        verb.add_argument("--from-beginning", action="store_true", help="Also what is in the log already.")
        verb.add_argument("--format", choices=RecordFormat.values)
        verb.add_argument("--query", help="Only events that match.")
        verb.add_argument(
            "--fields",
            dest="sent_fields",
            type=_names,
            metavar="NAME,NAME",
            help=f"Send these alone, besides what every record has: {', '.join(LABELS)}.",
        )
        verb.add_argument("--proofs", dest="has_proofs", action=BooleanOptionalAction, help="What proves the copy.")
        verb.add_argument(
            "--checkpoints",
            dest="sends_checkpoints",
            action=BooleanOptionalAction,
            help="The newest checkpoint as a record of its own.",
        )
        for name in ("events", "bytes", "seconds"):
            verb.add_argument(f"--batch-{name}", type=int)

    def _list(self, owner: UUID, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        return [_shown(sink) for sink in Sink.objects.prefetch_related("cursors")]

    def _add(self, owner: UUID, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        told = dict(_pair(text) for text in options["option"])
        files = dict(_pair(text) for text in options["option_file"])
        told |= {name: _read(Path(path)) for name, path in files.items()}
        made = create_sink(
            organization_id=owner,
            kind=options["kind"],
            name=options["name"],
            options=_typed(options["kind"], told),
            actor=actor,
            from_beginning=options["from_beginning"],
            **{name: options[name] for name in _COMMON if options[name] is not None},
        )
        return {**_shown(made.sink), **({"secret": made.secret} if made.secret else {})}

    def _show(self, owner: UUID, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        sink = _find(options["sink"])
        refused = DeadLetter.objects.filter(sink=sink, state=DeadLetterState.OPEN).count()
        values = {name: getattr(sink, name) for name in _COMMON}
        return {**_shown(sink), **values, "options": sink.options, "refused": refused, "created_by": sink.created_by}

    def _test(self, owner: UUID, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        answer = test_sink(sink=_find(options["sink"]), actor=actor)
        return {"accepted": not answer, "answer": answer}

    def _pause(self, owner: UUID, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        return _shown(set_sink_active(sink=_find(options["sink"]), is_active=False, actor=actor))

    def _resume(self, owner: UUID, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        return _shown(set_sink_active(sink=_find(options["sink"]), is_active=True, actor=actor))

    def _try(self, owner: UUID, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        sink = _find(options["sink"])
        try_sink_now(sink=sink, actor=actor)
        return _shown(sink)

    def _replay(self, owner: UUID, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        since = _moment(options["since"]) if options["since"] else None
        return {"events": replay_sink(sink=_find(options["sink"]), actor=actor, seq=options["seq"], since=since)}

    def _remove(self, owner: UUID, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        sink = _find(options["sink"])
        shown = {"id": sink.pk, "name": sink.name, "removed": True}
        delete_sink(sink=sink, actor=actor)
        return shown


def _owner(options: dict[str, Any]) -> UUID:
    """Return whose sinks are meant.

    Raises:
        CommandError: there is no such organization.
    """
    if options["installation"]:
        return INSTALLATION
    with operator_scope("Find the organization that the command line names"):
        found = directory().find_organization(options["organization"])
    if found is None:
        raise CommandError(f"There is no organization {options['organization']}.")
    return found


def _find(text: str) -> Sink:
    """Return a sink by its name or id; its organization's scope is open.

    Raises:
        CommandError: there is none.
    """
    sinks = Sink.objects.all()
    try:
        found: Sink | None = sinks.filter(pk=UUID(text)).first()
    except ValueError:
        found = sinks.filter(name__iexact=text).first()
    if found is None:
        names = ", ".join(sinks.values_list("name", flat=True)) or "none"
        raise CommandError(f"There is no sink {text}. There are: {names}.")
    return found


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"Write NAME=VALUE instead of {text}.")
    return name, value


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}.") from error


def _typed(kind: str, told: dict[str, str]) -> dict[str, Any]:
    """Return what the command line says as what it means: yes and no of a switch."""
    receiver = DESTINATIONS.get(kind)
    flags: Iterable[str] = (option.name for option in receiver.options if option.entry == "flag") if receiver else ()
    return {**told, **{name: told[name].lower() in {"yes", "true", "1"} for name in flags if name in told}}


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"{text} is no time. Write it as 2026-03-01T00:00:00Z.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment, timezone.get_default_timezone())


def _shown(sink: Sink) -> dict[str, Any]:
    health = health_of(sink)
    return {
        "id": sink.pk,
        "name": sink.name,
        "kind": sink.kind,
        "is_active": sink.is_active,
        "state": health.standing,
        "next_seq": health.next_seq,
        "head": health.head,
        "lag_events": health.lag_events,
        "lag_seconds": health.lag_seconds,
        "delivered_at": health.delivered_at,
        "missed_events": health.missed_events,
        "last_error": health.last_error,
    }


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
