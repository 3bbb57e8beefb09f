"""Ties who becomes a member, by whatever door, to the provisioned user who waits under their e-mail address."""

from typing import Any

from django.db import transaction
from django.dispatch import receiver

from accounts.services.joining import connect_waiting
from accounts.tasks import settle_waiting_people
from isolation.actor import Actor
from tenants import signals
from tenants.models import Domain, Membership


@receiver(signals.member_added, dispatch_uid="accounts:member_added")
@receiver(signals.member_reactivated, dispatch_uid="accounts:member_reactivated")
def connect_member(sender: object, *, target: Membership, actor: Actor, **kwargs: Any) -> None:
    """Connect a new or returned member, in the transaction that made them one."""
    connect_waiting(target, actor=actor)


@receiver(signals.domain_verified, dispatch_uid="accounts:domain_verified")
def settle_domain(sender: object, *, target: Domain, **kwargs: Any) -> None:
    """Let the people join who waited for their domain; a lost start is made up by the sweep."""
    transaction.on_commit(lambda: settle_waiting_people.delay(str(target.organization_id)), robust=True)
