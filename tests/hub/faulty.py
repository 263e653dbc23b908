"""A hub on this machine that fails as it is told, and the faults."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOKEN = "hf_secret"


def serving(server: ThreadingHTTPServer):
    threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class Faulty(ThreadingHTTPServer):
    """A hub with the toy bundle; `fault(handler)` may answer a request instead, and then returns True."""

    daemon_threads = True

    def __init__(self, files) -> None:
        super().__init__(("127.0.0.1", 0), FaultyAnswer)
        self.files, self.fault, self.commit, self.asked = files, lambda _: False, "0123456789" * 4, []
        self.address = f"http://127.0.0.1:{self.server_port}"


class FaultyAnswer(BaseHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        if self.server.fault(self):
            return
        name = self.path.rpartition("/")[2]
        self.give(b'{"sha": "%s"}' % self.server.commit.encode() if "/api/" in self.path else self.server.files[name])

    def give(self, data: bytes, code: int = 200, **headers: str) -> bool:
        self.send_response(code)
        for key, value in {"Content_Length": str(len(data)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)
        return True


def on(part: str, answer):
    """A fault for requests with `part` in their path."""
    return lambda handler: part in handler.path and answer(handler)


def cut(handler) -> bool:
    """Announce more than is sent."""
    handler.give(b"{", Content_Length="1000")
    handler.close_connection = True
    return True


def status(code: int, error: str = ""):
    return lambda handler: handler.give(
        b"<html>\n\x1b[31mno</html>", code, **({"X_Error_Code": error} if error else {})
    )


def elsewhere(url: str):
    return lambda handler: handler.give(b"", 302, Location=url)


def no_http(handler) -> bool:
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    return True


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []
