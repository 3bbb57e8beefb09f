"""The body of a request: read whole where something about it has to be known or changed."""

import json
import logging
from http import HTTPStatus
from typing import Any

from gateway.hotpath.problems import Refused
from gateway.hotpath.proxy_request import ProxyRequest
from gateway.model_patterns import model_fits
from gateway.upstreams import ANTHROPIC_VERSION

from .mappings.base import Mapping, Untranslatable
from .prompts import known_detectors, masked, tokens_in

logger = logging.getLogger("gatehouse.transformer")

_MODEL_IN_PATH = frozenset({"azure_openai", "bedrock", "vertex"})


class RequestBody:
    """What comes of a request's body, and what leaves in its place.

    Args:
        request: whose it is, and what holds for it.
        headers: of the client, by lower-case name.
        mapping: into which shape it is turned, None for none.

    Attributes:
        is_read: whether the body is collected; otherwise it passes as it comes.
        mapping: the mapping, None for none.
        size: how many bytes are here.
        tokens: what its text comes to, 0 until it was read.
        added_usage: whether the provider was asked for figures that the client did not ask for.
    """

    def __init__(self, request: ProxyRequest, headers: dict[str, str], mapping: Mapping | None) -> None:
        self._request = request
        self._headers = headers
        self._detectors = known_detectors(request.masked)
        self._pieces: list[bytes] = []
        self.mapping = mapping
        self.size = self.tokens = 0
        self.added_usage = False
        self.is_read = _is_json(headers)
        if not self.is_read and headers.get(":method") not in {"GET", "HEAD", "DELETE"}:
            self._check_unread()
        if self.is_read and headers.get("content-encoding", "identity") != "identity":
            raise Refused(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body is compressed, so that nobody can see what it asks for. Send it as it is.",
            )

    def add(self, piece: bytes) -> None:
        """Take a piece of it."""
        self._pieces.append(piece)
        self.size += len(piece)

    def check_empty(self) -> None:
        """Accept that there is no body.

        Raises:
            Refused: a translated request needs one.
        """
        if self.mapping is not None:
            raise _malformed("The request has no body.")

    def new_headers(self) -> list[tuple[str, str]]:
        """Return the headers that change."""
        # Compressed answers cannot be read as they pass.
        new = [("accept-encoding", "identity")]
        if self.mapping is not None:
            new.append((":path", self.mapping.path(self._headers.get(":path", "/"))))
            if self._request.provider == "anthropic" and "anthropic-version" not in self._headers:
                new.append(("anthropic-version", ANTHROPIC_VERSION))
        return new

    def rewritten(self) -> bytes:
        """Return the body that leaves.

        It is always written anew: what was checked here is what the provider reads, also where names came twice.

        Raises:
            Refused: it is no JSON, asks for a model that is not allowed, or cannot be translated.
        """
        try:
            return self._written(_document(b"".join(self._pieces)))
        except RecursionError:
            raise _malformed("The body is nested too deeply.") from None
        finally:
            self._pieces = []

    def _written(self, document: dict[str, Any]) -> bytes:
        self._check_model(document)
        self.tokens = tokens_in(document)
        if self._detectors:
            document, finds = masked(document, self._detectors)
            if finds:
                logger.info("masked %d finds in the prompt of request %s", finds, self._request.request_id)
        if self.mapping is not None:
            document = self._translated(self.mapping, document)
        elif self._wants_usage(document):
            self.added_usage = True
            document = document | {"stream_options": {**(document.get("stream_options") or {}), "include_usage": True}}
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")

    def _translated(self, mapping: Mapping, document: dict[str, Any]) -> dict[str, Any]:
        try:
            return mapping.request(document)
        except Untranslatable as error:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "untranslatable", str(error)) from None
        except (AttributeError, KeyError, TypeError, IndexError):
            raise _malformed("Something in the body has another shape than its API describes.") from None

    def _wants_usage(self, document: dict[str, Any]) -> bool:
        """Return whether a streamed answer would end without saying what it used."""
        options = document.get("stream_options")
        return (
            document.get("stream") is True
            and self._headers.get(":path", "").partition("?")[0].endswith("/completions")
            and not (isinstance(options, dict) and options.get("include_usage"))
        )

    def _check_model(self, document: dict[str, Any]) -> None:
        request = self._request
        named = document.get("model")
        if named is None or (request.provider in _MODEL_IN_PATH and request.model):
            if not request.model and request.allowed_models:
                raise _not_allowed("The request names no model, and here only some are allowed. Name one in “model”.")
            return
        if not isinstance(named, str):
            raise _malformed("“model” is no text.")
        if request.model and named != request.model:
            raise _not_allowed(
                f"The body asks for {named[:120]}, but this request was let through for {request.model}. Ask for a "
                "token for that model, or for one without a model."
            )
        if not model_fits(request.allowed_models, named):
            raise _not_allowed(
                f"The model {named[:120]} is not among those that the credential allows here: "
                f"{', '.join(request.allowed_models[:10])}. Choose one of them, or ask an admin to allow it."
            )
        request.model = named[:120]

    def _check_unread(self) -> None:
        """Refuse what cannot be checked: uploads and other bodies that are no JSON."""
        if self._detectors:
            raise Refused(
                HTTPStatus.FORBIDDEN,
                "not_maskable",
                "Your organization masks personal data in prompts, which can be done in JSON only. Send JSON, or ask "
                "an admin to switch masking off.",
            )
        if self.mapping is not None:
            raise _malformed("The body is no JSON.")
        if self._request.allowed_models and not self._request.model:
            raise _not_allowed(
                "The body is no JSON, so that nobody can see which model it asks for, and here only some are allowed. "
                "Name the model in the header x-gatehouse-model, or get a token for it."
            )


def _is_json(headers: dict[str, str]) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise _malformed("The body is no JSON in UTF-8.") from None
    if not isinstance(found, dict):
        raise _malformed("The body is JSON, but no object.")
    return found


def _malformed(what: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "malformed", f"{what} Send it as the provider's API describes.")


def _not_allowed(detail: str) -> Refused:
    return Refused(HTTPStatus.FORBIDDEN, "model_not_allowed", detail)
