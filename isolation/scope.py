"""The only doors to tenant rows: `tenant_scope` for one organization, `operator_scope` across them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar
from uuid import UUID

from django.db import connections, transaction

from . import context
from .exceptions import NoTenant, ScopeRefused
from .signals import operator_scope_entered

APP = "default"
OPERATOR = "operator"
MIGRATOR = "migrator"
SEALER = "sealer"
ORGANIZATION_SETTING = "app.organization"
INSTALLATION = UUID(int=0)
"""In place of an organization, for rows and secrets that belong to none."""

T = TypeVar("T")

_pending: ContextVar[list[Callable[[], None]] | None] = ContextVar("pending", default=None)


@contextmanager
def tenant_scope(organization: Any) -> Iterator[None]:
    """Open a transaction in which exactly one organization's rows exist.

    The tenant is announced by ``SET LOCAL`` (here: ``set_config(..., true)``), which ends with the transaction, so that
    a transaction pooler cannot hand it to somebody else. Scopes nest; the inner one wins and the outer comes back.

    Args:
        organization: an Organization or its UUID. It need not exist yet: creating one happens inside its own scope.
    """
    organization_id = organization if isinstance(organization, UUID) else UUID(str(organization.pk))
    connection = connections[APP]
    outer = context.current_organization_id()
    nested = connection.in_atomic_block
    with settling(), transaction.atomic(using=APP):
        _announce(str(organization_id))
        with context.scoped_to(organization_id):
            yield
        if nested and not connection.needs_rollback:
            _announce(str(outer) if outer else "")


@contextmanager
def operator_scope(reason: str) -> Iterator[None]:
    """Read across tenants through the operator's own database role, which can write nothing.

    Writes to a tenant's rows open that tenant's `tenant_scope` inside.

    Args:
        reason: why, in words; it is recorded before anything is read.

    Raises:
        ScopeRefused: the current actor is neither an operator nor the system.
        ValueError: no reason was given.
    """
    actor = context.current_actor()
    if not actor.runs_installation:
        raise ScopeRefused("Only an operator of this installation may read across organizations.")
    if not reason.strip():
        raise ValueError("operator_scope needs a reason")
    with settling():
        operator_scope_entered.send(sender=operator_scope, actor=actor, reason=reason)
        with (
            transaction.atomic(using=OPERATOR),
            context.scoped_to(None, operator_reason=reason),
        ):
            yield


@contextmanager
def settling() -> Iterator[None]:
    """Run what `on_scope_exit` collected once the outermost such block has ended, committed or rolled back."""
    if _pending.get() is not None:
        yield
        return
    callbacks: list[Callable[[], None]] = []
    token = _pending.set(callbacks)
    try:
        yield
    finally:
        _pending.reset(token)
        for callback in callbacks:
            callback()


def continuation() -> Callable[[Callable[[], T]], T]:
    """Return a function that runs others in the scope that is open now, after that scope has ended.

    For responses that stream: their rows are read when the request's transaction is over. Each call has a short
    transaction of its own, with the actor, the origin and the tenant (or the operator's recorded reason) of now.

    Raises:
        NoTenant: no scope is open.
    """
    organization_id, crossing = context.current_organization_id(), context.crossing_tenants()
    if organization_id is None and not crossing:
        raise NoTenant("There is no scope to continue: open tenant_scope or operator_scope first.")
    frozen = copy_context()

    def again(work: Callable[[], T]) -> T:
        _pending.set(None)  # what waited for the end of the first scope has run by now
        if organization_id is not None:
            with tenant_scope(organization_id):
                return work()
        with transaction.atomic(using=OPERATOR):
            return work()

    def run(work: Callable[[], T]) -> T:
        result = frozen.run(again, work)
        connection = connections[APP]
        if connection.in_atomic_block and not connection.needs_rollback:
            # The frozen scope put its own tenant back; the transaction around this call has another one.
            _announce(str(context.current_organization_id() or ""))
        return result

    return run


def on_scope_exit(callback: Callable[[], None]) -> None:
    """Call back after the outermost scope's transaction ended, whichever way; at once outside any scope.

    A refusal must be recorded although everything else of its request is rolled back.
    """
    callbacks = _pending.get()
    if callbacks is None:
        callback()
    else:
        callbacks.append(callback)


def _announce(value: str) -> None:
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [ORGANIZATION_SETTING, value])
