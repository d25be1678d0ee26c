"""A local server that answers the upload and download requests of `huggingface_hub` and `datasets`.

Files named ``*.parquet`` are large: they come by the LFS protocol, each once, and lie in
``folder/lfs`` by their hash. All others come inside the commit. Faults are told to the web server
that this one extends, and hit uploads too.
"""

import base64
import hashlib
import json
import re
import shutil
from urllib.parse import parse_qs, unquote, urlsplit

from web_server import COMMIT, Handler, Request

_PREUPLOAD = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/preupload/(.+)")
_COMMIT = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/commit/(.+)")
_TREE = re.compile(r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?")
_PATHS = re.compile(r"/api/datasets/([^/]+/[^/]+)/paths-info/([^/]+)")
_BATCH = re.compile(r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch")
_OBJECT = re.compile(r"/lfs/([0-9a-f]{64})")


class HubHandler(Handler):
    """Handler that writes the files of a commit to ``folder/KIND/OWNER/NAME`` and serves them."""

    def do_POST(self):  # noqa: N802  (http.server's name)
        path, fault = self.take_request()
        body = self.read_body()
        state = self.server_state
        if fault:
            self.send(fault.status, fault.headers, fault.body, True)
        elif path == "/api/repos/create":
            self.create(json.loads(body))
        elif path == "/api/validate-yaml":
            self.reply({"errors": [], "warnings": []})
        elif found := _PREUPLOAD.fullmatch(path):
            names = [file["path"] for file in json.loads(body)["files"]]
            files = [
                {
                    "path": n,
                    "uploadMode": "lfs" if is_large(n) else "regular",
                    "shouldIgnore": False,
                }
                for n in names
            ]
            self.reply({"files": files})
        elif _BATCH.fullmatch(path):
            self.reply({"objects": [self.wanted(item) for item in json.loads(body)["objects"]]})
        elif found := _PATHS.fullmatch(path):
            folder = state.folder / "datasets" / found[1]
            names = (
                parse_qs(body.decode())["paths"] if body[:1] != b"{" else json.loads(body)["paths"]
            )
            paths = [folder / name for name in names if (folder / name).exists()]
            self.reply([told(folder, file) for file in paths])
        elif found := _COMMIT.fullmatch(path):
            self.commit(found[1], found[2], [json.loads(line) for line in body.splitlines()])
        else:
            self.send(404, {}, b"", True)

    def do_PUT(self):  # noqa: N802  (http.server's name)
        path, fault = self.take_request()
        if fault and fault.cut_after is not None:
            self.rfile.read(fault.cut_after)
            self.close_connection = True
            return
        body = self.read_body()
        found = _OBJECT.fullmatch(path)
        if fault:
            self.send(fault.status, fault.headers, fault.body, True)
        elif not found or hashlib.sha256(body).hexdigest() != found[1]:
            self.send(400, {}, b"another hash", True)
        else:
            place = self.server_state.folder / path.lstrip("/")
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(body)
            self.send(200, {}, b"", True)

    def take_request(self):
        """Record a request; return its path and the fault to simulate."""
        parts, state = urlsplit(self.path), self.server_state
        path = unquote(parts.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.lock:
            state.requests.append(
                Request(method=self.command, path=path, query=parts.query, headers=headers)
            )
            return path, state.next_fault(path)

    def read_body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def create(self, repo):
        state, kind = self.server_state, f"{repo.get('type', 'model')}s"
        name = f"{repo['organization']}/{repo['name']}"
        folder = state.folder / kind / name
        prefix = "" if kind == "models" else f"{kind}/"
        url = {"url": f"{state.url}/{prefix}{name}", "name": name}
        if folder.is_dir() and kind == "datasets":
            self.send(409, {"Content-Type": "application/json"}, json.dumps(url).encode(), True)
            return
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "datasets":
            (folder / ".gitattributes").write_text("*.parquet filter=lfs\n")
            (folder.parent / f".{folder.name}.json").write_text(json.dumps(repo))
        self.reply(url)

    def wanted(self, item):
        """Return the upload address of a large file; none if the file exists."""
        if (self.server_state.folder / "lfs" / item["oid"]).is_file():
            return item
        href = f"{self.server_state.url}/lfs/{item['oid']}"
        return item | {"actions": {"upload": {"href": href}}}

    def commit(self, kind, name, actions):
        state = self.server_state
        folder = state.folder / kind / name
        for action in actions:
            value = action["value"]
            if action["key"] == "header":
                if value.get("parentCommit", COMMIT) != COMMIT:
                    self.send(412, {}, b"", True)
                    return
                continue
            file = folder / value["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            if action["key"] == "file":
                file.write_bytes(base64.b64decode(value["content"]))
            elif action["key"] == "lfsFile":
                shutil.copyfile(state.folder / "lfs" / value["oid"], file)
            else:
                file.unlink()
        prefix = "" if kind == "models" else f"{kind}/"
        url = f"{state.url}/{prefix}{name}/commit/{COMMIT}"
        self.reply({"commitUrl": url, "commitOid": COMMIT, "success": True})

    def send_info(self, repo, with_body):
        folder = self.server_state.folder / "datasets" / repo
        if not folder.is_dir() or "blobs" not in urlsplit(self.path).query:
            super().send_info(repo, with_body)
            return
        siblings = [
            {"rfilename": item["path"], "blobId": item["oid"], **item}
            for item in (told(folder, file) for file in files_of(folder))
        ]
        self.reply({"id": repo, "sha": COMMIT, "siblings": siblings})

    def send_file(self, path, with_body, fault):
        found = _TREE.fullmatch(path)
        folder = found and self.server_state.folder / "datasets" / found[1]
        if not found:
            super().send_file(path, with_body, fault)
        elif found[3]:  # no data set here has folders
            self.send(404, {"X-Error-Code": "EntryNotFound"}, b"", with_body)
        else:
            self.reply([told(folder, file) for file in files_of(folder)])

    def reply(self, value):
        self.send(200, {"Content-Type": "application/json"}, json.dumps(value).encode(), True)


def is_large(name):
    return name.endswith(".parquet")


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def told(folder, file):
    """Return the description of a file as the hub does."""
    content, name = file.read_bytes(), file.relative_to(folder).as_posix()
    entry = {"type": "file", "path": name, "size": len(content)}
    if is_large(name):
        sha256 = hashlib.sha256(content).hexdigest()
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\n"
        entry["lfs"] = {"oid": sha256, "sha256": sha256, "size": len(content), "pointerSize": 134}
        content = f"{pointer}size {len(content)}\n".encode()
    return entry | {"oid": hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()}
