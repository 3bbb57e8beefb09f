"""Tasks work as the system in exactly the organization of their first argument, or not at all."""

from typing import Any
from uuid import uuid4

import pytest
from celery import shared_task

from isolation.actor import ActorKind
from isolation.context import current_actor, current_organization_id, current_origin
from isolation.exceptions import NoTenant
from isolation.tasks import TenantTask
from tenants.models import Project
from tests.people import Tenant


@shared_task(base=TenantTask, name="tests.look_around")
def look_around(organization_id: str, word: str = "") -> tuple[str, list[str], ActorKind, str, str]:
    """Return what the body of a task finds."""
    assert str(current_organization_id()) == organization_id
    slugs = list(Project.objects.values_list("slug", flat=True))
    return word, slugs, current_actor().kind, current_origin().via, current_origin().request_id


def test_it_sees_one_organization_as_the_system(acme: Tenant, globex: Tenant) -> None:
    with globex.acting("owner"):
        found = look_around(str(acme.organization.pk), word="further arguments arrive")
        assert current_organization_id() == globex.organization.pk
    assert found == ("further arguments arrive", ["chatbot"], ActorKind.SYSTEM, "system", "")
    with pytest.raises(NoTenant):
        Project.objects.count()


def test_a_call_by_the_broker_carries_the_tasks_id(acme: Tenant) -> None:
    result = look_around.delay(str(acme.organization.pk))
    assert result.get()[-1] == result.id


def test_an_organization_that_does_not_exist_holds_nothing(acme: Tenant) -> None:
    assert look_around(str(uuid4()))[1] == []


@pytest.mark.parametrize("wrong", ["", "acme", "None", None, 7])
def test_without_an_organization_nothing_runs(db: None, wrong: Any) -> None:
    with pytest.raises(ValueError, match="badly formed hexadecimal UUID string"):
        look_around(wrong)
    with pytest.raises(TypeError, match="organization_id"):
        look_around()  # type: ignore[call-arg]
