"""A headless Chromium that is installed on the machine, driven with Playwright."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAM = next((path for name in NAMES if (path := shutil.which(name))), None)
NO_BROWSER = f"no browser is installed (looked for {', '.join(NAMES)})"


class Browser:
    """One page of a browser.

    Attributes
    ----------
    messages : list of str
        Messages of the console, uncaught exceptions, and dialogs.
    requests : list of str
        Address of every request since the page was opened.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.requests: list[str] = []
        self._playwright = sync_playwright().start()
        try:
            self._browser = self._playwright.chromium.launch(
                executable_path=PROGRAM, args=["--no-sandbox", "--hide-scrollbars"]
            )
            self.page = self._browser.new_page()
        except BaseException:
            self._playwright.stop()
            raise
        self.page.on("console", lambda m: self.messages.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda error: self.messages.append(f"exception: {error}"))
        self.page.on("dialog", self._dismiss)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()

    def _dismiss(self, dialog: Any) -> None:
        self.messages.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, path: str | Path) -> None:
        """Open a file and wait until it has loaded."""
        self.messages.clear()
        self.requests.clear()
        self.page.goto(Path(path).absolute().as_uri())
        self.settle()

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression; a promise is waited for."""
        return self.page.evaluate(script)

    def settle(self) -> None:
        """Wait until changes have been drawn."""
        self.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)))")

    def key(self, name: str) -> None:
        """Press and release a key."""
        self.page.keyboard.press(name)
        self.settle()

    def hover(self, selector: str) -> None:
        """Move the pointer to the middle of an element."""
        self.move(*self._middle(selector))

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        self.page.mouse.click(*self._middle(selector))
        self.settle()

    def move(self, x: float, y: float) -> None:
        """Move the pointer."""
        self.page.mouse.move(x, y)
        self.settle()

    def resize(
        self, width: int, height: int = 900, *, dark: bool = False, still: bool = False
    ) -> None:
        """Set the size of the window and the preferences of the reader."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if still else "no-preference",
        )
        self.settle()

    def _middle(self, selector: str) -> tuple[float, float]:
        element = self.page.locator(selector).first
        element.evaluate("(e) => e.scrollIntoView({block: 'center'})", timeout=5000)
        box = element.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
