"""From a folder to the library: under which names, nothing twice, and each file for itself."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.acceptance.library import jpeg
from tests.models.pictures.siblings import apple_exif, jpeg_with, mov
from worker.core.errors import (
    DatabaseUnavailable,
    InternalError,
    StartupError,
    StorageTimedOut,
    StorageUnavailable,
    TooLarge,
)
from worker.library.ingest import uploading
from worker.library.ingest.bringing import ingest
from worker.library.ingest.report import Report

USER = UUID(int=7)
MOST = 1 << 20


def put(folder: Path, *names: str) -> None:
    """Pictures that differ."""
    for name in names:
        write(folder, name, jpeg(8, 8, comment=os.fsencode(name)))


def write(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


class Library:
    """One user's rows and files, and the edge function `enqueue`: connection and files in one.

    `trouble` is what happens to a file of this name, known by its bytes, and `refused` are names of rows.
    """

    def __init__(self) -> None:
        self.caller = SimpleNamespace(user_id=USER)
        self.rows: dict[str, dict[str, Any]] = {}
        self.parts: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.removed: list[str] = []
        self.uploaded: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.calls: list[list[str]] = []
        self.trouble: Callable[[bytes], Exception | None] = lambda data: None
        self.refused: tuple[str, ...] = ()
        self.storage_answers = True
        self.answer: httpx.Response | Exception | None = None
        self.in_memory = self.most_in_memory = 0

    async def upload(self, bucket: str, key: str, data: bytes, mime_type: str) -> None:
        assert bucket == "assets"
        assert key not in self.files
        self.uploaded.append(key)
        assert hashlib.sha256(data).hexdigest() in key
        self.in_memory += len(data)
        self.most_in_memory = max(self.most_in_memory, self.in_memory)
        await asyncio.sleep(0)
        self.in_memory -= len(data)
        if error := self.trouble(data):
            raise error
        self.files[key] = data

    async def remove(self, bucket: str, keys: list[str]) -> None:
        for key in keys:
            self.removed.append(key)
            del self.files[key]

    async def answers(self) -> bool:
        return self.storage_answers

    async def rpc(self, function: str, params: dict[str, Any]) -> Any:
        return getattr(self, function)(**params)

    def find_originals(self, p_sha256s: list[str]) -> dict[str, str | None]:
        known = {digest: None for digest in p_sha256s if digest in self.rows}
        return known | {digest: self.parts[digest]["kind"] for digest in p_sha256s if digest in self.parts}

    def import_photos(self, p_photos: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.meanwhile()
        for photo in p_photos:
            if photo["file_name"] in self.refused:
                raise InternalError("import_photos was refused: 23514 texts_are_short")
        answers = []
        for photo in p_photos:
            assert photo["path"] in self.uploaded, "the files come first"
            digest = self.parts.get(photo["sha256"], {}).get("of", photo["sha256"])
            added = digest not in self.rows
            self.rows.setdefault(digest, photo)
            fresh = [part for part in photo["parts"] if part["sha256"] not in self.parts | self.rows]
            assert all(part["path"] in self.uploaded for part in fresh)
            self.parts |= {part["sha256"]: {**part, "of": digest} for part in fresh}
            learned = not added and any(part["kind"] == "sidecar" for part in fresh)
            answers.append(
                {
                    "asset_id": f"id of {digest}",
                    "added": added,
                    "parts": len(fresh),
                    "look_again": learned,
                    "missing": [
                        file["sha256"] for file in (photo, *photo["parts"]) if file["path"] not in self.files
                    ],
                }
            )
        return answers

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

    @property
    def names(self) -> list[str]:
        return sorted(row["file_name"] for row in self.rows.values())


@pytest.fixture
def library() -> Any:
    return Library()


async def brought(library: Any, *paths: Path, most_bytes: int = MOST) -> Report:
    told: list[tuple[str, int]] = []
    report = await ingest(
        library,
        library,
        paths,
        most_bytes=most_bytes,
        on_progress=lambda what, amount: told.append((what, amount)),
    )
    assert sum(amount for what, amount in told if what == "found") == report.counts["found"]
    return report


def counts(report: Report) -> dict[str, int]:
    return {what: count for what, count in report.counts.items() if count}


def failures(report: Report) -> list[tuple[str, str]]:
    return sorted((left.path.name, code) for code, named in report.named.items() for left in named)


# Under which names


async def test_a_file_is_named_after_its_content_below_its_owner(library: Any, tmp_path: Path) -> None:
    put(tmp_path, "2024/Holiday.JPEG")
    await brought(library, tmp_path)
    data = (tmp_path / "2024" / "Holiday.JPEG").read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    assert library.files == {f"{USER}/originals/{sha256}.jpg": data}
    [row] = library.rows.values()
    assert (row["sha256"], row["file_name"], row["folder"]) == (sha256, "Holiday.JPEG", "2024")


async def test_a_row_keeps_what_its_owner_calls_the_file_and_when_it_was_written(
    library: Any, tmp_path: Path
) -> None:
    odd = os.fsdecode(b"S\xe3o/caf\xe9.jpg")
    put(tmp_path, odd)
    os.utime(tmp_path / odd, (0, 1_700_000_000))
    await brought(library, tmp_path)
    [row] = library.rows.values()
    assert (row["file_name"], row["folder"]) == ("caf\ufffd.jpg", "S\ufffdo")
    assert row["file_modified_at"] == "2023-11-14T22:13:20+00:00"


async def test_a_folder_too_long_for_its_column_is_not_cut(library: Any, tmp_path: Path) -> None:
    folder = "/".join(["x" * 200] * 6)
    put(tmp_path, f"{folder}/a.jpg")
    await brought(library, tmp_path)
    assert [row["folder"] for row in library.rows.values()] == [None]


# Nothing twice


async def test_a_folder_is_uploaded_once(library: Any, tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "b.jpg")
    assert counts(await brought(library, tmp_path)) == {"found": 2, "uploaded": 2, "enqueued": 2}
    put(tmp_path, "c.jpg")
    again = await brought(library, tmp_path)
    assert counts(again) == {
        "found": 3,
        "already_there": 2,
        "uploaded": 1,
        "already_queued": 2,
        "enqueued": 1,
    }
    assert not again.has_failed
    assert library.names == ["a.jpg", "b.jpg", "c.jpg"]


async def test_copies_of_a_photo_are_one_with_the_first_name(library: Any, tmp_path: Path) -> None:
    for name in ("a.jpg", "copy.jpg", "deep/copy.jpg"):
        write(tmp_path, name, jpeg())
    found = counts(await brought(library, tmp_path))
    assert found == {"found": 3, "uploaded": 1, "already_there": 2, "enqueued": 1}
    assert library.names == ["a.jpg"]


async def test_after_an_interruption_it_goes_on(library: Any, tmp_path: Path) -> None:
    """Rows that were written and whose jobs were not asked for get them."""
    put(tmp_path, "a.jpg")
    library.answer = httpx.ConnectError("gone")
    report = await brought(library, tmp_path)
    assert report.has_failed
    assert list(report.complaints()) == [
        "stopped: database_unavailable: enqueue got no answer: ConnectError; run it again to go on from there"
    ]
    library.answer = None
    assert counts(await brought(library, tmp_path)) == {"found": 1, "already_there": 1, "enqueued": 1}


async def test_many_are_asked_for_a_hundred_at_a_time(library: Any, tmp_path: Path) -> None:
    put(tmp_path, *(f"{number:03}.jpg" for number in range(101)))
    assert counts(await brought(library, tmp_path)) == {"found": 101, "uploaded": 101, "enqueued": 101}
    assert [len(call) for call in library.calls] == [100, 1]


# Several files, one photo


def shot(folder: Path, *, raw: bool = True) -> None:
    """A Live Photo with its raw and two sidecars."""
    exif = apple_exif("2024:06:01 12:00:00", content_id="A")
    write(folder, "IMG_1.JPG", jpeg_with(exif))
    write(folder, "IMG_1.MOV", mov(made=None, seconds=3, content_id="A"))
    if raw:
        write(folder, "IMG_1.DNG", apple_exif("2024:06:01 12:00:00"))


async def test_the_files_of_a_photo_are_one_asset_with_parts(library: Any, tmp_path: Path) -> None:
    shot(tmp_path)
    write(tmp_path, "IMG_1.JPG.json", b'{"title": "IMG_1.JPG", "photoTakenTime": {"timestamp": "1"}}')
    found = counts(await brought(library, tmp_path))
    assert found == {"found": 1, "uploaded": 1, "parts": 3, "enqueued": 1}
    assert library.names == ["IMG_1.JPG"]
    kept = {
        part["file_name"]: (part["kind"], part["mime_type"], part["path"]) for part in library.parts.values()
    }
    digests = {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in kept}
    assert kept == {
        "IMG_1.MOV": ("live", "video/quicktime", f"{USER}/originals/{digests['IMG_1.MOV']}.mov"),
        "IMG_1.DNG": ("raw", "image/x-adobe-dng", f"{USER}/originals/{digests['IMG_1.DNG']}.dng"),
        "IMG_1.JPG.json": (
            "sidecar",
            "application/json",
            f"{USER}/originals/{digests['IMG_1.JPG.json']}.json",
        ),
    }
    again = counts(await brought(library, tmp_path))
    assert again == {"found": 1, "already_there": 1, "already_queued": 1}


async def test_parts_that_come_later_join_the_photo_that_is_there(library: Any, tmp_path: Path) -> None:
    shot(tmp_path, raw=False)
    await brought(library, tmp_path)
    shot(tmp_path)
    assert counts(await brought(library, tmp_path)) == {
        "found": 1,
        "already_there": 1,
        "parts": 1,
        "already_queued": 1,
    }
    write(tmp_path, "IMG_1.xmp", b"<rdf:RDF/>")
    asked = len(library.calls)
    assert counts(await brought(library, tmp_path)) == {
        "found": 1,
        "already_there": 1,
        "parts": 1,
        "enqueued": 1,
    }, "what a sidecar says is looked at although the job was done"
    assert len(library.calls) == asked, "import_photos has seen to that"
    assert len(library.rows) == 1
    assert len(library.parts) == 3


async def test_a_part_that_is_found_alone_is_no_photo_of_its_own(library: Any, tmp_path: Path) -> None:
    shot(tmp_path / "all")
    await brought(library, tmp_path)
    alone = tmp_path / "alone"
    alone.mkdir()
    (tmp_path / "all" / "IMG_1.DNG").rename(alone / "IMG_1.DNG")
    assert counts(await brought(library, alone)) == {"found": 1, "already_there": 1, "already_queued": 1}
    assert len(library.rows) == 1


async def test_a_burst_over_several_pages_is_one_photo(library: Any, tmp_path: Path) -> None:
    for number in range(230):
        exif = apple_exif("2024:06:01 12:00:00", burst_id="7F")
        write(tmp_path, f"IMG_{number:04}.JPG", jpeg_with(exif) + number.to_bytes(2, "big"))
    found = counts(await brought(library, tmp_path))
    assert found == {"found": 1, "uploaded": 1, "parts": 229, "enqueued": 1}
    assert library.names == ["IMG_0000.JPG"]


async def test_a_film_whose_name_differs_joins_at_the_end_of_the_folder(library: Any, tmp_path: Path) -> None:
    write(tmp_path, "IMG_1.JPG", jpeg_with(apple_exif("2024:06:01 12:00:00", content_id="A")))
    write(tmp_path, "FullSizeRender.mov", mov(made=None, seconds=3, content_id="A"))
    found = counts(await brought(library, tmp_path))
    assert (found["found"], found["uploaded"], found["parts"]) == (1, 1, 1)


# Each for itself


async def test_a_file_that_cannot_come_in_is_named_and_the_others_do(
    library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.jpg", "b.jpg", "huge.jpg", "locked.jpg", "long.jpg", "odd.jpg")
    write(tmp_path, "long.jpg", jpeg() + bytes(MOST))
    troubles = {
        (tmp_path / "huge.jpg").read_bytes(): TooLarge("more than Storage accepts"),
        (tmp_path / "odd.jpg").read_bytes(): StorageUnavailable("Storage answered 400 InvalidMimeType"),
    }
    library.trouble = troubles.get
    really_open = os.open

    def open_(path: Path, *rest: int) -> int:
        if Path(path).name == "locked.jpg":
            raise PermissionError(errno.EACCES, "Permission denied")
        return really_open(path, *rest)

    monkeypatch.setattr(os, "open", open_)
    report = await brought(library, tmp_path)
    assert counts(report) == {"found": 5, "uploaded": 2, "enqueued": 2, "failed": 3}
    assert failures(report) == [
        ("huge.jpg", "too_large"),
        ("locked.jpg", "unreadable"),
        ("long.jpg", "too_large"),
        ("odd.jpg", "storage_unavailable"),
    ]
    assert report.has_failed
    assert library.names == ["a.jpg", "b.jpg"], "and there is no row without a file"
    assert len(library.files) == 2
    monkeypatch.undo()
    library.trouble = lambda data: None
    again = await brought(library, tmp_path, most_bytes=4 * MOST)
    assert counts(again) == {
        "found": 6,
        "already_there": 2,
        "already_queued": 2,
        "uploaded": 4,
        "enqueued": 4,
    }
    assert not again.has_failed


async def test_of_a_hundred_rows_one_that_is_refused_keeps_nobody_out(library: Any, tmp_path: Path) -> None:
    put(tmp_path, *(f"{number:02}.jpg" for number in range(100)))
    library.refused = ("41.jpg",)
    report = await brought(library, tmp_path)
    assert counts(report) == {"found": 100, "uploaded": 99, "enqueued": 99, "failed": 1}
    assert failures(report) == [("41.jpg", "result_refused")]
    assert len(library.rows) == len(library.files) == 99, "and its file is taken out again"


async def test_a_file_that_grows_is_not_stored_under_the_name_of_what_it_was(
    library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a.jpg", "grows.jpg", "other.jpg", "vanishes.jpg")
    really_read = uploading._read_again

    def read(original: uploading.Original, follow: bool) -> bytes:
        match original.file.name:
            case "grows.jpg":
                with original.file.path.open("ab") as file:
                    file.write(b"more")
            case "other.jpg":
                original.file.path.write_bytes(bytes(original.file.size))
            case "vanishes.jpg":
                original.file.path.unlink()
        return really_read(original, follow)

    monkeypatch.setattr(uploading, "_read_again", read)
    report = await brought(library, tmp_path)
    assert failures(report) == [
        ("grows.jpg", "changed"),
        ("other.jpg", "changed"),
        ("vanishes.jpg", "not_found"),
    ]
    assert library.names == ["a.jpg"]


async def test_a_file_that_grows_faster_than_it_is_read_ends(tmp_path: Path) -> None:
    """Such as a film that is being recorded."""
    put(tmp_path, "a.jpg")
    from worker.library.ingest.looking import Left, Look, look

    file = look(tmp_path / "a.jpg")
    assert isinstance(file, Look)
    with (tmp_path / "a.jpg").open("ab") as growing:
        growing.truncate(1 << 40)
    left = uploading.describe(file, USER, most=MOST)
    assert isinstance(left, Left)
    assert left.code == "changed"


async def test_the_parts_of_a_photo_that_fails_wait_for_it(library: Any, tmp_path: Path) -> None:
    """A raw that came in alone would be a photo of its own for ever."""
    shot(tmp_path)
    put(tmp_path, "a.jpg")
    bad = (tmp_path / "IMG_1.JPG").read_bytes()
    library.trouble = {bad: TooLarge("more")}.get
    report = await brought(library, tmp_path)
    assert failures(report) == [("IMG_1.DNG", "part"), ("IMG_1.JPG", "too_large"), ("IMG_1.MOV", "part")]
    assert library.names == ["a.jpg"]
    assert len(library.files) == 1
    library.trouble = lambda data: None
    assert (await brought(library, tmp_path)).counts["parts"] == 2


async def test_a_part_that_fails_is_named_and_its_photo_comes_in(library: Any, tmp_path: Path) -> None:
    shot(tmp_path)
    library.trouble = {(tmp_path / "IMG_1.DNG").read_bytes(): TooLarge("more")}.get
    report = await brought(library, tmp_path)
    assert failures(report) == [("IMG_1.DNG", "too_large")]
    assert counts(report) == {"found": 1, "uploaded": 1, "parts": 1, "enqueued": 1}


async def test_an_outage_is_no_fault_of_the_file(library: Any, tmp_path: Path) -> None:
    """What came in before is in the library, nothing is blamed, and the next run brings the rest."""
    put(tmp_path, *(f"{number:02}.jpg" for number in range(30)))
    library.storage_answers = False
    library.trouble = lambda data: StorageUnavailable("no answer") if len(library.files) >= 10 else None
    report = await brought(library, tmp_path)
    assert isinstance(report.stopped, StorageUnavailable)
    assert report.reasons.total() == 0
    assert report.has_failed
    assert len(library.rows) == len(library.files) == report.counts["uploaded"] == 10
    library.trouble = lambda data: None
    again = await brought(library, tmp_path)
    assert (again.counts["uploaded"], again.counts["already_there"]) == (20, 10)


async def test_storage_that_refuses_everything_is_given_up(library: Any, tmp_path: Path) -> None:
    """Such as one that is full: a hundred thousand files would be tried three times each."""
    put(tmp_path, *(f"{number:02}.jpg" for number in range(40)))
    library.trouble = lambda data: StorageUnavailable("Storage answered 507")
    report = await brought(library, tmp_path)
    assert "507" in str(report.stopped)
    assert report.reasons == {"storage_unavailable": uploading.MOST_REFUSED - 1}


async def test_an_upload_that_takes_too_long_is_named(library: Any, tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "slow.jpg")
    library.trouble = {(tmp_path / "slow.jpg").read_bytes(): StorageTimedOut("not within 120 s")}.get
    report = await brought(library, tmp_path)
    assert failures(report) == [("slow.jpg", "timeout")]
    assert library.names == ["a.jpg"]


async def test_memory_holds_a_few_files_at_a_time(
    library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        write(tmp_path, f"{number}.jpg", jpeg() + bytes(100_000) + bytes([number]))
    write(tmp_path, "large.jpg", jpeg() + bytes(900_000))
    monkeypatch.setattr(uploading, "BYTES_AT_ONCE", 250_000)
    assert (await brought(library, tmp_path)).counts["uploaded"] == 13
    assert library.most_in_memory == (tmp_path / "large.jpg").stat().st_size, "which goes alone"


async def test_too_many_jobs_of_old_photos_keep_no_new_photo_out(library: Any, tmp_path: Path) -> None:
    put(tmp_path, *(f"{number:03}.jpg" for number in range(150)))
    library.answer = httpx.Response(429, json={})
    report = await brought(library, tmp_path)
    assert len(library.rows) == 150
    assert len(library.calls) == 1, "it is not asked again and again"
    assert [code for _, code in failures(report)] == ["too_many_jobs"]


async def test_nothing_is_asked_for_where_no_file_came_in(library: Any, tmp_path: Path) -> None:
    write(tmp_path, "letter.jpg", b"Dear Sir or Madam")
    report = await brought(library, tmp_path)
    assert counts(report) == {}
    assert failures(report) == [("letter.jpg", "not_an_image")]
    assert library.calls == []
    assert not report.has_failed


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(503), "enqueue answered 503"),
        (httpx.ReadTimeout(""), "ReadTimeout"),
    ],
)
async def test_an_enqueue_that_nobody_answers_stops_it(
    library: Any, tmp_path: Path, answer: Any, says: str
) -> None:
    put(tmp_path, "a.jpg")
    library.answer = answer
    report = await brought(library, tmp_path)
    assert isinstance(report.stopped, DatabaseUnavailable)
    assert says in str(report.stopped)


async def test_an_enqueue_that_is_refused_ends_the_command(library: Any, tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    library.answer = httpx.Response(401, text="who are you")
    with pytest.raises(StartupError, match="enqueue refused: 401 who are you"):
        await brought(library, tmp_path)


async def test_only_a_user_has_a_library(library: Any) -> None:
    library.caller.user_id = None
    with pytest.raises(StartupError, match="KIZU_EMAIL"):
        await brought(library)


async def test_what_goes_while_it_is_imported_is_stored_again(library: Library, tmp_path: Path) -> None:
    """A photo that is deleted between the look whether it is there and its new row takes its file along."""
    put(tmp_path, "a.jpg", "b.jpg")
    gone: list[str] = []

    def delete() -> None:
        gone.append(min(library.files))
        del library.files[gone[0]]

    library.meanwhile = delete
    report = await brought(library, tmp_path)
    assert not report.has_failed
    assert len(library.files) == 2
    assert library.uploaded.count(gone[0]) == 2


async def test_what_another_import_brought_meanwhile_is_not_removed(library: Library, tmp_path: Path) -> None:
    """The same photo, with a name that the database takes."""
    put(tmp_path, "a.jpg")
    library.refused = ("a.jpg",)

    def bring_it() -> None:
        [key] = library.files
        digest = key.split("/")[-1].removesuffix(".jpg")
        library.rows[digest] = {"sha256": digest, "path": key, "file_name": "other.jpg", "parts": []}

    library.meanwhile = bring_it
    report = await brought(library, tmp_path)
    assert report.has_failed
    assert library.removed == []
    assert len(library.files) == 1
