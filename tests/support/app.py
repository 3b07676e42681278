"""The page of ``neurotopo app``, served for a browser."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from neurotopo.app.tables import MOST_CHARACTERS, MOST_ROWS

START = {
    "model": "testbed:planted",
    "dtype": "float32",
    "models": ["testbed:planted"],
    "most_characters": MOST_CHARACTERS,
    "most_rows": MOST_ROWS,
}


@contextmanager
def served():
    """Serve the page in a thread; yields its address and the server behind it."""
    uvicorn = pytest.importorskip("uvicorn")
    from neurotopo.app.server import make_app

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    app = make_app("secret", port, start=START)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
    server.install_signal_handlers = lambda: None
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/secret/", app.state.server
    finally:
        app.state.server.close_all()
        server.should_exit = True
        thread.join(timeout=20)
        listening.close()


def until(browser, expression, seconds=400):
    """Wait until an expression is true."""
    end = time.monotonic() + seconds
    while not browser.evaluate(expression):
        said = browser.evaluate("document.body.innerText")
        assert time.monotonic() < end, f"{expression}\n{browser.messages}\n{said}"
        time.sleep(0.03)


def idle(browser):
    """Wait until all work has ended."""
    browser.settle()
    until(browser, "[...document.querySelectorAll('.nta-row')].every((row) => row.hidden)")
    browser.settle()


def text(browser, selector):
    shown = browser.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
    return shown.replace("\u00a0", " ")
