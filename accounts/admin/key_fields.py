"""The fields of one key's form, which know the actor, the kind of key and the organization's rules."""

from django import forms
from django.http import HttpRequest

from accounts.forms.api_keys import choice, environment_field, life_fields
from accounts.forms.fields import scopes_field
from accounts.key_format import KeyKind
from accounts.models import ApiKey
from console.access import actor_of
from tenants.admin.common import organization_of

from . import key_kinds


def new_fields(request: HttpRequest, kind: KeyKind | None) -> dict[str, forms.Field]:
    """Return the fields of a new key of this kind."""
    fields: dict[str, forms.Field] = {
        **life_fields(max_days=organization_of(request).api_key_max_days),
        "environment": environment_field(),
    }
    project = None
    if kind == KeyKind.PROJECT:
        projects = key_kinds.projects_of(request, request.GET.get("project", ""))
        wanted = request.POST.get("project") or request.GET.get("project") or ""
        project = next((row for row in projects if str(row.pk) == wanted), None)
        rows = [(str(row.pk), f"{row.name} · {row.get_environment_display().lower()}") for row in projects]
        help_text = "The key counts here alone, and has the project's environment."
        fields["project"] = choice("Project", _offered(rows, "Choose a project"), help_text)
    if kind == KeyKind.SERVICE_ACCOUNT:
        accounts = key_kinds.accounts_of(request.GET.get("service_account", ""))
        rows = [(str(row.pk), row.name) for row in accounts]
        fields["service_account"] = choice("Service account", _offered(rows, "Choose a service account"))
    fields["scopes"] = scopes_field(
        grantable=key_kinds.grantable(actor_of(request), str(kind), project), project_only=kind == KeyKind.PROJECT
    )
    return fields


def fields_of(request: HttpRequest, obj: ApiKey) -> dict[str, forms.Field]:
    """Return the fields that change a key."""
    personal = obj.kind == KeyKind.PERSONAL
    lacking = "You do not hold this any more: it has no effect, and saving takes it away."
    above = "You do not hold this yourself, so you cannot change this key."
    return {
        **life_fields(max_days=organization_of(request).api_key_max_days, key=obj),
        "scopes": scopes_field(
            grantable=key_kinds.grantable(actor_of(request), obj.kind, obj.project),
            beyond=lacking if personal else above,
            project_only=obj.kind == KeyKind.PROJECT,
        ),
    }


def _offered(rows: list[tuple[str, str]], empty: str) -> list[tuple[str, str]]:
    return rows if len(rows) == 1 else [("", empty), *rows]
