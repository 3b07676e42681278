"""A headless Chromium driven through the DevTools protocol, with the standard library alone."""

from __future__ import annotations

import base64
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAM = next((found for name in NAMES if (found := shutil.which(name))), None)
NO_BROWSER = f"no browser is installed (looked for {', '.join(NAMES)})"

_PATIENCE = 90.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--mute-audio",
    "--remote-debugging-pipe",
)
# The browser reads commands from descriptor 3 and answers on 4. Copies above both come first, as
# the pipes may have these very numbers.
_START = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_KEYS = {
    "Tab": 9,
    "Enter": 13,
    "Escape": 27,
    " ": 32,
    "PageUp": 33,
    "PageDown": 34,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}


class Browser:
    """One page of a browser: what it shows, what it prints, and what it asks the network for.

    Attributes
    ----------
    messages : list of str
        What the console got, and exceptions that nobody caught.
    requests : list of str
        The address of every request since the page was opened.
    """

    def __init__(self) -> None:
        assert PROGRAM is not None, NO_BROWSER
        self.messages: list[str] = []
        self.requests: list[str] = []
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        words = [PROGRAM, *_FLAGS, f"--user-data-dir={self._folder.name}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(commands), str(answers), *words],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(commands)
        os.close(answers)
        self._heard: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._next = 0
        self._session: str | None = None
        threading.Thread(target=self._listen, daemon=True).start()
        self._loaded = False
        try:
            page = self.call("Target.createTarget", url="about:blank")["targetId"]
            attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
            self._session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the browser."""
        self._session = None
        try:
            self.call("Browser.close", patience=10.0)
            self._process.wait(10)
        except (RuntimeError, TimeoutError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        for end in (self._commands, self._answers):
            try:
                os.close(end)
            except OSError:
                continue
        self._folder.cleanup()

    def call(self, method: str, *, patience: float = _PATIENCE, **arguments: Any) -> dict[str, Any]:
        """Send one command of the protocol and return its result."""
        self._next += 1
        command: dict[str, Any] = {"id": self._next, "method": method, "params": arguments}
        if self._session is not None:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        limit = time.monotonic() + patience
        while True:
            message = self._wait(limit, method)
            if message.get("id") == command["id"]:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def open(self, path: str | Path) -> None:
        """Open a file and wait until it has loaded."""
        self.messages.clear()
        self.requests.clear()
        self._loaded = False
        self.call("Page.navigate", url=Path(path).absolute().as_uri())
        limit = time.monotonic() + _PATIENCE
        while not self._loaded:
            self._wait(limit, "loading")
        self.settle()

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def settle(self) -> None:
        """Wait until what was changed has been drawn."""
        self.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)))")

    def key(self, name: str) -> None:
        """Press and release a key."""
        about = {"key": name, "code": name, "windowsVirtualKeyCode": _KEYS[name]}
        text = {"Enter": "\r", " ": " "}.get(name)
        down = {"text": text} if text else {}
        kind = "keyDown" if text else "rawKeyDown"
        self.call("Input.dispatchKeyEvent", type=kind, **about, **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)
        self.settle()

    def hover(self, selector: str) -> None:
        """Move the pointer to the middle of an element."""
        self.move(*self._middle(selector))

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        x, y = self._middle(selector)
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def move(self, x: float, y: float) -> None:
        """Move the pointer."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()

    def resize(
        self, width: int, height: int = 900, *, dark: bool = False, still: bool = False
    ) -> None:
        """Set the size of the window and what the reader prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.settle()

    def screenshot(
        self, path: str | Path, width: int, height: int | None = None, *, dark: bool = False
    ) -> Path:
        """Save a picture of the page: as high as it is, unless a height is given."""
        self.resize(width, height or 900, dark=dark)
        if height is None:
            whole = int(self.evaluate("document.documentElement.scrollHeight"))
            self.resize(width, whole, dark=dark)
        shot = self.call("Page.captureScreenshot", format="png")
        Path(path).write_bytes(base64.b64decode(shot["data"]))
        return Path(path)

    def _middle(self, selector: str) -> tuple[float, float]:
        where = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return "
            "null; e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect(); "
            "return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        if where is None:
            raise LookupError(f"there is no {selector}")
        return where[0], where[1]

    def _listen(self) -> None:
        rest = b""
        while True:
            try:
                piece = os.read(self._answers, 1 << 16)
            except OSError:
                piece = b""
            if not piece:
                self._heard.put(None)
                return
            *whole, rest = (rest + piece).split(b"\0")
            for message in whole:
                self._heard.put(json.loads(message))

    def _wait(self, limit: float, what: str) -> dict[str, Any]:
        try:
            message = self._heard.get(timeout=max(limit - time.monotonic(), 0.01))
        except queue.Empty:
            raise TimeoutError(f"the browser did not answer to {what}") from None
        if message is None:
            raise RuntimeError(f"the browser ended during {what}")
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, event: str | None, about: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self._loaded = True
        elif event == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            said = details.get("exception", {}).get("description", details.get("text"))
            self.messages.append(f"exception: {said}")
        elif event == "Runtime.consoleAPICalled":
            said = " ".join(str(part.get("value")) for part in about["args"])
            self.messages.append(f"{about['type']}: {said}")
        elif event == "Log.entryAdded":
            self.messages.append(f"{about['entry']['level']}: {about['entry']['text']}")
        elif event == "Page.javascriptDialogOpening":
            self.messages.append(f"dialog: {about['message']}")
        elif event == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
