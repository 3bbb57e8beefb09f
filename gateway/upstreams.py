"""Where the proxy may send requests: the providers' own addresses, and what the operator allows besides.

Nobody in an organization can name a host that is not known here: the address of a credential is checked when it is
stored, and Envoy has a cluster for nothing else.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

OWN = {
    "openai": "https://api.openai.com",
    "anthropic": "https://api.anthropic.com",
    "mistral": "https://api.mistral.ai",
}
"""Providers with one address for everybody."""

ANTHROPIC_VERSION = "2023-06-01"
"""What is sent as ``anthropic-version`` when a client names none."""

PATTERNS = {
    "azure_openai": r"[a-z0-9-]{1,63}\.(?:openai|cognitiveservices|services\.ai)\.azure\.com",
    "bedrock": r"bedrock-runtime\.[a-z]{2}(?:-[a-z]{3,4})?-[a-z]{4,12}-\d\.amazonaws\.com",
    "vertex": r"(?:[a-z]{2,16}-[a-z]{4,12}\d{1,2}-)?aiplatform\.googleapis\.com",
}
"""Providers that give each customer or region a host of its own."""


class UnknownUpstream(ValueError):  # noqa: N818 - reads as the statement it is
    """An address that the operator did not allow."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """An address that requests may go to.

    Attributes:
        name: what stands in ``x-gatehouse-upstream``, and what Envoy's routes choose by: host, port unless it is the
            scheme's own, path prefix.
        host, port: where it is.
        is_tls: whether it is spoken to over TLS; plain HTTP is for providers on the operator's own network.
        prefix: what stands before the request's path there, without a slash at its end.
    """

    name: str
    host: str
    port: int
    is_tls: bool
    prefix: str


def upstream_at(url: str) -> Upstream:
    """Return the upstream of an address.

    Args:
        url: http or https, without query, user or fragment.

    Raises:
        UnknownUpstream: it is no such address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UnknownUpstream(url) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or "@" in url:
        raise UnknownUpstream(url)
    is_tls = parts.scheme == "https"
    own_port = 443 if is_tls else 80
    prefix = parts.path.rstrip("/")
    shown = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    name = shown + (f":{port}" if port and port != own_port else "") + prefix
    return Upstream(name, parts.hostname, port or own_port, is_tls, prefix)


def check_upstream(url: str) -> None:
    """Check an address of PROXY_UPSTREAMS.

    Raises:
        ValueError: it is none; the message ends the sentence "PROXY_UPSTREAMS: ...".
    """
    try:
        upstream_at(url)
    except UnknownUpstream:
        raise ValueError(f"{url} is no address; write https://llm.example.com or http://10.0.0.5:8000") from None


def upstream_of(provider: str, base_url: str, region: str, allowed: Sequence[str]) -> Upstream:
    """Return where a credential's requests go.

    Args:
        provider: one of `gateway.models.Provider`.
        base_url: the credential's own address, or "".
        region: of Bedrock and Vertex, or "".
        allowed: what the operator allows besides the providers' own addresses (PROXY_UPSTREAMS).

    Raises:
        UnknownUpstream: nobody allowed that address, or there is none.
    """
    if not base_url:
        if provider in OWN:
            return upstream_at(OWN[provider])
        if provider == "bedrock" and region:
            base_url = f"https://bedrock-runtime.{region}.amazonaws.com"
        elif provider == "vertex":
            base_url = (
                f"https://{region}-aiplatform.googleapis.com"
                if region not in {"", "global"}
                else ("https://aiplatform.googleapis.com")
            )
        else:
            raise UnknownUpstream(provider)
    found = upstream_at(base_url)
    own = [OWN[provider]] if provider in OWN else []
    if found in {upstream_at(url) for url in (*own, *allowed)}:
        return found
    pattern = PATTERNS.get(provider)
    if pattern and found.is_tls and found.name == found.host and re.fullmatch(pattern, found.host):
        return found
    raise UnknownUpstream(base_url)
