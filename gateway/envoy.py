"""The configuration of the proxy's Envoy, put together from `deploy/envoy/parts.yaml` and an installation's addresses.

The Helm chart puts the same parts together in its own language; `tests/chart` compares the two.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from .upstreams import PATTERNS, Upstream, upstream_at

PARTS = Path(__file__).resolve().parent.parent / "deploy" / "envoy" / "parts.yaml"
CHECK_PATH = "/check"
_TYPE = "type.googleapis.com/envoy"
_HTTP = f"{_TYPE}.extensions.filters.http"
_TLS = f"{_TYPE}.extensions.transport_sockets.tls.v3"
Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as files of the machine that Envoy runs on."""

    certificate: str
    key: str


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
        return _Assembly(self, yaml.safe_load(PARTS.read_text(encoding="utf-8"))).bootstrap()


def is_loopback(url: str) -> bool:
    """Return whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Assembly:
    """One proxy's parts on their way into one configuration."""

    def __init__(self, proxy: Proxy, parts: Part) -> None:
        self._proxy = proxy
        self._parts: dict[str, Any] = parts

    def bootstrap(self) -> Part:
        proxy = self._proxy
        return {
            "node": {"id": "gatehouse-llm", "cluster": "gatehouse-llm"},
            # What Envoy tells about itself, and lets be changed, is for this machine alone.
            "admin": {"address": _address("127.0.0.1", proxy.admin_port)},
            "overload_manager": self._parts["overload"],
            "layered_runtime": self._parts["runtime"],
            "bootstrap_extensions": [
                {
                    "name": "envoy.bootstrap.internal_listener",
                    "typed_config": {"@type": f"{_TYPE}.extensions.bootstrap.internal_listener.v3.InternalListener"},
                }
            ],
            "static_resources": {
                "listeners": [self._listener(), *self._tunnels()],
                "clusters": self._clusters(),
            },
        }

    def _part(self, name: str) -> Part:
        part: Part = self._parts[name]
        return part

    # --- What comes in ---------------------------------------------------------------------------

    def _listener(self) -> Part:
        proxy = self._proxy
        chain: Part = {
            "filters": [
                {"name": "envoy.filters.network.http_connection_manager", "typed_config": self._connection_manager()}
            ]
        }
        if proxy.listener:
            context: Part = {
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "alpn_protocols": ["h2", "http/1.1"],
            }
            context["tls_certificates"] = [_files(proxy.listener)]
            chain["transport_socket"] = {
                "name": "envoy.transport_sockets.tls",
                "typed_config": {"@type": f"{_TLS}.DownstreamTlsContext", "common_tls_context": context},
            }
        return {
            "name": "llm",
            "address": _address(proxy.host, proxy.port),
            "per_connection_buffer_limit_bytes": 1048576,
            "filter_chains": [chain],
        }

    def _connection_manager(self) -> Part:
        return self._part("connection_manager") | {
            "xff_num_trusted_hops": self._proxy.trusted_hops,
            "access_log": self._parts["access_log"],
            "local_reply_config": {"mappers": [_mapper(reply) for reply in self._parts["local_replies"]]},
            "route_config": {
                "name": "llm",
                "virtual_hosts": [self._parts["virtual_host"] | {"routes": self._routes()}],
            },
            "http_filters": self._filters(),
        }

    def _filters(self) -> list[Part]:
        proxy, parts = self._proxy, self._parts
        found = [
            ("health_check", parts["health_check"]),
            ("header_mutation", parts["header_mutation"]),
            ("rbac", parts["escaped_slashes"]),
            ("jwt_authn", self._jwt_authn()),
        ]
        if proxy.requests_per_minute:
            found.append(("local_ratelimit", self._local_ratelimit()))
        found.append(("ext_authz", self._ext_authz()))
        if proxy.transformer:
            service = {"envoy_grpc": {"cluster_name": "transformer"}}
            ext_proc = {"grpc_service": service, "message_timeout": f"{proxy.transformer_seconds:g}s"}
            found.append(("ext_proc", parts["ext_proc"] | ext_proc))
        if not proxy.http_proxy:
            dynamic = f"{_HTTP}.dynamic_forward_proxy.v3.FilterConfig"
            found.append(("dynamic_forward_proxy", {"@type": dynamic, "dns_cache_config": parts["dns_cache"]}))
        found.append(("router", parts["router"]))
        return [{"name": f"envoy.filters.http.{name}", "typed_config": config} for name, config in found]

    def _jwt_authn(self) -> Part:
        proxy = self._proxy
        provider = self._parts["token"] | {
            "issuer": proxy.issuer,
            "audiences": list(proxy.audiences),
            "remote_jwks": self._parts["jwks_retry"]
            | {
                "http_uri": {"uri": proxy.jwks, "cluster": "jwks", "timeout": "5s"},
                "cache_duration": f"{proxy.jwks_seconds}s",
            },
        }
        headers = self._parts["token_headers"]
        required = {"provider_name": "bare"}
        optional = {"requires_any": {"requirements": [required, {"allow_missing": {}}]}}
        rules: list[tuple[Part, Part]] = [
            (_begins(header), {"provider_name": "bearer"}) for header in headers["bearer"]
        ]
        rules += [(header, optional) for header in self._parts["api_keys"] if proxy.takes_api_keys]
        return {
            "@type": f"{_HTTP}.jwt_authn.v3.JwtAuthentication",
            "providers": {name: provider | {"from_headers": places} for name, places in headers.items()},
            "rules": [
                *({"match": {"prefix": "/", "headers": [header]}, "requires": needed} for header, needed in rules),
                {"match": {"prefix": "/"}, "requires": required},
            ],
        }

    def _local_ratelimit(self) -> Part:
        number = self._proxy.requests_per_minute
        bucket = {"max_tokens": number, "tokens_per_fill": number, "fill_interval": "60s"}
        # An entry without a value makes a bucket for each value that comes.
        descriptor = {"entries": [{"key": "organization"}], "token_bucket": bucket}
        return self._part("local_ratelimit") | {"descriptors": [descriptor]}

    def _ext_authz(self) -> Part:
        parts, proxy = self._parts, self._proxy
        prefix = urlsplit(proxy.authz).path.rstrip("/") + CHECK_PATH
        return self._part("ext_authz") | {
            "allowed_headers": {"patterns": parts["told"]},
            "http_service": {
                "server_uri": {"uri": proxy.authz, "cluster": "authz", "timeout": f"{proxy.authz_seconds:g}s"},
                "path_prefix": prefix,
                "authorization_request": {"headers_to_add": parts["said"]},
                "authorization_response": {
                    "allowed_upstream_headers": {"patterns": parts["injected"]},
                    "allowed_client_headers": {"patterns": parts["denied"]},
                    "dynamic_metadata_from_headers": {"patterns": parts["logged"]},
                },
            },
        }

    def _routes(self) -> list[Part]:
        """Return a route for each upstream; the authorization service names one, and nothing else leads anywhere."""
        routes = [route for upstream in self._proxy.upstreams for route in self._routes_to(upstream)]
        routes += [self._regional_route(pattern) for pattern in self._proxy.patterns.values()]
        return [*routes, self._parts["undecided"]]

    def _routes_to(self, where: Upstream) -> list[Part]:
        """Return the routes to an upstream: what clients call /v1 stands there where its address says."""
        rewritten = {"/": f"{where.prefix}/"}
        if where.prefix.endswith("/v1"):
            rewritten = {"/v1/": f"{where.prefix}/"} | rewritten
        return [
            {
                "match": _chosen({"exact": where.name}, path),
                "route": self._parts["route"]
                | {"cluster": where.name, "prefix_rewrite": prefix, "host_rewrite_literal": _authority(where)},
            }
            for path, prefix in rewritten.items()
        ]

    def _regional_route(self, pattern: str) -> Part:
        """Return the route of the hosts that fit a pattern; what was chosen becomes the request's host."""
        match = _chosen({"safe_regex": {"regex": pattern}})
        route = self._parts["route"] | {"cluster": "regional"}
        if self._proxy.http_proxy:
            by_copy = self._parts["regional_host"]
            return {"match": match, "route": route | by_copy["route"], "request_headers_to_add": by_copy["added"]}
        kind = f"{_HTTP}.dynamic_forward_proxy.v3.PerRouteConfig"
        host = {"@type": kind, "host_rewrite_header": "x-gatehouse-upstream"}
        per_filter = {"envoy.filters.http.dynamic_forward_proxy": host}
        return {"match": match, "route": route, "typed_per_filter_config": per_filter}

    # --- What goes out ---------------------------------------------------------------------------

    def _clusters(self) -> list[Part]:
        proxy = self._proxy
        found = [
            self._cluster(one.name, one, self._tls(one), tunnel=self._is_tunnelled(one)) for one in proxy.upstreams
        ]
        found.append(self._regional())
        if proxy.http_proxy:
            where = Upstream("http-proxy", proxy.http_proxy.host, proxy.http_proxy.port, is_tls=False, prefix="")
            found.append(self._cluster(where.name, where, None))
        own = {"jwks": proxy.jwks, "authz": proxy.authz}
        if proxy.transformer:
            own["transformer"] = proxy.transformer
        for name, url in own.items():
            service = upstream_at(url)
            protocols = self._parts["protocols"]["grpc" if name == "transformer" else "plain"]
            found.append(self._cluster(name, service, self._own_tls(service, is_grpc=name == "transformer"), protocols))
        return found

    def _is_tunnelled(self, where: Upstream) -> bool:
        proxy = self._proxy.http_proxy
        return proxy is not None and proxy.reaches(where.host)

    def _tunnels(self) -> list[Part]:
        """Return what opens connections through the HTTP proxy, by name: it looks names up, not Envoy."""
        if not self._proxy.http_proxy:
            return []
        found = [
            _tunnel(upstream.name, f"{upstream.host}:{upstream.port}")
            for upstream in self._proxy.upstreams
            if self._is_tunnelled(upstream)
        ]
        regional = _tunnel("regional", "%REQUESTED_SERVER_NAME%:443")
        inspector = {"@type": f"{_TYPE}.extensions.filters.listener.tls_inspector.v3.TlsInspector"}
        listening = [{"name": "envoy.filters.listener.tls_inspector", "typed_config": inspector}]
        return [*found, regional | {"listener_filters": listening}]

    def _cluster(
        self, name: str, where: Upstream, tls: Part | None, protocols: Part | None = None, *, tunnel: bool = False
    ) -> Part:
        """Return the cluster of one server, whose certificate has to be for its name."""
        protocols = protocols or self._parts["protocols"]["tls" if tls else "plain"]
        cluster = self._part("cluster") | {
            "name": name,
            "typed_extension_protocol_options": _options(protocols),
            "load_assignment": _endpoint(name, _inside(name) if tunnel else _address(where.host, where.port)),
        }
        if tunnel or _is_address(where.host):
            cluster["type"] = "STATIC"
        else:
            cluster["cluster_type"] = {"name": "envoy.clusters.dns", "typed_config": self._parts["names"]}
        return cluster | ({"transport_socket": tls} if tls else {})

    def _regional(self) -> Part:
        """Return the cluster of all hosts that fit a pattern: each is looked up by its name, and has to prove it."""
        protocols = self._parts["protocols"]["tls"] | {
            "upstream_http_protocol_options": {"auto_sni": True, "auto_san_validation": True}
        }
        config = {
            "@type": f"{_TYPE}.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
            "dns_cache_config": self._parts["dns_cache"],
        }
        where: Part = {
            "lb_policy": "CLUSTER_PROVIDED",
            "cluster_type": {"name": "envoy.clusters.dynamic_forward_proxy", "typed_config": config},
        }
        if self._proxy.http_proxy:
            protocols |= {"http_filters": self._parts["regional_host"]["http_filters"]}
            where = {"type": "STATIC", "load_assignment": _endpoint("regional", _inside("regional"))}
        return (
            self._part("cluster")
            | where
            | {
                "name": "regional",
                "typed_extension_protocol_options": _options(protocols),
                "transport_socket": _socket({}, {"trusted_ca": {"filename": self._proxy.authorities}}),
            }
        )

    def _tls(self, where: Upstream) -> Part | None:
        return _verified(where, self._proxy.authorities) if where.is_tls else None

    def _own_tls(self, where: Upstream, *, is_grpc: bool) -> Part | None:
        if not where.is_tls:
            return None
        more: Part = {"alpn_protocols": ["h2"]} if is_grpc else {}
        if self._proxy.client:
            more["tls_certificates"] = [_files(self._proxy.client)]
        return _verified(where, self._proxy.gatehouse_authorities or self._proxy.authorities, more)


def _begins(header: Part) -> Part:
    return {"name": header["name"], "string_match": {"prefix": header["value_prefix"]}}


def _chosen(match: Part, path: str = "/") -> Part:
    return {"prefix": path, "headers": [{"name": "x-gatehouse-upstream", "string_match": match}]}


def _authority(where: Upstream) -> str:
    """Return what stands in Host."""
    return re.sub(f"{re.escape(where.prefix)}$", "", where.name)


def _address(host: str, port: int) -> Part:
    return {"socket_address": {"address": host, "port_value": port}}


def _inside(name: str) -> Part:
    """Return the address of a tunnel, which is a listener of this Envoy's own."""
    return {"envoy_internal_address": {"server_listener_name": f"tunnel {name}", "endpoint_id": name}}


def _tunnel(name: str, hostname: str) -> Part:
    config = {
        "@type": f"{_TYPE}.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tunnel",
        "cluster": "http-proxy",
        "idle_timeout": "900s",
        "tunneling_config": {"hostname": hostname},
    }
    filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": config}]
    return {"name": f"tunnel {name}", "internal_listener": {}, "filter_chains": [{"filters": filters}]}


def _endpoint(name: str, address: Part) -> Part:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}


def _options(protocols: Part) -> Part:
    kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {kind: {"@type": f"type.googleapis.com/{kind}"} | protocols}


def _files(pair: Pair) -> Part:
    return {"certificate_chain": {"filename": pair.certificate}, "private_key": {"filename": pair.key}}


def _verified(where: Upstream, authorities: str, more: Part | None = None) -> Part:
    """Return TLS to one server: a trusted authority is not enough, the certificate has to be for its name."""
    kind = "IP_ADDRESS" if _is_address(where.host) else "DNS"
    names = [{"san_type": kind, "matcher": {"exact": where.host}}]
    validation = {"trusted_ca": {"filename": authorities}, "match_typed_subject_alt_names": names}
    return _socket({} if kind == "IP_ADDRESS" else {"sni": where.host}, validation, more)


def _socket(context: Part, validation: Part, more: Part | None = None) -> Part:
    common = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "validation_context": validation,
        **(more or {}),
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": f"{_TLS}.UpstreamTlsContext", "common_tls_context": common, **context},
    }


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _mapper(reply: Part) -> Part:
    """Return the mapper that puts one of Envoy's own refusals into the words of the others."""
    if "code" not in reply:
        return {"filter": _matching(reply["when"]), "status_code": reply["status"]}
    headers = {"x-gatehouse-denial": reply["code"], **reply["headers"]}
    document = {
        "type": f"urn:gatehouse:problem:{reply['code']}",
        "title": reply["title"],
        "status": reply["status"],
        "detail": reply["detail"],
        "code": reply["code"],
        "request_id": "%REQ(X-REQUEST-ID)%",
    }
    return {
        "filter": _matching(reply["when"]),
        "status_code": reply["status"],
        "headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in sorted(headers.items())
        ],
        "body_format_override": {"json_format": document, "content_type": "application/problem+json"},
    }


def _matching(expression: str) -> Part:
    kind = f"{_TYPE}.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
    config = {"@type": kind, "expression": expression}
    return {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}}
