"""Control a headless Chromium by its DevTools pipe, with the standard library only."""

import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--force-device-scale-factor=1",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no host name is resolved: the network is blocked
    "--proxy-server=127.0.0.1:9", "--window-size=1200,1000", "--remote-debugging-pipe",
)  # fmt: skip


def find_chromium():
    """Return the path of a Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for path in map(shutil.which, names) if path), None)


class Page:
    """One page in a separate browser."""

    def __init__(self, to_browser, from_browser):
        self._out, self._in = to_browser, from_browser
        self._number, self._session, self._rest = 0, None, b""
        self.requests, self.errors = [], []

    def call(self, method, **parameters):
        """Call a DevTools method and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _next(self):
        while b"\0" not in self._rest:
            part = os.read(self._in, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        line, self._rest = self._rest.split(b"\0", 1)
        return json.loads(line)

    def _note(self, event):
        details = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            url = details["request"]["url"]
            self.requests += [] if url.startswith("data:") else [url]
        if event.get("method") == "Runtime.exceptionThrown":
            found = details["exceptionDetails"]
            self.errors.append(found.get("exception", found).get("description", found["text"]))
        if event.get("method") == "Log.entryAdded" and details["entry"]["level"] == "error":
            self.errors.append(details["entry"]["text"])

    def open(self, path, *, ready, touch=False):
        """Open a file, on a touch screen or not, and wait until a JavaScript expression is true."""
        self._session, self.requests, self.errors = None, [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch)
        self.call("Page.navigate", url=Path(path).resolve().as_uri())
        self.wait(ready)

    def run(self, code):
        """Evaluate JavaScript, await a promise, and return a plain value."""
        found = self.call(
            "Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition, seconds=30):
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < end, (condition, self.errors)
            time.sleep(0.05)

    def mouse(self, kind, x, y, **more):
        """Send a mouse event at a position in the window (CSS pixels)."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x, y):
        """Click at a position in the window (CSS pixels)."""
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def tap(self, x, y):
        """Tap with a finger at a position in the window (CSS pixels)."""
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def show_as(self, *, dark=False, width=1200):
        """Show the page in dark or light mode, in a window of a width (CSS pixels)."""
        mode = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[mode])
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.run("new Promise(d => requestAnimationFrame(() => requestAnimationFrame(() => d(1))))")

    def picture(self, clip=None):
        """Take a screenshot (PNG) of the window, or of {x, y, width, height} of the page."""
        area = {"clip": {**clip, "scale": 1}, "captureBeyondViewport": True} if clip else {}
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", **area)["data"])


@contextlib.contextmanager
def opened_browser(program, profile):
    """Start a browser with a new profile; it ends with the block."""
    from_us, to_browser = os.pipe()
    from_browser, to_us = os.pipe()

    def connect():  # DevTools uses file descriptors 3 and 4
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (from_us, to_us)]
        os.dup2(ends[0], 3)
        os.dup2(ends[1], 4)

    process = subprocess.Popen(
        [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        preexec_fn=connect,  # noqa: PLW1509  (no thread of the tests runs at this time)
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(from_us)
    os.close(to_us)
    try:
        yield Page(to_browser, from_browser)
    finally:
        with contextlib.suppress(OSError):
            os.write(to_browser, b'{"id": 0, "method": "Browser.close"}\0')
        os.close(to_browser)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(from_browser)
