"""Files of models: found, verified, fetched once by however many ask, and never trusted blindly."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from models.errors import BadWeights, WeightsMissing
from models.settings import ModelSettings
from models.spec import Licence, Variant, WeightFile
from models.weights import failures
from models.weights import store as module
from models.weights.store import Weights
from tests.models.weights.fetching import left_over, packed
from tests.models.weights.shelf import Shelf, serve
from tests.paths import ROOT

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def variant(*files: WeightFile) -> Variant:
    return Variant(version="clip-1", licence=Licence(name="MIT", use="free"), files=files)


def weight(**known: Any) -> WeightFile:
    return WeightFile(**{"path": "clip/model.bin", "sha256": SHA256, **known})


def store(cache: Path, *, downloads: bool = True) -> Weights:
    return Weights(ModelSettings(model_cache_dir=cache, model_downloads=downloads))


def put(cache: Path, content: bytes = CONTENT, path: str = "clip/model.bin") -> Path:
    (cache / path).parent.mkdir(parents=True, exist_ok=True)
    (cache / path).write_bytes(content)
    return cache / path


def nowhere() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}/model.bin"


# What is there.


def test_right_file_is_found(tmp_path: Path) -> None:
    path = put(tmp_path)
    assert store(tmp_path).paths(variant(weight())) == {"clip/model.bin": path}


def test_damaged_file_is_refused_with_both_digests_and_a_way_out(tmp_path: Path) -> None:
    path = put(tmp_path, b"damaged")
    with pytest.raises(BadWeights) as refused:
        store(tmp_path).paths(variant(weight(url=nowhere())))
    for part in (SHA256, hashlib.sha256(b"damaged").hexdigest(), str(path), "kizu models pull clip-1"):
        assert part in str(refused.value)


def test_file_that_changes_after_it_was_verified_is_noticed(tmp_path: Path) -> None:
    path, found = put(tmp_path), store(tmp_path)
    found.paths(variant(weight()))
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(BadWeights):
        found.paths(variant(weight()))


def test_known_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path)
    first = store(tmp_path).digest(variant(weight()))
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("it was read"))
    assert store(tmp_path).digest(variant(weight())) == first
    store(tmp_path).paths(variant(weight()))


def changed_in_secret(path: Path) -> None:
    """Other bytes, but as many, and of the same time."""
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_thorough_look_believes_no_note(tmp_path: Path) -> None:
    path, files = put(tmp_path), variant(weight())
    assert [found.state for found in store(tmp_path).states(files, thorough=True)] == ["present"]
    changed_in_secret(path)
    assert [found.state for found in store(tmp_path).states(files, thorough=True)] == ["bad"]
    with pytest.raises(BadWeights):
        store(tmp_path).paths(files)  # which knows from then on


@pytest.mark.parametrize("known", [SHA256, None])
def test_pickle_is_read_whenever_it_is_loaded(tmp_path: Path, known: str | None) -> None:
    path, files = put(tmp_path), variant(weight(sha256=known, pickled=True))
    store(tmp_path).trust(path)
    store(tmp_path).paths(files)
    changed_in_secret(path)
    with pytest.raises(BadWeights):
        store(tmp_path).paths(files)


def test_trust_is_in_what_is_there_now(tmp_path: Path) -> None:
    path = put(tmp_path)
    assert store(tmp_path).trust(path) == SHA256
    changed_in_secret(path)
    assert store(tmp_path).trust(path) == hashlib.sha256(bytes(len(CONTENT))).hexdigest()


def test_cache_that_cannot_be_written_still_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(Path, "write_text", refuse)
    assert store(tmp_path).paths(variant(weight())) == {"clip/model.bin": path}
    assert left_over(tmp_path) == ["model.bin"]


def test_digest_is_over_all_files_in_order(tmp_path: Path) -> None:
    put(tmp_path, b"one", "a")
    put(tmp_path, b"two", "b")
    one, two = (hashlib.sha256(content).hexdigest() for content in (b"one", b"two"))
    files = [WeightFile(path="a"), WeightFile(path="b")]
    assert store(tmp_path).digest(variant(*files)) == hashlib.sha256(f"{one}\n{two}\n".encode()).hexdigest()
    assert store(tmp_path).digest(variant(*files[::-1])) != store(tmp_path).digest(variant(*files))
    assert store(tmp_path).digest(variant()) is None


def test_digest_fetches_nothing(tmp_path: Path) -> None:
    with serve(CONTENT) as shelf, pytest.raises(WeightsMissing):
        store(tmp_path).digest(variant(weight(url=shelf.url)))
    assert shelf.asked == []


def test_states_tell_each_file(tmp_path: Path) -> None:
    put(tmp_path)
    put(tmp_path, b"bad", "bad.bin")
    files = variant(weight(), weight(path="bad.bin"), weight(path="gone.bin"))
    assert [found.state for found in store(tmp_path).states(files)] == ["present", "present", "missing"]
    assert [found.state for found in store(tmp_path).states(files, thorough=True)] == [
        "present",
        "bad",
        "missing",
    ]
    assert [found.state for found in store(tmp_path).states(files)] == ["present", "bad", "missing"]
    assert store(tmp_path).missing(files) == (files.files[2],)


# What is not there.


@pytest.mark.parametrize(
    ("file", "match"),
    [
        (weight(url="https://models.example/model.bin"), "`kizu models pull clip-1` fetches it"),
        (weight(), "not to be had by download: put it there"),
        (weight(path="tiny/clip/model.bin"), "`scripts/make-test-models .*` writes it"),
    ],
)
def test_missing_file_is_named_with_what_helps(tmp_path: Path, file: WeightFile, match: str) -> None:
    with pytest.raises(WeightsMissing, match=match) as missing:
        store(tmp_path, downloads=False).paths(variant(file))
    assert str(tmp_path / file.path) in str(missing.value)


def test_without_downloads_nothing_is_asked(tmp_path: Path) -> None:
    with serve(CONTENT) as shelf:
        with pytest.raises(WeightsMissing):
            store(tmp_path, downloads=False).paths(variant(weight(url=shelf.url)))
        assert shelf.asked == []
        store(tmp_path, downloads=False).pull(variant(weight(url=shelf.url)))
    assert (tmp_path / "clip/model.bin").read_bytes() == CONTENT


def test_first_use_fetches(tmp_path: Path) -> None:
    with serve(CONTENT) as shelf:
        found = store(tmp_path).paths(variant(weight(url=shelf.url)))
    assert found["clip/model.bin"].read_bytes() == CONTENT


def test_unreachable_hub_is_said_at_once_and_not_asked_again_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, file = store(tmp_path), weight(url=nowhere())
    with pytest.raises(WeightsMissing, match=r"just now, .* no connection"):
        waiting.paths(variant(file))
    monkeypatch.setattr(module, "fetch", lambda *_, **__: pytest.fail("it was asked again"))
    with pytest.raises(WeightsMissing, match=r"just now, .* no connection"):
        waiting.paths(variant(file))


def test_person_who_pulls_is_told_why_it_failed_each_time(tmp_path: Path) -> None:
    asking, file = store(tmp_path), weight(url=nowhere())
    for _ in range(2):
        with pytest.raises(WeightsMissing, match="could not be fetched from 127"):
            asking.pull(variant(file))


def test_wrong_file_is_not_fetched_over_and_over(tmp_path: Path) -> None:
    waiting = store(tmp_path)
    with serve(b"another") as shelf:
        for _ in range(3):
            with pytest.raises(BadWeights, match=f"expected {SHA256}"):
                waiting.paths(variant(weight(url=shelf.url)))
        assert len(shelf.asked) == 1


def test_failed_download_is_remembered_by_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(b"another") as shelf:
        file = weight(url=shelf.url)
        for _ in range(2):
            with pytest.raises(BadWeights, match=f"expected {SHA256}"):
                store(tmp_path).paths(variant(file))
        assert len(shelf.asked) == 1

        other = weight(url=shelf.url, sha256=hashlib.sha256(b"yet another").hexdigest())
        with pytest.raises(BadWeights):
            store(tmp_path).paths(variant(other))
        assert len(shelf.asked) == 2, "what is wanted now may be what is there"

        with pytest.raises(BadWeights):
            store(tmp_path).pull(variant(other))
        assert len(shelf.asked) == 3, "who pulls by hand means it"

        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + failures.WRONG_SECONDS)
        shelf.content = b"yet another"
        store(tmp_path).paths(variant(other))
    assert left_over(tmp_path / "clip") == [".model.bin.lock", ".model.bin.sha256", "model.bin"]


def test_files_of_one_archive_are_fetched_together(tmp_path: Path) -> None:
    archive = packed(("det.onnx", b"det"), ("rec.onnx", b"rec"))
    with serve(archive, "pack.zip") as shelf:
        files = [
            WeightFile(path=f"faces/{name}", url=shelf.url, member=name) for name in ("det.onnx", "rec.onnx")
        ]
        found = store(tmp_path).paths(variant(*files))
        assert len(shelf.asked) == 1
    assert [path.read_bytes() for path in found.values()] == [b"det", b"rec"]


def test_progress_reaches_who_asked(tmp_path: Path) -> None:
    told: list[int] = []
    with serve(CONTENT) as shelf:
        store(tmp_path).pull(variant(weight(url=shelf.url)), lambda _, done, __: told.append(done))
    assert told[-1] == len(CONTENT)


# What is known of a file that the catalog knows nothing of.


def test_later_download_is_held_to_the_first(tmp_path: Path) -> None:
    with serve(CONTENT) as shelf:
        file = weight(url=shelf.url, sha256=None)
        store(tmp_path).paths(variant(file))
        (tmp_path / file.path).unlink()
        shelf.content = b"published anew"
        with pytest.raises(
            BadWeights, match=r"if its maker has published another, delete .*/\.model\.bin\.sha256"
        ):
            store(tmp_path).paths(variant(file))
        (tmp_path / "clip/.model.bin.sha256").unlink()
        store(tmp_path).paths(variant(file))


def test_fetched_file_that_changes_on_disk_is_refused(tmp_path: Path) -> None:
    with serve(CONTENT) as shelf:
        file = weight(url=shelf.url, sha256=None)
        path = store(tmp_path).paths(variant(file))["clip/model.bin"]
    path.write_bytes(b"changed")
    with pytest.raises(BadWeights, match=SHA256):
        store(tmp_path).paths(variant(file))


def test_file_put_there_by_hand_may_change(tmp_path: Path) -> None:
    file = weight(sha256=None)
    put(tmp_path)
    first = store(tmp_path).digest(variant(file))
    put(tmp_path, b"trained further")
    store(tmp_path).paths(variant(file))
    assert store(tmp_path).digest(variant(file)) != first


# Pickles.


def test_pickle_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path)
    with pytest.raises(BadWeights, match=r"may run code .* `kizu models trust"):
        store(tmp_path).paths(variant(weight(sha256=None, pickled=True)))
    assert store(tmp_path).trust(path) == SHA256
    store(tmp_path).paths(variant(weight(sha256=None, pickled=True)))


def test_pickle_that_was_only_fetched_is_refused(tmp_path: Path) -> None:
    with serve(CONTENT) as shelf, pytest.raises(BadWeights, match="may run code"):
        store(tmp_path).pull(variant(weight(url=shelf.url, sha256=None, pickled=True)))


def test_pickle_of_the_catalog_is_taken(tmp_path: Path) -> None:
    put(tmp_path)
    store(tmp_path).paths(variant(weight(pickled=True)))


def test_trust_is_in_what_a_file_holds_not_in_its_name(tmp_path: Path) -> None:
    path = put(tmp_path)
    store(tmp_path).trust(path)
    put(tmp_path, b"another")
    with pytest.raises(BadWeights):
        store(tmp_path).paths(variant(weight(sha256=None, pickled=True)))


def test_trusted_file_may_differ_from_the_catalogs(tmp_path: Path) -> None:
    path = put(tmp_path, b"my own training")
    store(tmp_path).trust(path)
    store(tmp_path).paths(variant(weight(pickled=True)))


# Several processes.

PULL = """
    import sys
    from pathlib import Path
    from models.settings import ModelSettings
    from models.spec import Licence, Variant, WeightFile
    from models.weights.store import Weights

    cache, url, sha256 = sys.argv[1:]
    file = WeightFile(path="clip/model.bin", url=url, sha256=sha256)
    variant = Variant(version="clip-1", licence=Licence(name="MIT", use="free"), files=(file,))
    Weights(ModelSettings(model_cache_dir=Path(cache))).pull(variant)
"""


def pull(cache: Path, shelf: Shelf) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(PULL), str(cache), shelf.url, SHA256]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for(condition: Any) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.02)


def test_several_processes_fetch_once(tmp_path: Path) -> None:
    with serve(CONTENT, pause=0.05, piece=100_000) as shelf:
        pulls = [pull(tmp_path, shelf) for _ in range(3)]
        said = [process.communicate(timeout=60)[0].decode() for process in pulls]
        assert [process.returncode for process in pulls] == [0, 0, 0], said
        assert len(shelf.asked) == 1
    assert (tmp_path / "clip/model.bin").read_bytes() == CONTENT


def test_killed_download_is_gone_on_with(tmp_path: Path) -> None:
    part = tmp_path / "clip/.model.bin.part"
    with serve(CONTENT, pause=0.1, piece=100_000) as shelf:
        killed = pull(tmp_path, shelf)
        wait_for(lambda: part.exists() and part.stat().st_size >= 200_000)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert not (tmp_path / "clip/model.bin").exists()
        shelf.pause = 0
        store(tmp_path).pull(variant(weight(url=shelf.url)))
    assert int(shelf.asked[1]["range"].removeprefix("bytes=").removesuffix("-")) >= 200_000
    assert (tmp_path / "clip/model.bin").read_bytes() == CONTENT
    assert not part.exists()
