"""How often somebody may try to sign in through a provider: counted by their address, shared by all processes."""

from django.conf import settings

from api.limits import Quota, count
from isolation.addresses import counted_as
from isolation.context import current_origin


def seconds_to_wait() -> int:
    """Count a request by its address and return how long it has to wait, 0 for not at all."""
    quota = Quota("address", f"sso:{counted_as(current_origin().ip) or 'unknown'}", settings.API_RATE_PER_ADDRESS)
    (standing,) = count([quota])
    return max(1, standing.reset) if standing.used > quota.limit else 0
