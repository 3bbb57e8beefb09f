"""Questions about projects."""

from collections.abc import Iterable
from typing import Any

from django import forms

from isolation.actor import Actor
from tenants.models import Group, Project
from tenants.permissions import CATALOGUE, Level


class ExceptionForm(forms.Form):
    """Asks which one thing somebody may do in a project. `exception_form` adds the choices."""

    member = forms.EmailField(
        label="Member", required=False, help_text="The e-mail address of a member. Or choose a group."
    )
    group = forms.ChoiceField(label="Group", required=False)
    permission = forms.ChoiceField(
        label="Permission", help_text="Only what you may do in this project yourself can be given."
    )

    def clean(self) -> dict[str, Any]:
        """Want either a member or a group."""
        cleaned = super().clean() or self.cleaned_data
        if bool(cleaned.get("member")) == bool(cleaned.get("group")) and "member" not in self.errors:
            self.add_error("member", "Name either a member or a group.")
        return cleaned


def exception_form(project: Project, actor: Actor, groups: Iterable[Group]) -> type[ExceptionForm]:
    """Return an ExceptionForm for one project with the groups and with the permissions that the actor holds there."""
    held = []
    for group in CATALOGUE:
        names = [p for p in group.permissions if p.level is Level.PROJECT and actor.can(p.name, project)]
        if names:
            held.append((group.label, [(p.name.value, p.label) for p in names]))

    class Form(ExceptionForm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.fields["group"].choices = [("", "– none –"), *((str(g.pk), g.name) for g in groups)]  # type: ignore[attr-defined]
            self.fields["permission"].choices = held  # type: ignore[attr-defined]

    return Form


def transfer_form(targets: Iterable[tuple[str, str]]) -> type[forms.Form]:
    """Return a form that asks for the target organization among (id, name) and for a reason."""
    choices = list(targets)

    class Form(forms.Form):
        target = forms.ChoiceField(
            label="To which organization",
            choices=choices,
            help_text="Organizations in which you may create and transfer projects."
            if choices
            else "You belong to no other organization in which you may create and transfer projects.",
        )
        reason = forms.CharField(
            label="Reason", required=False, max_length=400, help_text="Optional. It is kept in both audit logs."
        )

    return Form
