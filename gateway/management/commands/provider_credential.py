"""``manage.py provider_credential``: the credentials of organizations, for scripts and incidents; prints JSON."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from gateway.models import CredentialKind, Provider, ProviderCredential
from gateway.selectors import resolution_of
from gateway.services.credential_tests import test_provider_credential
from gateway.services.provider_credentials import (
    create_provider_credential,
    delete_provider_credential,
    put_back_former_secret,
    rotate_provider_credential,
    set_provider_credential_enabled,
)
from isolation.actor import Actor
from isolation.commands import ScopedCommand
from isolation.scope import tenant_scope
from tenants.lookups import organization_id_of
from tenants.models import Organization, Project
from vault.exceptions import VaultError

_VERBS = {
    "list": "List the credentials, without secrets.",
    "add": "Add a credential; its secret comes from a file.",
    "test": "Ask the provider for its list of models with it.",
    "rotate": "Give it another secret, from a file.",
    "put-back": "Use the secret from before the rotation again.",
    "enable": "Let requests use it.",
    "disable": "Let no request use it.",
    "delete": "Delete it with its secrets.",
    "resolve": "Tell which ones the requests of a project are tried with.",
}


class Command(ScopedCommand):
    """Does to provider credentials what the console does, as the system."""

    help = "Add, list, test, rotate, switch and delete provider credentials, and tell which one is used."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments of each verb."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        for name, text in _VERBS.items():
            verb = verbs.add_parser(name, help=text)
            verb.add_argument("--organization", metavar="SLUG", required=True)
            verb.add_argument("--project", metavar="SLUG", required=name == "resolve", help="Of this project.")
            if name not in {"list", "add", "resolve"}:
                verb.add_argument("credential", help="Its name or id.")
            if name in {"add", "rotate"}:
                verb.add_argument("--secret-file", required=True, metavar="FILE", help="Arguments are seen by others.")
            if name == "rotate":
                verb.add_argument("--overlap-hours", type=int, default=0, help="How long the former one is kept.")
            if name == "add":
                self._add_values(verb)
            if name == "resolve":
                verb.add_argument("--model", default="")
                verb.add_argument("--provider", default="", choices=Provider.values)

    def run(self, actor: Actor, **options: Any) -> str:
        """Do what the verb says; return its JSON."""
        owner = organization_id_of(options["organization"])
        if owner is None:
            raise CommandError(f"There is no organization {options['organization']}.")
        try:
            with tenant_scope(owner):
                project = _project(options["project"]) if options["project"] else None
                shown = getattr(self, f"_{options['verb'].replace('-', '_')}")(project, actor, options)
        except VaultError as error:
            raise CommandError(str(error)) from error
        return json.dumps(shown, default=_plain, ensure_ascii=False, indent=2)

    @staticmethod
    def _add_values(verb: CommandParser) -> None:
        verb.add_argument("--name", required=True)
        verb.add_argument("--provider", required=True, choices=Provider.values)
        verb.add_argument("--kind", choices=CredentialKind.values, default=CredentialKind.API_KEY.value)
        verb.add_argument("--base-url", default="")
        verb.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="Repeatable.")
        verb.add_argument("--model", action="append", default=[], help="One that is allowed; repeatable.")
        verb.add_argument("--priority", type=int, default=100)

    def _list(self, project: Project | None, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        rows = ProviderCredential.objects.select_related("project")
        return [_shown(each) for each in (rows.filter(project=project) if project else rows)]

    def _add(self, project: Project | None, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        made = create_provider_credential(
            organization=Organization.objects.get(),
            project=project,
            name=options["name"],
            provider=options["provider"],
            kind=options["kind"],
            base_url=options["base_url"],
            options=dict(_pair(text) for text in options["option"]),
            allowed_models=options["model"],
            priority=options["priority"],
            secret=_read(Path(options["secret_file"])),
            actor=actor,
        )
        return _shown(made)

    def _test(self, project: Project | None, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        outcome = test_provider_credential(credential=_find(options, project), actor=actor)
        return {"accepted": outcome.accepted, "text": outcome.text}

    def _rotate(self, project: Project | None, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        rotated = rotate_provider_credential(
            credential=_find(options, project),
            secret=_read(Path(options["secret_file"])),
            overlap=timedelta(hours=options["overlap_hours"]),
            actor=actor,
        )
        return _shown(rotated)

    def _put_back(self, project: Project | None, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        return _shown(put_back_former_secret(credential=_find(options, project), actor=actor))

    def _enable(self, project: Project | None, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        found = _find(options, project)
        return _shown(set_provider_credential_enabled(credential=found, enabled=True, actor=actor))

    def _disable(self, project: Project | None, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        found = _find(options, project)
        return _shown(set_provider_credential_enabled(credential=found, enabled=False, actor=actor))

    def _delete(self, project: Project | None, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        found = _find(options, project)
        shown = {"id": found.pk, "name": found.name, "deleted": True}
        delete_provider_credential(credential=found, actor=actor)
        return shown

    def _resolve(self, project: Project, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        found = resolution_of(project=project, provider=options["provider"], model=options["model"], actor=actor)
        return [
            {"id": step.credential.pk, "name": step.credential.name, "use": step.use, "reason": step.reason}
            for step in found.steps
        ]


def _project(slug: str) -> Project:
    found: Project | None = Project.objects.filter(slug=slug).first()
    if found is None:
        raise CommandError(f"There is no project {slug} in this organization.")
    return found


def _find(options: dict[str, Any], project: Project | None) -> ProviderCredential:
    """Return a credential by its id, or by its name where one alone has it; its organization's scope is open.

    Raises:
        CommandError: there is none, or several have the name.
    """
    text = options["credential"]
    rows = ProviderCredential.objects.select_related("project")
    rows = rows.filter(project=project) if project else rows
    found: list[ProviderCredential]
    try:
        found = list(rows.filter(pk=UUID(text)))
    except ValueError:
        found = list(rows.filter(name__iexact=text))
    if not found:
        names = ", ".join(rows.values_list("name", flat=True)) or "none"
        raise CommandError(f"There is no credential {text}. There are: {names}.")
    if len(found) > 1:
        raise CommandError(f"Several credentials are called {text}. Name the --project, or use the id.")
    return found[0]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"Write NAME=VALUE instead of {text}.")
    return name, value


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {type(error).__name__}.") from None


def _shown(credential: ProviderCredential) -> dict[str, Any]:
    return {
        "id": credential.pk,
        "name": credential.name,
        "project": credential.project.slug if credential.project else None,
        "provider": credential.provider,
        "kind": credential.kind,
        "base_url": credential.base_url,
        "options": credential.options,
        "last_four": credential.last_four,
        "allowed_models": credential.allowed_models,
        "priority": credential.priority,
        "is_enabled": credential.is_enabled,
        "former_secret_until": credential.previous_until if credential.keeps_former_secret else None,
        "last_used_at": credential.last_used_at,
        "test_outcome": credential.test_outcome,
    }


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
