"""Reading a request: headers, credential, body; whatever a client sends, the answer is a sentence and a 4xx."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from isolation.addresses import Network, client_address, parse_address, peer_address

from .problems import Refused, malformed, not_authenticated

BODY_BYTES = 64 * 1024
CREDENTIAL_BYTES = 1_024
TOKENS = 100
_PAIRS = 4 * TOKENS
_SINGLE = frozenset({b"authorization", b"content-type", b"content-length", b"content-encoding", b"x-request-id"})
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CHARSET = re.compile(r"charset\s*=\s*\"?utf-?8\"?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller shows, or what a token says.

    Attributes:
        secret: the whole secret.
        public_id: the public id that came with it, or "".
    """

    secret: str = field(repr=False)
    public_id: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What the caller wants to know.

    Attributes:
        tokens: what to look at, in order.
        many: whether the answer is a list.
        project: the project in which the keys are to be used, by id or identifier, or "".
        client_ip: where the keys' user called from, in its canonical form, or None.
    """

    tokens: tuple[str, ...] = field(repr=False)
    many: bool
    project: str
    client_ip: str | None


def headers_of(pairs: list[tuple[bytes, bytes]], *, single: frozenset[bytes] = _SINGLE) -> dict[bytes, bytes]:
    """Return the headers by name; those of ``X-Forwarded-For`` joined.

    Args:
        pairs: as they came.
        single: the names that may come once.

    Raises:
        Refused: one that must be single came more than once.
    """
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in headers and name in single:
            raise malformed(f"The header {name.decode()} came more than once. Send it once.")
        headers[name] = headers[name] + b"," + value if name in headers else value
    return headers


def client_of(scope: MutableMapping[str, Any], headers: dict[bytes, bytes], proxies: Iterable[Network]) -> str | None:
    """Return the client's address by the trusted-proxy rule, None when there is none."""
    peer = peer_address(scope["client"][0] if scope.get("client") else None)
    address = client_address(peer, headers.get(b"x-forwarded-for", b"").decode("latin-1"), proxies)
    return str(address) if address is not None else None


def credential_of(header: bytes | None) -> Credential:
    """Return what an ``Authorization`` header shows (RFC 7617 Basic, RFC 6750 Bearer).

    Raises:
        Refused: there is none, or it cannot be read.
    """
    if header is None or len(header) > CREDENTIAL_BYTES:
        raise not_authenticated()
    scheme, _, value = header.partition(b" ")
    try:
        match scheme.lower():
            case b"bearer":
                return Credential(value.strip().decode("ascii"))
            case b"basic":
                public_id, colon, secret = base64.b64decode(value.strip(), validate=True).decode("ascii").partition(":")
            case _:
                raise not_authenticated()
    except (binascii.Error, UnicodeDecodeError):
        raise not_authenticated() from None
    if not colon or not public_id:
        raise not_authenticated()
    return Credential(secret, public_id)


def question_of(headers: dict[bytes, bytes], body: bytes) -> Question:
    """Return what the body asks.

    Raises:
        Refused: it cannot be read.
    """
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise _unsupported("The body is compressed. Send it as it is, without Content-Encoding.")
    media_type, _, parameters = headers.get(b"content-type", b"").decode("latin-1").partition(";")
    if "charset" in parameters.lower() and not _CHARSET.search(parameters):
        raise _unsupported("The body is in another character set. Send it as UTF-8.")
    match media_type.strip().lower():
        case "application/x-www-form-urlencoded":
            given, tokens = _form(body)
            many = len(tokens) > 1
        case "application/json":
            given, tokens, many = _json(body)
        case _:
            raise _unsupported("Send the body as application/x-www-form-urlencoded or application/json.")
    if not tokens:
        raise malformed("There is no token to look at. Send the parameter “token”, or “tokens” in JSON.")
    if len(tokens) > TOKENS:
        raise malformed(f"There are {len(tokens)} tokens. Send at most {TOKENS} at once.")
    return Question(tuple(tokens), many, given.get("project", ""), _client_ip(given.get("client_ip", "")))


def token_credential(token: str) -> Credential:
    """Return what a token says: a secret, or “public id:secret” as it came in a Basic header."""
    public_id, colon, secret = token.partition(":")
    return Credential(secret, public_id) if colon else Credential(token)


def names_project(text: str) -> bool:
    """Return whether a text can be a project's id or identifier."""
    return bool(_UUID.fullmatch(text) or _SLUG.fullmatch(text))


def _form(body: bytes) -> tuple[dict[str, str], list[str]]:
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_PAIRS)
    except (UnicodeDecodeError, ValueError):
        raise malformed(f"The body is no form in UTF-8 with at most {_PAIRS} fields. Check its encoding.") from None
    given: dict[str, str] = {}
    tokens = []
    for name, value in pairs:
        if name == "token":
            tokens.append(value)
        elif name in given:
            raise malformed("A parameter came more than once; only “token” may. Send each of the others once.")
        else:
            given[name] = value
    return given, tokens


def _json(body: bytes) -> tuple[dict[str, str], list[str], bool]:
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):  # bad UTF-8 is a ValueError too
        raise malformed("The body is no JSON object with unique names in UTF-8. Check its syntax.") from None
    if not isinstance(document, dict):
        raise malformed("The body is JSON, but no object. Send {“token”: …} or {“tokens”: […]}.")
    if ("token" in document) == ("tokens" in document):
        raise malformed("Send either “token” (one string) or “tokens” (a list of strings).")
    many = "tokens" in document
    tokens = document["tokens"] if many else [document["token"]]
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise malformed("A token is not a string. Send “token” as a string, or “tokens” as a list of strings.")
    given = {name: document[name] for name in ("project", "client_ip") if document.get(name) is not None}
    if not all(isinstance(value, str) for value in given.values()):
        raise malformed("“project” and “client_ip” are strings. Send them so, or leave them out.")
    return given, tokens, many


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _client_ip(text: str) -> str | None:
    if not text:
        return None
    address = parse_address(text)
    if address is None:
        raise malformed("“client_ip” is no IP address. Send the address that the key's user called from.")
    return str(address)


def _unsupported(detail: str) -> Refused:
    return Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
