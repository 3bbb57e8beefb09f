"""API keys: who has which, making one, showing its secret once, rotating and revoking."""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from accounts.forms.api_keys import (
    ApiKeyForm,
    OverlapForm,
    RevocationForm,
    rotation_form,
)
from accounts.key_format import API_KEY_KINDS, KeyKind
from accounts.models import ApiKey
from accounts.selectors import current_secret, with_secret
from accounts.services.api_keys import (
    create_api_key,
    is_own,
    may_change,
    revoke_api_key,
    revoke_api_keys,
    rotate_api_key,
    update_api_key,
)
from accounts.services.key_rules import IssuedKey
from console.access import actor_of, can
from console.actions import bulk_action, object_action
from console.keyset import KeysetList
from console.links import root_url
from console.options import TenantModelAdmin
from console.reveal import show_secret
from console.sites import tenant_site
from isolation.actor import ActorKind
from tenants.admin.common import WithHistory, authority_of, organization_of
from tenants.permissions import P

from . import key_kinds
from .issuing import IssuesKeys
from .key_columns import ApiKeyColumns
from .key_fields import fields_of, new_fields
from .key_filters import ExpiryFilter, SecretAgeFilter, StateFilter, WhoseFilter

_TRY = "api/v1/me"

_FACTS = ("state", "owner_name", "environment_name", "public_id_text", "secret_text", "used", "made")
_SETTINGS = ("name", "note", "scopes", "expires_at", "allowed_networks")
_SETTINGS_IN_WORDS = ("note_text", "scopes_text", "expires", "networks_text")


def _rotation_questions(model_admin: Any, request: HttpRequest, obj: Any) -> type[forms.Form]:
    return rotation_form(OverlapForm, current_secret(obj).pk)


@admin.register(ApiKey, site=tenant_site)
class ApiKeyAdmin(ApiKeyColumns, IssuesKeys, WithHistory, KeysetList, TenantModelAdmin):
    """The keys that the actor sees, newest first; everybody sees and makes their own."""

    permissions: ClassVar = {"view": P.API_KEYS_READ, "add": P.API_KEYS_MANAGE, "change": P.API_KEYS_MANAGE}
    menu = ("Access", 60)
    icon = "key"
    description = "What programs sign in with: create, rotate and revoke keys, see when each was last used."
    empty_title = "No API keys yet"
    empty_text = "A program signs in with a key. Make one for a project, a service account or for your own scripts."

    form = ApiKeyForm
    exclude = ("project", "service_account", "environment")  # chosen once; the form has fields of its own for them
    list_display = ("title", "state", "belongs_to", "environment_name", "used", "expires")
    list_filter = (StateFilter, "kind", "environment", "project", ExpiryFilter, SecretAgeFilter, WhoseFilter)
    search_fields = ("^name", "public_id__startswith")
    search_help_text = "Search by the beginning of a name or public id"
    ordering = ("-created_at", "-pk")
    actions = ("revoke_selected",)
    actions_detail = ("rotate", "revoke")
    created_title = "The key was created"

    # Who may -----------------------------------------------------------------------------------------

    def allows(self, request: HttpRequest, verb: str, obj: Any = None) -> bool:
        """Return whether the actor may do `verb`: by permission, and with their own keys always."""
        actor = actor_of(request)
        if obj is None:
            if verb == "view":
                return actor.kind is ActorKind.USER or authority_of(request).allows_somewhere(P.API_KEYS_READ)
            if verb == "add":
                return bool(key_kinds.may_make(request))
            return super().allows(request, verb)
        if verb == "view":
            return super().allows(request, verb, obj) or is_own(obj, actor_of(request))
        return super().allows(request, verb, obj) if verb != "change" else self._may_edit(request, obj)

    def holds(self, request: HttpRequest, permission: str, obj: Any = None) -> bool:
        """Return whether a button is the actor's: who manages keys revokes other people's, and changes their own."""
        if obj is None:  # the list's own: the keys themselves are asked when they are chosen
            return actor_of(request).kind is ActorKind.USER
        if permission == P.API_KEYS_ROTATE:
            return may_change(obj, actor_of(request), permission)
        return can(request, permission, obj) or is_own(obj, actor_of(request))

    def _may_edit(self, request: HttpRequest, obj: ApiKey) -> bool:
        return obj.revoked_at is None and may_change(obj, actor_of(request))

    # Reading -----------------------------------------------------------------------------------------

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the keys that the actor sees, with what a row shows."""
        return with_secret(super().narrow(request, queryset))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list; an empty one offers the kinds of key that the actor may make."""
        found = super().get_changelist_instance(request)
        if key_kinds.may_make(request) == [KeyKind.PERSONAL]:
            found.empty_text = "A program of yours signs in with a key. Make one for your own scripts."
        return found

    # The form ----------------------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for the kind of key first, then show its form."""
        self.demand(request, "add")
        kinds = key_kinds.may_make(request)
        if _kind(request) not in kinds:
            if len(kinds) == 1 and request.method == "GET":
                return HttpResponseRedirect(f"{request.path}?kind={kinds[0]}")
            context = {
                "title": "New API key",
                "breadcrumbs": [{"title": "API keys", "url": self._list()}],
                "choices": list(key_kinds.choices(request)),
                "cancel_url": self._list(),
            }
            return tenant_site.render(request, "accounts/choose_kind.html", context)
        return super().add_view(request, form_url, extra_context)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is asked of a new key, or shown of one."""
        if obj is None:
            owner = {
                KeyKind.PROJECT: ("project",),
                KeyKind.SERVICE_ACCOUNT: ("service_account", "environment"),
            }.get(_kind(request) or KeyKind.ORGANIZATION, ("environment",))
            return (
                (None, {"fields": ("name", *owner, "note"), "description": self._about_kind(request)}),
                ("What it may do", {"fields": ("scopes",)}),
                ("Until when and from where", {"fields": ("expires_at", "allowed_networks")}),
            )
        settings = _SETTINGS if self._may_edit(request, obj) else _SETTINGS_IN_WORDS
        facts = (*_FACTS, "ended") if obj.revoked_at else _FACTS
        return ((None, {"fields": facts}), ("Settings", {"fields": settings}))

    def _about_kind(self, request: HttpRequest) -> str:
        kind = _kind(request)
        if kind is None:
            return ""
        text = format_html("<strong>{}.</strong> {}", _words(kind).capitalize(), key_kinds.about(kind))
        if len(key_kinds.may_make(request)) == 1:
            return text
        return format_html('{} <a class="tn-link" href="?">Another kind</a>', text)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is told in words."""
        if obj is None:
            return ()
        return (*_FACTS, "ended", *_SETTINGS_IN_WORDS)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return the project or service account that a link named."""
        return {name: request.GET[name] for name in ("project", "service_account") if name in request.GET}

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return the form class, whose fields know the actor, the kind of key and the organization's rules."""
        form_class = super().get_form(request, obj, change, **kwargs)
        # Declared fields are shared by all form classes, and in each; this one speaks about one actor and kind of key.
        made = fields_of(request, obj) if obj is not None else new_fields(request, _kind(request))
        asked = set(flatten_fieldsets(self.get_fieldsets(request, obj)))
        asked -= set(self.get_readonly_fields(request, obj))
        form_class.base_fields = {
            name: made.get(name, field) for name, field in form_class.base_fields.items() if name in asked
        }
        return form_class

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """Show the form; a new key's says of which kind it will be."""
        if kwargs.get("add"):
            context["title"] = f"New {_words(_kind(request))}"
        return super().render_change_form(request, context, **kwargs)

    # Writing -----------------------------------------------------------------------------------------

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> ApiKey:
        """Create a key of the kind that the address names."""
        project, account = values.pop("project", ""), values.pop("service_account", "")
        rows = key_kinds.projects_of(request, project) if project else []
        accounts = key_kinds.accounts_of(account) if account else []
        key: ApiKey = self.create_once(
            request,
            lambda key_id: create_api_key(
                organization=organization_of(request),
                kind=str(_kind(request)),
                project=next((row for row in rows if str(row.pk) == project), None),
                service_account=next((row for row in accounts if str(row.pk) == account), None),
                actor=actor_of(request),
                key_id=key_id,
                **{**values, "environment": values.get("environment")},
            ),
        )
        return key

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change what the key is called, may do, and from where and until when it is accepted."""
        update_api_key(
            key=obj,
            name=values.get("name", obj.name),
            note=values.get("note", obj.note),
            scopes=self._kept(request, obj, values["scopes"]) if "scopes" in values else obj.scopes,
            expires_at=values.get("expires_at", obj.expires_at),
            allowed_networks=values.get("allowed_networks", obj.allowed_networks),
            actor=actor_of(request),
        )

    def _kept(self, request: HttpRequest, obj: ApiKey, chosen: list[str]) -> list[str]:
        """Return the chosen scopes and those that a browser leaves out because their boxes are disabled.

        Those of other kinds the service refuses, and says so; a personal key loses what its owner lost.
        """
        if obj.kind == KeyKind.PERSONAL:
            return chosen
        offered = key_kinds.grantable(actor_of(request), obj.kind, obj.project)
        return [*chosen, *sorted(obj.permissions - offered)]

    @object_action(
        permission=P.API_KEYS_ROTATE,
        description="Rotate",
        confirm="The key gets a new secret, which is shown once. Its public id, scopes and settings stay; a key that "
        "expires begins its life anew.",
        icon="autorenew",
        form=_rotation_questions,
        when=lambda key: key.state == "active",
    )
    def rotate(self, request: HttpRequest, obj: ApiKey, data: dict[str, Any]) -> HttpResponse:
        """Give the key a new secret and show it."""
        issued = rotate_api_key(
            key=obj,
            actor=actor_of(request),
            overlap=timedelta(seconds=int(data["overlap"])),
            expected_secret_id=data["expected"],
        )
        return self.reveal(request, issued, title="The key has a new secret")

    @object_action(
        permission=P.API_KEYS_MANAGE,
        description="Revoke",
        confirm="The key ends at once and for good: every program that uses it is refused. To replace its secret "
        "without an interruption, rotate it.",
        icon="key_off",
        danger=True,
        form=RevocationForm,
        when=lambda key: key.revoked_at is None,
    )
    def revoke(self, request: HttpRequest, obj: ApiKey, data: dict[str, Any]) -> None:
        """End the key."""
        revoke_api_key(key=obj, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"The key {obj.name} was revoked.")

    @bulk_action(
        permission=P.API_KEYS_MANAGE,
        description="Revoke",
        confirm="These keys end at once and for good; those that are revoked already stay as they are.",
        form=RevocationForm,
        danger=True,
    )
    def revoke_selected(self, request: HttpRequest, rows: list[ApiKey], data: dict[str, Any]) -> HttpResponse:
        """End the selected keys, all or none."""
        ended = revoke_api_keys(keys=rows, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"{len(ended)} {'key was' if len(ended) == 1 else 'keys were'} revoked.")
        return HttpResponseRedirect(request.get_full_path())

    def reveal(self, request: HttpRequest, issued: IssuedKey, *, title: str) -> HttpResponse:
        """Return the page with a secret that was just made."""
        return show_secret(
            self.admin_site,
            request,
            issued,
            title=title,
            intro=f"{_words(issued.key.kind).capitalize()} “{issued.key.name}”.",
            done_url=self.object_url(issued.key),
            try_url=root_url(_TRY),
        )

    def _list(self) -> str:
        return reverse("console:accounts_apikey_changelist")


def _kind(request: HttpRequest) -> KeyKind | None:
    """Return the kind that the address of the form names."""
    wanted = request.GET.get("kind", "")
    return KeyKind(wanted) if wanted in API_KEY_KINDS else None


def _words(kind: Any) -> str:
    return f"{str(kind).replace('_', ' ')} key"
