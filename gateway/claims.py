"""The proxy's access tokens as text: building, signing and checking them (RFC 7519, RFC 8037, RFC 9068); no Django.

Signing and checking are written out on purpose: one algorithm, one type, canonical encoding, nothing optional. The hot
path checks with it, and whoever signs the same claims with the same key gets the same token, byte for byte.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM = "EdDSA"
TYPE = "at+jwt"
DEFAULT_AUDIENCE = "gatehouse-llm"
"""Whom tokens are for where nobody chose anything else."""
LONGEST_SECONDS = 900
"""How long a token may live at most (exp - iat); whoever signed it."""
SKEW_SECONDS = 10
"""How far two clocks may differ."""
LONGEST_TOKEN = 4_096
ACTOR_TYPES = frozenset({"user", "api_key", "service", "evaluator", "agent"})
LANGSMITH_ACTORS = {"agent": "agent-builder"}
_FROM_LANGSMITH = {theirs: ours for ours, theirs in LANGSMITH_ACTORS.items()}
_PUBLIC_BYTES = 32


class TokenRefused(Exception):  # noqa: N818 - reads as the statement it is
    """A token that is not accepted.

    Args:
        code: "token_invalid" or "token_expired".
        detail: a sentence: what does not hold.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class UnknownKey(TokenRefused):
    """No key that is published has the token's kid; a newer list of keys may have it."""

    def __init__(self) -> None:
        super().__init__("token_invalid", "The token is signed with a key that is not published here, or no longer.")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says.

    Attributes:
        issuer, audiences, subject, id: iss, aud, sub, jti.
        issued_at, not_before, expires_at: iat, nbf, exp, in seconds since 1970.
        actor_type: one of `ACTOR_TYPES`.
        organization_id, project_id: where it counts (UUIDs as text).
        environment: the project's.
        request_id: of the request that it was issued for.
        scope: what it allows.
        user_id: the person, when the actor is one.
        client_id: the public id of the key that asked for it, when one did.
        model_provider, model_name: what it is limited to, "" for no limit.
        streaming: what the caller stated, None for nothing.
    """

    issuer: str
    audiences: tuple[str, ...]
    subject: str
    issued_at: int
    not_before: int
    expires_at: int
    id: str
    actor_type: str
    organization_id: str
    project_id: str
    environment: str
    request_id: str
    scope: frozenset[str]
    user_id: str | None = None
    client_id: str | None = None
    model_provider: str = ""
    model_name: str = ""
    streaming: bool | None = None

    def is_for(self, audiences: Collection[str]) -> bool:
        """Return whether one of these audiences is meant."""
        return any(audience in audiences for audience in self.audiences)

    def document(self, *, langsmith: bool = False) -> dict[str, Any]:
        """Return the claims as they are signed.

        Args:
            langsmith: whether LangSmith's names stand beside ours.
        """
        found: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audiences[0] if len(self.audiences) == 1 else list(self.audiences),
            "sub": self.subject,
            "iat": self.issued_at,
            "nbf": self.not_before,
            "exp": self.expires_at,
            "jti": self.id,
            "actor_type": self.actor_type,
            "organization_id": self.organization_id,
            "project_id": self.project_id,
            "environment": self.environment,
            "request_id": self.request_id,
            "scope": " ".join(sorted(self.scope)),
        }
        stated = {
            "user_id": self.user_id,
            "client_id": self.client_id,
            "model_provider": self.model_provider or None,
            "model_name": self.model_name or None,
            "streaming": self.streaming,
        }
        found |= {name: value for name, value in stated.items() if value is not None}
        if langsmith:
            found["workspace_id"] = self.organization_id
            found["actor_type"] = LANGSMITH_ACTORS.get(self.actor_type, self.actor_type)
            if self.user_id is not None:
                found["ls_user_id"] = self.user_id
        return found


class Revocations:
    """Which tokens of one organization are refused before their time.

    Args:
        rows: (kind, subject, last second), as `gateway_revocations` returns them: kind is one of
            `gateway.models.RevocationKind`; subject a jti, the id of an actor, the public id of a key, the id of a
            project, or "" for the organization; tokens issued in or before that second are meant.
    """

    __slots__ = ("_last",)

    def __init__(self, rows: Iterable[tuple[str, str, int]]) -> None:
        self._last: dict[tuple[str, str], int] = {}
        for kind, subject, second in rows:
            self._last[kind, subject] = max(second, self._last.get((kind, subject), 0))

    def include(self, claims: Claims) -> bool:
        """Return whether a token with these claims is refused."""
        return bool(self._last) and claims.issued_at <= self.last(claims)

    def last(self, claims: Claims) -> int:
        """Return the last second whose tokens with such claims are refused, -1 when none are."""
        last = self._last
        return max(
            last.get(("token", claims.id), -1),
            last.get(("actor", claims.subject), -1),
            last.get(("key", claims.client_id or ""), -1),
            last.get(("project", claims.project_id), -1),
            last.get(("organization", ""), -1),
        )


def sign(document: Mapping[str, Any], *, kid: str, key: Ed25519PrivateKey) -> str:
    """Return the token: the claims in their canonical form, signed (RFC 7515, compact serialization)."""
    header = _encoded({"alg": ALGORITHM, "kid": kid, "typ": TYPE})
    signed = f"{header}.{_encoded(document)}"
    return f"{signed}.{_text(key.sign(signed.encode()))}"


def check(
    token: str, *, keys: Mapping[str, Ed25519PublicKey], issuer: str, now: float, skew: int = SKEW_SECONDS
) -> Claims:
    """Return what a token says, once everything about it holds but its audience, which the organization knows.

    Args:
        token: in compact serialization, without “Bearer”.
        keys: the published keys by kid.
        issuer: the only one that is accepted.
        now: seconds since 1970.
        skew: how far the clock of whoever signed may be off, in seconds.

    Raises:
        UnknownKey: its key is not among `keys`.
        TokenRefused: anything else does not hold.
    """
    parts = token.split(".") if len(token) <= LONGEST_TOKEN and token.isascii() else []
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        raise _invalid("This is no token: it has to be header.claims.signature, of at most 4,096 characters.")
    header = _object(parts[0])
    if header.get("alg") != ALGORITHM or header.get("typ") != TYPE or header.keys() - {"alg", "typ", "kid"}:
        raise _invalid(f"The token's header has to say alg {ALGORITHM}, typ {TYPE}, kid, and nothing else.")
    kid = header.get("kid")
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None:
        raise UnknownKey
    try:
        key.verify(_bytes(parts[2]), f"{parts[0]}.{parts[1]}".encode())
    except InvalidSignature:
        raise _invalid("The token's signature does not fit its content.") from None
    claims = _claims(_object(parts[1]))
    if claims.issuer != issuer:
        raise _invalid("The token comes from another issuer.")
    if claims.expires_at <= now - skew:
        raise TokenRefused("token_expired", "The token has expired. Get a new one from the token endpoint.")
    if claims.not_before > now + skew or claims.issued_at > now + skew:
        raise _invalid("The token is not valid yet: the clocks of issuer and proxy differ.")
    if not 0 < claims.expires_at - claims.issued_at <= LONGEST_SECONDS:
        raise _invalid(f"The token claims to live longer than {LONGEST_SECONDS} seconds, or not at all.")
    return claims


def public_key(x: str) -> Ed25519PublicKey:
    """Return the key of a JWK's member x (RFC 8037 section 2).

    Raises:
        ValueError: it is none.
    """
    try:
        raw = _bytes(x)
    except TokenRefused:
        raise ValueError("x is not base64url") from None
    if len(raw) != _PUBLIC_BYTES:
        raise ValueError(f"x has {len(raw)} bytes; an Ed25519 key has {_PUBLIC_BYTES}")
    return Ed25519PublicKey.from_public_bytes(raw)


def jwk(kid: str, x: str) -> dict[str, str]:
    """Return a public key as a JWK (RFC 7517, RFC 8037)."""
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": kid, "x": x}


def x_of(key: Ed25519PublicKey) -> str:
    """Return a public key as a JWK's member x."""
    return _text(key.public_bytes_raw())


def _claims(found: dict[str, Any]) -> Claims:
    """Return the claims of a document.

    Raises:
        TokenRefused: one is missing, or is something else than it has to be.
    """
    audience = found.get("aud")
    audiences: list[Any] = audience if isinstance(audience, list) else [audience]
    texts = ("iss", "sub", "jti", "actor_type", "organization_id", "project_id", "scope")
    moments = ("iat", "nbf", "exp")
    optional = ("environment", "request_id", "user_id", "client_id", "model_provider", "model_name")
    streaming = found.get("streaming")
    if (
        not all(isinstance(found.get(name), str) and found[name] for name in texts)
        or not all(type(found.get(name)) is int for name in moments)
        or not all(isinstance(found[name], str) for name in optional if name in found)
        or not audiences
        or not all(isinstance(each, str) and each for each in audiences)
        or not isinstance(streaming, bool | None)
    ):
        raise _invalid("A claim is missing or malformed; the token needs iss, aud, sub, iat, nbf, exp, jti and ours.")
    actor_type = _FROM_LANGSMITH.get(found["actor_type"], found["actor_type"])
    if actor_type not in ACTOR_TYPES:
        raise _invalid("The claim actor_type names no kind of actor.")
    return Claims(
        issuer=found["iss"],
        audiences=tuple(audiences),
        subject=found["sub"],
        issued_at=found["iat"],
        not_before=found["nbf"],
        expires_at=found["exp"],
        id=found["jti"],
        actor_type=actor_type,
        organization_id=found["organization_id"],
        project_id=found["project_id"],
        environment=found.get("environment", ""),
        request_id=found.get("request_id", ""),
        scope=frozenset(found["scope"].split()),
        user_id=found.get("user_id"),
        client_id=found.get("client_id"),
        model_provider=found.get("model_provider", ""),
        model_name=found.get("model_name", ""),
        streaming=streaming,
    )


def _encoded(document: Mapping[str, Any]) -> str:
    """Return a document in its one form: names in order, no blanks, ASCII."""
    return _text(json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(_bytes(part), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise _invalid("A part of the token is no JSON object with unique names.") from None
    if not isinstance(found, dict):
        raise _invalid("A part of the token is no JSON object.")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Return what base64url says; one text for each value, so that a token has one spelling."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (NotBase64, ValueError):
        raise _invalid("A part of the token is not base64url.") from None
    if _text(raw) != text:
        raise _invalid("A part of the token is not base64url without padding.")
    return raw


def _invalid(detail: str) -> TokenRefused:
    return TokenRefused("token_invalid", detail)
