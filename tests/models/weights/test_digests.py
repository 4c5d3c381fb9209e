"""Digests that are computed once, the first of which outlives its file, and trust."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.weights.digests import (
    digest_of,
    first_digest,
    has_digest,
    is_trusted,
    note_of,
    read_note,
    remember,
    trust,
)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(b"weights")
    return path


def test_a_digest_is_known_once_it_was_computed(file: Path) -> None:
    assert not has_digest(file)
    assert digest_of(file) == sha256(b"weights")
    assert has_digest(file)
    assert note_of(file) == file.with_name(".model.bin.sha256")


def test_it_is_not_computed_again_unless_asked_anew(file: Path) -> None:
    digest_of(file)
    note = json.loads(note_of(file).read_text())
    note_of(file).write_text(json.dumps({**note, "sha256": "noted"}))
    assert digest_of(file) == "noted"
    assert digest_of(file, anew=True) == sha256(b"weights")
    assert digest_of(file) == sha256(b"weights"), "and what was wrong is mended"


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_file_that_changed_is_read_again(file: Path, change: str) -> None:
    digest_of(file)
    before = file.stat()
    file.write_bytes(b"weights and more" if change == "size" else b"WEIGHTS")
    later = before.st_mtime_ns if change == "size" else before.st_mtime_ns + 1
    os.utime(file, ns=(later, later))
    assert not has_digest(file)
    assert digest_of(file) == sha256(file.read_bytes())


@pytest.mark.parametrize("note", [b"", b"[1, 2", b'"text"', b"[1]", b"null", b"\xff\xfe", b'{"sha256": 1}'])
def test_a_damaged_note_is_none(file: Path, note: bytes) -> None:
    note_of(file).write_bytes(note)
    assert first_digest(file) is None
    assert digest_of(file) == sha256(b"weights")
    assert read_note(note_of(file))["sha256"] == sha256(b"weights")


def test_the_first_digest_of_a_path_stays_whatever_is_fetched_later(file: Path) -> None:
    assert first_digest(file) is None
    remember(file, "first")
    file.write_bytes(b"published anew")
    remember(file, "second")
    assert (first_digest(file), digest_of(file)) == ("first", "second")
    file.unlink()
    assert first_digest(file) == "first"


def test_what_only_lies_there_has_no_first_digest(file: Path) -> None:
    digest_of(file)
    assert first_digest(file) is None


def test_a_digest_computed_anew_keeps_the_first(file: Path) -> None:
    remember(file, "first")
    file.write_bytes(b"trained further")
    assert digest_of(file) == sha256(b"trained further")
    assert first_digest(file) == "first"


# Trust


def test_trust_is_in_a_digest_and_grows(file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "not" / "there" / "yet"
    assert not is_trusted(cache, sha256(b"weights"))
    assert trust(cache, file) == sha256(b"weights")
    file.write_bytes(b"more")
    trust(cache, file)
    assert is_trusted(cache, sha256(b"weights"))
    assert is_trusted(cache, sha256(b"more"))
    assert not is_trusted(cache, sha256(b""))


def test_damaged_list_of_trust_trusts_nobody(file: Path, tmp_path: Path) -> None:
    digest = trust(tmp_path, file)
    (tmp_path / "trusted.json").write_text("[1, 2")
    assert not is_trusted(tmp_path, digest)


def test_trust_of_many_at_once_is_kept(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.pt" for number in range(20)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]))
    with ThreadPoolExecutor(len(paths)) as people:
        list(people.map(lambda path: trust(tmp_path, path), paths))
    assert set(json.loads((tmp_path / "trusted.json").read_text()).values()) == {path.name for path in paths}
