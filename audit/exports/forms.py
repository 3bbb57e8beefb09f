"""Asks for an evidence export: which part of the log, in which form, for how long."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import INPUT_CLASSES, UnfoldAdminRadioSelectWidget

from audit.query import LONGEST
from audit.services.exports import DAYS, LONGEST_REASON, MOST_DAYS
from console.confirm import dress
from isolation.exceptions import DomainError

from .kinds import KINDS

EVERYTHING, CUSTOM = "", "custom"
_DECEMBER = 12


def periods(today: date) -> dict[str, tuple[str, date | None, date | None]]:
    """Return what is offered, by its name: words, the first day, the day after the last."""
    month = today.replace(day=1)
    before = (month - timedelta(days=1)).replace(day=1)
    quarter = month.replace(month=(month.month - 1) // 3 * 3 + 1)
    last_quarter = quarter.replace(year=quarter.year - 1, month=10) if quarter.month == 1 else None
    last_quarter = last_quarter or quarter.replace(month=quarter.month - 3)
    year = month.replace(month=1)
    return {
        EVERYTHING: ("The whole log", None, None),
        "30d": ("The last 30 days", today - timedelta(days=30), None),
        "month": (f"Last month ({before:%Y-%m})", before, month),
        "quarter": (
            f"Last quarter ({last_quarter:%Y-%m} to {quarter - timedelta(days=1):%Y-%m})",
            last_quarter,
            quarter,
        ),
        "this_year": (f"This year ({year:%Y})", year, None),
        "year": (f"Last year ({year.year - 1})", year.replace(year=year.year - 1), year),
        CUSTOM: ("Between two days …", None, None),
    }


class _Day(forms.DateField):
    """A day as the browser's own picker sends it."""

    widget = forms.DateInput(attrs={"type": "date", "class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%d")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, input_formats=["%Y-%m-%d"], **kwargs)


class EvidenceForm(forms.Form):
    """Period, search, format, and how long the file is kept."""

    format = forms.ChoiceField(
        label="Format",
        widget=UnfoldAdminRadioSelectWidget,
        choices=[(kind.name, kind.label) for kind in KINDS.values()],
        initial="package",
    )
    period = forms.ChoiceField(label="Period", required=False, help_text="Days begin and end at midnight, UTC.")
    first = _Day(label="From")
    last = _Day(label="Until", help_text="This day is part of it.")
    query = forms.CharField(
        label="Search",
        required=False,
        max_length=LONGEST,
        help_text="As in the search field of the log. Empty holds every event of the period, which alone proves that "
        "none is missing; with a search, each event comes with its own proof.",
    )
    days = forms.ChoiceField(
        label="Kept for",
        choices=[(str(days), f"{days} day{'s' if days > 1 else ''}") for days in (1, DAYS, 14, MOST_DAYS)],
        initial=str(DAYS),
        help_text="Then the file is deleted.",
    )

    def __init__(self, data: Mapping[str, Any] | None, *, initial: Mapping[str, Any]) -> None:
        super().__init__(data, initial=dict(initial))
        self._periods = periods(timezone.now().astimezone(UTC).date())
        self.fields["period"].choices = [(name, words) for name, (words, *_) in self._periods.items()]  # type: ignore[attr-defined]
        for field in self.fields.values():
            dress(field)

    def clean(self) -> dict[str, Any]:
        """Refuse a period that ends before it begins, or that has no day."""
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("first"), cleaned.get("last")
        if cleaned.get("period") == CUSTOM:
            if not (first or last) and not self.errors:
                self.add_error("first", "Name a day, or choose another period.")
            if first and last and last < first:
                self.add_error("last", "This is before the first day.")
        return cleaned

    def wanted(self) -> dict[str, Any]:
        """Return what `request_export` takes; the form must be valid."""
        values = self.cleaned_data
        _, first, after = self._periods[values["period"]]
        if values["period"] == CUSTOM:
            first, after = values["first"], values["last"] + timedelta(days=1) if values["last"] else None
        return {
            "format": values["format"],
            "query": values["query"],
            "since": _midnight(first),
            "until": _midnight(after),
            "days": int(values["days"]),
            "reason": values.get("reason", ""),
        }

    def refuse(self, error: DomainError) -> None:
        """Show what the service refuses."""
        place = {"since": "first", "until": "last" if self.cleaned_data.get("period") == CUSTOM else "period"}
        field = place.get(error.field or "", error.field)
        self.add_error(field if field in self.fields else None, error.message)


class OperatorEvidenceForm(EvidenceForm):
    """The same of any log, with a reason."""

    log = forms.CharField(
        label="Log of",
        max_length=63,
        initial="installation",
        help_text="An organization's identifier, its id when it is gone, or “installation” for the installation's own.",
    )
    reason = forms.CharField(
        label="Reason",
        max_length=LONGEST_REASON,
        help_text="The log that it is about keeps it; its owners can read it.",
    )
    field_order = ("log", "reason")


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)
