"""The form of the sign-in policy."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms

from accounts.models import SignInPolicy, SsoAsSecondFactor, SsoRequired
from accounts.models.sign_in_policy import MOST_IDLE_MINUTES, MOST_SESSION_HOURS, MOST_SESSIONS
from console.confirm import dress
from tenants.models import Membership

from .fields import NetworksField

SECTIONS = (
    (
        "Single sign-on",
        "Who has to come through your identity provider. Sessions that they opened otherwise end at once.",
        ("sso_required", "break_glass"),
    ),
    (
        "Two-step sign-in",
        "Members without a second step are led to set one up before they come in.",
        ("second_factor_required", "sso_as_second_factor"),
    ),
    ("Sessions", "", ("session_hours", "idle_minutes", "concurrent_sessions")),
    ("Networks", "", ("allowed_networks",)),
)


class SignInPolicyForm(forms.Form):
    """What is asked of sessions.

    Args:
        policy: the stored one.
        owners: who can be the break-glass owner.
        editable: whether the actor may change anything.
    """

    sso_required = forms.ChoiceField(
        label="Required for",
        choices=SsoRequired.choices,
        help_text="It also holds for the API with a session, and for people's own keys until they have signed in "
        "through the identity provider once. Service accounts and other keys go on.",
    )
    break_glass = forms.ChoiceField(label="Break-glass owner", required=False)
    second_factor_required = forms.BooleanField(label="Required of every member", required=False)
    sso_as_second_factor = forms.ChoiceField(
        label="Single sign-on counts as two steps", choices=SsoAsSecondFactor.choices
    )
    session_hours = forms.IntegerField(
        label="Longest session, in hours",
        min_value=1,
        max_value=MOST_SESSION_HOURS,
        required=False,
        help_text=SignInPolicy._meta.get_field("session_hours").help_text,
    )
    idle_minutes = forms.IntegerField(
        label="Longest pause, in minutes",
        min_value=5,
        max_value=MOST_IDLE_MINUTES,
        required=False,
        help_text=SignInPolicy._meta.get_field("idle_minutes").help_text,
    )
    concurrent_sessions = forms.IntegerField(
        label="Sessions at a time",
        min_value=1,
        max_value=MOST_SESSIONS,
        required=False,
        help_text=SignInPolicy._meta.get_field("concurrent_sessions").help_text,
    )
    allowed_networks = NetworksField()

    def __init__(self, data: Any = None, *, policy: SignInPolicy, owners: Sequence[Membership], editable: bool) -> None:
        initial = {name: getattr(policy, name) for name in self.base_fields}
        initial["break_glass"] = str(policy.break_glass_id or "")
        super().__init__(data, initial=initial)
        self._owners = {str(owner.pk): owner for owner in owners}
        if policy.break_glass is not None:
            self._owners.setdefault(str(policy.break_glass_id), policy.break_glass)
        choices = [("", "– nobody –"), *((key, str(owner)) for key, owner in self._owners.items())]
        guard = cast("forms.ChoiceField", self.fields["break_glass"])
        guard.choices, guard.help_text = choices, SignInPolicy._meta.get_field("break_glass").help_text
        self.fields["allowed_networks"].help_text = (
            "From where people enter, and use their own keys: an IP address or network (CIDR) a line. Empty: from "
            "everywhere."
        )
        for field in self.fields.values():
            dress(field)
            field.disabled = not editable

    @property
    def sections(self) -> list[tuple[str, str, list[forms.BoundField]]]:
        """Return the fields by heading: (heading, a sentence, fields)."""
        return [(heading, text, [self[name] for name in names]) for heading, text, names in SECTIONS]

    def values(self) -> dict[str, Any]:
        """Return the arguments of `update_sign_in_policy`."""
        return {**self.cleaned_data, "break_glass": self._owners.get(self.cleaned_data["break_glass"])}
