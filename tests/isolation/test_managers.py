"""Managers of tenant models work inside a scope only."""

import uuid

import pytest
from django.db import DatabaseError

from audit.models import Event
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import NoTenant
from isolation.managers import tenant_column
from isolation.scope import operator_scope, tenant_scope
from tenants.models import Organization, Project
from tests.isolation.tables import TENANT_MODELS
from tests.people import Tenant


def test_a_stranger_sees_no_row_of_any_model(acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(globex.organization):
        for model in TENANT_MODELS:
            owners = set(model.objects.values_list(tenant_column(model), flat=True))
            assert owners <= {globex.organization.pk}, model
        assert Project.objects.filter(pk=acme.project.pk).first() is None


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model.__name__)
def test_outside_a_scope_a_manager_raises(model) -> None:
    with pytest.raises(NoTenant, match=f"{model.__name__} belongs to an organization"):
        model.objects.all()
    with pytest.raises(NoTenant):
        model._default_manager.count()


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model.__name__)
def test_every_manager_of_a_tenant_model_is_scoped(model, db: None) -> None:
    for manager in model._meta.managers:
        with pytest.raises(NoTenant):
            manager.get_queryset()
    if model is Event:  # events of the installation are written outside any organization, through the base manager
        with pytest.raises(DatabaseError, match=r"uuid|app\.organization"):
            model._base_manager.count()
    else:
        with pytest.raises(NoTenant):
            model._base_manager.all()


def test_a_foreign_key_is_followed_inside_the_scope_only(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        project = Project.objects.get()
    with pytest.raises(NoTenant):
        _ = project.organization
    with tenant_scope(acme.organization):
        assert project.organization == acme.organization


def test_for_organization_takes_an_organization_or_its_id(acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(acme.organization):
        assert Project.objects.for_organization(acme.organization).count() == 1
        assert Project.objects.for_organization(acme.organization.pk).count() == 1
        assert Project.objects.for_organization(globex.organization).count() == 0


def test_an_unknown_organization_is_empty(acme: Tenant) -> None:
    with tenant_scope(uuid.uuid4()):
        assert not Organization.objects.exists()
        assert not Project.objects.exists()


def test_the_operator_scope_reads_every_organization_through_its_own_role(acme: Tenant, globex: Tenant) -> None:
    with acting_as(SYSTEM), operator_scope("counting"):
        projects = Project.objects.all()
        assert projects.db == "operator"
        assert {project.organization_id for project in projects} == {acme.organization.pk, globex.organization.pk}
        with tenant_scope(globex.organization):
            assert Project.objects.all().db == "default"
            assert [project.pk for project in Project.objects.all()] == [globex.project.pk]
        assert Project.objects.count() == 2
    with tenant_scope(acme.organization):
        assert Project.objects.all().db == "default"
