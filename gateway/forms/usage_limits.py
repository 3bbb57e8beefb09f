"""The forms of usage limits."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.urls import reverse

from console.confirm import dress
from console.suggest import SuggestInput
from gateway.models import LimitMetric, LimitSubject, LimitWindow, UsageLimit
from gateway.named_rows import NOUNS, subject_named
from gateway.pricing import PER
from gateway.services.prices import cents, dollars
from isolation.actor import Actor
from isolation.exceptions import DomainError

_WHAT = (
    ("requests minute", "Requests per minute"),
    ("tokens minute", "Tokens per minute"),
    ("concurrency none", "Requests at the same time"),
    ("cost day", "US dollars per day"),
    ("cost month", "US dollars per month"),
    ("tokens day", "Tokens per day"),
    ("tokens month", "Tokens per month"),
    ("requests day", "Requests per day"),
    ("requests month", "Requests per month"),
)
_DIGITS = 16


class AmountField(forms.CharField):
    """A whole number, or US dollars down to a millionth; written with or without separators of thousands."""

    def read(self, text: str, metric: str) -> int:
        """Return the amount as it is stored.

        Raises:
            DomainError: it is none.
        """
        plain = text.replace(",", "").replace("_", "").replace(" ", "").removeprefix("$")
        try:
            number = Decimal(plain)
        except InvalidOperation:
            number = Decimal("NaN")
        amount = number * (PER if metric == LimitMetric.COST else 1)
        if not amount.is_finite() or amount.adjusted() > _DIGITS or amount != amount.to_integral_value():
            raise DomainError(
                "Write an amount in US dollars, such as 250 or 12.50."
                if metric == LimitMetric.COST
                else "Write a whole number.",
                field="amount",
                code="invalid",
            )
        return int(amount)


class _LimitFields(forms.Form):
    """What a limit allows, and whether it is in force."""

    amount = AmountField(label="How much", max_length=30, help_text="US dollars such as 250 or 12.50, or a number.")
    is_enabled = forms.BooleanField(label="In force", required=False, initial=True)

    def refuse(self, error: DomainError) -> None:
        """Show what a service refuses at the field that it speaks of."""
        names = {"subject": "model", "metric": "what", "window": "what"}
        field = names.get(error.field or "", error.field)
        self.add_error(field if field in self.fields else None, error.message)


class NewLimitForm(_LimitFields):
    """Asks whose use is limited, in what, and how far.

    Args:
        data: what was sent, None before.
        actor: who asks: those whom they see can be named.
    """

    field_order = ("subject_kind", *NOUNS, "model", "what", "amount", "is_enabled")

    subject_kind = forms.ChoiceField(label="Whose use", choices=LimitSubject.choices)
    project = forms.CharField(
        label="Project", required=False, help_text="Its identifier. Empty: each project on its own."
    )
    api_key = forms.CharField(
        label="API key",
        required=False,
        help_text="Its public id, or its name to find it by. Empty: each key on its own.",
    )
    actor = forms.CharField(
        label="User or service account",
        required=False,
        help_text="An e-mail address, or the name of a service account. Empty: each of them on its own.",
    )
    model = forms.CharField(
        label="Model",
        required=False,
        max_length=120,
        help_text="A name, or a pattern that counts all its models together (gpt-4o*). Empty: each model on its own.",
    )
    what = forms.ChoiceField(label="What is limited", choices=_WHAT, help_text="Days and months are UTC's.")

    def __init__(self, data: Mapping[str, Any] | None = None, *, actor: Actor) -> None:
        super().__init__(data)
        self._actor = actor
        for kind in NOUNS:
            self.fields[kind].widget = SuggestInput(reverse("console:usage_limit_suggestions", args=[kind]))
        for field in self.fields.values():
            dress(field)
        for name in (*NOUNS, "model"):
            self.fields[name].widget.attrs["data-limit-of"] = name

    def values(self) -> dict[str, Any]:
        """Return the arguments of `create_usage_limit`.

        Raises:
            DomainError: the amount is none, or nobody is called so.
        """
        cleaned = self.cleaned_data
        kind = cleaned["subject_kind"]
        metric, _, window = cleaned["what"].partition(" ")
        amount: Any = self.fields["amount"]
        subject = "" if kind == LimitSubject.ORGANIZATION else cleaned[kind]
        return {
            "subject_kind": kind,
            "subject": subject_named(self._actor, kind, subject) if kind in NOUNS and subject else subject,
            "metric": metric,
            "window": window,
            "amount": amount.read(cleaned["amount"], metric),
            "is_enabled": cleaned["is_enabled"],
        }


class LimitForm(_LimitFields):
    """Asks what becomes of a limit."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, limit: UsageLimit) -> None:
        super().__init__(data, initial={"amount": amount_text(limit), "is_enabled": limit.is_enabled})
        self._metric = limit.metric
        for field in self.fields.values():
            dress(field)
        self.fields["amount"].help_text = "In US dollars." if limit.metric == LimitMetric.COST else ""

    def values(self) -> dict[str, Any]:
        """Return the arguments of `update_usage_limit`.

        Raises:
            DomainError: the amount is none.
        """
        amount: Any = self.fields["amount"]
        return {
            "amount": amount.read(self.cleaned_data["amount"], self._metric),
            "is_enabled": self.cleaned_data["is_enabled"],
        }


def amount_text(limit: UsageLimit, number: int | None = None) -> str:
    """Return an amount of a limit's own unit, its own when none is given, as people write it."""
    number = limit.amount if number is None else number
    return dollars(number) if limit.metric == LimitMetric.COST else f"{number:,}"


def used_text(limit: UsageLimit, number: int) -> str:
    """Return what is used of a limit as people read it: money in cents, unless it is less than one."""
    return cents(number) if limit.metric == LimitMetric.COST else f"{number:,}"


def what_text(limit: UsageLimit) -> str:
    """Return what a limit counts, in words."""
    return dict(_WHAT).get(f"{limit.metric} {limit.window}") or (
        limit.get_metric_display() if limit.window == LimitWindow.NONE else f"{limit.metric} per {limit.window}"
    )
