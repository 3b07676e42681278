"""Refuses requests that do not come from the page itself, and sets the headers of replies."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "Guard"]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Middleware that lets through requests to this address with the token in their path.

    The header ``Host`` must name this address, or another name could be made to point to it (DNS
    rebinding). ``Origin`` must be this address; requests that change something must have it, and
    carry JSON, which a form of another page cannot send. The token is the first part of the path.

    Parameters
    ----------
    app : ASGI application
    token : str
        The token; it is removed from the path.
    port : int
        The port that is served.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self.app, self.token = app, token.encode()
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        if scope["type"] != "http":
            return  # no WebSocket is served
        refused = self._refused(scope)
        if refused is not None:
            await PlainTextResponse(refused, status_code=403)(scope, receive, sent)
            return
        rest = "/" + scope["path"].split("/", 2)[2]
        await self.app({**scope, "path": rest, "raw_path": rest.encode()}, receive, sent)

    def _refused(self, scope: Scope) -> str | None:
        """Return why a request is refused, or None."""
        headers = Headers(scope=scope)
        if headers.getlist("host") != [headers.get("host")] or headers["host"] not in self.hosts:
            return "Refused: this server answers to 127.0.0.1 only."
        origin, writes = headers.get("origin"), scope["method"] not in ("GET", "HEAD")
        if origin not in self.origins and (writes or origin is not None):
            return "Refused: the request comes from another page."
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return "Refused: the request comes from another page."
        if writes and headers.get("content-type", "").partition(";")[0] != "application/json":
            return "Refused: JSON is expected."
        parts = scope["path"].split("/", 2)
        token = parts[1].encode("utf-8", "surrogateescape") if len(parts) == 3 else b""
        if not secrets.compare_digest(token, self.token):
            return "Refused: the address lacks the token that neurotopo app has printed."
        return None
