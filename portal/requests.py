"""What the middleware adds to a request, for type checkers and readers."""

from django.http import HttpRequest

from isolation.actor import Actor
from isolation.context import Origin
from portal.support import SupportSession
from tenants.lookups import MembershipSummary
from tenants.models import Organization


class ScopedRequest(HttpRequest):
    """A request after `OriginMiddleware` and `ScopeMiddleware`; never instantiated, only named.

    Attributes:
        origin: where it comes from.
        actor: who asks, with the authority in `organization` if there is one.
        organization: the organization whose console is open, or None.
        memberships: the person's organizations, inside a console; empty elsewhere.
        support: the operator's visit, when that is how the console was entered.
    """

    origin: Origin
    actor: Actor
    organization: Organization | None
    memberships: tuple[MembershipSummary, ...]
    support: SupportSession | None
    urlconf: str
