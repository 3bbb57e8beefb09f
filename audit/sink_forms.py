"""The forms of sinks: one is made of what a destination wants to be told."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any
from uuid import UUID

from django import forms
from unfold.widgets import INPUT_CLASSES, UnfoldAdminTextareaWidget

from console.confirm import dress
from isolation.exceptions import DomainError

from .masking.selection import LABELS
from .models import RecordFormat, Sink
from .query import LONGEST
from .services.sinks import COMMON, LARGEST_BATCH_EVENTS, LONGEST_BATCH_SECONDS, LONGEST_NAME, SMALLEST_BATCH_BYTES
from .sinks.base import Destination, Entry, Option
from .sinks.http import CONNECTION
from .sinks.options import LONGEST as LONGEST_OPTION

START = "start"
FROM_NOW, FROM_BEGINNING = "now", "beginning"
_PREFIX = "option_"
_CONNECTION = {_PREFIX + option.name for option in CONNECTION if not option.required}
_MOMENT = "%Y-%m-%dT%H:%M"
_WIDGETS: dict[Entry, dict[str, Any]] = {
    Entry.LONG: {"rows": 4, "spellcheck": "false"},
    Entry.URL: {"inputmode": "url", "autocomplete": "off", "placeholder": "https://"},
}


class WriteOnlyTextarea(UnfoldAdminTextareaWidget):  # type: ignore[misc] # unfold has no type hints
    """A text area that never shows what was stored or sent."""

    def format_value(self, value: Any) -> str:
        """Return nothing."""
        return ""


class SinkForm(forms.Form):
    """A sink of one kind: its name, what its destination wants to be told, and what every sink has.

    Args:
        data: what was sent, None before.
        receiver: the destination.
        sink: the sink that is changed, None for a new one.
    """

    name = forms.CharField(label="Name", max_length=LONGEST_NAME, help_text="What people read, such as “Our SIEM”.")
    format = forms.ChoiceField(label="Format", choices=RecordFormat.choices, help_text="What a record looks like.")
    query = forms.CharField(
        label="Only events that match",
        required=False,
        max_length=LONGEST,
        help_text="As in the search field of the log, such as outcome:denied. Empty: every event.",
    )
    sent_fields = forms.MultipleChoiceField(
        label="Fields that are sent",
        required=False,
        choices=[*LABELS.items()],
        widget=forms.CheckboxSelectMultiple,
        help_text="Id, number, hash, time, organization, action, outcome, kind of actor and via are always sent. With "
        "proofs, ids and kinds cannot be left out: they stand in what is proven, as do numbers among the values.",
    )
    has_proofs = forms.BooleanField(
        label="With proofs",
        required=False,
        help_text="Each record carries what proves that your copy is complete. It makes records about twice as long.",
    )
    sends_checkpoints = forms.BooleanField(
        label="With checkpoints",
        required=False,
        help_text="The newest signed checkpoint comes as a record of its own: kept there, it proves that the log was "
        "not rewritten since. Only where records are JSON.",
    )
    batch_events = forms.IntegerField(label="Events in a batch", min_value=1, max_value=LARGEST_BATCH_EVENTS)
    batch_bytes = forms.IntegerField(label="Bytes in a batch", min_value=SMALLEST_BATCH_BYTES)
    batch_seconds = forms.IntegerField(
        label="Seconds that a batch waits for more", min_value=0, max_value=LONGEST_BATCH_SECONDS
    )

    def __init__(
        self, data: Mapping[str, Any] | None, *, receiver: type[Destination], sink: Sink | None = None
    ) -> None:
        super().__init__(data, initial=_initial(receiver, sink))
        self.receiver = receiver
        for option in receiver.options:
            self.fields[_PREFIX + option.name] = _field(option, sink)
        if sink is None:
            self.fields[START] = forms.ChoiceField(
                label="Which events",
                choices=[
                    (FROM_NOW, "Those that happen from now on"),
                    (FROM_BEGINNING, "Everything that is in the log, from its beginning"),
                ],
            )
        self.fields["batch_events"].help_text = f"At most {min(receiver.limits.events, LARGEST_BATCH_EVENTS):,} here."
        self.fields["batch_bytes"].help_text = f"At most {receiver.limits.bytes:,} here."
        for field in self.fields.values():
            dress(field)

    @property
    def first_fields(self) -> list[forms.BoundField]:
        """Return what everybody fills in."""
        own = [name for name in self.fields if name.startswith(_PREFIX) and name not in _CONNECTION]
        names = ["name", *own, *([START] if START in self.fields else [])]
        return [self[name] for name in names]

    @property
    def connection_fields(self) -> list[forms.BoundField]:
        """Return what few need: certificates, a proxy."""
        return [self[name] for name in self.fields if name in _CONNECTION]

    @property
    def connection_has_errors(self) -> bool:
        """Return whether one of these is refused."""
        return any(field.errors for field in self.connection_fields)

    @property
    def common_fields(self) -> list[forms.BoundField]:
        """Return what has a sensible value already."""
        return [self[name] for name in self.fields if name in COMMON - {"name"}]

    @property
    def common_has_errors(self) -> bool:
        """Return whether one of these is refused."""
        return any(field.errors for field in self.common_fields)

    def options(self) -> dict[str, Any]:
        """Return what the destination is told; the form must be valid."""
        values = {option.name: self.cleaned_data[_PREFIX + option.name] for option in self.receiver.options}
        return {name: "" if value is None else value for name, value in values.items()}

    def values(self) -> dict[str, Any]:
        """Return what every sink has; the form must be valid."""
        values = {name: value for name, value in self.cleaned_data.items() if name in COMMON}
        every = set(values["sent_fields"]) == LABELS.keys()
        return {**values, "sent_fields": None if every else values["sent_fields"]}

    def refuse(self, error: DomainError) -> None:
        """Show what the service refuses, at the field that it speaks of."""
        names = (_PREFIX + (error.field or ""), error.field)
        self.add_error(next((name for name in names if name in self.fields), None), error.message)


class ReplayForm(forms.Form):
    """Asks from where events are sent again.

    Args:
        data: what was sent, None before.
        logs: (id, name) of the logs, for a sink that receives several.
    """

    seq = forms.IntegerField(label="From the event with the number", required=False, min_value=0, max_value=2**63 - 1)
    since = forms.DateTimeField(
        label="Or from what was sealed since",
        required=False,
        input_formats=[_MOMENT, f"{_MOMENT}:%S"],
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1", "class": " ".join(INPUT_CLASSES)}, format=f"{_MOMENT}:%S"
        ),
        help_text="In UTC.",
    )

    def __init__(self, data: Mapping[str, Any] | None, *, logs: Iterable[tuple[UUID, str]] = ()) -> None:
        super().__init__(data)
        if choices := [(str(pk), name) for pk, name in logs]:
            self.fields["log"] = forms.ChoiceField(
                label="Log",
                required=False,
                choices=[("", "Every log, from a time on"), *choices],
                help_text="Each log has its own numbers.",
            )
        for field in self.fields.values():
            dress(field)

    def clean(self) -> dict[str, Any]:
        """Refuse neither and both."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and (cleaned.get("seq") is None) == (cleaned.get("since") is None):
            self.add_error("seq", "Give a number or a time.")
        elif "log" in self.fields and cleaned.get("seq") is not None and not cleaned.get("log"):
            self.add_error("log", "Choose the log whose number it is.")
        return cleaned

    def wanted(self) -> dict[str, Any]:
        """Return what `replay_sink` takes; the form must be valid."""
        since, log = self.cleaned_data["since"], self.cleaned_data.get("log")
        return {
            "seq": self.cleaned_data["seq"],
            "since": since.replace(tzinfo=UTC) if since else None,
            "log": UUID(log) if log else None,
        }

    def refuse(self, error: DomainError) -> None:
        """Show what the service refuses."""
        self.add_error(error.field if error.field in self.fields else None, error.message)


def _initial(receiver: type[Destination], sink: Sink | None) -> dict[str, Any]:
    if sink is not None:
        plain = {_PREFIX + name: value for name, value in sink.options.items()}
        fields = {"sent_fields": [*LABELS] if sink.sent_fields is None else sink.sent_fields}
        return {name: getattr(sink, name) for name in COMMON} | fields | plain
    defaults = {_PREFIX + option.name: option.default for option in receiver.options if not option.secret}
    return {
        "format": RecordFormat.NATIVE,
        "sent_fields": [*LABELS],
        "has_proofs": True,
        "sends_checkpoints": True,
        "batch_events": min(receiver.limits.events, LARGEST_BATCH_EVENTS),
        "batch_bytes": receiver.limits.bytes,
        "batch_seconds": receiver.batch_seconds,
        START: FROM_NOW,
        **defaults,
    }


def _field(option: Option, sink: Sink | None) -> forms.Field:
    """Return the field of an option."""
    shared: dict[str, Any] = {"label": option.label, "required": option.required, "help_text": option.help}
    if option.secret:
        return _secret_field(option, shared, sink)
    if option.entry is Entry.FLAG:
        return forms.BooleanField(**shared | {"required": False})
    if option.entry is Entry.NUMBER:
        return forms.IntegerField(**shared)
    if option.entry is Entry.CHOICE:
        return forms.ChoiceField(choices=option.choices, **shared)
    if widget := _WIDGETS.get(option.entry):
        shared["widget"] = forms.Textarea(widget) if option.entry is Entry.LONG else forms.TextInput(widget)
    return forms.CharField(max_length=LONGEST_OPTION, **shared)


def _secret_field(option: Option, shared: dict[str, Any], sink: Sink | None) -> forms.Field:
    if sink is not None and option.name in sink.revealed():
        shared |= {"required": False, "help_text": f"{option.help} One is stored; leave it empty to keep it.".strip()}
    else:
        shared |= {"help_text": f"{option.help} Kept encrypted, and never shown again.".strip()}
    attributes = {"autocomplete": "off", "spellcheck": "false"}
    widget: forms.Widget
    if option.entry is Entry.LONG:
        widget = WriteOnlyTextarea({**attributes, "rows": 4})
    else:
        widget = forms.PasswordInput({**attributes, "autocomplete": "new-password"}, render_value=False)
    return forms.CharField(max_length=LONGEST_OPTION, widget=widget, **shared)
