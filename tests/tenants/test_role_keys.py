"""Keys of custom roles: made from the name, or chosen by whoever describes the organization in a file."""

import pytest

from isolation.actor import SYSTEM
from isolation.exceptions import DomainError
from tenants.models import Role
from tenants.services.roles import create_role
from tests.people import Tenant

pytestmark = pytest.mark.django_db


def create(acme: Tenant, name: str, key: str | None = None) -> Role:
    with acme.acting("owner") as actor:
        return create_role(organization=acme.organization, name=name, permissions=[], actor=actor, key=key)


def test_a_chosen_key_stays_as_it_is(acme: Tenant) -> None:
    assert create(acme, "Prompt reviewer", "reviewer_2").key == "reviewer_2"
    assert create(acme, "Prompt writer").key == "prompt-writer"


@pytest.mark.parametrize("key", ["", "Reviewer", "a b", "-a", "x" * 64, "é", "a\n"])
def test_a_malformed_key_is_refused(acme: Tenant, key: str) -> None:
    with pytest.raises(DomainError, match="begin with a letter or digit") as refusal:
        create(acme, "Reviewer", key)
    assert refusal.value.field == "key"


@pytest.mark.parametrize("key", ["owner", "none", "reviewer"])
def test_a_key_that_is_taken_is_refused(acme: Tenant, key: str) -> None:
    create(acme, "Reviewer", "reviewer")
    with pytest.raises(DomainError, match=f"There is already a role with the key {key}"):
        create(acme, "Another", key)


def test_the_same_key_in_another_organization_is_another_role(acme: Tenant, globex: Tenant) -> None:
    create(acme, "Reviewer", "reviewer")
    with globex.acting("owner"):
        role = create_role(
            organization=globex.organization, name="Reviewer", permissions=[], actor=SYSTEM, key="reviewer"
        )
    assert role.organization_id == globex.organization.pk
