"""The form of the page of usage."""

from collections.abc import Mapping
from typing import Any

from django import forms

from .projects import project_field


class UsageFilterForm(forms.Form):
    """Asks of which project; nothing for all of them."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data)
        self.fields["project"] = project_field("usage", "All projects", required=False)
