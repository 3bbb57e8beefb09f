"""Envoy's messages, made: what becomes of headers and pieces of bodies."""

from collections.abc import Iterable
from typing import Any

from gateway.hotpath.problems import Refused

from .messages import OVERWRITE, ext_proc

Pairs = Iterable[tuple[str, str]]


def headers_of(given: Any) -> dict[str, str]:
    """Return headers by their lower-case name; of one that came twice the values are joined (RFC 9110 section 5.3)."""
    found: dict[str, str] = {}
    for header in given.headers:
        value = header.raw_value.decode("latin-1") if header.raw_value else header.value
        name = header.key.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def request_headers(new: Pairs, *, removes_length: bool) -> Any:
    """Return the answer to a request's headers."""
    return ext_proc.ProcessingResponse(request_headers=_of_headers(new, removes_length=removes_length))


def response_headers(new: Pairs, *, removes_length: bool) -> Any:
    """Return the answer to a response's headers."""
    return ext_proc.ProcessingResponse(response_headers=_of_headers(new, removes_length=removes_length))


def request_piece(body: bytes, is_last: bool, *, duplex: bool) -> Any:  # noqa: FBT001 - as Envoy says it
    """Return what goes on of a request's body."""
    return ext_proc.ProcessingResponse(request_body=_of_piece(body, is_last, duplex=duplex))


def response_piece(body: bytes, is_last: bool, *, duplex: bool) -> Any:  # noqa: FBT001 - as Envoy says it
    """Return what goes on of a response's body."""
    return ext_proc.ProcessingResponse(response_body=_of_piece(body, is_last, duplex=duplex))


def refusal(refused: Refused, request_id: str) -> Any:
    """Return the answer that ends a request before it has left."""
    names = [("content-type", "application/problem+json"), ("cache-control", "no-store")]
    names += [("x-gatehouse-denial", refused.code)]
    names += [(name.decode(), value.decode()) for name, value in refused.headers]
    return ext_proc.ProcessingResponse(
        immediate_response=ext_proc.ImmediateResponse(
            status=ext_proc.HttpStatus(code=int(refused.status)),
            headers=ext_proc.HeaderMutation(set_headers=_options(names)),
            body=refused.body(request_id),
            details=refused.code,
        )
    )


def _of_headers(new: Pairs, *, removes_length: bool) -> Any:
    drops = ["content-length"] if removes_length else []
    mutation = ext_proc.HeaderMutation(set_headers=_options(new), remove_headers=drops)
    return ext_proc.HeadersResponse(response=ext_proc.CommonResponse(header_mutation=mutation))


def _of_piece(body: bytes, is_last: bool, *, duplex: bool) -> Any:  # noqa: FBT001 - as Envoy says it
    if duplex:
        piece = ext_proc.StreamedBodyResponse(body=body, end_of_stream=is_last)
        mutation = ext_proc.BodyMutation(streamed_response=piece)
    else:
        mutation = ext_proc.BodyMutation(body=body) if body else ext_proc.BodyMutation(clear_body=True)
    return ext_proc.BodyResponse(response=ext_proc.CommonResponse(body_mutation=mutation))


def _options(pairs: Pairs) -> list[Any]:
    return [
        ext_proc.HeaderValueOption(
            header=ext_proc.HeaderValue(key=name, raw_value=value.encode("latin-1")), append_action=OVERWRITE
        )
        for name, value in pairs
    ]
