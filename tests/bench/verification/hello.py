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
