"""A local web server that behaves like a bucket or the hub, and simulates faults.

A file ``folder/a/b`` is served as ``/a/b``, with ETag, HEAD and ranges. A folder
``folder/datasets/OWNER/NAME`` is a data set of the hub as well: its files are served as
``/datasets/OWNER/NAME/resolve/REVISION/…``, whatever the revision, for ``HF_ENDPOINT=server.url``;
a folder ``folder/models/OWNER/NAME`` is a model of the hub, without ``/datasets`` in its address.
For ``MINORTOM_MIRROR=server.url``, put what is at ``https://HOST/PATH`` into ``folder/HOST/PATH``.
"""

import json
import re
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
"""Commit that every revision of every data set of the hub refers to."""

_RESOLVE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_INFO = re.compile(r"/api/datasets/([^/]+/[^/]+)(?:/revision/[^/]+)?")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(kw_only=True)
class Fault:
    """Fault in the answers for a path, ``times`` times (always when None)."""

    times: int | None
    every: int
    """The fault occurs in every answer with a multiple of this number."""
    seen: int = 0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"trouble"
    cut_after: int | None = None

    def is_due(self):
        """Count a request; return whether its answer is faulty."""
        self.seen += 1
        if self.seen % self.every or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request: ``path`` without query, the names of ``headers`` in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]


@dataclass(kw_only=True)
class WebServer:
    """The server as a test uses it."""

    folder: Path
    url: str
    requests: list[Request] = field(default_factory=list)
    etags: bool = True
    ranges: bool = True
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    closing: threading.Event = field(default_factory=threading.Event)

    def fail(
        self, path, *, status=None, times=None, every=1, retry_after=None, cut_after=None,
        headers=(), body=b"trouble",
    ):  # fmt: skip
        """Simulate a fault in the next answers for a path; several calls apply one after the other.

        Args:
            path: Such as ``/a/b``; ``*`` for any.
            status: HTTP status to give instead of the file.
            times: How often; for ever when None.
            every: Only each answer of so many.
            retry_after: Value of the header of that name.
            cut_after: Close the connection after so many bytes of the body. Without it, and
                without a status, no answer comes at all.
            headers: More headers.
            body: What comes with the status.
        """
        more = dict(headers) | ({"Retry-After": str(retry_after)} if retry_after else {})
        fault = Fault(
            times=times, every=every, status=status, headers=more, body=body, cut_after=cut_after
        )
        self.faults.setdefault(path, []).append(fault)

    def asked(self, path):
        """Return the requests for a path."""
        return [request for request in self.requests if request.path == path]

    def stand_for_the_hub(self, monkeypatch, home: Path):
        """Point huggingface_hub, here and in new processes, to this server, with an empty cache."""
        names = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
        for name, value in names.items():
            monkeypatch.setenv(name, value)
        for name in ("HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        # Values that it read from the environment when it was imported.
        here = "huggingface_hub.constants"
        monkeypatch.setattr(f"{here}.ENDPOINT", self.url)
        monkeypatch.setattr(f"{here}.HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr(f"{here}.HF_TOKEN_PATH", str(home / "token"))
        address = self.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(f"{here}.HUGGINGFACE_CO_URL_TEMPLATE", address)

    def next_fault(self, path):
        """Return the next fault."""
        for fault in self.faults.get(path, []) + self.faults.get("*", []):
            if fault.is_due():
                return fault
        return None


@contextmanager
def serving(folder: Path, *, handler: "type[Handler] | None" = None):
    """Serve a folder on a free local port, optionally with another handler."""
    server = WebServer(folder=folder, url="")
    handler = type(
        "Bound", (handler or Handler,), {"server_state": server, "lock": threading.Lock()}
    )
    with _Server(("127.0.0.1", 0), handler) as httpd:
        server.url = f"http://127.0.0.1:{httpd.server_address[1]}"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            httpd.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Ignore a client that has disconnected; report other errors as usual."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server_state: WebServer
    lock: threading.Lock

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def log_message(self, *_):
        """Log nothing: the tests read ``requests``."""

    def answer(self, *, with_body):
        state, parts = self.server_state, urlsplit(self.path)
        path = unquote(parts.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.lock:
            state.requests.append(
                Request(method=self.command, path=path, query=parts.query, headers=headers)
            )
            fault = state.next_fault(path)
        if fault and fault.status is None and fault.cut_after is None:
            state.closing.wait(self.timeout)
            self.close_connection = True
        elif fault and fault.status is not None:
            self.send(fault.status, fault.headers, fault.body, with_body)
        elif found := _INFO.fullmatch(path):
            self.send_info(found.group(1), with_body)
        else:
            self.send_file(path, with_body, fault)

    def send(self, status, headers, body, with_body):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def send_info(self, repo, with_body):
        folder = self.server_state.folder / "datasets" / repo
        if not folder.is_dir():
            self.send(404, {"X-Error-Code": "RepoNotFound"}, b"", with_body)
            return
        files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        info = {"id": repo, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
        self.send(200, {"Content-Type": "application/json"}, json.dumps(info).encode(), with_body)

    def send_file(self, path, with_body, fault):
        state, headers = self.server_state, {}
        if found := _RESOLVE.fullmatch(path):
            kind, repo, _, name = found.groups()
            repo = f"{kind or 'models/'}{repo}"
            path, headers = f"/{repo}/{name}", {"X-Repo-Commit": COMMIT}
            if not (state.folder / repo).is_dir():
                self.send(404, {"X-Error-Code": "RepoNotFound"}, b"", with_body)
                return
        file = (state.folder / path.lstrip("/")).resolve()
        if state.folder.resolve() not in file.parents or not file.is_file():
            missing = {"X-Error-Code": "EntryNotFound"} if headers else {}
            self.send(404, headers | missing, b"", with_body)
            return
        size, tag = file.stat().st_size, f'"{file.stat().st_mtime_ns:x}-{file.stat().st_size:x}"'
        if state.etags:
            headers["ETag"] = tag
            if self.headers.get("If-None-Match") == tag:
                self.send(304, {"ETag": tag}, b"", with_body=False)
                return
        span = self.wanted_span(size, tag)
        if span is None:
            self.send(416, {"Content-Range": f"bytes */{size}"}, b"", with_body)
            return
        partial = span != (0, size) or (state.ranges and "Range" in self.headers)
        headers |= {"Content-Length": span[1] - span[0]}
        headers |= {"Accept-Ranges": "bytes"} if state.ranges else {}
        headers |= {"Content-Range": f"bytes {span[0]}-{span[1] - 1}/{size}"} if partial else {}
        self.send(206 if partial else 200, headers, b"", with_body=False)
        if with_body:
            self.send_bytes(file, *span, fault)

    def wanted_span(self, size, tag):
        """Return (start, end) in bytes, or None if the range is outside the file."""
        found = _RANGE.fullmatch(self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if not found or not self.server_state.ranges or condition not in (None, tag):
            return 0, size
        first, last = found.groups()
        if not first:
            return max(size - int(last), 0), size
        start, end = int(first), min(int(last) + 1, size) if last else size
        return (start, end) if start < end else None

    def send_bytes(self, file, start, end, fault):
        if fault and fault.cut_after is not None:
            end = min(end, start + fault.cut_after)
            self.close_connection = True
        with file.open("rb") as stream:
            stream.seek(start)
            while start < end:
                block = stream.read(min(1 << 20, end - start))
                self.wfile.write(block)
                start += len(block)
