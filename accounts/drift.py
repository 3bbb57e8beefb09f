"""Where an organization and its identity provider differ, in a fixed number of statements."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q

from tenants.domain_names import mail_domain
from tenants.models import Domain, GroupRole, Membership

from .models import ApiKey, ProvisionedGroup, ProvisionedUser, ScimConnection

MOST = 100
"""Rows of each kind that are shown."""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of one kind.

    Attributes:
        rows: the first ones, each with what is known of it.
        more: whether there are others.
    """

    rows: list[tuple[Any, str]]
    more: bool


def unknown_members() -> Found:
    """Return the active members whom no identity provider of the organization knows."""
    known = ProvisionedUser.objects.filter(membership=OuterRef("pk"))
    members = Membership.objects.filter(~Exists(known), is_active=True).select_related("user", "role")
    return _found(members.order_by("created_at", "pk"), lambda member: f"{member.role}. {member.get_source_display()}.")


def waiting_people(connection: ScimConnection) -> Found:
    """Return the people who were provisioned as active and have not joined, with the reason."""
    rows = ProvisionedUser.objects.filter(connection=connection, membership=None, active=True)
    people = list(rows.order_by("created_at", "pk")[: MOST + 1])
    verified = _verified({mail_domain(person.email) or "" for person in people})
    return _found(people, lambda person: _why_waiting(person, verified))


def inactive_with_keys(connection: ScimConnection) -> Found:
    """Return the inactive people who own keys in force, or made some that others own."""
    keys = ApiKey.objects.active()
    rows = ProvisionedUser.objects.filter(connection=connection, active=False, membership__isnull=False)
    own = Exists(keys.filter(user_id=OuterRef("membership__user_id")))
    made = Exists(keys.filter(created_by=OuterRef("membership__user__email")))
    people = rows.annotate(owns=own, made=made).filter(Q(owns=True) | Q(made=True))
    return _found(people.order_by("created_at", "pk"), _which_keys)


def groups_without_role(connection: ScimConnection) -> Found:
    """Return the provisioned groups that give their members nothing."""
    rows = ProvisionedGroup.objects.filter(connection=connection).select_related("group")
    empty = rows.filter(~Exists(GroupRole.objects.filter(group=OuterRef("group"))))
    return _found(empty.order_by("display_name", "pk"), lambda _: "It gives no role: choose one on its page.")


def _found(rows: Any, describe: Any) -> Found:
    taken = list(rows[: MOST + 1])
    return Found([(row, describe(row)) for row in taken[:MOST]], len(taken) > MOST)


def _verified(names: Iterable[str]) -> set[str]:
    rows = Domain.objects.filter(name__in=list(names), verified_at__isnull=False)
    return set(rows.values_list("name", flat=True))


def _why_waiting(person: Any, verified: set[str]) -> str:
    if not person.email:
        return "The identity provider sends no e-mail address: map one, then they can join."
    domain = mail_domain(person.email)
    if domain in verified:
        return f"The domain {domain} is verified by now: they join within minutes."
    if person.invited_at:
        return f"Invited on {person.invited_at:%-d %B %Y}, not accepted yet: {domain} is not verified."
    return f"{domain or person.email} is no verified domain: they will be invited, or join once it is verified."


def _which_keys(person: Any) -> str:
    if person.owns and person.made:
        return "Has personal keys in force, and made keys of others that are."
    return "Has personal keys in force." if person.owns else "Made keys of others that are in force."
