"""The keys that sign tokens, for operators: where in its life each is, the change to the next one, the emergency."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts.admin.common import code, moment
from console.access import actor_of
from console.actions import object_action
from console.options import OperatorModelAdmin
from console.sites import operator_site
from gateway.forms.tokens import ReasonForm, reason_form
from gateway.models import KeyState, SigningKey
from gateway.services.signing_keys import (
    cost_of_revoking,
    needed_for,
    ready_at,
    revoke_signing_key,
    rotate_signing_keys,
)
from tenants.admin.common import STYLE, badge, two_lines
from tenants.permissions import P

_STATES = {
    KeyState.NEXT: ("Next", ""),
    KeyState.SIGNING: ("Signs", "good"),
    KeyState.RETIRED: ("Still published", "warn"),
    KeyState.WITHDRAWN: ("Withdrawn", ""),
    KeyState.REVOKED: ("Revoked", "bad"),
}


def _revocation_questions(model_admin: Any, request: HttpRequest, obj: Any) -> type[forms.Form]:
    return reason_form(cost_of_revoking(obj))


@admin.register(SigningKey, site=operator_site)
class SigningKeyAdmin(OperatorModelAdmin):
    """One key signs, the next one waits; beat changes them."""

    permissions: ClassVar = {"view": P.LLM_PROXY_READ}
    menu = ("LLM proxy", 10)
    icon = "key_vertical"
    description = "See which key signs access tokens, let the next one sign, and end one that leaked."
    empty_title = "No signing keys yet"
    empty_text = "The first ones are made when the portal starts."

    list_display = ("title", "state_badge", "published", "signs", "words")
    ordering = ("-created_at", "-kid")
    fields = readonly_fields = ("kid_text", "state_badge", "words", "held", "published", "signs", "ended")
    actions_detail = ("rotate", "revoke")

    class Media:
        css = STYLE

    def history_url(self, request: HttpRequest, obj: Any) -> str:
        """Return where the events about this key are."""
        return f"{reverse('operator:audit_log')}?target={obj.pk}"

    # Actions -----------------------------------------------------------------------------------------

    @object_action(
        permission=P.LLM_PROXY_MANAGE,
        description="Let it sign now",
        confirm="This key signs from now on. The one that signed is destroyed; it stays published until the last token "
        "that it signed has expired, so that none is refused. Another next key is published.",
        icon="autorenew",
        form=ReasonForm,
        when=lambda key: key.state is KeyState.NEXT and key.wrapped is not None,
    )
    def rotate(self, request: HttpRequest, obj: SigningKey, data: dict[str, Any]) -> None:
        """Let the next key sign."""
        rotate_signing_keys(actor=actor_of(request), reason=data["reason"])
        messages.success(request, "The next key signs now.")

    @object_action(
        permission=P.LLM_PROXY_MANAGE,
        description="Revoke",
        confirm="For a key that somebody else may have. It leaves the published keys at once, for good.",
        icon="key_off",
        danger=True,
        form=_revocation_questions,
        typed=lambda key: key.kid[:8],
        when=lambda key: key.is_published,
    )
    def revoke(self, request: HttpRequest, obj: SigningKey, data: dict[str, Any]) -> None:
        """End the key at once."""
        signing = revoke_signing_key(key=obj, actor=actor_of(request), reason=data["reason"])
        follows = f" {signing.kid[:8]}… signs now." if signing is not None else ""
        messages.success(request, f"The signing key was revoked.{follows}")

    # Columns -----------------------------------------------------------------------------------------

    @admin.display(description="Key ID")
    def title(self, obj: SigningKey) -> SafeString:
        """Return the beginning of the key ID, and who holds the key."""
        return two_lines(f"{obj.kid[:12]}…" if len(obj.kid) > 12 else obj.kid, self.held(obj))  # noqa: PLR2004 - reads well

    @admin.display(description="Key ID")
    def kid_text(self, obj: SigningKey) -> str:
        """Return the key ID."""
        return code(obj.kid)

    @admin.display(description="State")
    def state_badge(self, obj: SigningKey) -> SafeString:
        """Return where in its life it is."""
        return badge(*_STATES[obj.state])

    @admin.display(description="What comes next")
    def words(self, obj: SigningKey) -> SafeString | str:
        """Return what happens to it, in words."""
        match obj.state:
            case KeyState.NEXT:
                return f"Every proxy knows it from {moment(ready_at(obj))} on"
            case KeyState.SIGNING if obj.wrapped is not None:
                return f"Signs for {settings.SIGNING_KEY_DAYS} days; then the next one does"
            case KeyState.SIGNING:
                return "Signs until GATEHOUSE_SIGNING_JWKS names another one first"
            case KeyState.RETIRED if obj.retired_at is not None:
                return f"Withdrawn at {moment(obj.retired_at + needed_for())}: its tokens are over by then"
            case KeyState.REVOKED:
                return obj.reason
        return "Nothing: it is over"

    @admin.display(description="Private part")
    def held(self, obj: SigningKey) -> str:
        """Return where its private part is."""
        if obj.wrapped is not None:
            return "In the vault"
        given = obj.kid in {key.kid for key in settings.SIGNING_JWKS}
        return "Given by the environment" if given and obj.is_published else "Destroyed, or not here"

    @admin.display(description="Published")
    def published(self, obj: SigningKey) -> str:
        """Return since when proxies can know it."""
        return moment(obj.created_at)

    @admin.display(description="Signed")
    def signs(self, obj: SigningKey) -> SafeString:
        """Return from when until when it signed."""
        if obj.signs_from is None:
            return two_lines("Nothing yet")
        until = f"until {moment(obj.retired_at)}" if obj.retired_at is not None else ""
        return two_lines(f"from {moment(obj.signs_from)}", until)

    @admin.display(description="Withdrawn")
    def ended(self, obj: SigningKey) -> str:
        """Return since when nothing accepts it."""
        end: datetime | None = obj.revoked_at or obj.withdrawn_at
        return moment(end) if end is not None else "Not yet"
