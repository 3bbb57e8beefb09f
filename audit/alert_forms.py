"""The forms of alerts, their rules and their channels."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget

from console.confirm import dress
from isolation.exceptions import DomainError

from .alerts.channels import Channel
from .alerts.models import EMAIL
from .alerts.tuning import Tuning
from .models import AlertChannel
from .services.alert_channels import LONGEST_NAME
from .services.alert_rules import LONGEST_WINDOW
from .services.alerts import LONGEST_NOTE
from .sinks.base import Entry, Option
from .sinks.http import CONNECTION

_PREFIX = "option_"
_CONNECTION = {_PREFIX + option.name for option in CONNECTION}
MUTINGS = {
    "hour": ("For an hour", timedelta(hours=1)),
    "day": ("For a day", timedelta(days=1)),
    "week": ("For a week", timedelta(days=7)),
    "month": ("For 30 days", timedelta(days=30) - timedelta(minutes=1)),
}


class _Refusable(forms.Form):
    """A form that shows what a service refuses."""

    def refuse(self, error: DomainError) -> None:
        """Show it at the field that it speaks of."""
        names = (error.field, _PREFIX + (error.field or ""))
        self.add_error(next((name for name in names if name in self.fields), None), error.message)


class AcknowledgeForm(_Refusable):
    """Asks what somebody found."""

    note = forms.CharField(
        label="Note",
        required=False,
        max_length=LONGEST_NOTE,
        help_text="What you found, for the others. It stands in the audit log as well.",
    )

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        dress(self.fields["note"])


class MuteForm(_Refusable):
    """Asks for how long."""

    span = forms.ChoiceField(label="How long", choices=[(name, label) for name, (label, _span) in MUTINGS.items()])

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, initial={"span": "day"})
        dress(self.fields["span"])


class RuleForm(_Refusable):
    """How a rule is set.

    Args:
        data: what was sent, None before.
        tuning: how it is set now.
        channels: those that there are.
        editable: whether it may be changed.
    """

    is_active = forms.BooleanField(label="Watch", required=False)
    threshold = forms.IntegerField(label="Threshold", min_value=1)
    window_minutes = forms.IntegerField(label="Within how many minutes", min_value=1, max_value=LONGEST_WINDOW)
    is_default = forms.BooleanField(label="Tell as the rule says", required=False)
    channels = forms.MultipleChoiceField(label="Otherwise only", required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        tuning: Tuning,
        channels: Iterable[AlertChannel],
        editable: bool,
    ) -> None:
        rule = tuning.rule
        super().__init__(
            data,
            initial={
                "is_active": tuning.is_active,
                "threshold": tuning.threshold,
                "window_minutes": round(tuning.window.total_seconds() / 60),
                "is_default": tuning.channels is None,
                "channels": list(tuning.channels or ()),
            },
        )
        self._tuning = tuning
        threshold, window = self.fields["threshold"], self.fields["window_minutes"]
        threshold.label = rule.counts[:1].upper() + rule.counts[1:]
        threshold.help_text = f"At most {rule.kind.most:,}. Without a change: {rule.threshold:,}."
        window.help_text = f"Without a change: {round(rule.window.total_seconds() / 60):,}."
        if not rule.counts:
            del self.fields["threshold"]
        if not rule.kind.has_window:
            del self.fields["window_minutes"]
        told = "nobody: it waits on the page"
        if rule.is_told:
            told = "every channel; a mail of its own tells people" if rule.has_own_mail else "e-mail and every channel"
        self.fields["is_default"].help_text = f"That is {told}. Off: only what is ticked below."
        choices = [(EMAIL, "E-mail to everybody who manages alerts")]
        choices += [(str(channel.pk), channel.name) for channel in channels]
        self.fields["channels"].choices = choices  # type: ignore[attr-defined]
        for field in self.fields.values():
            dress(field)
            field.disabled = not editable

    def tried(self) -> dict[str, int]:
        """Return what a dry run is made with; the form must be valid."""
        names = ("threshold", "window_minutes")
        return {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}

    def values(self) -> dict[str, Any]:
        """Return what is set, None where it is the default; the form must be valid."""
        rule, values = self._tuning.rule, self.cleaned_data
        found: dict[str, Any] = {"is_active": values["is_active"]}
        if "threshold" in values:
            found["threshold"] = None if values["threshold"] == rule.threshold else values["threshold"]
        if "window_minutes" in values:
            minutes = values["window_minutes"]
            found["window_minutes"] = None if timedelta(minutes=minutes) == rule.window else minutes
        found["channels"] = None if values["is_default"] else values["channels"]
        return found


class ChannelForm(_Refusable):
    """A channel of one kind: its name and what it wants to be told.

    Args:
        data: what was sent, None before.
        receiver: the kind.
        channel: the one that is changed, None for a new one.
    """

    name = forms.CharField(label="Name", max_length=LONGEST_NAME, help_text="Such as “Security room”.")

    def __init__(
        self, data: Mapping[str, Any] | None, *, receiver: type[Channel], channel: AlertChannel | None = None
    ) -> None:
        stored = channel.options if channel is not None else {}
        initial = {_PREFIX + option.name: stored.get(option.name, option.default) for option in receiver.options}
        super().__init__(data, initial={**initial, "name": channel.name if channel is not None else ""})
        self._receiver = receiver
        for option in receiver.options:
            self.fields[_PREFIX + option.name] = _field(option, is_new=channel is None)
        for field in self.fields.values():
            dress(field)

    @property
    def first_fields(self) -> list[forms.BoundField]:
        """Return what everybody fills in."""
        return [self[name] for name in self.fields if name not in _CONNECTION]

    @property
    def more_fields(self) -> list[forms.BoundField]:
        """Return what few need: certificates, a proxy."""
        return [self[name] for name in self.fields if name in _CONNECTION]

    @property
    def more_has_errors(self) -> bool:
        """Return whether one of these is refused."""
        return any(field.errors for field in self.more_fields)

    def options(self) -> dict[str, Any]:
        """Return what the channel is told; the form must be valid."""
        return {option.name: self.cleaned_data[_PREFIX + option.name] for option in self._receiver.options}


class _WriteOnlyTextarea(UnfoldAdminTextareaWidget):  # type: ignore[misc] # unfold has no type hints
    """A text area that never shows what was stored or sent."""

    def format_value(self, value: Any) -> str:
        """Return nothing."""
        return ""


def _field(option: Option, *, is_new: bool) -> forms.Field:
    required = option.required and (is_new or not option.secret)
    text = option.help if is_new or not option.secret else f"{option.help} Empty: it stays as it is."
    widget: forms.Widget = forms.TextInput({"autocomplete": "off", "spellcheck": "false"})
    if option.entry is Entry.LONG:
        attributes = {"rows": 4, "spellcheck": "false"}
        widget = _WriteOnlyTextarea(attributes) if option.secret else UnfoldAdminTextareaWidget(attributes)
    elif option.secret:
        widget = UnfoldAdminPasswordWidget({"autocomplete": "off"})
    return forms.CharField(label=option.label, help_text=text, required=required, widget=widget)


def chosen(values: Iterable[str]) -> list[UUID]:
    """Return the ids among what a list's checkboxes sent."""
    found = []
    for value in values:
        try:
            found.append(UUID(value))
        except ValueError:
            continue
    return found
