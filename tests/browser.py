"""Chromium without a window, by its DevTools protocol over a pipe: what a page says, asks for, and how wide it is."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(PROGRAM is None, reason="no chromium: apt install chromium")

PATIENCE = 90.0  # seconds for an answer
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run")


class Browser:
    """One page of one browser. Use as a context manager."""

    def __init__(self, profile: Path) -> None:
        """Start it; `profile` is an empty folder."""
        theirs, self._to = os.pipe()
        self._from, answers = os.pipe()
        command = [str(PROGRAM), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(  # it reads from 3 and writes to 4
            ["bash", "-c", f'exec "$@" 3<&{theirs} 4>&{answers}', "bash", *command],
            pass_fds=(theirs, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(answers)
        self._rest, self._number, self._session = b"", 0, None
        self.events: list[dict[str, Any]] = []
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for part in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{part}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask for something and return the answer; events on the way are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {} if self._session is None else {"sessionId": self._session}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        found = answer["result"]
        assert isinstance(found, dict)
        return found

    def open(self, page: Path) -> None:
        """Load a file, and wait until all of it is there."""
        self.call("Page.navigate", url=page.absolute().as_uri())
        while not self.said("Page.loadEventFired"):
            self.events.append(self._next())

    def width(self, pixels: int) -> None:
        """Make the screen so wide, as on a phone."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=pixels, height=800, deviceScaleFactor=1, mobile=True
        )

    def value(self, expression: str) -> Any:
        """Evaluate JavaScript, which the page itself may not run."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"]["value"]

    def printed(self) -> bytes:
        """The page as PDF."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])

    def said(self, *methods: str) -> list[dict[str, Any]]:
        """Events of some kinds."""
        return [event["params"] for event in self.events if event.get("method") in methods]

    def requests(self) -> list[str]:
        """Addresses that were asked for."""
        return [event["request"]["url"] for event in self.said("Network.requestWillBeSent")]

    def complaints(self) -> list[dict[str, Any]]:
        """Errors and warnings of the console, and exceptions."""
        logged = [e for e in self.said("Log.entryAdded") if e["entry"]["level"] in ("error", "warning")]
        return logged + self.said("Runtime.exceptionThrown", "Runtime.consoleAPICalled")

    def _next(self) -> dict[str, Any]:
        began = time.monotonic()
        while b"\0" not in self._rest:
            assert time.monotonic() - began < PATIENCE, "the browser says nothing"
            more = os.read(self._from, 1 << 20)
            assert more, "the browser is gone"
            self._rest += more
        first, _, self._rest = self._rest.partition(b"\0")
        found = json.loads(first)
        assert isinstance(found, dict)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the browser."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._to, self._from):
            with suppress(OSError):
                os.close(pipe)


def look(page: Path, profile: Path, pictures: int) -> bytes:
    """Hold a page against what every page has to be; return it as PDF.

    It shows `pictures` pictures, says nothing on the console, asks for nothing but itself, is readable on a phone
    without scrolling sideways but within tables and pictures, and can be printed.
    """
    with Browser(profile) as browser:
        browser.open(page)
        drawn = browser.value("[...document.images].filter(i => i.complete && i.naturalWidth > 50).length")
        assert drawn == pictures == browser.value("document.images.length")
        browser.width(390)
        assert browser.value("document.documentElement.clientWidth") == 390
        assert browser.value("document.documentElement.scrollWidth") <= 390
        sizes = "[...document.querySelectorAll('p, td, figcaption')].map(e => parseFloat(getComputedStyle(e).fontSize))"
        assert min(browser.value(sizes)) >= 12
        printed = browser.printed()
        outside = [url for url in browser.requests() if not url.startswith(("data:", "about:"))]
        assert outside == [page.absolute().as_uri()]
        assert browser.complaints() == []
    return printed
