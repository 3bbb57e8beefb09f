"""``manage.py api_key``: the keys of organizations, for scripts and incidents; JSON on standard output."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from accounts import key_format
from accounts.key_format import KeyKind
from accounts.key_state import STATES
from accounts.management.key_options import (
    WHERE_SECRETS_ARE,
    add_value_arguments,
    as_json,
    duration,
    expiry,
    named,
    predefined_secret,
    scopes,
)
from accounts.management.organizations import named_organization
from accounts.models import ApiKey, ServiceAccount, User
from accounts.models.api_key import TENANT_KINDS
from accounts.scope_presets import PRESETS
from accounts.selectors import keys_older_than, keys_with_secret
from accounts.services.api_keys import create_api_key, revoke_api_keys, rotate_api_key
from isolation.actor import Actor
from isolation.commands import ScopedCommand
from isolation.scope import operator_scope, tenant_scope
from tenants.models import Environment, Project
from vault.exceptions import VaultError

OLD_DAYS = 90
MOST_NAMED = 5


class Command(ScopedCommand):
    """Makes, lists, rotates and revokes keys as the system."""

    help = "Make, list, rotate, revoke and report on API keys of organizations. Prints JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments of each verb."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        generate = verbs.add_parser("generate", help="Make a secret and a public id to import later; stores nothing.")
        generate.add_argument("--kind", required=True, help=f"One of {', '.join(KeyKind)}.")
        generate.add_argument("--environment", default=Environment.PRODUCTION, help=", ".join(Environment.values))

        create = verbs.add_parser("create", help="Make a key; the output has its secret.")
        create.add_argument("--organization", required=True, metavar="SLUG")
        _add_owner_arguments(create)
        create.add_argument("--scope", action="append", default=[], help="A permission of docs/roles.md; repeatable.")
        create.add_argument("--preset", action="append", default=[], help=f"Several scopes: {', '.join(PRESETS)}.")
        create.add_argument("--public-id", help="Import this public id with the secret.")
        add_value_arguments(create)

        listing = verbs.add_parser("list", help="List an organization's keys, the newest first.")
        listing.add_argument("--organization", required=True, metavar="SLUG")
        _add_owner_arguments(listing)
        listing.add_argument("--state", help=f"Only those that are {', '.join(STATES)}.")
        listing.add_argument("--older-than", type=int, metavar="DAYS", help="Only active ones with an older secret.")

        rotate = verbs.add_parser("rotate", help="Give a key another secret; the output has it.")
        rotate.add_argument("key", help="Its id or public id.")
        rotate.add_argument("--organization", metavar="SLUG")
        rotate.add_argument("--overlap", default="0m", metavar="24h", help="How long the old secret stays valid.")

        revoke = verbs.add_parser("revoke", help="End keys for good: all that are named, or none.")
        revoke.add_argument("key", nargs="*", help="Their ids or public ids.")
        revoke.add_argument("--organization", metavar="SLUG")
        revoke.add_argument("--older-than", type=int, metavar="DAYS", help="Every active key with an older secret.")
        revoke.add_argument("--reason", default="", help="Why; it stands in the audit log.")
        revoke.add_argument("--dry-run", action="store_true", help="Only print which keys these are.")

        report = verbs.add_parser("report", help="List the active keys whose secret is old, the oldest first.")
        report.add_argument("--organization", metavar="SLUG", help="Without it: of every organization.")
        report.add_argument("--older-than", type=int, default=OLD_DAYS, metavar="DAYS", help=f"Without it: {OLD_DAYS}.")

    def run(self, actor: Actor, **options: Any) -> str:
        """Do what the verb says; return its JSON."""
        try:
            return as_json(getattr(self, f"_{options['verb']}")(actor, options))
        except VaultError as error:
            raise CommandError(str(error)) from error

    def _generate(self, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        kind, environment = options["kind"], options["environment"]
        if kind not in KeyKind.__members__.values():
            raise CommandError(f"A key is one of {', '.join(KeyKind)}.")
        if environment not in Environment.values:
            raise CommandError(f"An environment is one of {', '.join(Environment.values)}.")
        return {
            "kind": str(kind),
            "environment": str(environment),
            "public_id": key_format.new_public_id(kind, environment),
            "secret": key_format.new_secret(kind, environment),
        }

    def _create(self, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        secret, expires_at, granted = predefined_secret(options), expiry(options), scopes(options)
        with named_organization(options["organization"]) as organization:
            owners = _owners(options)
            issued = create_api_key(
                organization=organization,
                kind=options["kind"] or _kind_of(owners),
                name=options["name"],
                scopes=granted,
                actor=actor,
                environment=options["environment"],
                expires_at=expires_at,
                allowed_networks=options["network"],
                note=options["note"],
                secret=secret,
                public_id=options["public_id"],
                **owners,
            )
            made = {**_shown(keys_with_secret().get(pk=issued.key.pk)), "secret": issued.secret}
        self.stderr.write(WHERE_SECRETS_ARE, self.style.NOTICE)
        return made

    def _list(self, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        if options["state"] not in {None, *STATES}:
            raise CommandError(f"A key is {', '.join(STATES)}.")
        if options["kind"] not in {None, *dict(TENANT_KINDS)}:
            raise CommandError(f"A key of an organization is one of {', '.join(dict(TENANT_KINDS))}.")
        with named_organization(options["organization"]):
            days = options["older_than"]
            keys = keys_with_secret() if days is None else keys_older_than(_days(days))
            plain = {name: options[name] for name in ("kind", "environment") if options[name]}
            keys = keys.filter(**plain, **_owners(options)).order_by("-created_at", "pk")
            return [_shown(key) for key in (keys.in_state(options["state"]) if options["state"] else keys)]

    def _rotate(self, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        overlap = duration(options["overlap"])
        (key,) = _find([options["key"]], options["organization"])
        with tenant_scope(key.organization_id):
            issued = rotate_api_key(key=key, actor=actor, overlap=overlap)
            made = {**_shown(keys_with_secret().get(pk=issued.key.pk)), "secret": issued.secret}
        self.stderr.write(WHERE_SECRETS_ARE, self.style.NOTICE)
        return made

    def _revoke(self, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        days = options["older_than"]
        if bool(options["key"]) == (days is not None):
            raise CommandError("Name the keys, or say --older-than with --organization.")
        if days is not None:
            return self._revoke_old(actor, options, _days(days))
        places: dict[UUID, list[UUID]] = {}
        for key in _find(options["key"], options["organization"]):
            places.setdefault(key.organization_id, []).append(key.pk)
        with transaction.atomic():
            return [
                shown
                for organization_id, ids in places.items()
                for shown in self._revoke_in(organization_id, ids, actor, options)
            ]

    def _revoke_old(self, actor: Actor, options: dict[str, Any], days: int) -> list[dict[str, Any]]:
        if not options["organization"]:
            raise CommandError("Say in which --organization: nothing revokes the keys of all of them at once.")
        with named_organization(options["organization"]) as organization:
            ids = list(keys_older_than(days).values_list("pk", flat=True))
            return self._revoke_in(organization.pk, ids, actor, options)

    def _revoke_in(
        self, organization_id: UUID, ids: list[UUID], actor: Actor, options: dict[str, Any]
    ) -> list[dict[str, Any]]:
        with tenant_scope(organization_id):
            keys = list(keys_with_secret().filter(pk__in=ids).order_by("created_at", "pk"))
            for key in keys:
                if key.revoked_at:
                    self.stderr.write(f"{key} is revoked already.", self.style.NOTICE)
            ended = {key.pk for key in keys if not key.revoked_at}
            if not options["dry_run"]:
                ended = {key.pk for key in revoke_api_keys(keys=keys, actor=actor, reason=options["reason"])}
            return [_shown(key) for key in keys_with_secret().filter(pk__in=ended).order_by("created_at", "pk")]

    def _report(self, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        days = _days(options["older_than"])
        if options["organization"]:
            with named_organization(options["organization"]):
                return [_shown(key) for key in keys_older_than(days)]
        with operator_scope(f"Report of API keys older than {days} days"):
            return [_shown(key) for key in keys_older_than(days)]


def _add_owner_arguments(parser: Any) -> None:
    parser.add_argument("--kind", help=f"One of {', '.join(dict(TENANT_KINDS))}; create finds it from the owner.")
    parser.add_argument("--project", metavar="SLUG")
    parser.add_argument("--service-account", metavar="NAME")
    parser.add_argument("--user", metavar="EMAIL", help="Whose personal key it is.")
    parser.add_argument("--environment", help=", ".join(Environment.values))


def _owners(options: dict[str, Any]) -> dict[str, Any]:
    """Return the rows that --project, --service-account and --user name in the open organization.

    Raises:
        CommandError: one of them does not exist.
    """
    asked = {
        "project": (options["project"], Project.objects.filter(slug=options["project"]), "project"),
        "service_account": (
            options["service_account"],
            ServiceAccount.objects.filter(name__iexact=options["service_account"] or ""),
            "service account",
        ),
        "user": (options["user"], User.objects.filter(email=(options["user"] or "").strip().lower()), "login"),
    }
    owners = {}
    for column, (given, rows, what) in asked.items():
        if given:
            owners[column] = rows.first()
            if owners[column] is None:
                raise CommandError(f"There is no {what} {given}.{_existing(column)}")
    return owners


def _existing(column: str) -> str:
    """Return a sentence with the first few that could have been named; nothing about people."""
    if column == "user":
        return ""
    rows, name, what = {
        "project": (Project.objects.all(), "slug", "projects"),
        "service_account": (ServiceAccount.objects.all(), "name", "service accounts"),
    }[column]
    names = list(rows.order_by(name).values_list(name, flat=True)[: MOST_NAMED + 1])
    if not names:
        return f" The organization has no {what} yet."
    more = " and more" if len(names) > MOST_NAMED else ""
    return f" There {'is' if len(names) == 1 else 'are'} {', '.join(names[:MOST_NAMED])}{more}."


def _kind_of(owners: dict[str, Any]) -> str:
    """Return the kind of key that names these owners."""
    if len(owners) > 1:
        raise CommandError("Name one of --project, --service-account and --user.")
    kinds = {"project": KeyKind.PROJECT, "service_account": KeyKind.SERVICE_ACCOUNT, "user": KeyKind.PERSONAL}
    return kinds[next(iter(owners))] if owners else KeyKind.ORGANIZATION


def _find(names: Iterable[str], slug: str | None) -> list[ApiKey]:
    """Return the named keys; without a slug they are looked for in every organization.

    Raises:
        CommandError: one of them does not exist.
    """
    if slug:
        with named_organization(slug):
            return [_one(name) for name in dict.fromkeys(names)]
    with operator_scope("Find the keys that the command line names"):
        return [_one(name) for name in dict.fromkeys(names)]


def _one(name: str) -> ApiKey:
    key: ApiKey | None = ApiKey.objects.filter(named(name)).first()
    if key is None:
        raise CommandError(f"There is no API key {name}.")
    return key


def _days(days: int) -> int:
    most = 36_500
    if not 0 <= days <= most:
        raise CommandError(f"A number of days is between 0 and {most}.")
    return days


def _shown(key: Any) -> dict[str, Any]:
    """Return a key of `keys_with_secret` as it is printed: names instead of ids, no secret."""
    return {
        "id": key.pk,
        "public_id": key.public_id,
        "kind": key.kind,
        "name": key.name,
        "organization": key.organization.slug,
        "project": key.project.slug if key.project else None,
        "service_account": key.service_account.name if key.service_account else None,
        "user": key.user.email if key.user else None,
        "environment": key.environment,
        "scopes": key.scopes,
        "allowed_networks": key.allowed_networks,
        "note": key.note,
        "state": key.state,
        "last_four": key.last_four,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "secret_created_at": key.secret_created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "last_used_ip": key.last_used_ip,
        "revoked_at": key.revoked_at,
        "revocation_reason": key.revocation_reason,
    }
