"""Choosing a role, and choosing the permissions of a custom role."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget

from isolation.actor import Actor
from tenants.models import Role
from tenants.permissions import CATALOGUE, P

ABOVE = "above your own permissions"


class RoleSelect(UnfoldAdminSelectWidget):  # type: ignore[misc]
    """A select in which roles that the actor may not give are shown, but cannot be chosen.

    A crafted POST reaches the service, which refuses and records it.

    Args:
        disabled: the values that cannot be chosen.
    """

    def __init__(self, attrs: dict[str, Any] | None = None, choices: Any = (), disabled: Iterable[str] = ()) -> None:
        super().__init__(attrs, choices)
        self.disabled = frozenset(disabled)

    def create_option(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the option, disabled when it cannot be chosen; the current choice always stays enabled."""
        option: dict[str, Any] = super().create_option(*args, **kwargs)
        if str(option["value"]) in self.disabled and not option["selected"]:
            option["attrs"]["disabled"] = True
        return option


class RoleOptions:
    """The organization's roles as choices for one actor.

    Args:
        roles: the roles of the organization.
        actor: who would give one.
        obj: where it would count: a project, or None for the organization.
        owner: whether Owner can be given here at all.
    """

    def __init__(self, roles: Sequence[Role], actor: Actor, obj: Any = None, *, owner: bool = True) -> None:
        self.roles = [role for role in roles if owner or not role.is_owner]
        self.above = frozenset(
            str(role.pk) for role in self.roles if not all(actor.can(name, obj) for name in role.permissions)
        )

    @property
    def hidden_any(self) -> bool:
        """Return whether some role is above the actor's own permissions."""
        return bool(self.above)

    def choices(self, empty: str = "") -> list[tuple[str, str]]:
        """Return (value, label) pairs, the empty choice first when it has a label."""
        first = [("", empty)] if empty else []
        return first + [(str(role.pk), self._label(role)) for role in self.roles]

    def widget(self) -> RoleSelect:
        """Return the select."""
        return RoleSelect(disabled=self.above)

    def field(self, *, label: str, empty: str = "", required: bool = True, help_text: str = "") -> forms.ChoiceField:
        """Return a form field over the choices; `find` turns its value into the role."""
        field = forms.ChoiceField(label=label, required=required, help_text=help_text, widget=self.widget())
        field.choices = self.choices(empty)
        return field

    def find(self, value: str) -> Role | None:
        """Return the chosen role, or None for no choice."""
        return next((role for role in self.roles if str(role.pk) == value), None)

    def _label(self, role: Role) -> str:
        return f"{role.name} ({ABOVE})" if str(role.pk) in self.above else role.name


class PermissionMatrix(forms.CheckboxSelectMultiple):
    """Check boxes by resource with their help; permissions that the actor lacks cannot be given or taken.

    Attributes:
        held: what the actor holds.
    """

    template_name = "tenants/widgets/permissions.html"
    held: frozenset[P] = frozenset()

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Return the groups of check boxes."""
        context: dict[str, Any] = super().get_context(name, value, attrs)
        chosen = {str(item) for item in value or ()}
        context["groups"] = [
            {
                "label": group.label,
                "boxes": [
                    {
                        "permission": permission,
                        "id": f"permission-{permission.name.replace(':', '-')}",
                        "checked": permission.name.value in chosen,
                        "enabled": permission.name in self.held,
                    }
                    for permission in group.permissions
                ],
            }
            for group in CATALOGUE
        ]
        context["lacks_any"] = len(self.held) < len(P)
        return context


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A custom role."""

    granted = forms.MultipleChoiceField(
        label="Permissions",
        choices=[(name.value, name.value) for name in P],
        required=False,
        widget=PermissionMatrix,
    )

    class Meta:
        model = Role
        fields = ("name", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.name:
            self.initial.setdefault("granted", sorted(self.instance.permissions))
