"""From a folder to the library: which files, under which names, and nothing twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest

from worker.core.errors import (
    DatabaseUnavailable,
    NotFound,
    StartupError,
    StorageUnavailable,
    TooLarge,
)
from worker.library import ingest as module
from worker.library.ingest import describe, find_files, ingest

USER = UUID(int=7)


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def names(folder: Path, *paths: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in find_files(paths or (folder,))]


# Which files


def test_pictures_are_found_by_their_endings_in_order(tmp_path: Path) -> None:
    put(tmp_path, "b.JPG", "a/deep/x.heic", "a/y.Tiff", "notes.txt", "film.mp4", "jpg", "no.jpg.part")
    assert names(tmp_path) == ["a/deep/x.heic", "a/y.Tiff", "b.JPG"]


def test_what_is_hidden_or_a_link_or_no_file_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "photo.jpg", ".hidden.jpg", ".trash/gone.jpg", "a/.cache/x.jpg", "folder.jpg/inside.png")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "photo.jpg")
    assert names(tmp_path) == ["folder.jpg/inside.png", "photo.jpg"]


def test_who_names_a_hidden_folder_means_it(tmp_path: Path) -> None:
    put(tmp_path, ".hidden/photo.jpg", ".hidden/.thumbnails/photo.jpg")
    assert names(tmp_path, tmp_path / ".hidden") == [".hidden/photo.jpg"]


def test_files_and_folders_come_as_they_are_named(tmp_path: Path) -> None:
    put(tmp_path, "z.png", "a/1.jpg", "a/2.jpg", "letter.txt")
    found = names(tmp_path, tmp_path / "z.png", tmp_path / "a", tmp_path / "letter.txt")
    assert found == ["z.png", "a/1.jpg", "a/2.jpg"]


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    with pytest.raises(NotFound, match=r"gone\.jpg: no such file or folder"):
        find_files([tmp_path / "a.jpg", tmp_path / "gone.jpg"])


# Under which names


def test_a_file_is_named_after_its_content_below_its_owner(tmp_path: Path) -> None:
    put(tmp_path, "Holiday.JPEG")
    original = describe(tmp_path / "Holiday.JPEG", USER)
    sha256 = hashlib.sha256(b"Holiday.JPEG").hexdigest()
    assert original.sha256 == sha256
    assert original.key == f"{USER}/originals/{sha256}.jpeg"
    assert original.mime_type == "image/jpeg"


# Nothing twice


class Library:
    """One user's rows and files, and the edge function `enqueue`: connection, files and store in one."""

    def __init__(self) -> None:
        self.caller = SimpleNamespace(user_id=USER)
        self.rows: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.calls: list[list[str]] = []
        self.answer: httpx.Response | Exception | None = None

    async def upload(self, bucket: str, key: str, data: bytes, mime_type: str) -> None:
        assert (bucket, mime_type) == ("assets", "image/jpeg")
        assert key not in self.files
        if data == b"huge":
            raise TooLarge("larger than the bucket takes")
        if data == b"outage":
            raise StorageUnavailable("503")
        self.files[key] = data

    async def every(self, table: str, columns: str, *, equal: dict[str, Any]) -> Any:
        assert (table, columns, equal) == ("assets", "id,path", {"user_id": USER})
        for path, row_id in list(self.rows.items()):
            yield {"id": row_id, "path": path}

    async def add(self, table: str, rows: list[dict[str, Any]], *, unique: str) -> list[dict[str, Any]]:
        assert all(row["path"] in self.files for row in rows), "the files come first"
        fresh = [row["path"] for row in rows if row["path"] not in self.rows]
        self.rows |= {path: f"id of {path}" for path in fresh}
        return [{"id": self.rows[path], "path": path} for path in fresh]

    async def request(self, method: str, path: str, *, headers: Any, content: bytes) -> httpx.Response:
        assert (method, path) == ("POST", "/functions/v1/enqueue")
        if isinstance(self.answer, Exception):
            raise self.answer
        asked = json.loads(content)
        assert asked["kind"] == "optimize_image"
        known = {asset for call in self.calls for asset in call}
        self.calls.append(asked["asset_ids"])
        jobs = [
            {"status": "already_queued" if asset in known else "enqueued"} for asset in asked["asset_ids"]
        ]
        return self.answer or httpx.Response(200, json={"jobs": jobs})


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "Store", lambda connection: connection)
    return Library()


async def brought(library: Any, folder: Path) -> tuple[dict[str, int], list[tuple[str, int]]]:
    told: list[tuple[str, int]] = []
    report = await ingest(
        library, library, find_files([folder]), on_progress=lambda what, amount: told.append((what, amount))
    )
    library.failures = [(failure.path.name, failure.code) for failure in report.failures]
    return {what: count for what, count in report.counts.items() if count}, told


async def test_a_folder_is_uploaded_once(library: Any, tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg")
    counts, told = await brought(library, tmp_path)
    assert counts == {"uploaded": 2, "enqueued": 2}
    assert sorted(library.files.values()) == [b"a.jpg", b"b.jpg"]
    assert told.count(("uploaded", 1)) == 2
    put(tmp_path, "c.jpg")
    counts, _ = await brought(library, tmp_path)
    assert counts == {"already_there": 2, "uploaded": 1, "already_queued": 2, "enqueued": 1}


async def test_a_file_that_cannot_come_in_is_named_and_the_others_do(
    library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.jpg", "b.jpg", "huge.jpg", "locked.jpg")
    (tmp_path / "huge.jpg").write_bytes(b"huge")

    def locked(path: Path, user_id: UUID) -> Any:
        if path.name == "locked.jpg":
            raise PermissionError(13, "Permission denied")
        return describe(path, user_id)

    monkeypatch.setattr(module, "describe", locked)
    counts, told = await brought(library, tmp_path)
    assert counts == {"uploaded": 2, "enqueued": 2, "failed": 2}
    assert sorted(library.failures) == [("huge.jpg", "too_large"), ("locked.jpg", "unreadable")]
    assert sum(amount for what, amount in told if what in ("uploaded", "failed")) == 4
    assert len(library.rows) == 2, "and there is no row without a file"
    monkeypatch.undo()
    monkeypatch.setattr(module, "Store", lambda connection: connection)
    counts, _ = await brought(library, tmp_path)
    assert counts == {"already_there": 2, "already_queued": 2, "uploaded": 1, "enqueued": 1, "failed": 1}


async def test_nothing_is_asked_for_where_no_file_came_in(library: Any, tmp_path: Path) -> None:
    put(tmp_path, "huge.jpg")
    (tmp_path / "huge.jpg").write_bytes(b"huge")
    assert (await brought(library, tmp_path))[0] == {"failed": 1}
    assert library.calls == []


async def test_an_outage_is_no_fault_of_the_file(library: Any, tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    (tmp_path / "a.jpg").write_bytes(b"outage")
    with pytest.raises(StorageUnavailable):
        await brought(library, tmp_path)


async def test_a_row_keeps_the_name_of_its_file(library: Any, tmp_path: Path) -> None:
    put(tmp_path, "Urlaub am Meer.jpg")
    [original] = [describe(path, USER) for path in find_files([tmp_path])]
    assert module._row(original, USER)["file_name"] == "Urlaub am Meer.jpg"
    odd = replace(original, path=Path("caf\udce9.jpg"))  # a name that is no UTF-8
    assert module._row(odd, USER)["file_name"] == "caf\ufffd.jpg"


async def test_copies_of_a_photo_are_one(library: Any, tmp_path: Path) -> None:
    for name in ("a.jpg", "copy.jpg", "deep/copy.jpg"):
        put(tmp_path, name)
        (tmp_path / name).write_bytes(b"the same")
    counts, _ = await brought(library, tmp_path)
    assert counts == {"uploaded": 1, "already_there": 2, "enqueued": 1}


async def test_after_an_interruption_it_goes_on(library: Any, tmp_path: Path) -> None:
    """Rows that were written and whose jobs were not asked for get them."""
    put(tmp_path, "a.jpg")
    library.answer = httpx.ConnectError("gone")
    with pytest.raises(DatabaseUnavailable, match="enqueue got no answer: ConnectError"):
        await brought(library, tmp_path)
    library.answer = None
    counts, _ = await brought(library, tmp_path)
    assert counts == {"already_there": 1, "enqueued": 1}


async def test_many_are_asked_for_a_hundred_at_a_time(library: Any, tmp_path: Path) -> None:
    put(tmp_path, *(f"{number:03}.jpg" for number in range(101)))
    counts, _ = await brought(library, tmp_path)
    assert counts == {"uploaded": 101, "enqueued": 101}
    assert [len(call) for call in library.calls] == [100, 1]


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (httpx.Response(503), DatabaseUnavailable, "enqueue answered 503"),
        (httpx.Response(401, text="who are you"), StartupError, "enqueue refused: 401 who are you"),
        (httpx.ReadTimeout(""), DatabaseUnavailable, "ReadTimeout"),
    ],
)
async def test_an_enqueue_that_fails_says_whether_to_try_again(
    library: Any, tmp_path: Path, answer: Any, error: type[Exception], says: str
) -> None:
    put(tmp_path, "a.jpg")
    library.answer = answer
    with pytest.raises(error, match=says):
        await brought(library, tmp_path)


async def test_only_a_user_has_a_library(library: Any) -> None:
    library.caller.user_id = None
    with pytest.raises(StartupError, match="KIZU_EMAIL"):
        await ingest(library, library, [], on_progress=lambda what, amount: None)
