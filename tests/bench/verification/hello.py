"""A bare ASGI application that looks at nothing: what the server itself costs."""

from typing import Any

BODY = b'{"active":true,"scope":"traces:read traces:write"}'.ljust(560)
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"cache-control", b"no-store")],
}
END = {"type": "http.response.body", "body": BODY}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Read the request, answer the same each time."""
    if scope["type"] != "http":
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})
        return
    await receive()
    await send(START)
    await send(END)


async def unread(scope: Any, receive: Any, send: Any) -> None:
    """Answer without reading the request's body."""
    if scope["type"] != "http":
        await application(scope, receive, send)
        return
    await send(START)
    await send(END)


AUTHORIZED = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"x-gatehouse-upstream", b"api.openai.com"),
        (b"x-envoy-auth-headers-to-remove", b"x-gatehouse-llm-auth,".ljust(220, b"x")),
        (b"content-length", b"0"),
        (b"authorization", b"Bearer ".ljust(60, b"x")),
        (b"x-gatehouse-context", b"x" * 760),
        (b"x-request-id", b"4f3c2b1a-0000-4000-8000-000000000001"),
    ],
}
NOTHING = {"type": "http.response.body", "body": b""}


async def authorized(scope: Any, receive: Any, send: Any) -> None:
    """Let everything through, with headers as the check sends them."""
    if scope["type"] != "http":
        await application(scope, receive, send)
        return
    await send(AUTHORIZED)
    await send(NOTHING)
