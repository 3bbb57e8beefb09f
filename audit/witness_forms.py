"""The forms of cosigning: another installation's keys and address, as its own page shows them."""

from collections.abc import Mapping
from typing import Any

from django import forms

from console.confirm import dress
from isolation.exceptions import DomainError

_LONGEST_KEY = 400


class _Dressed(forms.Form):
    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        for field in self.fields.values():
            dress(field)

    def refuse(self, error: DomainError) -> None:
        """Show what the service refuses."""
        self.add_error(error.field if error.field in self.fields else None, error.message)


class CosignerForm(_Dressed):
    """Asks for a witness of this installation's logs."""

    url = forms.CharField(
        label="Its address for cosigning",
        max_length=500,
        widget=forms.TextInput({"inputmode": "url", "autocomplete": "off", "placeholder": "https://"}),
        help_text="As its page “Witnesses” shows it. A private address must be in OUTBOUND_ALLOWED_NETWORKS.",
    )
    key = forms.CharField(
        label="Its key for cosignatures",
        max_length=_LONGEST_KEY,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
        help_text="From the same page, or from whoever runs it.",
    )


class WitnessedLogForm(_Dressed):
    """Asks whose logs are cosigned."""

    key = forms.CharField(
        label="Its key for logs",
        max_length=_LONGEST_KEY,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
        help_text="As its page “Witnesses” shows it: then every log of it is cosigned. When its key changes, give the "
        "new one here.",
    )
