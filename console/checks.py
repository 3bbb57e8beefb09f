"""System checks that refuse admin options by which a console would show another tenant's rows, or would not scale."""

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import AllValuesFieldListFilter, RelatedFieldListFilter, SimpleListFilter
from django.core.checks import Error, register
from django.core.exceptions import FieldDoesNotExist
from django.db.models import BooleanField, DateField, Field

from .actions import spec_of
from .filters import ScopedRelatedFilter, relation
from .inlines import ScopedInline
from .options import OperatorModelAdmin, ScopedModelAdmin, TenantModelAdmin
from .sites import ConsoleSite, OperatorSite, TenantSite, operator_site, tenant_site
from .writes import ServiceWrites

_VERBS = {"add": "perform_create", "change": "perform_update", "delete": "perform_delete"}
_INLINE_VERBS = {"add": "add", "change": "change", "delete": "remove"}
_ALLOWED_LOOKUPS = frozenset({"exact", "iexact", "startswith", "istartswith"})


@register("admin")
def check_consoles(app_configs: Any, **kwargs: Any) -> list[Error]:
    """Return every unsafe option of the admins on both consoles."""
    return [error for site in (operator_site, tenant_site) for error in site_errors(site)]


def site_errors(site: ConsoleSite) -> Iterator[Error]:
    """Yield the unsafe options of one site's admins."""
    for admin in site._registry.values():
        if not isinstance(admin, ScopedModelAdmin):
            yield _error(admin, 1, f"{_name(admin)} on '{site.name}' is no ScopedModelAdmin.", "Derive from it.")
            continue
        yield from _base(site, admin)
        yield from _options(admin)
        yield from _filters(site, admin)
        yield from _search(admin)
        yield from _actions(admin)
        yield from _relations(site, admin)
        yield from _services(admin, ServiceWrites, _VERBS)
        yield from _inlines(site, admin)


def _base(site: ConsoleSite, admin: Any) -> Iterator[Error]:
    if isinstance(site, TenantSite) and not isinstance(admin, TenantModelAdmin):
        yield _error(admin, 2, f"{_name(admin)} is on the tenant console.", "Derive from TenantModelAdmin.")
    if isinstance(site, OperatorSite) and not isinstance(admin, OperatorModelAdmin):
        yield _error(admin, 2, f"{_name(admin)} is on the operator console.", "Derive from OperatorModelAdmin.")
    own_scope = type(admin).narrow is not TenantModelAdmin.narrow
    if isinstance(admin, TenantModelAdmin) and not own_scope and not _knows_organizations(admin.model):
        hint = "Give it a TenantManager, or override narrow()."
        yield _error(admin, 3, f"{admin.model.__name__}.objects has no for_organization().", hint)


def _knows_organizations(model: Any) -> bool:
    queryset_class = getattr(model.objects, "_queryset_class", None)
    return hasattr(queryset_class, "for_organization")


def _options(admin: Any) -> Iterator[Error]:
    refused = {
        "raw_id_fields": "Its widget ignores the field's queryset: use autocomplete_fields.",
        "date_hierarchy": "It takes a second on a million rows: use a date filter.",
        "list_editable": "It saves around the permission of each row: use an action.",
        "view_on_site": "It leads through a redirector to any object: set it to False.",
        "ordering_field": "unfold turns it into list_editable: use an action.",
        "actions_submit_line": "Its buttons run without a permission check: use object_action.",
        "save_as": "It copies a row around the service: use an action.",
        "include_object_permissions_urls": "guardian's pages resolve any user: use Gatehouse's own grants.",
        "list_sections": "Its rows are read through the default manager: use a page.",
        "change_form_datasets": "Their rows are read around the scope: use a page.",
        "custom_urls": "They have no permission of their own: use site.page().",
    }
    for option, hint in refused.items():
        if getattr(admin, option, None):
            yield _error(admin, 4, f"{_name(admin)}.{option} is not allowed.", hint)
    if admin.show_full_result_count:
        yield _error(admin, 5, f"{_name(admin)}.show_full_result_count counts the table twice.", "Set it to False.")


def _filters(site: ConsoleSite, admin: Any) -> Iterator[Error]:
    for item in admin.list_filter or ():
        if isinstance(item, type):
            if not issubclass(item, SimpleListFilter):
                yield _error(admin, 6, f"{_name(admin)}.list_filter names {item.__name__} without a field.", "Name it.")
            continue
        name, chosen = (item[0], item[1]) if isinstance(item, (tuple, list)) else (item, None)
        problem = _filter_problem(site, admin, str(name), chosen)
        if problem:
            yield _error(admin, 6, f"{_name(admin)}.list_filter '{name}' {problem}", "See console.filters.")


def _filter_problem(site: ConsoleSite, admin: Any, name: str, chosen: type[Any] | None) -> str:
    related = relation(admin.model, name)
    if related is not None:
        if chosen is not None and not issubclass(chosen, ScopedRelatedFilter):
            return "offers rows of other organizations: use ScopedRelatedFilter."
        return "" if site.is_registered(related.related_model) else "leads to a model without an admin on this site."
    if chosen is not None and issubclass(chosen, (RelatedFieldListFilter, AllValuesFieldListFilter)):
        return "lists whatever the table holds."
    try:
        field: Field[Any, Any] | Any = admin.model._meta.get_field(name)
    except FieldDoesNotExist:
        return "is no field of the model: write a SimpleListFilter."
    if chosen is None and not (field.choices or isinstance(field, (BooleanField, DateField))):
        return "would list every distinct value."
    return ""


def _search(admin: Any) -> Iterator[Error]:
    for field in admin.search_fields or ():
        lookup = str(field).rpartition("__")[2]
        if not str(field).startswith(("^", "=")) and lookup not in _ALLOWED_LOOKUPS:
            hint = "Write '^name' or 'name__istartswith': a search inside the text reads the whole table."
            yield _error(admin, 7, f"{_name(admin)}.search_fields '{field}' is no prefix or exact search.", hint)


def _actions(admin: Any) -> Iterator[Error]:
    for option, kinds in {
        "actions": {"bulk"},
        "actions_list": {"list"},
        "actions_detail": {"object"},
        "actions_row": {"object"},
    }.items():
        for action in admin._extract_action_names(getattr(admin, option) or ()):
            function = action if callable(action) else getattr(type(admin), str(action), None)
            spec = spec_of(function)
            if spec is None or spec.kind not in kinds:
                hint = "Decorate it with console.actions: object_action, list_action or bulk_action."
                yield _error(admin, 8, f"{_name(admin)}.{option}: '{action}' declares no permission.", hint)


def _relations(site: ConsoleSite, holder: Any) -> Iterator[Error]:
    for name in holder.autocomplete_fields or ():
        field = relation(holder.model, str(name))
        if field is not None and not site.is_registered(field.related_model):
            label = f"{_name(holder)}.autocomplete_fields '{name}'"
            yield _error(holder, 9, f"{label} leads to a model without an admin on this site.", "Register one.")
    for name in _form_fields(holder):
        field = relation(holder.model, name)
        if field is not None and not site.is_registered(field.related_model):
            hint = "Register an admin that scopes it, make it read-only, or leave it out."
            yield _error(
                holder, 9, f"{_name(holder)}: the form field '{name}' leads to a model without an admin.", hint
            )


def _form_fields(holder: Any) -> set[str]:
    """The model fields that the form would edit, as far as the class says so."""
    if not (holder.permissions.keys() & {"add", "change"}):
        return set()
    declared = holder.fields or [n for _, o in (holder.fieldsets or ()) for n in o["fields"]]
    declared = [*declared, *(n for _, o in getattr(holder, "add_fieldsets", ()) for n in o["fields"])]
    names = {str(n) for entry in declared for n in (entry if isinstance(entry, (tuple, list)) else (entry,))}
    if not declared:
        opts = holder.model._meta
        names = {field.name for field in (*opts.fields, *opts.many_to_many) if field.editable}
        names.discard(getattr(_parent_link(holder), "name", ""))
    return names - {str(name) for name in (*holder.readonly_fields, *(holder.exclude or ()))}


def _parent_link(holder: Any) -> Any:
    parent = getattr(holder, "parent_model", None)
    if parent is None:
        return None
    if holder.fk_name:
        return holder.model._meta.get_field(holder.fk_name)
    return next((f for f in holder.model._meta.fields if f.is_relation and f.related_model is parent), None)


def _services(holder: Any, base: type[Any], verbs: dict[str, str]) -> Iterator[Error]:
    for verb, method in verbs.items():
        if verb in holder.permissions and getattr(type(holder), method) is getattr(base, method):
            yield _error(holder, 10, f"{_name(holder)} allows '{verb}' without {method}().", "Call a service there.")
    for method in {"save_model", "delete_model", "save_formset", "save_related"} if base is ServiceWrites else ():
        if getattr(type(holder), method) is not getattr(ServiceWrites, method):
            hint = f"Override {', '.join(verbs.values())} instead."
            yield _error(holder, 10, f"{_name(holder)} overrides {method}().", hint)


def _inlines(site: ConsoleSite, admin: Any) -> Iterator[Error]:
    for inline_class in admin.inlines:
        if not issubclass(inline_class, ScopedInline):
            hint = "Derive from ScopedTabularInline."
            yield _error(admin, 11, f"{_name(admin)}: {inline_class.__name__} is no ScopedInline.", hint)
            continue
        inline: Any = inline_class(admin.model, site)
        if getattr(inline, "inlines", None):
            yield _error(inline, 11, f"{_name(inline)} nests inlines.", "Use a page.")
        for option in ("raw_id_fields", "ordering_field"):
            if getattr(inline, option, None):
                yield _error(inline, 4, f"{_name(inline)}.{option} is not allowed.", "See ScopedModelAdmin.")
        yield from _relations(site, inline)
        yield from _services(inline, ScopedInline, _INLINE_VERBS)


def _name(holder: Any) -> str:
    return type(holder).__name__


def _error(holder: Any, number: int, message: str, hint: str) -> Error:
    return Error(message, hint=hint, obj=type(holder), id=f"console.E{number:03}")
