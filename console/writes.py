"""Saving goes through services: the admin collects and shows, a verb decides and writes."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db.models import Model
from django.forms import BaseModelForm
from django.http import HttpRequest, HttpResponse

from isolation.exceptions import DomainError, MissingPermission

from .confirm import add_refusal

_REFUSAL = "_console_refusal"


class ServiceWrites:
    """Replaces the admin's own saving.

    A concrete admin overrides `perform_create`, `perform_update` and `perform_delete` for the verbs it declares
    permissions for. They call a service; a `DomainError` from it comes back as a form error, with what the person
    typed still in the form and nothing saved.
    """

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> Model:
        """Create a row from the form's values and return it."""
        raise ImproperlyConfigured(f"{type(self).__name__} declares 'add' without perform_create.")

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change `obj`, which is as the database has it, to `values`, which holds the changed fields only."""
        raise ImproperlyConfigured(f"{type(self).__name__} declares 'change' without perform_update.")

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        """Delete `obj`."""
        raise ImproperlyConfigured(f"{type(self).__name__} declares 'delete' without perform_delete.")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show or save the form; what a service refuses becomes a form error.

        Raises:
            Http404: no such row for this actor.
            MissingPermission: the actor may not do this.
        """
        try:
            return self._form_page(request, object_id, form_url, extra_context)
        except DomainError as refusal:
            # The transaction around the first attempt has been rolled back; the second one only shows the form.
            request.__dict__[_REFUSAL] = refusal
            return self._form_page(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return the form class; after a refusal its forms carry the refusal as an error."""
        form_class = super().get_form(request, obj, change, **kwargs)  # type: ignore[misc]
        refusal: DomainError | None = request.__dict__.get(_REFUSAL)
        if refusal is not None:
            _make_refuse(form_class, refusal)
        return form_class

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Hand the form's values to `perform_create` or `perform_update`."""
        if not change:
            created = self.perform_create(request, dict(form.cleaned_data))
            # Django goes on with the form's own instance: let it be the row that the service made.
            obj.__dict__.update(created.__dict__)
            return
        values = {name: form.cleaned_data[name] for name in form.changed_data if name in form.cleaned_data}
        if not values:
            return
        stored = self.get_object(request, str(obj.pk))  # type: ignore[attr-defined]
        if stored is None:
            raise DomainError("Somebody deleted this in the meantime. Nothing was saved.", code="gone")
        self.perform_update(request, stored, values)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Hand the row to `perform_delete`."""
        self.perform_delete(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Refuse: a queryset's delete would go around the service.

        Raises:
            ImproperlyConfigured: always.
        """
        raise ImproperlyConfigured("Rows are deleted one by one, by perform_delete.")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Hand the inlines' rows to their verbs; many-to-many values went to the service with the rest."""
        for formset in formsets:
            self.save_formset(request, form, formset, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Hand one inline's rows to its verbs."""
        formset.console_inline.save_rows(request, form.instance, formset)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> list[Any]:  # noqa: FBT001, FBT002 - Django's signature
        """Return nothing: the audit log tells what changed."""
        return []

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Write nothing to Django's own log, which would show one tenant's labels to another."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Write nothing to Django's own log."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[Any]:
        """Write nothing to Django's own log."""
        return []

    def _create_formsets(self, request: HttpRequest, obj: Any, change: bool) -> Any:  # noqa: FBT001 - Django's signature
        formsets, inlines = super()._create_formsets(request, obj, change)  # type: ignore[misc]
        for formset, inline in zip(formsets, inlines, strict=True):
            formset.console_inline = inline
        return formsets, inlines

    def _form_page(
        self, request: HttpRequest, object_id: str | None, form_url: str, extra_context: dict[str, Any] | None
    ) -> HttpResponse:
        if object_id is None:
            self._demand_for_form(request, None)
        try:
            response: HttpResponse = super().changeform_view(request, object_id, form_url, dict(extra_context or {}))  # type: ignore[misc]
        except MissingPermission:
            raise
        except PermissionDenied:
            # Django says only "no"; ask again to learn, and to record, which permission is lacking.
            self._demand_for_form(request, object_id)
            raise
        return response

    def _demand_for_form(self, request: HttpRequest, object_id: str | None) -> None:
        admin: Any = self
        if object_id is None:
            admin.demand(request, "add")
            return
        obj = admin.find(request, object_id)
        admin.demand(request, "change" if request.method == "POST" else "view", obj)


def _make_refuse(form_class: "type[BaseModelForm[Any]]", refusal: DomainError) -> None:
    original = form_class.full_clean

    def full_clean(form: "BaseModelForm[Any]") -> None:
        original(form)
        if form.is_bound:
            add_refusal(form, refusal)

    # The class was made for this request alone.
    setattr(form_class, "full_clean", full_clean)  # noqa: B010 - mypy forbids the plain assignment
