"""What the commands for keys share: what they read from their arguments, and the JSON they print."""

import json
import os
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts import key_format
from accounts.scope_presets import PRESETS

_DURATION = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST_SECRET = 4_096

WHERE_SECRETS_ARE = "The secret is in the output, this once; only its digest is stored."


def as_json(value: Any) -> str:
    """Return what a command prints: one object or one array."""
    return json.dumps(value, cls=DjangoJSONEncoder, indent=2)


def duration(text: str) -> timedelta:
    """Return a length of time written as 30m, 24h, 90d or 2w.

    Raises:
        CommandError: it is written otherwise.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise CommandError(f"“{text}” is no length of time. Write 30m, 24h, 90d or 2w.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def expiry(options: dict[str, Any]) -> datetime | None:
    """Return the moment that --expires-in or --expires-at say, None without either.

    Raises:
        CommandError: both, or one that is malformed.
    """
    if options["expires_in"] and options["expires_at"]:
        raise CommandError("Say either --expires-in or --expires-at.")
    if options["expires_in"]:
        return timezone.now() + duration(options["expires_in"])
    if not options["expires_at"]:
        return None
    try:
        moment = parse_datetime(options["expires_at"].strip())
    except ValueError:  # the form of a moment, but no such day
        moment = None
    if moment is None or timezone.is_naive(moment):
        raise CommandError("--expires-at takes a moment with its time zone, such as 2027-01-31T12:00:00Z.")
    return moment


def scopes(options: dict[str, Any]) -> list[str]:
    """Return the scopes of --scope and --preset together.

    Raises:
        CommandError: a preset that does not exist.
    """
    names = list(options["scope"])
    for name in options["preset"]:
        if name not in PRESETS:
            raise CommandError(f"There is no preset “{name}”. There are {', '.join(PRESETS)}.")
        names += PRESETS[name].scopes
    return names


def predefined_secret(options: dict[str, Any]) -> str | None:
    """Return the secret that --secret-file or --secret-env lead to, None without either.

    Raises:
        CommandError: both, or nothing is found there; the message never shows a secret.
    """
    path, variable = options["secret_file"], options["secret_env"]
    if path and variable:
        raise CommandError("Say either --secret-file or --secret-env.")
    if variable:
        secret = os.environ.get(variable, "").strip()
        if not secret:
            raise CommandError(f"The environment variable {variable} is not set, or empty.")
        return secret
    if not path:
        return None
    try:
        if path == "-":
            secret = sys.stdin.read(_LONGEST_SECRET)
        else:
            with Path(path).open(encoding="utf-8") as file:
                secret = file.read(_LONGEST_SECRET)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise CommandError(f"The file {path} cannot be read: {why}.") from error
    if not secret.strip():
        raise CommandError(f"The file {path} is empty.")
    return secret.strip()


def named(name: str) -> Q:
    """Return the condition on the key that a command line names by its id or public id.

    Raises:
        CommandError: it is a secret. It is never looked up, and never repeated: it would stand in terminals and logs.
    """
    if key_format.parse_secret(name):
        raise CommandError(
            "This is a secret. Name the key by its id or public id, and revoke or rotate it: its secret is out."
        )
    try:
        return Q(pk=UUID(name))
    except ValueError:
        return Q(public_id=name)


def add_value_arguments(parser: Any) -> None:
    """Declare what `create` takes for keys of every sort."""
    parser.add_argument("--name", required=True, help="What people read.")
    parser.add_argument("--note", default="", help="Free text.")
    add_limit_arguments(parser)


def add_limit_arguments(parser: Any) -> None:
    """Declare until when and from where a new key or token is accepted, and where its predefined secret is."""
    parser.add_argument("--expires-in", metavar="90d", help="How long it lives: 30m, 24h, 90d, 2w.")
    parser.add_argument("--expires-at", metavar="2027-01-31T12:00:00Z", help="When it ends.")
    parser.add_argument(
        "--network", action="append", default=[], help="An IP address or network from which it is accepted; repeatable."
    )
    # Never as an argument: everybody on the machine reads the list of processes.
    parser.add_argument("--secret-file", metavar="PATH", help="Import the secret in this file (- for standard input).")
    parser.add_argument("--secret-env", metavar="NAME", help="Import the secret in this environment variable.")
