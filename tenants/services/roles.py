"""Changes to custom roles; the built-in ones cannot be changed."""

import re
from collections.abc import Iterable
from itertools import chain, count

from django.db import transaction
from django.db.models import ProtectedError
from django.utils.text import slugify

from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants import signals
from tenants.models import Organization, Role
from tenants.permissions import BuiltinRole, P, known

from .naming import check_name
from .rules import one_of_a_kind, own_row, refuse_above

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@transaction.atomic
def create_role(
    *,
    organization: Organization,
    name: str,
    permissions: Iterable[str],
    actor: Actor,
    description: str = "",
    key: str | None = None,
) -> Role:
    """Create a custom role.

    Args:
        organization: where.
        name: unique in the organization, in any case of letters.
        permissions: catalogue names.
        actor: who creates it; the role allows no more than they hold.
        description: a sentence, optional.
        key: the immutable identifier, unique in the organization; None: made from the name.

    Raises:
        MissingPermission: without ``roles:manage``.
        UnknownPermission: a name is not in the catalogue.
        DomainError: name or key are refused, or the role would be above the actor's own.
    """
    actor.require(P.ROLES_MANAGE, organization)
    granted = known(permissions)
    refuse_above(actor, granted, what="You cannot make this role", field="permissions")
    name = check_name(name)
    role = Role(
        organization=organization,
        key=_free_key(name) if key is None else _own_key(key),
        name=name,
        description=description.strip(),
        custom_permissions=sorted(granted),
    )
    with one_of_a_kind(Role, field="name"):
        role.save(force_insert=True)
    signals.role_created.announce(role, actor=actor, after=snapshot(role))
    return role


@transaction.atomic
def update_role(*, role: Role, name: str, permissions: Iterable[str], actor: Actor, description: str = "") -> Role:
    """Change a custom role for everybody who has it.

    Raises:
        MissingPermission: without ``roles:manage``.
        UnknownPermission: a name is not in the catalogue.
        DomainError: it is built in, the name is refused, or the old or new role is above the actor's own.
    """
    stored = _custom(role, actor)
    granted = known(permissions)
    refuse_above(actor, stored.permissions, what=f"You cannot change the role {stored}", field="permissions")
    refuse_above(actor, granted, what="You cannot make this role", field="permissions")
    before = snapshot(stored)
    stored.name, stored.description = check_name(name), description.strip()
    stored.custom_permissions = sorted(granted)
    with one_of_a_kind(Role, field="name"):
        stored.save()
    signals.role_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def delete_role(*, role: Role, actor: Actor) -> None:
    """Delete a custom role that nobody has.

    Raises:
        MissingPermission: without ``roles:manage``.
        DomainError: it is built in, in use, or above the actor's own.
    """
    stored = _custom(role, actor)
    refuse_above(actor, stored.permissions, what=f"You cannot delete the role {stored}", field=None)
    signals.role_deleted.announce(stored, actor=actor, before=snapshot(stored))
    try:
        stored.delete()
    except ProtectedError as error:
        raise DomainError(
            f"The role {role} is in use: give its members, groups, service accounts, connections and invitations "
            "another first.",
            code="in_use",
        ) from error


def _custom(role: Role, actor: Actor) -> Role:
    actor.require(P.ROLES_MANAGE, role)
    stored: Role = own_row(Role, role.pk)
    if stored.is_builtin:
        raise DomainError(f"{stored} is built in and cannot be changed. Create a role of your own.", code="builtin")
    return stored


def _own_key(key: str) -> str:
    """Return a key that somebody chose when it is well formed and free."""
    if not _KEY.fullmatch(key):
        raise DomainError(
            "Use lower-case letters, digits, hyphens and underscores for a role's key, 63 at most; begin with a letter"
            " or digit.",
            field="key",
            code="invalid",
        )
    if key in BuiltinRole.__members__.values() or Role.objects.filter(key=key).exists():
        raise DomainError(f"There is already a role with the key {key}.", field="key", code="duplicate")
    return key


def _free_key(name: str) -> str:
    """Return a key from the name that no role has: names that differ may come to the same letters, or to none."""
    key = slugify(name)[:50] or "role"
    if key in BuiltinRole.__members__.values():
        key = f"custom-{key}"
    taken = set(Role.objects.filter(key__startswith=key).values_list("key", flat=True))
    return next(free for free in chain([key], (f"{key}-{number}" for number in count(2))) if free not in taken)
