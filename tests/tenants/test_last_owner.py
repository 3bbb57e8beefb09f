"""An organization keeps an active owner, whoever asks and however."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.services.users import delete_user, set_user_active
from isolation.actor import SYSTEM, Actor
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.models import Membership
from tenants.permissions import P
from tenants.services.members import change_role, leave_organization, remove_member, set_member_active
from tests.people import Tenant
from tests.tenants.stage import custom_role, events, join

VERBS: dict[str, Callable[[Tenant, Actor], Any]] = {
    "leave": lambda t, a: leave_organization(membership=t.membership("owner"), actor=a),
    "demote": lambda t, a: change_role(membership=t.membership("owner"), role=t.role("admin"), actor=a),
    "deactivate": lambda t, a: set_member_active(membership=t.membership("owner"), active=False, actor=a),
    "remove": lambda t, a: remove_member(membership=t.membership("owner"), actor=a),
    "close the login": lambda t, a: set_user_active(user=t.owner, active=False, actor=SYSTEM),
    "delete the login": lambda t, a: delete_user(user=t.owner, actor=SYSTEM),
}


def attempt(tenant: Tenant, verb: str) -> None:
    with tenant.acting("owner") as actor:
        VERBS[verb](tenant, actor)


@pytest.mark.parametrize("verb", VERBS)
def test_the_last_owner_stays(verb: str, acme: Tenant) -> None:
    before = len(events(acme))
    with pytest.raises(DomainError) as refused:
        attempt(acme, verb)
    assert refused.value.code == "last_owner"
    assert "at least one active owner" in refused.value.message
    with tenant_scope(acme.organization):
        membership = acme.membership("owner")
        assert membership.is_active
        assert membership.role.is_owner
        assert membership.user.is_active
    assert len(events(acme)) == before, "nothing happened, nothing is recorded"


@pytest.mark.parametrize("other", ["inactive member", "inactive login", "custom role with every permission"])
@pytest.mark.parametrize("verb", VERBS)
def test_somebody_who_only_looks_like_an_owner_does_not_count(verb: str, other: str, acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        if other.startswith("inactive"):
            membership = join(acme, "second", acme.role("owner"))
            if other == "inactive member":
                set_member_active(membership=membership, active=False, actor=actor)
            else:
                set_user_active(user=acme.second, active=False, actor=SYSTEM)
        else:
            join(acme, "second", custom_role(acme, "Everything", P))
    with pytest.raises(DomainError, match="at least one active owner"):
        attempt(acme, verb)


@pytest.mark.parametrize("verb", VERBS)
def test_with_another_active_owner_it_works(verb: str, acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        join(acme, "second", acme.role("owner"))
    attempt(acme, verb)
    with tenant_scope(acme.organization):
        gone = Membership.objects.filter(
            user=acme.owner.pk, is_active=True, user__is_active=True, role__key="owner"
        ).exists()
        assert not gone
        if verb in {"leave", "remove", "delete the login"}:
            assert not Membership.objects.filter(user_id=acme.owner.pk).exists()


def test_leaving_is_for_oneself(acme: Tenant) -> None:
    with acme.acting("owner") as actor, pytest.raises(DomainError) as refused:
        leave_organization(membership=acme.membership("viewer"), actor=actor)
    assert refused.value.code == "other_person"


def test_leaving_needs_no_permission(acme: Tenant) -> None:
    with acme.acting("none") as actor:
        leave_organization(membership=acme.membership("none"), actor=actor)
    assert [event.actor_label for event in events(acme, "member.left")] == ["none@acme.example"]
