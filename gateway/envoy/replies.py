"""Envoy's own refusals, in the words of the other ones."""

from .pieces import TYPE, Part


def mapper(reply: Part) -> Part:
    """Return the mapper that puts one of Envoy's own refusals into the words of the others."""
    if "code" not in reply:
        return {"filter": _matching(reply["when"]), "status_code": reply["status"]}
    headers = {"x-gatehouse-denial": reply["code"], **reply["headers"]}
    document = {
        "type": f"urn:gatehouse:problem:{reply['code']}",
        "title": reply["title"],
        "status": reply["status"],
        "detail": reply["detail"],
        "code": reply["code"],
        "request_id": "%REQ(X-REQUEST-ID)%",
    }
    return {
        "filter": _matching(reply["when"]),
        "status_code": reply["status"],
        "headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in sorted(headers.items())
        ],
        "body_format_override": {"json_format": document, "content_type": "application/problem+json"},
    }


def _matching(expression: str) -> Part:
    kind = f"{TYPE}.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
    config = {"@type": kind, "expression": expression}
    return {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}}
