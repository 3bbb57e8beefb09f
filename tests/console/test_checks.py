"""The system check refuses each option that would reopen a door."""

from typing import Any, ClassVar

import pytest
from django.contrib.admin import AllValuesFieldListFilter, RelatedFieldListFilter
from django.contrib.admin.filters import FieldListFilter
from unfold.admin import ModelAdmin, TabularInline

from accounts.models import User
from console.checks import check_consoles, site_errors
from console.filters import ScopedRelatedFilter
from console.inlines import ScopedTabularInline
from console.options import OperatorModelAdmin, TenantModelAdmin
from console.sites import OperatorSite, TenantSite
from tenants.models import Membership, Organization, Project, ProjectMembership, Role
from tests.console import stage


class PlainInline(TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """An inline without scope."""

    model = ProjectMembership


class OpenInline(ScopedTabularInline):
    """An inline with a verb but no service."""

    model = ProjectMembership
    fields = ("role",)
    raw_id_fields = ("role",)
    permissions: ClassVar = {"add": "projects:manage"}


def errors(
    model: Any = Project, base: Any = TenantModelAdmin, *, also: tuple[Any, ...] = (), **options: Any
) -> list[str]:
    """Return the ids of the errors that an admin with these options has."""
    site = TenantSite(name="checked")
    for other in also:
        site.register(other, type("Other", (TenantModelAdmin,), {}))
    site.register(model, type("Checked", (base,), options))
    return [str(error.id) for error in site_errors(site)]


def plain(self: Any, request: Any, *args: Any) -> None:
    """An action that declares nothing."""


def test_the_consoles_themselves_are_clean() -> None:
    assert check_consoles(None) == []
    assert list(site_errors(stage.site)) == []


def test_an_empty_admin_is_clean() -> None:
    assert errors() == []


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ({"raw_id_fields": ("organization",)}, 4),
        ({"date_hierarchy": "created_at"}, 4),
        ({"list_editable": ("name",)}, 4),
        ({"view_on_site": True}, 4),
        ({"ordering_field": "name"}, 4),
        ({"actions_submit_line": ("plain",), "plain": plain}, 4),
        ({"save_as": True}, 4),
        ({"include_object_permissions_urls": True}, 4),
        ({"custom_urls": (("a/", "a", plain),)}, 4),
        ({"show_full_result_count": True}, 5),
        ({"list_filter": ("name",)}, 6),
        ({"list_filter": ("organization",)}, 6),
        ({"list_filter": ("organization__name",)}, 6),
        ({"list_filter": (("name", AllValuesFieldListFilter),)}, 6),
        ({"list_filter": (("name", RelatedFieldListFilter),)}, 6),
        ({"list_filter": (FieldListFilter,)}, 6),
        ({"search_fields": ("name",)}, 7),
        ({"search_fields": ("@name",)}, 7),
        ({"search_fields": ("name__icontains",)}, 7),
        ({"actions": ("plain",), "plain": plain}, 8),
        ({"actions": (plain,)}, 8),
        ({"actions_list": ("plain",), "plain": plain}, 8),
        ({"actions_detail": ({"title": "x", "items": ["plain"]},), "plain": plain}, 8),
        ({"actions_row": ("rename_all",), "rename_all": stage.ProjectAdmin.rename_all}, 8),
        ({"autocomplete_fields": ("organization",)}, 9),
        ({"permissions": {"change": "x:y"}, "perform_update": plain, "fields": ("organization",)}, 9),
        ({"permissions": {"add": "x:y"}, "fields": ("name",)}, 10),
        ({"permissions": {"change": "x:y"}, "fields": ("name",)}, 10),
        ({"permissions": {"delete": "x:y"}}, 10),
        ({"save_model": plain}, 10),
        ({"inlines": (PlainInline,)}, 11),
    ],
)
def test_an_unsafe_option_is_refused(options: dict[str, Any], number: int) -> None:
    assert f"console.E{number:03}" in errors(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"list_filter": ("environment", "created_at")},
        {"search_fields": ("^name", "=slug", "name__istartswith", "slug__exact")},
        {"actions_detail": ("archive",), "archive": stage.ProjectAdmin.archive},
        {"fields": ("name",)},
    ],
)
def test_a_safe_option_is_accepted(options: dict[str, Any]) -> None:
    assert errors(**options) == []


def test_filters_on_relations_need_a_registered_model() -> None:
    assert errors(Membership, list_filter=("role",)) == ["console.E006"]
    assert errors(Membership, also=(Role,), list_filter=("role",)) == []
    assert errors(Membership, also=(Role,), list_filter=(("role", ScopedRelatedFilter),)) == []
    assert errors(Membership, also=(Role,), list_filter=(("role", RelatedFieldListFilter),)) == ["console.E006"]


def test_an_inline_needs_its_services_and_safe_fields() -> None:
    assert sorted(errors(inlines=(OpenInline,))) == ["console.E004", "console.E009", "console.E010"]


def test_an_admin_without_the_base_class_is_refused() -> None:
    assert errors(base=ModelAdmin) == ["console.E001"]


def test_each_console_takes_its_own_base_class() -> None:
    assert errors(base=OperatorModelAdmin) == ["console.E002"]
    site = OperatorSite(name="checked")
    site.register(Organization, type("Wrong", (TenantModelAdmin,), {}))
    assert [error.id for error in site_errors(site)] == ["console.E002"]


def test_a_global_model_on_the_tenant_console_must_say_its_scope() -> None:
    assert errors(User) == ["console.E003"]
    assert errors(User, narrow=plain) == []
