"""Fetching one file from servers that behave in every way."""

from __future__ import annotations

import errno
import hashlib
import io
import shutil
import socket
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.errors import BadWeights, WeightsMissing
from models.weights.download import Wanted, fetch, make_client
from tests.models.weights.shelf import serve

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with make_client() as client:
        yield client


def wanted(folder: Path, **known: Any) -> Wanted:
    return Wanted(
        **{
            "target": folder / "weights" / "model.bin",
            "member": None,
            "sha256": SHA256,
            "size": None,
            **known,
        }
    )


def get(url: str, file: Wanted, client: httpx.Client, progress: Any = lambda *_: None) -> dict[Path, str]:
    return fetch(url, [file], progress, client=client, pause=0.001)


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


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


def test_disk_without_room_is_told_before(
    tmp_path: Path, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with (
        serve(CONTENT) as shelf,
        pytest.raises(WeightsMissing, match=r"no room .* 1 MB are needed and 1 MB free"),
    ):
        get(shelf.url, wanted(tmp_path), client)
    assert left_over(tmp_path) == []


def test_disk_that_fills_up_is_left_as_it_was(tmp_path: Path) -> None:
    script = """
        import resource, sys
        from pathlib import Path
        from models.weights.download import Wanted, fetch, make_client
        from models.errors import WeightsMissing
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
        try:
            with make_client() as client:
                wanted = [Wanted(Path(sys.argv[2]), None, None, None)]
                fetch(sys.argv[1], wanted, lambda *_: None, client=client)
        except WeightsMissing as error:
            print(error)
    """
    with serve(CONTENT) as shelf:
        told = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), shelf.url, str(tmp_path / "model.bin")],
            capture_output=True,
            text=True,
            check=True,
        )
    assert told.stdout.startswith("there is no room for weights in")
    assert left_over(tmp_path) == []


def test_folder_that_cannot_be_written_is_told(tmp_path: Path, client: httpx.Client) -> None:
    (tmp_path / "weights").write_text("not a folder")
    with serve(CONTENT) as shelf, pytest.raises(WeightsMissing, match="cannot be kept"):
        get(shelf.url, wanted(tmp_path), client)


# Archives.


def packed(*members: tuple[str, bytes], way: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def test_two_members_come_of_one_download(tmp_path: Path, client: httpx.Client) -> None:
    archive = packed(
        ("pack/det.onnx", b"detector"), ("pack/rec.onnx", b"recogniser"), ("pack/age.onnx", b"no")
    )
    files = [Wanted(tmp_path / name, name, None, None) for name in ("det.onnx", "rec.onnx")]
    with serve(archive, "pack.zip", cuts=[50]) as shelf:
        fetch(shelf.url, files, lambda *_: None, client=client, pause=0.001)
    assert len(shelf.asked) == 2
    assert [file.target.read_bytes() for file in files] == [b"detector", b"recogniser"]
    assert left_over(tmp_path) == ["det.onnx", "rec.onnx"]


def test_member_is_written_to_its_target_whatever_it_calls_itself(
    tmp_path: Path, client: httpx.Client
) -> None:
    archive = packed(("../../../model.bin", CONTENT), ("/etc/other", b"x"))
    with serve(archive, "pack.zip") as shelf:
        get(shelf.url, wanted(tmp_path, member="model.bin"), client)
    assert left_over(tmp_path) == ["model.bin"]
    assert not (tmp_path.parent / "model.bin").exists()


BOMB = packed(("model.bin", bytes(5_000_000)))
LOCKED = bytearray(packed(("model.bin", CONTENT)))
LOCKED[6] |= 1
LOCKED[LOCKED.rindex(b"PK\1\2") + 8] |= 1
DAMAGED = bytearray(packed(("model.bin", CONTENT)))
DAMAGED[200:260] = bytes(60)


@pytest.mark.parametrize(
    ("archive", "match"),
    [
        (packed(("other.bin", b"x")), "holds 0 files called model.bin"),
        (packed(("a/model.bin", b"x"), ("b/model.bin", b"y")), "holds 2 files called model.bin"),
        (packed(("model.bin", b"x")), "has 1 bytes, expected 1048576"),
        (BOMB, "has 5000000 bytes, expected 1048576"),
        (packed(("model.bin", bytes(len(CONTENT)))), "has SHA-256"),
        (b"no archive at all", "cannot be unpacked"),
        (packed(("model.bin", CONTENT))[:-10], "cannot be unpacked"),
        (bytes(LOCKED), "cannot be unpacked"),
        (bytes(DAMAGED), "cannot be unpacked|another number"),
    ],
)
def test_wrong_archive_leaves_nothing(
    tmp_path: Path, client: httpx.Client, archive: bytes, match: str
) -> None:
    with serve(archive, "pack.zip") as shelf, pytest.raises(BadWeights, match=match):
        get(shelf.url, wanted(tmp_path, member="model.bin", size=len(CONTENT)), client)
    assert left_over(tmp_path) == []


def test_archive_that_lies_about_a_size_is_not_unpacked_beyond_it(
    tmp_path: Path, client: httpx.Client
) -> None:
    archive = bytearray(packed(("model.bin", CONTENT)))
    for at in (archive.index(b"PK\3\4") + 22, archive.rindex(b"PK\1\2") + 24):
        archive[at : at + 4] = (1000).to_bytes(4, "little")
    with serve(bytes(archive), "pack.zip") as shelf, pytest.raises(BadWeights):
        get(shelf.url, wanted(tmp_path, member="model.bin", size=1000, sha256=None), client)
    assert left_over(tmp_path) == []


def test_no_room_to_unpack_leaves_nothing(
    tmp_path: Path, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("models.weights.placing._copy", full)
    with (
        serve(packed(("model.bin", CONTENT)), "pack.zip") as shelf,
        pytest.raises(WeightsMissing, match="no room"),
    ):
        get(shelf.url, wanted(tmp_path, member="model.bin"), client)
    assert left_over(tmp_path) == []
