"""A web server that serves one file in the ways in which servers fail."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Shelf:
    """What is served, how, and what was asked for."""

    content: bytes
    etag: str | None = '"1"'
    statuses: list[int] = field(default_factory=list)
    """Answered to the first requests instead of the file."""
    cuts: list[int] = field(default_factory=list)
    """After so many bytes each, the connection is cut."""
    location: str | None = None
    ranges: bool = True
    length: bool = True
    """Whether the length is announced; without it, the end of the connection is the end of the file."""
    pause: float = 0.0
    """Seconds between pieces of `piece` bytes."""
    piece: int = 65536
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve(content: bytes, name: str = "model.bin", **ways: Any) -> Iterator[Shelf]:
    """`Shelf.url` is the file's address for as long as the context lasts."""
    shelf = Shelf(content, **ways)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            shelf.asked.append({key.lower(): value for key, value in self.headers.items()})
            self.close_connection = True
            if shelf.location:
                self.send_response(302)
                self.send_header("Location", shelf.location)
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif shelf.statuses:
                self.send_error(shelf.statuses.pop(0))
            else:
                self._send()

        def _send(self) -> None:
            start, total = self._start(), len(shelf.content)
            if start and start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            if shelf.etag:
                self.send_header("ETag", shelf.etag)
            if shelf.length:
                self.send_header("Content-Length", str(total - start))
            self.send_header("Connection", "close")
            self.end_headers()
            body = shelf.content[start:]
            if shelf.cuts:
                body = body[: shelf.cuts.pop(0)]
            for at in range(0, len(body), shelf.piece):
                try:
                    self.wfile.write(body[at : at + shelf.piece])
                except OSError:
                    return
                time.sleep(shelf.pause)

        def _start(self) -> int:
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if not wanted or not shelf.ranges or self.headers.get("If-Range") not in (None, shelf.etag):
                return 0
            return int(wanted[1])

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_port}/files/{name}"
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
