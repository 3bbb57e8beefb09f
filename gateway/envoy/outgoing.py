"""What goes out: providers, Gatehouse's own servers, and the HTTP proxy between."""

from gateway.upstreams import Upstream, upstream_at

from .pieces import TYPE, Part, Section, address, endpoint, files, inside, is_address, options, socket, verified


class Outgoing(Section):
    """Whom one proxy calls."""

    def clusters(self) -> list[Part]:
        """Return the servers that are called, each by its name."""
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

    def tunnels(self) -> list[Part]:
        """Return what opens connections through the HTTP proxy, by name: it looks names up, not Envoy."""
        if not self._proxy.http_proxy:
            return []
        found = [
            _tunnel(upstream.name, f"{upstream.host}:{upstream.port}")
            for upstream in self._proxy.upstreams
            if self._is_tunnelled(upstream)
        ]
        regional = _tunnel("regional", "%REQUESTED_SERVER_NAME%:443")
        inspector = {"@type": f"{TYPE}.extensions.filters.listener.tls_inspector.v3.TlsInspector"}
        listening = [{"name": "envoy.filters.listener.tls_inspector", "typed_config": inspector}]
        return [*found, regional | {"listener_filters": listening}]

    def _cluster(
        self, name: str, where: Upstream, tls: Part | None, protocols: Part | None = None, *, tunnel: bool = False
    ) -> Part:
        """Return the cluster of one server, whose certificate has to be for its name."""
        protocols = protocols or self._parts["protocols"]["tls" if tls else "plain"]
        cluster = self._part("cluster") | {
            "name": name,
            "typed_extension_protocol_options": options(protocols),
            "load_assignment": endpoint(name, inside(name) if tunnel else address(where.host, where.port)),
        }
        if tunnel or is_address(where.host):
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
            "@type": f"{TYPE}.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
            "dns_cache_config": self._parts["dns_cache"],
        }
        where: Part = {
            "lb_policy": "CLUSTER_PROVIDED",
            "cluster_type": {"name": "envoy.clusters.dynamic_forward_proxy", "typed_config": config},
        }
        if self._proxy.http_proxy:
            protocols |= {"http_filters": self._parts["regional_host"]["http_filters"]}
            where = {"type": "STATIC", "load_assignment": endpoint("regional", inside("regional"))}
        return (
            self._part("cluster")
            | where
            | {
                "name": "regional",
                "typed_extension_protocol_options": options(protocols),
                "transport_socket": socket({}, {"trusted_ca": {"filename": self._proxy.authorities}}),
            }
        )

    def _tls(self, where: Upstream) -> Part | None:
        return verified(where, self._proxy.authorities) if where.is_tls else None

    def _own_tls(self, where: Upstream, *, is_grpc: bool) -> Part | None:
        if not where.is_tls:
            return None
        more: Part = {"alpn_protocols": ["h2"]} if is_grpc else {}
        if self._proxy.client:
            more["tls_certificates"] = [files(self._proxy.client)]
        return verified(where, self._proxy.gatehouse_authorities or self._proxy.authorities, more)


def _tunnel(name: str, hostname: str) -> Part:
    config = {
        "@type": f"{TYPE}.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tunnel",
        "cluster": "http-proxy",
        "idle_timeout": "900s",
        "tunneling_config": {"hostname": hostname},
    }
    filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": config}]
    return {"name": f"tunnel {name}", "internal_listener": {}, "filter_chains": [{"filters": filters}]}
