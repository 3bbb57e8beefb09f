"""One LLM request that passes the proxy: what is known of it, and what its parts hand on to each other."""

import base64
import json
from dataclasses import asdict, dataclass, field
from typing import Any

CONTEXT_HEADER = b"x-gatehouse-context"
"""How the authorization service tells the transformer what it found out. Envoy strips what clients send under it, and
takes it away before the request leaves."""


@dataclass(slots=True)
class ProxyRequest:
    """An LLM request whose caller is known.

    Attributes:
        request_id: correlates the logs of Envoy, gateway, transformer and portal.
        organization_id, project_id: whose it is (UUIDs as text).
        environment: the project's.
        actor_type, actor_id, actor_label: who asks (`gateway.models.ActorType`; a project key is its own actor).
        api_key_id: the key behind it, or None.
        provider: whose API is called, "" until a credential is chosen.
        model: the model that was asked for, "" while only the body says so.
        credential_id: with what it leaves, "" until it is chosen.
        allowed_models: the patterns that the credential's models have to fit; empty: every model.
        masked: the detectors whose findings are masked in prompts.
        mapping: how bodies are rewritten, "" for not at all.
        reservation: what the limits hold for it, "" for nothing.
    """

    request_id: str
    organization_id: str
    project_id: str
    environment: str = ""
    actor_type: str = ""
    actor_id: str = ""
    actor_label: str = ""
    api_key_id: str | None = None
    provider: str = ""
    model: str = ""
    credential_id: str = ""
    allowed_models: list[str] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)
    mapping: str = ""
    reservation: str = ""

    def header(self) -> bytes:
        """Return it as the value of `CONTEXT_HEADER`."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self), separators=(",", ":")).encode())


def request_of(value: bytes) -> ProxyRequest:
    """Return what a value of `CONTEXT_HEADER` says.

    Raises:
        ValueError: it is none.
    """
    try:
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(value))
        return ProxyRequest(**found)
    except TypeError as error:
        raise ValueError(str(error)) from None
