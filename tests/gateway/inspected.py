"""The gateway, with a page that shows which modules its process has loaded."""

import json
import sys

from gateway.hotpath.app import Message, Receive, Scope, Send
from gateway.hotpath.app import application as gateway


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    if scope["type"] == "http" and scope["path"] == "/modules":
        start: Message = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": json.dumps(sorted(sys.modules)).encode()})
        return
    await gateway(scope, receive, send)
