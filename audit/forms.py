"""The viewer's filter form and the export's one question."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone
from unfold.widgets import INPUT_CLASSES, UnfoldAdminSelectWidget

from console.confirm import dress
from isolation.exceptions import DomainError
from isolation.identifiers import parse_uuid

from .catalogue import catalogue
from .models import Outcome
from .places import LogPlaces
from .query import LONGEST, Conditions, Query, QueryError, conditions_of, parse
from .query.qualifiers import names
from .recorder import OPERATOR_SCOPE_ENTERED
from .selectors import EventFilter

RANGES = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
CUSTOM = "custom"
READ_ACROSS = OPERATOR_SCOPE_ENTERED.name
_NOT_NARROWING = {"tz", "reads"}
_MINUTE = "%Y-%m-%dT%H:%M"


class _Moment(forms.DateTimeField):
    """A time as the browser's own picker sends it."""

    widget = forms.DateTimeInput(
        attrs={"type": "datetime-local", "step": "1", "class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%dT%H:%M:%S"
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, input_formats=[_MINUTE, f"{_MINUTE}:%S"], **kwargs)


def action_choices() -> list[tuple[str, Any]]:
    """Return every action, grouped by what it is about; each group begins with all of it."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for action in catalogue:
        groups.setdefault(action.resource, []).append((action.name, action.label))
    choices: list[tuple[str, Any]] = [("", "Any action")]
    for resource, actions in groups.items():
        title = resource.replace("_", " ").capitalize()
        every = [(f"{resource}.*", f"{title}: everything")] if len(actions) > 1 else []
        choices.append((title, every + actions))
    return choices


class FilterForm(forms.Form):
    """What the list is narrowed to; it is sent by GET, so that a filtered list has an address."""

    q = forms.CharField(label="Search", required=False, max_length=LONGEST)
    range = forms.ChoiceField(
        label="Time",
        required=False,
        choices=[
            ("", "Any time"),
            ("24h", "Last 24 hours"),
            ("7d", "Last 7 days"),
            ("30d", "Last 30 days"),
            (CUSTOM, "Between …"),
        ],
    )
    since = _Moment(label="From")
    until = _Moment(label="Until")
    tz = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    actor = forms.CharField(
        label="Actor", required=False, max_length=320, help_text="An address or a key, or how it begins."
    )
    actor_id = forms.UUIDField(required=False, widget=forms.HiddenInput)
    action = forms.ChoiceField(label="Action", required=False)
    target = forms.CharField(label="Target", required=False, max_length=320, help_text="Its whole name, or its id.")
    outcome = forms.ChoiceField(label="Outcome", required=False, choices=[("", "Any outcome"), *Outcome.choices])
    project = forms.UUIDField(label="Project", required=False)
    request = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(
        self, data: Mapping[str, Any], *, places: LogPlaces, projects: Iterable[tuple[UUID, str]] = ()
    ) -> None:
        super().__init__(data)
        self._places = places
        self.query = Query()
        self._conditions: Conditions | None = None
        self.fields["action"].choices = action_choices()  # type: ignore[attr-defined]
        self.fields["project"].widget = self._projects(projects)
        for field in self.fields.values():
            dress(field)

    def clean_tz(self) -> tzinfo:
        """Return the time zone that the two times are meant in; UTC when the browser named none."""
        name = self.cleaned_data["tz"]
        if name in {"", "UTC"}:  # known also on a machine without time zone data
            return UTC
        try:
            return ZoneInfo(name)
        except (LookupError, ValueError, OSError) as error:
            raise forms.ValidationError("There is no such time zone.") from error

    def clean(self) -> dict[str, Any]:
        """Refuse a range that ends before it begins."""
        cleaned = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since >= until:
            self.add_error("until", "This is not later than the beginning.")
        if cleaned.get("q"):
            self._read_query(cleaned["q"], spanned=bool(since or cleaned.get("range") in RANGES))
        return cleaned

    def event_filter(self) -> EventFilter:
        """Return the filter; the form must be valid."""
        values = self.cleaned_data
        since, until = self._time_range()
        return EventFilter(
            since=since,
            until=until,
            actor=values["actor"],
            actor_id=values["actor_id"],
            action=values["action"],
            target=values["target"],
            outcome=values["outcome"],
            project_id=values["project"],
            request_id=values["request"],
            query=self.query,
            conditions=self._conditions,
        )

    @property
    def is_narrowed(self) -> bool:
        """Return whether anything is asked for."""
        return any(self.data.get(name) for name in self.fields if name not in _NOT_NARROWING)

    @property
    def is_narrowed_by_fields(self) -> bool:
        """Return whether anything is asked for outside the search field."""
        return any(self.data.get(name) for name in self.fields if name not in {*_NOT_NARROWING, "q"})

    def _read_query(self, text: str, *, spanned: bool) -> None:
        try:
            self.query = parse(text, names(across=self._places.across))
            self._conditions = conditions_of(self.query, self._places, spanned=spanned)
        except QueryError as error:
            self.add_error("q", str(error))

    def _time_range(self) -> tuple[datetime | None, datetime | None]:
        values = self.cleaned_data
        if values["range"] in RANGES:
            return timezone.now() - RANGES[values["range"]], None
        zone = values["tz"]
        return tuple(  # type: ignore[return-value]
            moment.replace(tzinfo=zone) if moment else None for moment in (values["since"], values["until"])
        )

    def _projects(self, projects: Iterable[tuple[UUID, str]]) -> forms.Widget:
        choices = [("", "Any project"), *((str(pk), name) for pk, name in projects)]
        chosen = str(self.data.get("project") or "")
        if chosen and chosen not in dict(choices):  # a project that is gone keeps its events
            choices.append((chosen, f"Project {chosen[:36]}"))
        widget: forms.Widget = UnfoldAdminSelectWidget(choices=choices)
        return widget


class OperatorFilterForm(FilterForm):
    """The same over all organizations."""

    log = forms.ChoiceField(
        label="Log", required=False, choices=[("", "All organizations"), ("installation", "The installation's own")]
    )
    organization = forms.CharField(
        label="Organization",
        required=False,
        max_length=63,
        help_text="Its identifier, or its id when it is gone.",
    )
    reads = forms.BooleanField(required=False, widget=forms.HiddenInput)
    field_order = ("log", "organization")

    def __init__(self, data: Mapping[str, Any], *, find: Any, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self._find = find
        self.fields["project"].widget = forms.HiddenInput()

    @property
    def hides_reads(self) -> bool:
        """Return whether the operators' own reading stays out: it would crowd out what changed."""
        values = self.cleaned_data
        asked_for = values["action"] in {READ_ACROSS, f"{READ_ACROSS.partition('.')[0]}.*"} or values["request"]
        exactly = self.query.asks_for("action") or self.query.asks_for("request")
        return not (values["reads"] or asked_for or exactly)

    def clean_organization(self) -> UUID | None:
        """Return the organization's id."""
        text = self.cleaned_data["organization"].strip()
        if not text:
            return None
        found: UUID | None = self._find(text) or parse_uuid(text)
        if found is None:
            raise forms.ValidationError(f"There is no organization “{text}”. Write its identifier, such as acme.")
        return found

    def event_filter(self) -> EventFilter:
        """Return the filter; the form must be valid."""
        values = self.cleaned_data
        return replace(
            super().event_filter(),
            organization_id=values["organization"],
            installation=values["log"] == "installation" and values["organization"] is None,
            except_action=READ_ACROSS if self.hides_reads else "",
        )


class ExportForm(forms.Form):
    """Asks for the format."""

    format = forms.ChoiceField(
        label="Format", choices=[("csv", "CSV, for spreadsheets"), ("jsonl", "JSON Lines, for programs")]
    )

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        for field in self.fields.values():
            dress(field)


class SavedSearchForm(forms.Form):
    """Asks for a saved search's name, query, and whether others see it."""

    name = forms.CharField(label="Name", max_length=80)
    query = forms.CharField(label="Search", max_length=LONGEST, help_text="As in the search field of the log.")
    is_shared = forms.BooleanField(
        label="Shared",
        required=False,
        help_text="Everybody who reads the log of the whole organization sees it.",
    )

    def __init__(self, data: Mapping[str, Any] | None, *, initial: Mapping[str, Any], may_share: bool) -> None:
        super().__init__(data, initial=dict(initial))
        if not may_share:
            del self.fields["is_shared"]
        for field in self.fields.values():
            dress(field)

    def refuse(self, error: DomainError) -> None:
        """Show what the service refuses."""
        self.add_error(error.field if error.field in self.fields else None, error.message)
