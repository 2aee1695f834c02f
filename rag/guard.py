"""What stands between the page and a browser: ASGI middleware that keeps it to this server."""
from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What a browser may load and send: with this server alone. Gradio's own front end needs inline scripts and eval."""
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]

Scope = MutableMapping[str, Any]
Send = Callable[[Scope], Awaitable[None]]


class Guard:
    """ASGI middleware: the page may load and send nothing elsewhere, names no other host, and serves no file."""

    HIDDEN = re.compile("/gradio_api/(file|proxy|stream)[=/]")
    ELSEWHERE = re.compile(rb'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*>|https://github\.com/gradio-app/[^"]*')

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if self.HIDDEN.match(scope["path"]):
            scope = {**scope, "path": "/404", "raw_path": b"/404"}
        index, start = scope["path"] == "/", dict[str, Any]()

        async def guarded(message: Scope) -> None:
            if message["type"] == "http.response.start":
                start.update(message, headers=[*message["headers"], *HEADERS])
                if not index:
                    await send(start)
            elif index:
                body = self.ELSEWHERE.sub(b"", message["body"])
                headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
                await send({**message, "body": body})
            else:
                await send(message)

        await self.app(scope, receive, guarded)
