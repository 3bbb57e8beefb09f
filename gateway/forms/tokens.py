"""The questions asked before signing keys and tokens end."""

from typing import Any

from django import forms

from console.confirm import dress
from gateway.models import RevocationKind
from gateway.services.reasons import LONGEST_REASON


class ReasonForm(forms.Form):
    """Asks why."""

    reason = forms.CharField(
        label="Reason", max_length=LONGEST_REASON, help_text="It is kept in the log and shown beside it."
    )


class OptionalReasonForm(forms.Form):
    """Asks why, and takes no answer for one."""

    reason = forms.CharField(
        label="Reason", max_length=LONGEST_REASON, required=False, help_text="Optional. It is kept in the audit log."
    )


def reason_form(help_text: str) -> type[ReasonForm]:
    """Return the form that asks why, with what it costs below the question."""
    return type("CostlyReasonForm", (ReasonForm,), {"cost": help_text, "__init__": _with_cost})


def _with_cost(form: Any, *arguments: Any, **options: Any) -> None:
    super(ReasonForm, form).__init__(*arguments, **options)
    form.fields["reason"].help_text = f"{form.cost} The reason is kept in the log."


class RevokeManyForm(forms.Form):
    """Asks whose tokens end.

    Args:
        projects: the choices of projects, (id, name).
    """

    kind = forms.ChoiceField(
        label="Whose",
        choices=[(kind.value, kind.label) for kind in RevocationKind if kind is not RevocationKind.TOKEN],
    )
    project = forms.ChoiceField(label="Project", required=False, help_text="For everything of one project.")
    subject = forms.CharField(
        label="Actor or key",
        required=False,
        max_length=64,
        help_text="For one actor: the id of a user, service account or key. For one key: its public id. A token's page "
        "shows them.",
    )
    reason = ReasonForm.base_fields["reason"]

    def __init__(self, data: Any = None, *, projects: list[tuple[str, str]], initial: dict[str, Any]) -> None:
        super().__init__(data, initial=initial)
        project: Any = self.fields["project"]
        project.choices = [("", "-"), *projects]
        for field in self.fields.values():
            dress(field)

    def subject_of(self) -> str:
        """Return the subject that the chosen kind takes."""
        kind = self.cleaned_data["kind"]
        if kind == RevocationKind.PROJECT:
            return str(self.cleaned_data["project"])
        return "" if kind == RevocationKind.ORGANIZATION else str(self.cleaned_data["subject"]).strip()
