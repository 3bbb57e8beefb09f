"""One Envoy of the proxy: what it is told, and the configuration that comes of it."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from gateway.upstreams import PATTERNS, Upstream

from .incoming import Incoming
from .outgoing import Outgoing
from .pieces import TYPE, Pair, Part, address

PARTS = Path(__file__).resolve().parents[2] / "deploy" / "envoy" / "parts.yaml"


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """What stands between Envoy and the providers.

    Attributes:
        host, port: where it takes CONNECT.
        without: hosts, and domains that begin with a dot, which are reached directly.
    """

    host: str
    port: int
    without: Sequence[str] = ()

    def reaches(self, host: str) -> bool:
        """Return whether requests to a host go through it."""
        return not any(host == one.lstrip(".") or (one[:1] == "." and host.endswith(one)) for one in self.without)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """What one Envoy is told.

    Attributes:
        issuer: iss of the tokens.
        audiences: of which a token has to carry one.
        jwks: where the public keys are.
        authz: the authorization service's address, without the path it is asked at.
        upstreams: where requests may go, beside the hosts that fit `PATTERNS`.
        authorities: a file with the certificate authorities that providers' certificates are checked by.
        host, port: where it listens.
        admin_port: where it tells about itself, on loopback only.
        transformer: the transformer's address, or "".
        jwks_seconds: for how long published keys are remembered.
        authz_seconds, transformer_seconds: how long it waits for an answer.
        takes_api_keys: whether requests with an API key and no token reach the authorization service.
        requests_per_minute: of one organization, in this process; 0 for as many as come.
        trusted_hops: proxies before it whose X-Forwarded-For is believed.
        gatehouse_authorities: authorities for JWKS, authorization service and transformer, by default the same.
        client: what it shows to these, where they ask for a certificate.
        listener: what it shows to clients; without it, it listens for plain HTTP.
        http_proxy: what stands between it and the providers.
    """

    issuer: str
    audiences: Sequence[str]
    jwks: str
    authz: str
    upstreams: Sequence[Upstream]
    authorities: str
    host: str = "127.0.0.1"
    port: int = 10000
    admin_port: int = 9901
    transformer: str = ""
    jwks_seconds: int = 300
    authz_seconds: float = 10
    transformer_seconds: float = 10
    takes_api_keys: bool = True
    requests_per_minute: int = 0
    trusted_hops: int = 0
    gatehouse_authorities: str = ""
    client: Pair | None = None
    listener: Pair | None = None
    http_proxy: HttpProxy | None = None
    patterns: Mapping[str, str] = field(default_factory=lambda: PATTERNS)

    def bootstrap(self) -> Part:
        """Return the configuration that Envoy starts with.

        Raises:
            UnknownUpstream: an address is none.
        """
        parts: Part = yaml.safe_load(PARTS.read_text(encoding="utf-8"))
        incoming, outgoing = Incoming(self, parts), Outgoing(self, parts)
        internal = f"{TYPE}.extensions.bootstrap.internal_listener.v3.InternalListener"
        return {
            "node": {"id": "gatehouse-llm", "cluster": "gatehouse-llm"},
            # What Envoy tells about itself, and lets be changed, is for this machine alone.
            "admin": {"address": address("127.0.0.1", self.admin_port)},
            "overload_manager": parts["overload"],
            "layered_runtime": parts["runtime"],
            "bootstrap_extensions": [
                {"name": "envoy.bootstrap.internal_listener", "typed_config": {"@type": internal}}
            ],
            "static_resources": {
                "listeners": [incoming.listener(), *outgoing.tunnels()],
                "clusters": outgoing.clusters(),
            },
        }


def is_loopback(url: str) -> bool:
    """Return whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
