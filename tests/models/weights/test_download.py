"""Fetching one file from servers that behave in every way."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import httpx
import pytest

from models.errors import BadWeights, WeightsMissing
from models.weights.download import make_client
from tests.models.weights.fetching import CONTENT, SHA256, get, left_over, wanted
from tests.models.weights.shelf import serve


def test_file_arrives_whole_and_alone(tmp_path: Path, client: httpx.Client) -> None:
    told: list[tuple[str, int, int | None]] = []
    with serve(CONTENT) as shelf:
        assert get(shelf.url, wanted(tmp_path), client, lambda *news: told.append(news)) == {
            tmp_path / "weights" / "model.bin": SHA256
        }
    assert (tmp_path / "weights" / "model.bin").read_bytes() == CONTENT
    assert left_over(tmp_path) == ["model.bin"]
    assert told[0] == ("model.bin", 0, len(CONTENT))
    assert told[-1] == ("model.bin", len(CONTENT), len(CONTENT))


def test_cut_connections_are_gone_on_from(tmp_path: Path, client: httpx.Client) -> None:
    with serve(CONTENT, cuts=[300_000, 100_000, 200_000]) as shelf:
        get(shelf.url, wanted(tmp_path), client)
    assert [asked.get("range") for asked in shelf.asked] == [
        None,
        "bytes=300000-",
        "bytes=400000-",
        "bytes=600000-",
    ]
    assert all(asked["if-range"] == '"1"' for asked in shelf.asked[1:])
    assert (tmp_path / "weights" / "model.bin").read_bytes() == CONTENT


def test_many_cuts_do_no_harm_as_long_as_something_arrives(tmp_path: Path, client: httpx.Client) -> None:
    with serve(CONTENT, cuts=[100_000] * 10) as shelf:
        get(shelf.url, wanted(tmp_path), client)
    assert len(shelf.asked) == 11


def test_file_that_changed_meanwhile_is_fetched_anew(tmp_path: Path, client: httpx.Client) -> None:
    with serve(CONTENT, cuts=[300_000]) as shelf:

        def publish_another(name: str, done: int, total: int | None) -> None:
            if 0 < done < len(CONTENT):
                shelf.content, shelf.etag = b"new" * 1000, '"2"'

        fetched = get(shelf.url, wanted(tmp_path, sha256=None), client, publish_another)
    assert fetched == {tmp_path / "weights" / "model.bin": hashlib.sha256(b"new" * 1000).hexdigest()}


def test_server_without_ranges_sends_all_again(tmp_path: Path, client: httpx.Client) -> None:
    with serve(CONTENT, cuts=[300_000], ranges=False) as shelf:
        get(shelf.url, wanted(tmp_path), client)
    assert (tmp_path / "weights" / "model.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("etag", "sha256", "second", "why"),
    [
        (None, None, None, "nothing would tell that the two halves belong together"),
        ('W/"1"', None, None, "a weak tag does not promise the same bytes"),
        (None, SHA256, "bytes=300000-", "the digest of the whole tells"),
    ],
)
def test_nothing_is_gone_on_from_unless_the_halves_are_known_to_fit(
    tmp_path: Path, client: httpx.Client, etag: str | None, sha256: str | None, second: str | None, why: str
) -> None:
    with serve(CONTENT, cuts=[300_000], etag=etag) as shelf:
        get(shelf.url, wanted(tmp_path, sha256=sha256), client)
    assert shelf.asked[1].get("range") == second, why
    assert (tmp_path / "weights" / "model.bin").read_bytes() == CONTENT


def test_part_that_is_wrong_is_thrown_away_once(tmp_path: Path, client: httpx.Client) -> None:
    folder = tmp_path / "weights"
    with serve(CONTENT, cuts=[300_000]) as shelf:
        with pytest.raises(KeyboardInterrupt):
            get(shelf.url, wanted(tmp_path), client, _interrupt)
        part = folder / ".model.bin.part"
        part.write_bytes(b"\xff" * part.stat().st_size)  # a disk that lied
        shelf.cuts = []
        get(shelf.url, wanted(tmp_path), client)
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert left_over(tmp_path) == ["model.bin"]


def _interrupt(name: str, done: int, total: int | None) -> None:
    if done:
        raise KeyboardInterrupt


def test_part_longer_than_the_file_is_thrown_away(tmp_path: Path, client: httpx.Client) -> None:
    with serve(CONTENT, cuts=[300_000]) as shelf:
        with pytest.raises(KeyboardInterrupt):
            get(shelf.url, wanted(tmp_path), client, _interrupt)
        (tmp_path / "weights" / ".model.bin.part").write_bytes(CONTENT + b"more")
        get(shelf.url, wanted(tmp_path), client)
    assert (tmp_path / "weights" / "model.bin").read_bytes() == CONTENT


def test_wrong_digest_names_both_and_keeps_nothing(tmp_path: Path, client: httpx.Client) -> None:
    with serve(b"another model") as shelf, pytest.raises(BadWeights) as refused:
        get(shelf.url, wanted(tmp_path), client)
    assert SHA256 in str(refused.value)
    assert hashlib.sha256(b"another model").hexdigest() in str(refused.value)
    assert left_over(tmp_path) == []
    assert len(shelf.asked) == 1


def test_wrong_size_is_refused_before_anything_is_fetched(tmp_path: Path, client: httpx.Client) -> None:
    told: list[int] = []
    with serve(CONTENT) as shelf, pytest.raises(BadWeights, match="1048576 bytes, expected 42"):
        get(shelf.url, wanted(tmp_path, size=42), client, lambda _, done, __: told.append(done))
    assert told == []
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_server_that_has_it_not_is_asked_once(tmp_path: Path, client: httpx.Client, status: int) -> None:
    with (
        serve(CONTENT, statuses=[status]) as shelf,
        pytest.raises(WeightsMissing, match=f"answered {status}"),
    ):
        get(shelf.url, wanted(tmp_path), client)
    assert len(shelf.asked) == 1
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_server_in_trouble_is_asked_again(tmp_path: Path, client: httpx.Client, status: int) -> None:
    with serve(CONTENT, statuses=[status]) as shelf:
        get(shelf.url, wanted(tmp_path), client)
    assert len(shelf.asked) == 2


def test_server_that_stays_in_trouble_is_given_up(tmp_path: Path, client: httpx.Client) -> None:
    with serve(CONTENT, statuses=[503] * 9) as shelf, pytest.raises(WeightsMissing, match="503"):
        get(shelf.url, wanted(tmp_path), client)
    assert len(shelf.asked) == 2


def test_nobody_there_is_said_at_once(tmp_path: Path, client: httpx.Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(WeightsMissing, match="no connection"):
        get(f"http://127.0.0.1:{port}/model.bin", wanted(tmp_path), client)


def test_server_that_says_nothing_is_not_waited_for_twice(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        httpx.Client(timeout=0.2) as hasty,
        pytest.raises(WeightsMissing, match="no answer in time"),
    ):
        get(f"http://127.0.0.1:{silent.getsockname()[1]}/model.bin", wanted(tmp_path), hasty)


def test_slow_server_is_waited_for(tmp_path: Path) -> None:
    with serve(CONTENT, pause=0.05, piece=100_000) as shelf, httpx.Client(timeout=2) as client:
        get(shelf.url, wanted(tmp_path), client)
    assert len(shelf.asked) == 1


def test_server_that_stalls_is_gone_on_with(tmp_path: Path) -> None:
    with serve(CONTENT, pause=1.0, piece=400_000) as shelf, httpx.Client(timeout=0.4) as client:
        get(shelf.url, wanted(tmp_path), client)
    assert len(shelf.asked) >= 2
    assert (tmp_path / "weights" / "model.bin").read_bytes() == CONTENT


def test_length_need_not_be_announced(tmp_path: Path, client: httpx.Client) -> None:
    told: list[int | None] = []
    with serve(CONTENT, length=False) as shelf:
        get(shelf.url, wanted(tmp_path), client, lambda _, __, total: told.append(total))
    assert set(told) == {None}


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:9/model.bin", "http://models.example/model.bin", "file:///etc/passwd", "ftp://x/y"],
)
def test_redirect_away_from_https_is_refused(tmp_path: Path, client: httpx.Client, location: str) -> None:
    with serve(CONTENT, location=location) as shelf, pytest.raises(WeightsMissing, match="over HTTPS"):
        get(shelf.url, wanted(tmp_path), client)


def test_catalog_address_elsewhere_has_to_be_https(tmp_path: Path, client: httpx.Client) -> None:
    with pytest.raises(WeightsMissing, match="over HTTPS"):
        get("http://models.example/model.bin", wanted(tmp_path), client)


@pytest.mark.parametrize("location", ["https://[", "https://models.example:x/"])
def test_redirect_to_nowhere_is_said(tmp_path: Path, client: httpx.Client, location: str) -> None:
    with serve(CONTENT, location=location) as shelf, pytest.raises(WeightsMissing, match=r"nowhere|Invalid"):
        get(shelf.url, wanted(tmp_path), client)


def test_redirects_within_https_are_followed(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "hub.example":
            return httpx.Response(302, headers={"Location": "https://storage.example/signed?x=1"})
        return httpx.Response(200, stream=httpx.ByteStream(CONTENT))

    with make_client(httpx.MockTransport(answer)) as client:
        get("https://hub.example/model.bin", wanted(tmp_path), client)
    assert (tmp_path / "weights" / "model.bin").read_bytes() == CONTENT


def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    circle = httpx.MockTransport(lambda request: httpx.Response(302, headers={"Location": str(request.url)}))
    with make_client(circle) as client, pytest.raises(WeightsMissing, match="without end"):
        get("https://hub.example/model.bin", wanted(tmp_path), client)
