"""The server of the page: on 127.0.0.1, with a token in its address."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from neurotopo.app.guard import Guard
from neurotopo.app.page import page_html, page_icon, page_script, page_style
from neurotopo.app.saving import KINDS, saved
from neurotopo.app.sessions import NAMES, Session, Sessions
from neurotopo.app.tables import MOST_CHARACTERS
from neurotopo.app.worker import Job, Worker

__all__ = ["make_app", "serve"]

_MOST_BYTES = 4 * MOST_CHARACTERS + 100_000
_OF_TABLES = ("cluster", "example")
_EVERY = 1.0  # seconds between two signs of life


class _Refused(ValueError):
    """A request that is not valid, with the status of the reply."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class _Server:
    """The routes, with the sessions and the two workers behind them."""

    def __init__(self, settings: Mapping[str, Any], start: Mapping[str, Any]) -> None:
        self.sessions = Sessions()
        self.workers = {name: Worker(settings) for name in ("models", "tables")}
        self.start = dict(start)

    async def page(self, request: Request) -> Response:
        return Response(page_html(), media_type="text/html")

    async def script(self, request: Request) -> Response:
        return Response(page_script(), media_type="text/javascript")

    async def style(self, request: Request) -> Response:
        return Response(page_style(), media_type="text/css")

    async def icon(self, request: Request) -> Response:
        return Response(page_icon(), media_type="image/svg+xml")

    async def session(self, request: Request) -> Response:
        await _content(request)
        return JSONResponse({"session": self.sessions.new().id, **self.start})

    async def close(self, request: Request) -> Response:
        content = await _content(request)
        session = self._session(content)
        self._cancel(session)
        self.sessions.drop(session.id)
        return JSONResponse({})

    async def table(self, request: Request) -> Response:
        content = await _content(request)
        session = self._session(content)
        name, text = content.get("name"), content.get("text")
        if not isinstance(name, str) or not isinstance(text, str):
            raise _Refused("a table needs a name and a text.")
        if len(text) > MOST_CHARACTERS:
            raise _Refused(
                f"the table has {len(text):,} characters, more than {MOST_CHARACTERS:,}: use "
                "neurotopo explore FILE for larger ones."
            )
        session.table = {"name": name.strip()[:200] or "table.csv", "text": text}
        return JSONResponse({})

    async def job(self, request: Request) -> Response:
        content = await _content(request)
        session = self._session(content)
        name, given = content.get("job"), content.get("arguments")
        if name not in NAMES or not isinstance(given, dict):
            raise _Refused(f"there is no job {name!r} with these arguments.")
        if session.job is not None:
            raise _Refused("this tab is at work: wait, or cancel the work.", 409)
        arguments = session.arguments(name, given)
        events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(event: dict[str, Any]) -> None:
            loop.call_soon_threadsafe(events.put_nowait, event)

        job = session.job = Job(name, arguments, tell)
        self._worker(job).submit(job)
        return StreamingResponse(
            self._events(request, session, job, events), media_type="application/x-ndjson"
        )

    async def cancel(self, request: Request) -> Response:
        self._cancel(self._session(await _content(request)))
        return JSONResponse({})

    async def save(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        try:
            session = self.sessions.get(request.query_params.get("session"))
        except KeyError:
            raise _Refused(_ENDED, 410) from None
        if kind not in KINDS:
            raise _Refused(f"what is saved is one of {', '.join(KINDS)}, got {kind!r}.", 404)
        name, media, content = saved(session, kind)
        disposition = f'attachment; filename="{name}"'
        return Response(content, media_type=media, headers={"Content-Disposition": disposition})

    def close_all(self) -> None:
        """End the workers."""
        for worker in self.workers.values():
            worker.close()

    async def _events(
        self, request: Request, session: Session, job: Job, events: asyncio.Queue[dict[str, Any]]
    ) -> AsyncIterator[bytes]:
        """Yield the events of a job, one a line; the work of a tab that is closed is cancelled."""
        try:
            while True:
                try:
                    event = await asyncio.wait_for(events.get(), _EVERY)
                except asyncio.TimeoutError:
                    if await request.is_disconnected():
                        return
                    event = {}  # a sign of life
                if "result" in event:
                    session.finish(job.name, job.arguments, event["result"])
                ended = not event.keys().isdisjoint(("result", "error", "cancelled"))
                if ended:
                    session.job = None
                yield (json.dumps(event, allow_nan=False) + "\n").encode()
                if ended:
                    return
        finally:
            self._worker(job).cancel(job)
            if session.job is job:
                session.job = None

    def _worker(self, job: Job) -> Worker:
        return self.workers["tables" if job.name in _OF_TABLES else "models"]

    def _cancel(self, session: Session) -> None:
        if session.job is not None:
            self._worker(session.job).cancel(session.job)

    def _session(self, content: Mapping[str, Any]) -> Session:
        try:
            return self.sessions.get(content.get("session"))
        except KeyError:
            raise _Refused(_ENDED, 410) from None


_ENDED = "the server does not know this tab any more: reload the page."


async def _content(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise _Refused(f"the request has more than {_MOST_BYTES:,} bytes.", 413)
    try:
        content = json.loads(body)
    except ValueError:
        raise _Refused("the request is not JSON.") from None
    if not isinstance(content, dict):
        raise _Refused("the request is not a JSON object.")
    return content


async def _mistake(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=getattr(error, "status", 400))


def make_app(
    token: str,
    port: int,
    *,
    settings: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
) -> Starlette:
    """Return the application.

    Parameters
    ----------
    token : str
        First part of every path.
    port : int
        The port that is served.
    settings : mapping, optional
        Settings of :class:`neurotopo.app.cache.Cache`.
    start : mapping, optional
        What the page shows first: ``model``, ``dtype``, and the names of the built-in ``models``.

    Returns
    -------
    Starlette
        ``state.server`` has the sessions and the workers; ``state.server.close_all`` ends them.

    Examples
    --------
    >>> from neurotopo.app.server import make_app
    >>> app = make_app("token", 8000)
    >>> [route.path for route in app.routes][:3]
    ['/', '/app.js', '/app.css']
    >>> app.state.server.close_all()
    """
    server = _Server(settings or {}, start or {})
    pages = [("/", server.page), ("/app.js", server.script), ("/app.css", server.style)]
    pages.append(("/icon.svg", server.icon))
    posts = ("session", "close", "table", "job", "cancel")
    app = Starlette(
        routes=[
            *(Route(path, handler, methods=["GET"]) for path, handler in pages),
            *(Route(f"/api/{name}", getattr(server, name), methods=["POST"]) for name in posts),
            Route("/api/save/{kind}", server.save, methods=["GET"]),
        ],
        middleware=[Middleware(Guard, token=token, port=port)],
        exception_handlers={ValueError: _mistake, 404: _missing},
    )
    app.state.server = server
    return app


async def _missing(request: Request, error: Exception) -> Response:
    return PlainTextResponse("There is no such page.", status_code=404)


def serve(
    *,
    port: int = 0,
    settings: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
    tell: Callable[[str], Any],
) -> None:
    """Serve the page until an interrupt.

    Parameters
    ----------
    port : int, default=0
        The port; 0: any free one.
    settings, start
        As for :func:`make_app`.
    tell : callable
        Called with the address of the page, once it is served.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError as error:
            reason = f"port {port} cannot be used: {error.strerror}"
            raise OSError(f"{reason}. Give another one.") from error
        listening.listen(64)
        port = listening.getsockname()[1]
        token = secrets.token_urlsafe(24)
        app = make_app(token, port, settings=settings, start=start)
        # uvicorn would print the address with the token for every request
        quiet: Any = {"log_level": "warning", "access_log": False, "server_header": False}
        config = uvicorn.Config(app, lifespan="off", ws="none", **quiet)
        tell(f"http://127.0.0.1:{port}/{token}/")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            app.state.server.close_all()
