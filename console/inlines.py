"""Rows of a child model inside the parent's form, under the same rules as an admin of their own."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from isolation.exceptions import DomainError

from .access import PermissionMapping
from .fields import ScopedFields


class ScopedInline(PermissionMapping, ScopedFields):
    """What inlines of any shape share: scope, permissions of the parent, verbs instead of saving.

    The permission mapping is asked with the parent row as its object.
    """

    extra = 0
    view_on_site = False
    show_change_link = False
    model: Any
    verbose_name: Any

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the child rows of the scoped manager; the form set keeps those of its parent."""
        queryset: QuerySet[Any] = self.model.objects.all()
        organization = getattr(request, "organization", None)
        if organization is not None and hasattr(queryset, "for_organization"):
            queryset = queryset.for_organization(organization)
        ordering = self.get_ordering(request)  # type: ignore[attr-defined]
        return queryset.order_by(*ordering) if ordering else queryset

    def add(self, request: HttpRequest, parent: Any, values: dict[str, Any]) -> Any:
        """Create a child row from the form's values, by a service."""
        raise ImproperlyConfigured(f"{type(self).__name__} declares 'add' without add().")

    def change(self, request: HttpRequest, row: Any, values: dict[str, Any]) -> None:
        """Change a child row, which is as the database has it, to `values`, the changed fields."""
        raise ImproperlyConfigured(f"{type(self).__name__} declares 'change' without change().")

    def remove(self, request: HttpRequest, row: Any) -> None:
        """Delete a child row, by a service."""
        raise ImproperlyConfigured(f"{type(self).__name__} declares 'delete' without remove().")

    def save_rows(self, request: HttpRequest, parent: Any, formset: Any) -> None:
        """Hand what changed in the form set to the verbs.

        Raises:
            DomainError: a service refused; the parent's form shows it.
            MissingPermission: the actor may not do that to the parent's rows.
        """
        doomed = set(formset.deleted_forms) if formset.can_delete else set()
        for form in formset.initial_forms:
            if form in doomed:
                self.demand(request, "delete", parent)
                self.remove(request, self._stored(request, form.instance.pk))
            elif form.has_changed():
                self.demand(request, "change", parent)
                self.change(request, self._stored(request, form.instance.pk), _values(form, formset, form.changed_data))
        for form in formset.extra_forms:
            if form.has_changed() and form not in doomed:
                self.demand(request, "add", parent)
                self.add(request, parent, _values(form, formset, form.cleaned_data))

    def _stored(self, request: HttpRequest, pk: Any) -> Any:
        row = self.get_queryset(request).filter(pk=pk).first()
        if row is None:
            raise DomainError(
                f"Somebody deleted a {self.verbose_name} in the meantime. Nothing was saved.", code="gone"
            )
        return row


class ScopedTabularInline(ScopedInline, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """Child rows as a table."""


def _values(form: Any, formset: Any, names: Any) -> dict[str, Any]:
    own = {formset.fk.name, formset.model._meta.pk.name, "DELETE"}
    return {name: form.cleaned_data[name] for name in names if name in form.cleaned_data and name not in own}
