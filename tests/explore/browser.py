"""Chromium without a window, driven over its DevTools protocol through two pipes; no package is needed.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio",
    "--disable-extensions", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)  # fmt: skip
"""No name is resolved: a page that needs a network fails."""
SIDES = 1280, 900
"""Width and height of a window in pixels."""
PATIENCE = 120
"""Seconds for an answer, on a busy machine."""


def program() -> str | None:
    """Return the path of Chromium, None where it is not installed."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Browser:
    """A running Chromium: commands, their answers, and the events in between."""

    def __init__(self, path: str, place: Path) -> None:
        inner_read, self._write = os.pipe()
        self._read, inner_write = os.pipe()
        # The browser reads commands from descriptor 3 and answers on 4. Both are moved up first, out of their own way.
        shell = f'exec 8<&{inner_read} 9>&{inner_write}; exec 3<&8 4>&9; exec "$0" "$@"'
        words = ["bash", "-c", shell, path, *FLAGS, f"--user-data-dir={place}", "about:blank"]
        self._process = subprocess.Popen(
            words, pass_fds=(inner_read, inner_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(inner_read)
        os.close(inner_write)
        self._count, self._buffer = 0, b""
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Return the result of a command; raises `RuntimeError` for an error of the browser."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        data = json.dumps(message | ({} if session is None else {"sessionId": session})).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        until = time.monotonic() + PATIENCE
        while True:
            found = self._next(until)
            if found.get("id") == self._count:
                break
            self.events.append(found)
        if "error" in found:
            raise RuntimeError(f"{method}: {found['error']['message']}")
        return dict(found["result"])

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise TimeoutError(f"Chromium did not answer in {PATIENCE} s")
            data = os.read(self._read, 1 << 20)
            if not data:
                raise RuntimeError("Chromium has ended")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(line))

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(RuntimeError, OSError, TimeoutError):
            self.call("Browser.close")
        os.close(self._write)
        os.close(self._read)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()


class Page:
    """A page of a browser, at `SIDES` and light at first."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._target = target
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for room in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{room}.enable")
        self.resize(*SIDES)
        self.darken(False)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result of a command on this page."""
        return self._browser.call(method, self._session, **parameters)

    def resize(self, width: int, height: int) -> None:
        """Give the window these sides."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def darken(self, dark: bool) -> None:
        """Give the desktop a dark scheme of colours, or a light one."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, path: Path) -> None:
        """Open a file."""
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.run("new Promise((done) => document.readyState === 'complete' ? done() : (onload = () => done()))")

    def run(self, code: str) -> Any:
        """Return the value, as JSON, of an expression, after its promise; raises `RuntimeError` for an exception."""
        found = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description") or details["text"])
        return found["result"].get("value")

    def requests(self) -> list[str]:
        """Return the addresses that were asked for, but for those inside the page."""
        urls = [event["params"]["request"]["url"] for event in self._own("Network.requestWillBeSent")]
        return [url for url in urls if not url.startswith(("data:", "blob:", "about:"))]

    def complaints(self) -> list[str]:
        """Return errors and warnings of the console, and exceptions."""
        self.run("0")  # what came before is here now
        found = [event["params"]["exceptionDetails"]["text"] for event in self._own("Runtime.exceptionThrown")]
        found += [event["params"]["entry"]["text"] for event in self._own("Log.entryAdded")]
        calls = [event["params"] for event in self._own("Runtime.consoleAPICalled")]
        return found + [str(call["args"]) for call in calls if call["type"] in ("error", "warning", "assert")]

    def _own(self, method: str) -> list[dict[str, Any]]:
        return [e for e in self._browser.events if e["method"] == method and e.get("sessionId") == self._session]

    def move(self, x: float, y: float, kind: str = "mouseMoved", **more: Any) -> None:
        """Move, press or release the mouse at a place of the window."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window."""
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.move(x, y, kind, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key, as "Tab" or "+"."""
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    def screenshot(self) -> bytes:
        """Return the window as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        """Close the page."""
        self._browser.call("Target.closeTarget", targetId=self._target)


@contextlib.contextmanager
def browsing(path: str) -> Iterator[Browser]:
    """Run Chromium with a profile of its own, which goes with it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        browser = Browser(path, Path(place))
        try:
            yield browser
        finally:
            browser.close()
