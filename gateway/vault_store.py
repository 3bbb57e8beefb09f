"""Credentials that stay in HashiCorp Vault, or OpenBao (no models)."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from .credential_servers import LONGEST, CannotObtain, ask_for_document, host_of, lease, life


def from_vault(options: Mapping[str, Any], secret: str) -> tuple[str, float]:
    """Return a field of a secret in a key-value engine, and for how many seconds it counts.

    Args:
        options: of the credential.
        secret: a token, or the secret ID of an AppRole.

    Raises:
        CannotObtain: Vault refuses, or has no such secret.
        OutboundError: it may not be asked, or does not answer.
    """
    address = str(options.get("address", "")).rstrip("/")
    headers = {"x-vault-request": "true"}
    if options.get("namespace"):
        headers["x-vault-namespace"] = str(options["namespace"])
    longest: float = LONGEST
    token = secret
    if options.get("auth") == "approle":
        token, longest = _logged_in(address, headers, options, secret)
    mount, path = _path(options.get("mount") or "secret"), _path(options.get("path", ""))
    is_first = str(options.get("kv_version", "2")) == "1"
    url = f"{address}/v1/{mount}/{path}" if is_first else f"{address}/v1/{mount}/data/{path}"
    answer = ask_for_document("GET", url, b"", {**headers, "x-vault-token": token}, who="Vault")
    data = answer.get("data")
    if not is_first:
        data = data.get("data") if isinstance(data, dict) else None
    name = str(options.get("field") or "value")
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, str) or not value:
        raise CannotObtain(f"The secret in Vault at {host_of(address)} has no text under “{name}”.")
    return value, min(longest, lease(options, answer.get("lease_duration")))


def _logged_in(address: str, headers: Mapping[str, str], options: Mapping[str, Any], secret: str) -> tuple[str, float]:
    """Return the token that an AppRole gets, and its life."""
    body = json.dumps({"role_id": str(options.get("role_id", "")), "secret_id": secret}).encode()
    url = f"{address}/v1/auth/{_path(options.get('auth_mount') or 'approle')}/login"
    login = ask_for_document("POST", url, body, headers, who="Vault").get("auth")
    token = str(login.get("client_token") or "") if isinstance(login, dict) else ""
    if not isinstance(login, dict) or not token:
        raise CannotObtain(f"Vault at {host_of(address)} gave no token for this role.")
    return token, life(login.get("lease_duration"), default=LONGEST)


def _path(text: Any) -> str:
    """Return a path of Vault's, whose parts cannot lead elsewhere."""
    return "/".join(quote(part, safe="") for part in str(text).strip("/").split("/"))
