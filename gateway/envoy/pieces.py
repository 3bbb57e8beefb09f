"""The small pieces that a configuration of Envoy's is put together from."""

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.upstreams import Upstream

if TYPE_CHECKING:
    from .proxy import Proxy

TYPE = "type.googleapis.com/envoy"
HTTP = f"{TYPE}.extensions.filters.http"
TLS = f"{TYPE}.extensions.transport_sockets.tls.v3"
Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as files of the machine that Envoy runs on."""

    certificate: str
    key: str


class Section:
    """A section of one proxy's configuration.

    Args:
        proxy: it.
        parts: of ``parts.yaml``.
    """

    def __init__(self, proxy: "Proxy", parts: Part) -> None:
        self._proxy = proxy
        self._parts: dict[str, Any] = parts

    def _part(self, name: str) -> Part:
        part: Part = self._parts[name]
        return part


def address(host: str, port: int) -> Part:
    """Return where something listens, or is reached."""
    return {"socket_address": {"address": host, "port_value": port}}


def inside(name: str) -> Part:
    """Return the address of a tunnel, which is a listener of this Envoy's own."""
    return {"envoy_internal_address": {"server_listener_name": f"tunnel {name}", "endpoint_id": name}}


def endpoint(name: str, where: Part) -> Part:
    """Return the one server of a cluster."""
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": where}}]}]}


def options(protocols: Part) -> Part:
    """Return how a cluster is spoken to."""
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {kind: {"@type": f"type.googleapis.com/{kind}"} | protocols}


def files(pair: Pair) -> Part:
    """Return where a certificate and its key are."""
    return {"certificate_chain": {"filename": pair.certificate}, "private_key": {"filename": pair.key}}


def verified(where: Upstream, authorities: str, more: Part | None = None) -> Part:
    """Return TLS to one server: a trusted authority is not enough, the certificate has to be for its name."""
    kind = "IP_ADDRESS" if is_address(where.host) else "DNS"
    names = [{"san_type": kind, "matcher": {"exact": where.host}}]
    validation = {"trusted_ca": {"filename": authorities}, "match_typed_subject_alt_names": names}
    return socket({} if kind == "IP_ADDRESS" else {"sni": where.host}, validation, more)


def socket(context: Part, validation: Part, more: Part | None = None) -> Part:
    """Return TLS to a server whose certificate is validated so."""
    common = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "validation_context": validation,
        **(more or {}),
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": f"{TLS}.UpstreamTlsContext", "common_tls_context": common, **context},
    }


def is_address(host: str) -> bool:
    """Return whether a host is an IP address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
