"""The form of a model's price."""

from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget

from console.confirm import dress
from gateway.models import Price, Provider
from gateway.pricing import PER


class DollarsField(forms.DecimalField):
    """US dollars for a million tokens; read as millionths of a dollar."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=1_000_000, max_digits=13, decimal_places=6, **options)

    def clean(self, value: Any) -> Any:
        """Return the amount in millionths.

        Raises:
            ValidationError: it is none.
        """
        amount: Decimal | None = super().clean(value)
        return None if amount is None else int(amount * PER)


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Asks what a model costs from when on."""

    provider = forms.ChoiceField(choices=Provider.choices)
    input_dollars = DollarsField(label="Input", help_text="US dollars for a million tokens of prompts.")
    cached_dollars = DollarsField(
        label="Cached input", help_text="The same for those that the provider had in its cache."
    )
    output_dollars = DollarsField(label="Output", help_text="The same for tokens of answers.")

    class Meta:
        model = Price
        fields = ("model", "valid_from")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("input_dollars", "cached_dollars", "output_dollars"):
            if name in self.fields:
                dress(self.fields[name])
        if "provider" in self.fields:
            self.fields["provider"].widget = UnfoldAdminSelectWidget(choices=Provider.choices)
