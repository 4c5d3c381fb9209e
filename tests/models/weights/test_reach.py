"""Whether a server answers is found out once, and forgotten in time."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from models.weights import reach

URL = "https://hub.example/models/clip.bin"


class Server:
    """Counts what it is asked."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self.status)


def test_only_a_byte_is_asked_for(tmp_path: Path) -> None:
    server = Server(206)
    assert reach.answers(URL, tmp_path, server.transport)
    [request] = server.requests
    assert request.headers["range"] == "bytes=0-0"


@pytest.mark.parametrize(
    ("status", "answers"), [(200, True), (302, True), (403, False), (404, False), (503, False)]
)
def test_a_refusal_is_no_answer(tmp_path: Path, status: int, answers: bool) -> None:
    assert reach.answers(URL, tmp_path, Server(status).transport) is answers


def test_it_is_believed_for_ten_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(reach.time, "time", lambda: now)
    server = Server(404)
    assert not reach.answers(URL, tmp_path, server.transport)
    server.status = 200
    now += reach.KEPT_SECONDS - 1
    assert not reach.answers(URL, tmp_path, server.transport)
    now += 2
    assert reach.answers(URL, tmp_path, server.transport)
    assert len(server.requests) == 2


def test_one_server_says_nothing_of_another(tmp_path: Path) -> None:
    assert not reach.answers(URL, tmp_path, Server(404).transport)
    assert reach.answers("https://other.example/x", tmp_path, Server(200).transport)
    assert not reach.answers(URL, tmp_path, Server(200).transport), "still known"


@pytest.mark.parametrize(
    "note", ["{", "[]", "[" * 100_000, json.dumps({"hub.example": {"answers": 1, "at": "now"}})]
)
def test_a_damaged_note_is_asked_over(tmp_path: Path, note: str) -> None:
    (tmp_path / reach.NOTE).write_text(note)
    assert reach.answers(URL, tmp_path, Server().transport)


def test_a_clock_that_was_set_back_is_noticed(tmp_path: Path) -> None:
    (tmp_path / reach.NOTE).write_text(
        json.dumps({"hub.example": {"answers": False, "at": time.time() + 3600.0}})
    )
    assert reach.answers(URL, tmp_path, Server().transport)


def test_a_cache_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert reach.answers(URL, tmp_path / "file" / "cache", Server().transport)


def test_an_index_of_packages_is_asked_where_the_file_is(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200 if request.url.path.endswith(".tgz") else 404)

    transport = httpx.MockTransport(answer)
    assert reach.answers("npm:@some/weights@1.0.0", tmp_path, transport)
    assert not reach.answers("pypi:weights==1.0/weights-1.0-py3-none-any.whl", tmp_path, transport)
    assert len(asked) == 2
    assert set(json.loads((tmp_path / reach.NOTE).read_text())) == {"npm", "pypi"}
