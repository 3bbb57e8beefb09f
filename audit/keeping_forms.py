"""The forms of retention, legal holds and erasures."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

from django import forms
from unfold.widgets import INPUT_CLASSES

from console.confirm import dress
from isolation.exceptions import DomainError

from .retention.models import MOST_MONTHS
from .retention.policy import Retention


class _Dressed(forms.Form):
    def __init__(self, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        for field in self.fields.values():
            dress(field)

    def refuse(self, error: DomainError) -> None:
        """Show what the service refuses."""
        self.add_error(error.field if error.field in self.fields else None, error.message)


class RetentionForm(_Dressed):
    """Asks for how long events are kept."""

    months = forms.IntegerField(label="Months", required=False, max_value=MOST_MONTHS)

    def __init__(self, data: Mapping[str, Any] | None, *, retention: Retention, notice_days: int) -> None:
        announced = retention.next_months if retention.next_at else retention.months
        super().__init__(data, initial={"months": announced})
        self.fields["months"].help_text = (
            f"{retention.minimum} at least; empty: without end. It counts from the end of an event's month. "
            f"A shorter time counts after {notice_days} days, a longer one at once. The owners get a mail."
        )


class _Day(forms.DateField):
    widget = forms.DateInput(attrs={"type": "date", "class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%d")


class HoldForm(_Dressed):
    """Asks what a legal hold keeps, and why."""

    name = forms.CharField(label="Name", max_length=120, help_text="How people speak of it, such as the case's number.")
    reason = forms.CharField(
        label="Reason",
        max_length=1_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Owners and auditors read it.",
    )
    subject = forms.CharField(
        label="Only what concerns",
        max_length=320,
        required=False,
        help_text="A person's address, or the id of a key or of anything else that events show. Empty: the whole log.",
    )
    since = _Day(label="From", required=False, help_text="The first day (UTC). Empty: from the beginning.")
    until = _Day(label="Until", required=False, help_text="The last day (UTC). Empty: and from now on.")

    def values(self) -> dict[str, Any]:
        """Return what the service takes: the last day is part of the period."""
        since, until = self.cleaned_data["since"], self.cleaned_data["until"]
        return self.cleaned_data | {
            "since": datetime.combine(since, time.min, UTC) if since else None,
            "until": datetime.combine(until, time.max, UTC) if until else None,
        }


class PersonForm(_Dressed):
    """Asks whom an erasure is about."""

    person = forms.CharField(
        label="Person",
        max_length=320,
        help_text="Their address, or the id of their login. Whoever is still an active member is deactivated first.",
    )


class ReasonForm(_Dressed):
    """Asks why."""

    reason = forms.CharField(
        label="Reason", max_length=1_000, help_text="The log keeps it. Write no name and no address of the person here."
    )


class ReleaseForm(forms.Form):
    """Asks why a hold is released."""

    reason = forms.CharField(label="Reason", max_length=1_000, help_text="Owners and auditors read it.")


class OpeningForm(forms.Form):
    """Asks why an operator reads the log of an organization that is gone."""

    reason = forms.CharField(label="Reason", max_length=300, help_text="That log keeps it.")
