"""A text field that suggests how it may go on, for what there is too much of to choose from a list."""

from collections.abc import Iterable
from typing import Any

from django.http import JsonResponse
from unfold.widgets import UnfoldAdminTextInputWidget

LONGEST_TYPED = 120


class SuggestInput(UnfoldAdminTextInputWidget):  # type: ignore[misc] # unfold has no type hints
    """The field; the page loads ``console/suggest.js``, without which one types the text out.

    Args:
        address: where `send_suggestions` answers.
        attrs: as every widget's.
    """

    template_name = "console/suggest.html"

    def __init__(self, address: str, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", **(attrs or {})})
        self.address = address

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Return what the template draws."""
        context: dict[str, Any] = super().get_context(name, value, attrs)
        return context | {"address": self.address}


def typed_in(text: str) -> str:
    """Return what was typed so far, as it may be looked for."""
    return text.replace("\x00", "").strip()[:LONGEST_TYPED]


def send_suggestions(found: Iterable[tuple[str, str]]) -> JsonResponse:
    """Answer what a text may become.

    Args:
        found: pairs of the whole text, and what it means.
    """
    # The blank says that there is nothing to go on with; forms strip it.
    options = [{"text": f"{text} ", "label": text, "help": meaning} for text, meaning in found]
    return JsonResponse({"from": 0, "options": options}, headers={"Cache-Control": "no-store"})
