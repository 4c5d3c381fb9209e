"""An index of packages on this machine, as pip and npm know them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class Index:
    """What is served by path, as (media type, content), and what was asked for."""

    pages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    url: str = ""

    def publish(self, project: str, name: str, content: bytes, link: str | None = None) -> None:
        """Serve one file, and a page of JSON that lists it."""
        self.pages[f"/files/{name}"] = ("application/octet-stream", content)
        listed = {"files": [{"filename": name, "url": link or f"{self.url}/files/{name}"}]}
        self.pages[f"/simple/{project}/"] = (JSON, json.dumps(listed).encode())


@contextmanager
def serve_index() -> Iterator[Index]:
    index = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            index.authorizations.append(self.headers.get("Authorization"))
            if self.path not in index.pages:
                self.send_error(404)
                return
            kind, content = index.pages[self.path]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:
                return

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    index.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
