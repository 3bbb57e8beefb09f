"""Form fields of keys: until when, from where, and what they may do."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.scope_presets import PRESETS
from accounts.services.key_rules import check_networks
from isolation.exceptions import DomainError
from tenants.permissions import CATALOGUE, DATA_PLANE, PERMISSIONS, Level, P

KEEP, NEVER, ON_DATE = "keep", "never", "date"
PRESET_DAYS = (30, 90, 365)
USUAL_DAYS = 90
_LATEST = date(9999, 12, 30)


class ExpiryWidget(forms.MultiWidget):
    """Radio buttons for the usual lifetimes and a date for any other.

    Args:
        choices: of the radio buttons.
        max_days: the longest life from today, for the date's bounds; None without one.
    """

    template_name = "accounts/widgets/expiry.html"

    def __init__(self, choices: Iterable[tuple[str, str]], max_days: int | None) -> None:
        today = timezone.localdate()
        bounds = {"min": today.isoformat()}
        if max_days is not None:
            bounds["max"] = (today + timedelta(days=max_days)).isoformat()
        super().__init__(
            [
                forms.RadioSelect(choices=list(choices)),
                forms.DateInput(
                    {"type": "date", "class": "tn-input", "aria-label": "Expires on", **bounds}, "%Y-%m-%d"
                ),
            ]
        )

    def decompress(self, value: Any) -> list[Any]:
        """Return the choice and the date; a stored moment is kept, and its day is proposed."""
        return [KEEP, value.date()] if isinstance(value, datetime) else [KEEP, None]


class ExpiryField(forms.MultiValueField):
    """When a key expires: after so many days, at the end of a day, or never.

    Args:
        max_days: the organization's maximum, None without one.
        stored: for a key that exists: when it expires so far, None for never.
        exists: whether the key exists; then its expiry can stay as it is.
    """

    def __init__(self, *, max_days: int | None = None, stored: datetime | None = None, exists: bool = False) -> None:
        self.max_days = max_days
        self.stored = stored
        self.exists = exists
        choices = self._choices()
        super().__init__(
            (forms.ChoiceField(choices=choices), forms.DateField(required=False)),
            label="Expires",
            require_all_fields=False,
            widget=ExpiryWidget(choices, max_days),
            error_messages={"incomplete": "Choose when the key expires.", "required": "Choose when the key expires."},
        )
        self.initial = [KEEP if exists else self._usual(), None]
        self.help_text = "Mails warn 14 days, 3 days and 1 day before. A rotation starts the key's life again."
        if max_days is not None:
            self.help_text = f"Keys of this organization live {_days(max_days)} at most. {self.help_text}"

    def compress(self, data_list: list[Any]) -> datetime | None:
        """Return the moment from which the key is not accepted, None for never.

        Raises:
            ValidationError: a date was wanted and none was given.
        """
        choice, day = data_list or (NEVER, None)
        match choice:
            case "keep":
                return self.stored
            case "never":
                return None
            case "date":
                return self._end_of(day)
        return timezone.now() + timedelta(days=int(choice))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether something else than "as it is" was chosen."""
        return not data or data[0] != KEEP

    def _end_of(self, day: date | None) -> datetime:
        if day is None:
            raise forms.ValidationError("Choose the day on which the key expires.", code="required")
        end = timezone.make_aware(datetime.combine(min(day, _LATEST) + timedelta(days=1), time()))
        if self.max_days is None:
            return end
        # The last day that the maximum allows ends after it.
        latest = timezone.now() + timedelta(days=self.max_days)
        return latest if day == latest.date() else end

    def _choices(self) -> list[tuple[str, str]]:
        days = [number for number in PRESET_DAYS if self.max_days is None or number <= self.max_days]
        if self.max_days is not None and self.max_days not in days and self.max_days <= PRESET_DAYS[-1]:
            days.append(self.max_days)
        kept = []
        if self.exists:
            until = f"on {self.stored:%-d %B %Y, %H:%M} UTC" if self.stored else "never"
            kept = [(KEEP, f"As it is: {until}")]
        presets = [(str(number), f"In {_days(number)}") for number in sorted(days)]
        never = [(NEVER, "Never")] if self.max_days is None else []
        return [*kept, *presets, (ON_DATE, "At the end of the day (UTC)"), *never]

    def _usual(self) -> str:
        return str(min(USUAL_DAYS, self.max_days or USUAL_DAYS))


class NetworksField(forms.CharField):
    """Addresses and networks, one a line; the value is a list of texts that the service reads."""

    def __init__(self) -> None:
        super().__init__(
            label="Allowed networks",
            required=False,
            max_length=4_000,
            widget=UnfoldAdminTextareaWidget({"rows": 3, "spellcheck": "false", "placeholder": "203.0.113.0/24"}),
            help_text="From where the key is accepted: an IP address or network (CIDR) a line. Empty: from everywhere.",
        )

    def prepare_value(self, value: Any) -> Any:
        """Return the lines of a stored list, or what was typed."""
        return "\n".join(value) if isinstance(value, (list, tuple)) else value

    def clean(self, value: Any) -> Any:
        """Return the networks in their canonical form.

        Raises:
            ValidationError: one of them is none.
        """
        try:
            return check_networks(str(super().clean(value)).split())
        except DomainError as refusal:
            raise forms.ValidationError(refusal.message, code=refusal.code) from refusal

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the lines differ."""
        return str(data or "").split() != list(initial or ())


class ScopePicker(forms.CheckboxSelectMultiple):
    """Check boxes by resource: what the actor can give, and what the key has beyond that.

    Attributes:
        grantable: what the actor can give this key.
        beyond: why scopes that the key has, and the actor could not give, are shown.
        project_only: a key that counts in one project.
    """

    template_name = "accounts/widgets/scopes.html"
    grantable: frozenset[P] = frozenset()
    beyond: str = ""
    project_only: bool = False

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Return the groups of check boxes and the presets."""
        context: dict[str, Any] = super().get_context(name, value, attrs)
        chosen = {str(item) for item in value or ()}
        offered = [(group.label, self._boxes(group.permissions, chosen)) for group in CATALOGUE]
        context["groups"] = [(label, boxes) for label, boxes in offered if boxes]
        context["presets"] = [
            (label, help_text, " ".join(sorted(names))) for label, help_text, names in self._presets()
        ]
        possible = {item.name for item in PERMISSIONS.values() if self._possible(item.level)}
        context["left_out"] = len(possible - self.grantable)
        context["beyond"] = self.beyond
        return context

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Return False: no box ticked is an answer."""
        return False

    def _presets(self) -> Iterator[tuple[str, str, Iterable[P]]]:
        """Yield label, help and scopes of what the actor can give as a whole, and all they hold of the LLM data."""
        if data := self.grantable.intersection(DATA_PLANE):
            yield "Everything in the LLM data", "Traces, prompts, datasets, scores, …", data
        for preset in PRESETS.values():
            if self.grantable.issuperset(preset.scopes):
                yield preset.label, preset.help, preset.scopes

    def _possible(self, level: Level) -> bool:
        return level is Level.PROJECT or not self.project_only

    def _boxes(self, permissions: Iterable[Any], chosen: set[str]) -> list[dict[str, Any]]:
        return [
            {
                "permission": item,
                "id": f"scope-{item.name.replace(':', '-')}",
                "checked": item.name.value in chosen,
                "enabled": item.name in self.grantable,
            }
            for item in permissions
            if item.name in self.grantable or item.name.value in chosen
        ]


def scopes_field(*, grantable: frozenset[P], beyond: str = "", project_only: bool = False) -> forms.MultipleChoiceField:
    """Return the field for a key's scopes."""
    widget = ScopePicker()
    widget.grantable, widget.beyond, widget.project_only = grantable, beyond, project_only
    return forms.MultipleChoiceField(
        label="Scopes",
        error_messages={"required": "Choose at least one scope: what the key may do."},
        choices=[(name.value, name.value) for name in P],
        widget=widget,
    )


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"
