"""The platform's own keys, for operators: what lets a service verify the keys of every organization."""

from copy import deepcopy
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.forms.api_keys import PlatformKeyForm, RevocationForm, RotationForm, life_fields, rotation_form
from accounts.models import PlatformKey
from accounts.services.key_rules import IssuedKey
from accounts.services.platform_keys import (
    create_platform_key,
    revoke_platform_key,
    rotate_platform_key,
    update_platform_key,
)
from console.access import actor_of
from console.actions import object_action
from console.options import OperatorModelAdmin
from console.reveal import show_secret
from console.sites import operator_site
from tenants.permissions import P

from .common import code
from .issuing import IssuesKeys
from .key_columns import KeyColumns
from .key_filters import StateFilter

_TRY = "/api/v1/introspect"


def _rotation_questions(model_admin: Any, request: HttpRequest, obj: Any) -> type[forms.Form]:
    return rotation_form(RotationForm, obj.last_four)


@admin.register(PlatformKey, site=operator_site)
class PlatformKeyAdmin(KeyColumns, IssuesKeys, OperatorModelAdmin):
    """Keys that belong to no organization; they open introspection and nothing else."""

    permissions: ClassVar = {"view": P.API_KEYS_READ, "add": P.API_KEYS_MANAGE, "change": P.API_KEYS_MANAGE}
    menu = ("Access", 10)
    icon = "vpn_key"
    description = "Let a service of the LLM platform verify the keys of every organization."
    empty_title = "No platform keys yet"
    empty_text = "A service of the LLM platform verifies keys with a platform key. Make one for each service."

    form = PlatformKeyForm
    list_display = ("title", "used", "expires", "state")
    list_filter = (StateFilter,)
    search_fields = ("^name", "public_id__startswith")
    search_help_text = "Search by the beginning of a name or public id"
    ordering = ("name",)
    actions_detail = ("rotate", "revoke")
    created_title = "The platform key was created"

    def allows(self, request: HttpRequest, verb: str, obj: Any = None) -> bool:
        """Return whether the operator may do `verb`; a revoked key stays as it is."""
        return super().allows(request, verb, obj) and not (verb == "change" and obj is not None and obj.revoked_at)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is asked of a new key, or shown of one."""
        if obj is None:
            return ((None, {"fields": ("name", "note", "expires_at", "allowed_networks")}),)
        facts = ("state", "public_id_text", "secret_text", "used", "made")
        if obj.revoked_at:
            return ((None, {"fields": (*facts, "ended")}), ("Settings", {"fields": _IN_WORDS}))
        return ((None, {"fields": facts}), ("Settings", {"fields": ("name", "note", "expires_at", "allowed_networks")}))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is told in words."""
        if obj is None:
            return ()
        return ("state", "public_id_text", "secret_text", "used", "made", "ended", *_IN_WORDS)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return the form class, with the fields of this very key."""
        form_class = super().get_form(request, obj, change, **kwargs)
        form_class.base_fields = deepcopy(form_class.base_fields)
        made = life_fields(max_days=None, key=obj)
        form_class.base_fields.update({name: made[name] for name in form_class.base_fields if name in made})
        return form_class

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return nothing: no link proposes values."""
        return {}

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> PlatformKey:
        """Create a key."""
        key: PlatformKey = self.create_once(
            request, lambda key_id: create_platform_key(actor=actor_of(request), key_id=key_id, **values)
        )
        return key

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change what the key is called, and from where and until when it is accepted."""
        now = {name: getattr(obj, name) for name in ("name", "note", "expires_at", "allowed_networks")}
        update_platform_key(key=obj, actor=actor_of(request), **{**now, **values})

    def history_url(self, request: HttpRequest, obj: Any) -> str:
        """Return where the events about this key are."""
        return reverse("operator:audit_timeline", args=[obj.pk])

    def reveal(self, request: HttpRequest, issued: IssuedKey, *, title: str) -> HttpResponse:
        """Return the page with a secret that was just made."""
        return show_secret(
            self.admin_site,
            request,
            issued,
            title=title,
            intro=f"Platform key “{issued.key.name}”. With it a service verifies the keys of every organization.",
            done_url=self.object_url(issued.key),
            try_url=f"{settings.GATEWAY_PUBLIC_URL}{_TRY}",
            try_data="token=gatesk_…",
            try_help="Put the key of an organization in place of gatesk_…: the answer says what it may do now.",
        )

    # Actions -----------------------------------------------------------------------------------------

    @object_action(
        permission=P.API_KEYS_ROTATE,
        description="Rotate",
        confirm="The key gets a new secret, which is shown once. The old one stops working now: for an overlap, make a "
        "second key, and revoke this one afterwards.",
        icon="autorenew",
        form=_rotation_questions,
        when=lambda key: key.revoked_at is None,
    )
    def rotate(self, request: HttpRequest, obj: PlatformKey, data: dict[str, Any]) -> HttpResponse:
        """Give the key a new secret and show it."""
        issued = rotate_platform_key(key=obj, actor=actor_of(request), expected_last_four=data["expected"])
        return self.reveal(request, issued, title="The platform key has a new secret")

    @object_action(
        permission=P.API_KEYS_MANAGE,
        description="Revoke",
        confirm="The key ends at once and for good: services that use it can verify no keys any more.",
        icon="key_off",
        danger=True,
        form=RevocationForm,
        when=lambda key: key.revoked_at is None,
    )
    def revoke(self, request: HttpRequest, obj: PlatformKey, data: dict[str, Any]) -> None:
        """End the key."""
        revoke_platform_key(key=obj, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"The platform key {obj.name} was revoked.")

    # Columns -----------------------------------------------------------------------------------------

    @admin.display(description="Secret")
    def secret_text(self, obj: PlatformKey) -> str:
        """Return the end of the secret."""
        return code(f"…{obj.last_four}")


_IN_WORDS = ("note_text", "expires", "networks_text")
