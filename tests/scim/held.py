"""What Gatehouse holds of what was provisioned, read behind SCIM's back."""

from isolation.scope import tenant_scope
from tenants.models import Group, GroupMember, Membership
from tests.people import Tenant


def member_named(email: str) -> Membership:
    """Return the membership of the person with this address; the scope must be open."""
    membership: Membership = Membership.objects.select_related("user", "role").get(user__email__iexact=email)
    return membership


def is_member(tenant: Tenant, email: str) -> bool:
    """Return whether the person with this address is an active member."""
    with tenant_scope(tenant.organization):
        return bool(Membership.objects.filter(user__email__iexact=email, is_active=True).exists())


def active_members(tenant: Tenant) -> set[str]:
    """Return the addresses of all active members."""
    with tenant_scope(tenant.organization):
        return set(Membership.objects.filter(is_active=True).values_list("user__email", flat=True))


def groups(tenant: Tenant) -> dict[str, set[str]]:
    """Return the addresses of the members of each group, by the group's name."""
    with tenant_scope(tenant.organization):
        found: dict[str, set[str]] = {name: set() for name in Group.objects.values_list("name", flat=True)}
        for place in GroupMember.objects.select_related("group", "membership__user"):
            found[place.group.name].add(place.membership.user.email)
        return found
