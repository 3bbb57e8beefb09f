"""Which requests are passed on: the paths of inference, whose APIs have them, and what a path says about the model.

Everything else that a provider's key opens (files, batches, stored answers, the account itself) is shared by all who
use the key. The proxy passes none of it on: a project would see another one's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

OPENAI_SHAPED = frozenset({"openai", "openai_compatible", "mistral"})
PROVIDERS = OPENAI_SHAPED | {"anthropic", "azure_openai", "bedrock", "vertex"}
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,119}")
"""How a model may be called where a token or a header states it."""

_SEGMENT = r"(?!\.{1,2}(?:/|$))(?:[A-Za-z0-9._~@:+-]|%3[Aa]|%40|%2[Bb])+"
_OPENAI_PATHS = (
    r"completions|responses|embeddings|moderations|images/(?:generations|edits|variations)"
    r"|audio/(?:speech|transcriptions|translations)|fim/completions|ocr|rerank|score"
)
_VERTEX_VERBS = (
    "generateContent|streamGenerateContent|countTokens|computeTokens|predict|rawPredict|streamRawPredict"
    "|serverStreamingPredict|embedContent|batchEmbedContents"
)
_VERTEX_CALL = (
    r"(?:models|endpoints)/(?P<model>(?!\.)(?:[A-Za-z0-9._~@-]|%40)+)(?::|%3[Aa])"
    rf"(?:{_VERTEX_VERBS})"
)
# A profile of one's own, and a model that one brought or pays for by the hour, are called by their ARN. AWS' clients
# encode its slash, others do not; in no other place does a path have an encoded one.
_COLON = r"(?::|%3[Aa])"
_BEDROCK_ARN = (
    rf"arn{_COLON}aws[a-z-]*{_COLON}(?:bedrock|sagemaker){_COLON}[a-z0-9-]+{_COLON}(?:[0-9]{{12}})?{_COLON}"
    r"[a-z-]+(?:%2[Ff]|/)[A-Za-z0-9](?:[A-Za-z0-9._:-]|%3[Aa])*"
)
_BEDROCK_VERBS = "invoke|invoke-with-response-stream|converse|converse-stream|count-tokens"
_VERTEX_PLACE = rf"/(?:v1|v1beta1)/projects/{_SEGMENT}/locations/{_SEGMENT}"


@dataclass(frozen=True, slots=True)
class Route:
    """What a path is.

    Attributes:
        native: the providers whose API has it.
        stated: those that have it too, but are meant only when the client says so.
        mapped: the others that a mapping of bodies reaches, with the mapping's name.
        model: what the path itself says, "" when the body does.
    """

    native: frozenset[str]
    stated: frozenset[str] = frozenset()
    mapped: Mapping[str, str] = field(default_factory=dict)
    model: str = ""


_AZURE = frozenset({"azure_openai"})
_ANTHROPIC = frozenset({"anthropic"})
_VERTEX = frozenset({"vertex"})
_TABLE: tuple[tuple[str, re.Pattern[str], Route], ...] = tuple(
    (method, re.compile(pattern), route)
    for method, pattern, route in (
        ("POST", r"/v1/chat/completions", Route(OPENAI_SHAPED, _AZURE, {"anthropic": "anthropic"})),
        ("POST", r"/v1/messages", Route(_ANTHROPIC, frozenset(), dict.fromkeys(sorted(OPENAI_SHAPED), "openai"))),
        ("POST", rf"/v1/(?:{_OPENAI_PATHS})", Route(OPENAI_SHAPED, _AZURE)),
        ("GET", rf"/v1/models(?:/{_SEGMENT})?", Route(OPENAI_SHAPED, _AZURE | _ANTHROPIC)),
        ("POST", r"/v1/(?:messages/count_tokens|complete)", Route(_ANTHROPIC)),
        (
            "POST",
            rf"/openai/deployments/(?P<model>{_SEGMENT})/(?:chat/completions|{_OPENAI_PATHS})",
            Route(_AZURE),
        ),
        ("POST", rf"/openai/(?:v1/)?(?:chat/completions|{_OPENAI_PATHS})", Route(_AZURE)),
        ("GET", rf"/openai/(?:v1/)?models(?:/{_SEGMENT})?", Route(_AZURE)),
        ("POST", rf"/model/(?P<model>{_SEGMENT}|{_BEDROCK_ARN})/(?:{_BEDROCK_VERBS})", Route(frozenset({"bedrock"}))),
        ("POST", rf"(?:{_VERTEX_PLACE}(?:/publishers/{_SEGMENT})?|/v1beta)/{_VERTEX_CALL}", Route(_VERTEX)),
        ("POST", rf"{_VERTEX_PLACE}/endpoints/openapi/(?:chat/completions|embeddings)", Route(_VERTEX)),
        ("GET", r"/v1beta/models", Route(_VERTEX)),
    )
)


def route_of(method: str, path: str) -> Route | None:
    """Return what a path is, None when it is nothing that is passed on.

    Args:
        method: the request's.
        path: as the client sent it, still encoded, without the query. Encoded dots and control characters are in no
            route, and an encoded slash in a model's ARN alone.
    """
    for known, pattern, route in _TABLE:
        if known == method and (match := pattern.fullmatch(path)):
            found = match.groupdict().get("model")
            return Route(route.native, route.stated, route.mapped, unquote(found)) if found else route
    return None
