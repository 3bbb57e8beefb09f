"""What an identity provider says of groups: which of the organization's groups follow, and following them."""

from typing import Any

from django.db import transaction

from accounts import signals
from accounts.models import SsoConnection, SsoGroupMapping
from accounts.sso.checks import Checklist
from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants.models import Group, GroupMember, GroupRole, Membership, Source
from tenants.permissions import P
from tenants.services.groups import add_group_member, remove_group_member
from tenants.services.rules import one_of_a_kind, own_row, refuse_above, refuse_managed

from .connection_actor import provider_actor
from .key_rules import check_text

LONGEST_VALUE = 255
MOST_MAPPINGS = 200


@transaction.atomic
def add_group_mapping(*, connection: SsoConnection, value: str, group: Group, actor: Actor) -> SsoGroupMapping:
    """Let a group follow a value of the connection's groups claim: each sign-in puts people in or takes them out.

    Args:
        connection: whose claim.
        value: one of the claim's values: a name, or an id at Entra ID; upper and lower case differ.
        group: a group that people manage by hand.
        actor: who says so; whoever the provider names gets the group's roles.

    Raises:
        MissingPermission: without ``sso:manage`` and ``groups:manage``.
        DomainError: SCIM manages the group, one of its roles is above the actor's own, or it follows the value already.
    """
    actor.require(P.SSO_MANAGE, connection)
    actor.require(P.GROUPS_MANAGE, group)
    stored: SsoConnection = own_row(SsoConnection, connection.pk)
    group = own_row(Group, group.pk)
    value = check_text(value, field="value", longest=LONGEST_VALUE)
    if not value:
        raise DomainError("Enter what the claim holds for this group.", field="value", code="required")
    if SsoGroupMapping.objects.filter(connection=stored).count() >= MOST_MAPPINGS:
        raise DomainError(f"A connection has {MOST_MAPPINGS} of them at most.", field="value", code="too_many")
    refuse_managed(group, actor, what=f"{group} cannot follow a claim", field="group")
    for group_role in GroupRole.objects.filter(group=group).select_related("role", "project"):
        what = f"You cannot let {group} follow a claim"
        refuse_above(actor, group_role.role.permissions, what=what, obj=group_role.project, field="group")
    mapping = SsoGroupMapping(organization_id=stored.organization_id, connection=stored, value=value, group=group)
    with one_of_a_kind(SsoGroupMapping, field="value"):
        mapping.save(force_insert=True)
    signals.sso_group_mapping_added.announce(mapping, actor=actor, after=snapshot(mapping))
    return mapping


@transaction.atomic
def remove_group_mapping(*, mapping: SsoGroupMapping, actor: Actor) -> None:
    """Let a group follow the claim no more; who is in it stays.

    Raises:
        MissingPermission: without ``sso:manage``.
    """
    actor.require(P.SSO_MANAGE, mapping)
    stored: SsoGroupMapping = own_row(SsoGroupMapping, mapping.pk, related=("connection", "group"))
    signals.sso_group_mapping_removed.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


def follow_groups(
    *, connection: SsoConnection, membership: Membership, claims: dict[str, Any], checklist: Checklist
) -> None:
    """Put somebody who signs in into the groups that the claim names, and take them out of the others that follow it.

    Args:
        connection: through which they came; call it under `lock_organization`.
        membership: theirs.
        claims: what was checked.
        checklist: gets what was found.
    """
    if not connection.groups_claim:
        return
    if _is_left_out(connection, claims):
        checklist.note(
            "The groups followed the claim",
            "There are too many groups for the token (overage), so that nothing was changed. Let the provider send "
            "only the groups that are assigned to this application.",
            passed=False,
        )
        return
    values = claim_values(claims.get(connection.groups_claim))
    mappings = SsoGroupMapping.objects.filter(connection=connection).exclude(group__source=Source.SCIM)
    wanted: dict[Any, bool] = {}
    groups: dict[Any, Group] = {}
    for mapping in mappings.select_related("group").order_by("group__name", "pk"):
        groups[mapping.group_id] = mapping.group
        wanted[mapping.group_id] = wanted.get(mapping.group_id, False) or mapping.value in values
    places = {
        place.group_id: place
        for place in GroupMember.objects.filter(membership=membership, group__in=groups).select_related("group")
    }
    actor = provider_actor(connection)  # who let the group follow held its roles
    for group_id, belongs in wanted.items():
        if belongs and group_id not in places:
            add_group_member(group=groups[group_id], membership=membership, actor=actor)
        elif not belongs and group_id in places:
            remove_group_member(place=places[group_id], actor=actor)
    names = ", ".join(groups[group_id].name for group_id, belongs in wanted.items() if belongs)
    checklist.note("The groups followed the claim", names or "None of them follows what the claim holds.")


def _is_left_out(connection: SsoConnection, claims: dict[str, Any]) -> bool:
    """Return whether Entra ID left the groups out because there are too many of them."""
    elsewhere = claims.get("_claim_names")
    named = isinstance(elsewhere, dict) and connection.groups_claim in elsewhere
    return connection.groups_claim not in claims and (named or claims.get("hasgroups") in (True, "true"))


def claim_values(claim: Any) -> set[str]:
    """Return the values of a groups claim: one text or several; anything else is none."""
    if isinstance(claim, str):
        return {claim}
    return {value for value in claim if isinstance(value, str)} if isinstance(claim, list) else set()
