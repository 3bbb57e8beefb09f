"""Legal holds win over retention, over erasure, and over the deletion of the organization."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.services.users import operator_actor
from audit.models import LegalHold
from audit.services.holds import release_hold, set_hold
from audit.services.retention import change_retention
from isolation.actor import SYSTEM, Actor
from isolation.exceptions import DomainError, FreshSignInNeeded, MissingPermission
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tenants.models import Organization
from tenants.services.organizations import request_deletion
from tenants.tasks import purge_due, purge_due_in
from tests.audit.retention.stage import let_pass
from tests.people import Tenant
from tests.tenants.stage import events


def hold(tenant: Tenant, actor: Actor, **values: Any) -> LegalHold:
    with tenant_scope(tenant.organization):
        named = {"name": "Case 7", "reason": "Court", **values}
        return set_hold(organization_id=tenant.organization.pk, actor=actor, **named)


def test_a_stranger_and_everybody_but_owners_may_not(acme: Tenant, stranger) -> None:
    for person in (stranger, *(acme.people[who] for who in ("admin", "member", "viewer", "auditor", "none"))):
        with pytest.raises(MissingPermission), tenant_scope(acme.organization):
            hold(acme, user_actor(person, acme.organization.pk))
        with pytest.raises(MissingPermission), tenant_scope(acme.organization):
            actor = user_actor(person, acme.organization.pk)
            change_retention(organization_id=acme.organization.pk, months=24, actor=actor)


def test_it_takes_a_fresh_sign_in(acme: Tenant, operator) -> None:
    long_ago = timezone.now() - timedelta(hours=3)
    with tenant_scope(acme.organization):
        for actor in (
            user_actor(acme.owner, acme.organization.pk, proved_at=long_ago),
            operator_actor(operator, proved_at=long_ago),
        ):
            with pytest.raises(FreshSignInNeeded):
                hold(acme, actor)


def test_an_owners_hold_is_recorded_and_mailed(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        found = hold(acme, actor, subject="member@acme.example")
    (event,) = events(acme, "legal_hold.set")
    assert (event.target_id, event.target_label, event.reason) == (str(found.pk), "Case 7", "Court")
    assert found.actor_id == acme.member.pk
    assert [message.to for message in mail.outbox if "legal hold" in message.subject] == [["owner@acme.example"]]
    with acme.acting("owner") as actor:
        release_hold(hold=found, reason="Settled", actor=actor)
    (event,) = events(acme, "legal_hold.released")
    assert event.reason == "Settled"
    assert len([message for message in mail.outbox if "legal hold" in message.subject]) == 2


def test_an_owner_does_not_release_an_operators_hold(acme: Tenant, operator) -> None:
    found = hold(acme, operator_actor(operator))
    assert found.by_operator
    with acme.acting("owner") as actor, pytest.raises(DomainError, match="An operator of this installation set"):
        release_hold(hold=found, reason="x", actor=actor)
    with tenant_scope(acme.organization):
        assert release_hold(hold=found, reason="Settled", actor=operator_actor(operator)).state == "released"
        with pytest.raises(DomainError, match="released already"):
            release_hold(hold=found, reason="x", actor=SYSTEM)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": " "}, "Give it a name"),
        ({"reason": ""}, "Say why"),
        ({"subject": "nobody@acme.example"}, "knows nobody"),
        ({"since": timezone.now(), "until": timezone.now() - timedelta(days=1)}, "ends before it begins"),
    ],
)
def test_clear_errors(values: dict[str, object], message: str, acme: Tenant) -> None:
    with pytest.raises(DomainError, match=message):
        hold(acme, SYSTEM, **values)


def test_an_organization_that_is_held_is_not_deleted(acme: Tenant, superuser) -> None:
    with acme.acting("owner") as actor:
        request_deletion(organization=acme.organization, actor=actor)
    found = hold(acme, SYSTEM)
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("UPDATE tenants_organization SET purge_at = now() - interval '1 day' WHERE slug = 'acme'")
    superuser.execute("SET session_replication_role = origin")
    assert purge_due() == 1
    purge_due_in(str(acme.organization.pk))
    with tenant_scope(acme.organization):
        assert Organization.objects.filter(pk=acme.organization.pk).exists()
        release_hold(hold=found, reason="Settled", actor=SYSTEM)
    purge_due_in(str(acme.organization.pk))
    with tenant_scope(acme.organization):
        assert Organization.objects.filter(pk=acme.organization.pk).exists(), "it goes on for a week"
    let_pass(superuser, "audit_legalhold", "released_at = released_at - interval '8 days'")
    purge_due_in(str(acme.organization.pk))
    with tenant_scope(acme.organization):
        assert not Organization.objects.filter(pk=acme.organization.pk).exists()


def test_its_deletion_is_not_even_scheduled(acme: Tenant) -> None:
    hold(acme, SYSTEM)
    with acme.acting("owner") as actor, pytest.raises(DomainError, match="legal hold “Case 7” is in force"):
        request_deletion(organization=acme.organization, actor=actor)
