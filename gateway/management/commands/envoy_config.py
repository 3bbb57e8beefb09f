"""``manage.py envoy_config``: what the LLM auth proxy's Envoy is started with, for this installation."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import certifi
import yaml
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gateway.claims import DEFAULT_AUDIENCE
from gateway.envoy import HttpProxy, Pair, Proxy, is_loopback
from gateway.envoy.binary import envoy_binary
from gateway.upstreams import OWN, UnknownUpstream, upstream_at
from gateway.well_known import JWKS_PATH

AUTHORITIES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class Command(BaseCommand):
    """Prints the configuration, or writes it to a file."""

    help = (
        "Print the configuration of the LLM auth proxy's Envoy, made from the settings (docs/llm-proxy/README.md). It "
        "holds addresses and names of files, no secret. Where Envoy is installed, it has judged it before."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, metavar="FILE", help="Write it there (as JSON if it ends so).")
        parser.add_argument("--audience", action="append", help=f"Whom tokens have to be for; {DEFAULT_AUDIENCE}.")
        parser.add_argument("--jwks", metavar="URL", help="Where public keys are; the portal's by PUBLIC_URL.")
        parser.add_argument("--authz", metavar="URL", help="The gateway's address; GATEWAY_PUBLIC_URL.")
        parser.add_argument("--transformer", metavar="URL", help="The transformer's; TRANSFORMER_HOST and _PORT.")
        parser.add_argument("--host", help="Where Envoy listens; PROXY_HOST.")
        parser.add_argument("--port", type=int, help="The same; PROXY_PORT.")
        parser.add_argument(
            "--authorities", metavar="FILE", help="Authorities of providers' certificates; the system's."
        )
        parser.add_argument("--gatehouse-authorities", metavar="FILE", help="Authorities of Gatehouse's own servers.")
        parser.add_argument("--client-certificate", metavar="FILE", help="What Envoy shows to Gatehouse's own servers.")
        parser.add_argument("--client-key", metavar="FILE", help="Its key.")
        parser.add_argument("--certificate", metavar="FILE", help="What Envoy shows to clients; then it speaks TLS.")
        parser.add_argument("--key", metavar="FILE", help="Its key.")
        parser.add_argument("--http-proxy", metavar="HOST:PORT", help="What providers are reached through.")
        parser.add_argument("--no-proxy", action="append", metavar="HOST", help="A host, or .domain, reached directly.")
        parser.add_argument("--requests-per-minute", type=int, default=0, metavar="N", help="Of one organization.")
        parser.add_argument("--trusted-hops", type=int, default=0, metavar="N", help="Proxies before Envoy.")
        parser.add_argument("--tokens-only", action="store_true", help="API keys in place of tokens are refused.")
        parser.add_argument(
            "--allow-http", action="store_true", help="Gatehouse's own servers may be asked without TLS."
        )

    def handle(self, *args: Any, **options: Any) -> str | None:
        """Return the configuration, or write it.

        Raises:
            CommandError: a value does not fit, or Envoy does not take it.
        """
        proxy = _proxy(options)
        _refuse_plain_http(proxy, allowed=options["allow_http"])
        try:
            bootstrap = proxy.bootstrap()
        except UnknownUpstream as error:
            raise CommandError(f"{error} is no address of a server.") from None
        _judge(bootstrap)
        output = options["output"]
        is_json = output is not None and output.suffix == ".json"
        text = (
            json.dumps(bootstrap, indent=1) + "\n" if is_json else yaml.dump(bootstrap, Dumper=_Plain, sort_keys=False)
        )
        if output is None:
            return text.rstrip()
        output.write_text(text, encoding="utf-8")
        return None


class _Plain(yaml.SafeDumper):
    """Writes what stands in two places twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _proxy(options: dict[str, Any]) -> Proxy:
    """Return what the settings and options say.

    Raises:
        CommandError: two options belong together, and one is missing; or an address is none.
    """
    transformer = options["transformer"] or ""
    if not transformer and settings.PROXY_TRANSFORMER:
        scheme = "https" if settings.TRANSFORMER_CERTIFICATE else "http"
        transformer = f"{scheme}://{settings.TRANSFORMER_HOST}:{settings.TRANSFORMER_PORT}"
    return Proxy(
        issuer=settings.JWT_ISSUER,
        audiences=options["audience"] or [DEFAULT_AUDIENCE],
        jwks=options["jwks"] or settings.PUBLIC_URL + JWKS_PATH,
        authz=options["authz"] or settings.GATEWAY_PUBLIC_URL,
        transformer=transformer,
        upstreams=[upstream_at(url) for url in dict.fromkeys([*OWN.values(), *settings.PROXY_UPSTREAMS])],
        authorities=options["authorities"] or _authorities(),
        gatehouse_authorities=options["gatehouse_authorities"] or "",
        host=options["host"] or settings.PROXY_HOST,
        port=options["port"] or settings.PROXY_PORT,
        admin_port=settings.PROXY_ADMIN_PORT,
        jwks_seconds=settings.JWKS_CACHE_SECONDS,
        takes_api_keys=not options["tokens_only"],
        requests_per_minute=options["requests_per_minute"],
        trusted_hops=options["trusted_hops"],
        client=_pair(options, "client_certificate", "client_key"),
        listener=_pair(options, "certificate", "key"),
        http_proxy=_http_proxy(options["http_proxy"], options["no_proxy"] or ()),
    )


def _pair(options: dict[str, Any], certificate: str, key: str) -> Pair | None:
    if bool(options[certificate]) != bool(options[key]):
        names = " and ".join(f"--{name.replace('_', '-')}" for name in (certificate, key))
        raise CommandError(f"{names} belong together: name both files, or neither.")
    return Pair(options[certificate], options[key]) if options[key] else None


def _http_proxy(place: str | None, without: Sequence[str]) -> HttpProxy | None:
    if not place:
        return None
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        raise CommandError(f"--http-proxy: {place} is not host:port.")
    return HttpProxy(host, int(port), without)


def _authorities() -> str:
    """Return the system's certificate authorities, else certifi's."""
    return next((path for path in AUTHORITIES if Path(path).is_file()), certifi.where())


def _refuse_plain_http(proxy: Proxy, *, allowed: bool) -> None:
    """Refuse to ask Gatehouse's own servers over a network without TLS.

    Raises:
        CommandError: one would be.
    """
    for url in (proxy.jwks, proxy.authz, proxy.transformer):
        if url.startswith("http:") and not is_loopback(url) and not allowed:
            raise CommandError(
                f"{url} would be asked without TLS: whoever is between could read credentials or sign tokens. "
                "Use https://, or say --allow-http where the network itself is encrypted."
            )


def _judge(bootstrap: dict[str, Any]) -> None:
    """Let Envoy look at its configuration, where it is installed.

    Raises:
        CommandError: it does not take it.
    """
    envoy = envoy_binary()
    if envoy is None:
        return
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "envoy.json"
        file.write_text(json.dumps(bootstrap), encoding="utf-8")
        command = [
            str(envoy),
            "--mode",
            "validate",
            "-c",
            str(file),
            "--disable-hot-restart",
            "--log-level",
            "critical",
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no input of others
    if result.returncode:
        raise CommandError(f"Envoy does not take the configuration: {(result.stderr or result.stdout).strip()}")
