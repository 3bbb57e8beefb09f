"""The configuration of the proxy's Envoy, put together from `deploy/envoy/parts.yaml` and an installation's addresses.

The Helm chart puts the same parts together in its own language; `tests/chart` compares the two.
"""

from .pieces import Pair
from .proxy import HttpProxy, Proxy, is_loopback

__all__ = ["HttpProxy", "Pair", "Proxy", "is_loopback"]
