"""Each tenant filter of the ORM is dropped in turn, then all at once: the database alone still leaks nothing."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.db.models import Q

from console.sites import tenant_site
from isolation.managers import TenantManager, TenantQuerySet, tenant_column
from isolation.scope import tenant_scope
from tenants.models import Project
from tests.isolation.tables import TENANT_MODELS
from tests.people import Tenant, make_project, signed_in

FOREIGN = "Zanzibar"


def unscoped(manager: Any) -> Any:
    """Return every row, as a manager without tenancy would."""
    return manager._queryset_class(model=manager.model, using=manager._db, hints=manager._hints)


# What each place does when its filter is gone.
FILTERS: dict[str, tuple[str, Callable[..., Any]]] = {
    "TenantManager.get_queryset": ("isolation.managers.TenantManager.get_queryset", unscoped),
    "TenantQuerySet.for_organization": (
        "isolation.managers.TenantQuerySet.for_organization",
        lambda queryset, organization: queryset.all(),
    ),
    "ProjectQuerySet.visible_to": (
        "tenants.querysets.ProjectQuerySet.visible_to",
        lambda queryset, *args, **kwargs: queryset.all(),
    ),
    "EventQuerySet.visible_to": (
        "audit.querysets.EventQuerySet.visible_to",
        lambda queryset, *args, **kwargs: queryset.all(),
    ),
    "SavedSearchQuerySet.visible_to": (
        "audit.querysets.SavedSearchQuerySet.visible_to",
        lambda queryset, *args, **kwargs: queryset.all(),
    ),
    "UnattributedChangeQuerySet.visible_to": (
        "audit.querysets.UnattributedChangeQuerySet.visible_to",
        lambda queryset, *args, **kwargs: queryset.all(),
    ),
    "EvidenceExportQuerySet.visible_to": (
        "audit.querysets.EvidenceExportQuerySet.visible_to",
        lambda queryset, *args, **kwargs: queryset.all(),
    ),
    "ApiKeyQuerySet.visible_to": (
        "accounts.querysets.ApiKeyQuerySet.visible_to",
        lambda queryset, *args, **kwargs: queryset.all(),
    ),
    "ProviderCredentialQuerySet.visible_to": (
        "gateway.querysets.ProviderCredentialQuerySet.visible_to",
        lambda queryset, *args, **kwargs: queryset.all(),
    ),
    "MemberAuthority.projects_where": (
        "tenants.access.MemberAuthority.projects_where",
        lambda *args, **kwargs: Q(),
    ),
    "MemberAuthority.allows": ("tenants.access.MemberAuthority.allows", lambda *args: True),
}


@pytest.fixture(params=[*FILTERS, "every one"])
def dropped(request: Any, monkeypatch: Any) -> Any:
    """Take a filter away, or every one."""
    for name, (place, replacement) in FILTERS.items():
        if request.param in {name, "every one"}:
            module, owner, attribute = place.rsplit(".", 2)
            assert attribute in vars(getattr(import_module(module), owner)), "the filter moved: name its new place"
            monkeypatch.setattr(place, replacement)
    return request.param


@pytest.fixture
def filled(both: tuple[Tenant, Tenant]) -> tuple[Tenant, Tenant]:
    acme, globex = both
    with tenant_scope(globex.organization):
        make_project(globex, FOREIGN.lower())
    return acme, globex


def test_no_model_shows_a_foreign_row(filled: tuple[Tenant, Tenant], dropped: str) -> None:
    acme, globex = filled
    with acme.acting("owner") as actor:
        for model in TENANT_MODELS:
            column = str(tenant_column(model))
            everything = model.objects.all()
            querysets = [
                everything,
                model._base_manager.all(),
                everything.filter(**{column: globex.organization.pk}),
                everything.for_organization(globex.organization),
            ]
            if hasattr(everything, "visible_to"):
                querysets.append(everything.visible_to(actor))
            for queryset in querysets:
                assert set(queryset.values_list(column, flat=True)) <= {acme.organization.pk}, (dropped, model)
            assert everything.exclude(**{column: acme.organization.pk}).count() == 0, (dropped, model)


def test_relations_lead_to_no_foreign_row(filled: tuple[Tenant, Tenant], dropped: str) -> None:
    acme, globex = filled
    with acme.acting("owner"):
        foreign = Project(pk=globex.project.pk, organization_id=globex.organization.pk)
        assert not foreign.project_memberships.exists()
        assert not foreign.user_grants.exists()
        with pytest.raises(type(globex.organization).DoesNotExist):
            _ = foreign.organization
        with pytest.raises(Project.DoesNotExist):
            foreign.refresh_from_db()


def test_writes_reach_no_foreign_row(filled: tuple[Tenant, Tenant], dropped: str, superuser) -> None:
    acme, globex = filled
    before = superuser.execute("SELECT t::text FROM tenants_project t ORDER BY id").fetchall()
    with acme.acting("owner"):
        foreign = Project.objects.filter(pk=globex.project.pk)
        assert foreign.update(name="Mine") == 0
        assert foreign.delete()[0] == 0
    assert superuser.execute("SELECT t::text FROM tenants_project t ORDER BY id").fetchall() == before


@pytest.fixture
def pages(filled: tuple[Tenant, Tenant], dropped: str) -> list[tuple[str, bytes]]:
    """Return each list of the tenant console, as acme's owner sees it."""
    acme, _globex = filled
    browser = signed_in(acme.owner)
    names = sorted(f"{m._meta.app_label}/{m._meta.model_name}/" for m in tenant_site._registry)
    assert names
    shown = []
    for name in names:
        response = browser.get(f"/o/acme/{name}")
        assert response.status_code in {200, 302, 403, 404}, (name, response.status_code)
        shown.append((name, response.content))
    return shown


def test_no_page_shows_a_foreign_name(dropped: str, pages: list[tuple[str, bytes]]) -> None:
    assert any(b"Chatbot" in content for _name, content in pages), "the pages show something"
    for name, content in pages:
        assert FOREIGN.encode() not in content, (dropped, name)
        assert b"globex" not in content.lower(), (dropped, name)


def test_the_filters_are_all_there_is() -> None:
    """A queryset class of a tenant model with a narrowing verb of its own belongs into FILTERS."""
    verbs = {
        f"{cls.__name__}.{name}"
        for model in TENANT_MODELS
        for cls in model._default_manager._queryset_class.__mro__
        if issubclass(cls, TenantQuerySet)
        for name in vars(cls)
        if name in {"for_organization", "visible_to"}
    }
    assert verbs <= FILTERS.keys()
    assert issubclass(type(Project.objects), TenantManager)
