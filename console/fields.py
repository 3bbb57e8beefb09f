"""Form fields that lead to other rows: every one of them is limited to what its own admin would show."""

from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest


def related_admin(site: AdminSite, db_field: Any) -> "ModelAdmin[Any]":
    """Return the admin on `site` that governs the rows a relation leads to.

    Raises:
        ImproperlyConfigured: none is registered, so nobody could say which rows may be offered.
    """
    model: type[Model] = db_field.remote_field.model
    if not site.is_registered(model):
        raise ImproperlyConfigured(
            f"{db_field.model.__name__}.{db_field.name} leads to {model.__name__}, which is not registered on the "
            f"site '{site.name}': register an admin that scopes it, or leave the field out of the form."
        )
    return site.get_model_admin(model)


def selectable(site: AdminSite, db_field: Any, request: HttpRequest) -> QuerySet[Any]:
    """Return the rows of a relation that the request's actor may see, so also may choose.

    Raises:
        ImproperlyConfigured: the related model is not registered on the site.
    """
    admin = related_admin(site, db_field)
    queryset = admin.get_queryset(request)
    return queryset if admin.has_view_permission(request) else queryset.none()


class ScopedFields:
    """Closes the relation fields of admins and inlines."""

    admin_site: AdminSite
    opts: Any
    raw_id_fields: Any

    def get_field_queryset(self, db: str | None, db_field: Any, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that a relation field offers and accepts."""
        return selectable(self.admin_site, db_field, request)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Build a foreign key's form field; a caller's own queryset can narrow the choice, never widen it."""
        return super().formfield_for_foreignkey(db_field, request, **self._closed(db_field, request, kwargs))  # type: ignore[misc]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Build a many-to-many form field, limited the same way."""
        return super().formfield_for_manytomany(db_field, request, **self._closed(db_field, request, kwargs))  # type: ignore[misc]

    def formfield_for_dbfield(self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """Build a form field without the pop-up links beside it: they are doors of their own."""
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        widget = getattr(formfield, "widget", None)
        if isinstance(widget, RelatedFieldWidgetWrapper):
            widget.can_add_related = False
            widget.can_change_related = False
            widget.can_delete_related = False
            widget.can_view_related = False
        return formfield

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Return whether rows may be named by this column: by the primary key only."""
        try:
            return bool(self.opts.get_field(to_field).primary_key)
        except FieldDoesNotExist:
            return False

    def _closed(self, db_field: Any, request: HttpRequest, kwargs: dict[str, Any]) -> dict[str, Any]:
        if db_field.name in self.raw_id_fields:
            raise ImproperlyConfigured(f"raw_id_fields ignores the scope of {db_field.name}: use autocomplete_fields.")
        queryset = self.get_field_queryset(kwargs.get("using"), db_field, request)
        if kwargs.get("queryset") is not None:
            queryset = queryset.filter(pk__in=kwargs["queryset"].order_by().values("pk"))
        return {**kwargs, "queryset": queryset}
