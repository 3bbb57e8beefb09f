"""What comes in: the listener, the filters that a request passes, and the routes."""

import re
from urllib.parse import urlsplit

from gateway.upstreams import Upstream

from .pieces import HTTP, TLS, Part, Section, address, files
from .replies import mapper

CHECK_PATH = "/check"


class Incoming(Section):
    """What one proxy does with requests."""

    def listener(self) -> Part:
        """Return where clients connect, and everything that becomes of their requests."""
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
            context["tls_certificates"] = [files(proxy.listener)]
            chain["transport_socket"] = {
                "name": "envoy.transport_sockets.tls",
                "typed_config": {"@type": f"{TLS}.DownstreamTlsContext", "common_tls_context": context},
            }
        return {
            "name": "llm",
            "address": address(proxy.host, proxy.port),
            "per_connection_buffer_limit_bytes": 1048576,
            "filter_chains": [chain],
        }

    def _connection_manager(self) -> Part:
        return self._part("connection_manager") | {
            "xff_num_trusted_hops": self._proxy.trusted_hops,
            "access_log": self._parts["access_log"],
            "local_reply_config": {"mappers": [mapper(reply) for reply in self._parts["local_replies"]]},
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
            dynamic = f"{HTTP}.dynamic_forward_proxy.v3.FilterConfig"
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
            "@type": f"{HTTP}.jwt_authn.v3.JwtAuthentication",
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
        kind = f"{HTTP}.dynamic_forward_proxy.v3.PerRouteConfig"
        host = {"@type": kind, "host_rewrite_header": "x-gatehouse-upstream"}
        per_filter = {"envoy.filters.http.dynamic_forward_proxy": host}
        return {"match": match, "route": route, "typed_per_filter_config": per_filter}


def _begins(header: Part) -> Part:
    return {"name": header["name"], "string_match": {"prefix": header["value_prefix"]}}


def _chosen(match: Part, path: str = "/") -> Part:
    return {"prefix": path, "headers": [{"name": "x-gatehouse-upstream", "string_match": match}]}


def _authority(where: Upstream) -> str:
    """Return what stands in Host."""
    return re.sub(f"{re.escape(where.prefix)}$", "", where.name)
