"""What the tests of services share: custom roles, events, and running two requests at the same moment."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connections

from audit.models import Event
from isolation.actor import SYSTEM, Actor
from isolation.scope import tenant_scope
from tenants.access import user_actor
from tenants.models import Membership, Role, Source
from tenants.permissions import P
from tenants.services.members import add_member
from tenants.services.roles import create_role
from tests.people import Tenant, make_user


def events(tenant: Tenant, action: str | None = None) -> list[Event]:
    """Return the organization's events, oldest first, read in a scope of their own."""
    with tenant_scope(tenant.organization):
        found = Event.objects.order_by("time", "id")
        return list(found.filter(action=action) if action else found)


def custom_role(tenant: Tenant, name: str, permissions: Iterable[str]) -> Role:
    """Return a new custom role; the scope must be open."""
    return create_role(organization=tenant.organization, name=name, permissions=permissions, actor=SYSTEM)


def join(tenant: Tenant, name: str, role: Role) -> Membership:
    """Return the membership of a new person called `name` with this role; the scope must be open."""
    tenant.people[name] = make_user(f"{name}@{tenant.organization.slug}.example")
    return add_member(
        organization=tenant.organization, user=tenant.people[name], role=role, source=Source.MANUAL, actor=SYSTEM
    )


def lean_manager(tenant: Tenant, *extra: P) -> Actor:
    """Return somebody who manages people, groups, roles and projects and may do nothing besides; open the scope."""
    manages = [P.MEMBERS_MANAGE, P.MEMBERS_INVITE, P.GROUPS_MANAGE, P.ROLES_MANAGE, P.PROJECTS_MANAGE, *extra]
    join(tenant, "manager", custom_role(tenant, "Manager", manages))
    return user_actor(tenant.manager, tenant.organization.pk)


def at_once(*verbs: Callable[[], Any]) -> list[Any]:
    """Run the verbs in threads with a connection each, released at the same moment.

    Returns:
        what each returned, or the exception that it raised.
    """
    barrier = threading.Barrier(len(verbs), timeout=30)
    results: list[Any] = [None] * len(verbs)

    def run(number: int, verb: Callable[[], Any]) -> None:
        try:
            with connections["default"].cursor():
                barrier.wait()
            results[number] = verb()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number, verb)) for number, verb in enumerate(verbs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a deadlock"
    return results
