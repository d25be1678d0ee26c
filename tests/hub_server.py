"""A hub to upload to: what `HfApi.create_repo` and `upload_folder` ask for, for small files."""

import base64
import json
import re
from urllib.parse import unquote, urlsplit

from web_server import COMMIT, Handler

_PREUPLOAD = re.compile(r"/api/models/([^/]+/[^/]+)/preupload/(.+)")
_COMMIT = re.compile(r"/api/models/([^/]+/[^/]+)/commit/(.+)")


class HubHandler(Handler):
    """Puts the files of a commit into ``folder/models/OWNER/NAME``, where they are served."""

    def do_POST(self):  # noqa: N802  (http.server's name)
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        state = self.server_state
        fault = state.next_fault(path)
        if fault:
            self.send(fault.status, fault.headers, b"trouble", True)
        elif path == "/api/repos/create":
            repo = json.loads(body)
            name = f"{repo['organization']}/{repo['name']}"
            (state.folder / "models" / name).mkdir(parents=True, exist_ok=True)
            self.reply({"url": f"{state.url}/{name}", "name": name})
        elif path == "/api/validate-yaml":
            self.reply({"errors": [], "warnings": []})
        elif found := _PREUPLOAD.fullmatch(path):
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self.reply({"files": files})
        elif found := _COMMIT.fullmatch(path):
            folder = state.folder / "models" / found.group(1)
            for line in body.decode().splitlines():
                action = json.loads(line)
                if action["key"] == "file":
                    file = folder / action["value"]["path"]
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(base64.b64decode(action["value"]["content"]))
            url = f"{state.url}/{found.group(1)}/commit/{COMMIT}"
            self.reply({"commitUrl": url, "commitOid": COMMIT, "success": True})
        else:
            self.send(404, {}, b"", True)

    def reply(self, value):
        self.send(200, {"Content-Type": "application/json"}, json.dumps(value).encode(), True)
