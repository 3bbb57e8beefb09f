"""The current tenant, actor and origin of the running request, task or command (context variables)."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from .actor import ANONYMOUS, Actor


class Via(StrEnum):
    """The door through which an action came."""

    API = "api"
    CLI = "cli"
    CONSOLE = "console"
    SCIM = "scim"
    SSO = "sso"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, as audit events freeze it.

    Attributes:
        via: the door.
        request_id: the id that the response carries in ``X-Request-ID`` too.
        ip: the client's address by the trusted-proxy rule, or None.
        user_agent: the client's own words, cut to 400 characters.
        session: a digest that groups one session's events; never the session key itself.
    """

    via: Via = Via.SYSTEM
    request_id: str = ""
    ip: str | None = None
    user_agent: str = ""
    session: str = ""


UNKNOWN_ORIGIN = Origin()

_organization_id: ContextVar[UUID | None] = ContextVar("organization_id", default=None)
_operator_reason: ContextVar[str] = ContextVar("operator_reason", default="")
_actor: ContextVar[Actor] = ContextVar("actor", default=ANONYMOUS)
_origin: ContextVar[Origin] = ContextVar("origin", default=UNKNOWN_ORIGIN)


def current_organization_id() -> UUID | None:
    """Return the organization of the innermost `tenant_scope`, or None."""
    return _organization_id.get()


def current_actor() -> Actor:
    """Return who acts; `ANONYMOUS`, who may do nothing, unless somebody was recognized."""
    return _actor.get()


def current_origin() -> Origin:
    """Return where the running request came from."""
    return _origin.get()


def crossing_tenants() -> bool:
    """Return whether the innermost scope is an `operator_scope`."""
    return bool(_operator_reason.get())


@contextmanager
def acting_as(actor: Actor) -> Iterator[Actor]:
    """Make `actor` the current one for the block."""
    token = _actor.set(actor)
    try:
        yield actor
    finally:
        _actor.reset(token)


@contextmanager
def originating(origin: Origin) -> Iterator[Origin]:
    """Make `origin` the current one for the block."""
    token = _origin.set(origin)
    try:
        yield origin
    finally:
        _origin.reset(token)


@contextmanager
def scoped_to(organization_id: UUID | None, *, operator_reason: str = "") -> Iterator[None]:
    """Set tenant and operator reason for the block; only `isolation.scope` calls this."""
    organization_token = _organization_id.set(organization_id)
    reason_token = _operator_reason.set(operator_reason)
    try:
        yield
    finally:
        _operator_reason.reset(reason_token)
        _organization_id.reset(organization_token)
