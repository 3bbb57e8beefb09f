"""The form of redaction: what becomes of each field, and of what is found in texts."""

from collections.abc import Mapping
from typing import Any

from django import forms

from console.confirm import dress
from isolation.exceptions import DomainError

from .masking.rules import CHANGES, FIELDS, KNOWN, Method
from .masking.selection import LABELS

_FIELD, _DETECTOR = "field_", "detector_"
_LABELS = {**LABELS, CHANGES: "Texts before and after a change"}
_CHOICES = [("", "Send it"), *((method.value, method.label) for method in Method)]


class RedactionForm(forms.Form):
    """One choice for each field, and one for each detector.

    Args:
        data: what was sent, None before.
        rules: as they are stored.
    """

    def __init__(self, data: Mapping[str, Any] | None, *, rules: Mapping[str, Any]) -> None:
        super().__init__(data)
        stored = {_FIELD: rules.get("fields", {}), _DETECTOR: rules.get("detectors", {})}
        for name in FIELDS:
            self._add(_FIELD + name, _LABELS[name], stored[_FIELD].get(name, ""))
        for detector in KNOWN.values():
            initial, missing = stored[_DETECTOR].get(detector.name, ""), detector.missing()
            self._add(_DETECTOR + detector.name, detector.label, initial, help_text=missing)
            # What was set once can be taken out again.
            self.fields[_DETECTOR + detector.name].disabled = bool(missing) and not initial

    def _add(self, name: str, label: str, initial: str, help_text: str = "") -> None:
        self.fields[name] = forms.ChoiceField(
            label=label, choices=_CHOICES, required=False, initial=initial, help_text=help_text
        )
        dress(self.fields[name])

    @property
    def whole_fields(self) -> list[forms.BoundField]:
        """Return the choices about whole values."""
        return [self[name] for name in self.fields if name.startswith(_FIELD)]

    @property
    def detector_fields(self) -> list[forms.BoundField]:
        """Return the choices about what is found in texts."""
        return [self[name] for name in self.fields if name.startswith(_DETECTOR)]

    def rules(self) -> dict[str, dict[str, str]]:
        """Return the rules as `masking.rules` reads them; the form must be valid."""
        chosen = {name: value for name, value in self.cleaned_data.items() if value}
        return {
            part: {name.removeprefix(prefix): value for name, value in chosen.items() if name.startswith(prefix)}
            for part, prefix in (("fields", _FIELD), ("detectors", _DETECTOR))
        }

    def refuse(self, error: DomainError) -> None:
        """Show what the service refuses."""
        self.add_error(None, error.message)
