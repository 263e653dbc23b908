"""A model hub on loopback, as far as pushing and pulling a bundle needs one: repositories are dictionaries."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class FakeHub(ThreadingHTTPServer):
    """Repositories {"OWNER/NAME": {"files": {name: bytes}, "commit": hex}}, and all requests with their tokens."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories: dict[str, dict] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.address = f"http://127.0.0.1:{self.server_port}"

    def put(self, name: str, files: dict[str, bytes]) -> str:
        """Commit files to a repository and return the commit."""
        repository = self.repositories.setdefault(name, {"files": {}})
        repository["files"] = repository["files"] | files
        repository["commit"] = hashlib.sha1(repr(repository["files"]).encode()).hexdigest()
        return repository["commit"]


class Answer(BaseHTTPRequestHandler):
    """Answers to huggingface_hub's client and to aetool."""

    def log_message(self, *_: object) -> None:
        pass

    def send(self, code: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def say(self, **fields: object) -> None:
        self.send(200, json.dumps(fields).encode(), Content_Type="application/json")

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.command, path, self.headers.get("Authorization")))
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path == "/api/repos/create":
            fields = json.loads(sent)
            self.server.put(f"{fields.get('organization') or 'me'}/{fields['name']}", {})
            self.say(url=f"{self.server.address}/{fields.get('organization') or 'me'}/{fields['name']}", id="1")
        elif path in ("/api/validate-yaml", "/api/whoami-v2"):
            self.say(name="me", type="user", orgs=[], errors=[], warnings=[])
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(preupload|commit|revision|tree)/(.+?))?", path):
            self.of_repository(*found.groups()[:2], sent)
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.file(*found.groups())
        else:
            self.send(404)

    do_GET = do_HEAD = do_POST = answer

    def of_repository(self, name: str, verb: str | None, sent: bytes) -> None:
        known = self.server.repositories.get(name)
        if known is None:
            self.send(404, X_Error_Code="RepoNotFound")
        elif verb == "preupload":
            files = [{"path": one["path"], "uploadMode": "regular"} for one in json.loads(sent)["files"]]
            self.say(files=[one | {"shouldIgnore": False} for one in files])
        elif verb == "commit":
            lines = [json.loads(line) for line in sent.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            commit = self.server.put(name, {one["path"]: base64.b64decode(one["content"]) for one in files})
            self.say(commitUrl=f"{self.server.address}/{name}/commit/{commit}", commitOid=commit)
        elif verb == "tree":
            rows = [{"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for path, data in known["files"].items()]  # fmt: skip
            self.send(200, json.dumps(rows).encode(), Content_Type="application/json")
        else:
            self.say(id=name, sha=known["commit"], private=False, siblings=[{"rfilename": f} for f in known["files"]])

    def file(self, name: str, revision: str, path: str) -> None:
        known = self.server.repositories.get(name, {"files": {}, "commit": ""})
        if path not in known["files"]:
            self.send(404, X_Error_Code="EntryNotFound" if known["files"] else "RepoNotFound")
            return
        data = known["files"][path]
        self.send(200, data, ETag=f'"{hashlib.sha1(data).hexdigest()}"', X_Repo_Commit=known["commit"])
