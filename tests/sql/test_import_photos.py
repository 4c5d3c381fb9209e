"""Photos with their parts: one step, by content, nothing twice, and nothing of anybody else's."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import Queue, wait_until_locked

pytestmark = pytest.mark.stack


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Importer:
    """A user, who imports pictures that are told apart by a letter."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.user_id = queue.user()

    def photo(
        self, letter: str, *parts: tuple[str, str], ending: str = ".jpg", **columns: Any
    ) -> dict[str, Any]:
        return {
            "sha256": digest(letter),
            "path": f"{self.user_id}/originals/{digest(letter)}{ending}",
            "parts": [
                {
                    "sha256": digest(of),
                    "kind": kind,
                    "path": f"{self.user_id}/originals/{digest(of)}.{kind}",
                    "mime_type": "application/octet-stream",
                    "file_name": f"{of}.{kind}",
                }
                for kind, of in parts
            ],
            **columns,
        }

    def add(self, *photos: dict[str, Any], stored: bool = True) -> list[dict[str, Any]]:
        for file in photos if stored else ():
            self.store(file["path"], *(part["path"] for part in file["parts"]))
        with self.queue.acting("authenticated", self.user_id):
            answer: list[dict[str, Any]] = self.queue.value("select import_photos(%s)", Jsonb(photos))
        return answer

    def store(self, *paths: str) -> None:
        self.queue.db.cursor().executemany(
            "insert into storage.objects (bucket_id, name) values ('assets', %s) on conflict do nothing",
            [(path,) for path in paths],
        )

    def lose(self, letter: str) -> None:
        self.queue.db.execute("delete from storage.objects where strpos(name, %s) > 0", (digest(letter),))

    def known(self, *letters: str) -> dict[str, str | None]:
        with self.queue.acting("authenticated", self.user_id):
            found = self.queue.value("select find_originals(%s)", [digest(letter) for letter in letters])
        return {letter: found[digest(letter)] for letter in letters if digest(letter) in found}

    def assets(self) -> list[dict[str, Any]]:
        return list(
            self.queue.rows("select * from assets where user_id = %s order by created_at", self.user_id)
        )

    def parts(self) -> set[tuple[str, str, str]]:
        rows = self.queue.rows("select * from asset_parts where user_id = %s", self.user_id)
        return {(str(row["asset_id"]), row["kind"], row["file_name"]) for row in rows}


@pytest.fixture
def me(queue: Any) -> Importer:
    return Importer(queue)


def test_a_photo_and_its_parts_are_there_at_once(me: Importer) -> None:
    [said] = me.add(
        me.photo(
            "a",
            ("live", "film"),
            ("sidecar", "notes"),
            file_name="IMG_1.HEIC",
            folder="2024/Rome",
            file_modified_at="2024-06-01T12:00:00+00:00",
        )
    )
    assert (said["added"], said["parts"], said["look_again"]) == (True, 2, False)
    [asset] = me.assets()
    assert str(asset["id"]) == said["asset_id"]
    assert (asset["file_name"], asset["folder"], asset["media_type"]) == ("IMG_1.HEIC", "2024/Rome", "photo")
    assert asset["file_modified_at"].isoformat() == "2024-06-01T12:00:00+00:00"
    assert me.parts() == {
        (said["asset_id"], "live", "film.live"),
        (said["asset_id"], "sidecar", "notes.sidecar"),
    }
    assert me.known("a", "film", "notes", "b") == {"a": None, "film": "live", "notes": "sidecar"}


def test_new_photos_get_their_jobs_and_old_ones_none(me: Importer) -> None:
    def jobs() -> int:
        return int(me.queue.value("select count(*) from jobs where user_id = %s", me.user_id))

    me.add(me.photo("a"), me.photo("b"))
    first = jobs()
    assert first >= 2
    me.add(me.photo("a"), me.photo("b"))
    assert jobs() == first


def test_again_it_is_nothing_more(me: Importer) -> None:
    photo = me.photo("a", ("raw", "dng"), file_name="a.jpg", folder="")
    [first] = me.add(photo)
    [second] = me.add(photo)
    assert second == {
        "asset_id": first["asset_id"],
        "added": False,
        "parts": 0,
        "look_again": False,
        "missing": [],
    }
    assert len(me.assets()) == 1
    assert len(me.parts()) == 1


def test_content_is_known_whatever_its_path_ends_in(me: Importer) -> None:
    """Earlier imports named files after their own endings."""
    me.add(me.photo("a", ending=".jpeg"))
    assert me.known("a") == {"a": None}
    [said] = me.add(me.photo("a", ("raw", "dng"), ending=".jpg"))
    assert (said["added"], said["parts"]) == (False, 1)
    assert len(me.assets()) == 1


def test_what_is_not_known_is_filled_in_and_nothing_is_replaced(me: Importer) -> None:
    me.add(me.photo("a", file_name="first.jpg"))
    [said] = me.add(
        me.photo("a", file_name="second.jpg", folder="Rome", file_modified_at="2024-06-01T12:00:00+00:00")
    )
    assert said["look_again"] is True, "its date is unknown, and the file's time may be the only one"
    [asset] = me.assets()
    assert (asset["file_name"], asset["folder"]) == ("first.jpg", "Rome")
    [said] = me.add(me.photo("a", folder="Paris", file_modified_at="2023-06-01T12:00:00+00:00"))
    assert said["look_again"] is False
    [asset] = me.assets()
    assert (asset["folder"], asset["file_modified_at"].year) == ("Rome", 2024)


def test_a_dated_photo_is_looked_at_again_only_for_a_sidecar(me: Importer) -> None:
    me.add(me.photo("a", file_name="a.jpg"))
    me.queue.db.execute("update assets set taken_at = now() where user_id = %s", [me.user_id])
    assert me.add(me.photo("a", folder="Rome"))[0]["look_again"] is False
    assert me.add(me.photo("a", ("raw", "dng")))[0]["look_again"] is False
    assert me.add(me.photo("a", ("sidecar", "notes")))[0]["look_again"] is True
    assert me.add(me.photo("a", ("sidecar", "notes")))[0]["look_again"] is False


@pytest.mark.parametrize("status", ["pending", "processing", "completed"])
def test_a_sidecar_is_looked_at_whatever_becomes_of_who_brings_it(me: Importer, status: str) -> None:
    """Once: by the job that waits; by another where one runs, which may have looked before it came."""
    me.add(me.photo("a"))
    me.queue.db.execute("delete from jobs where job_type <> 'optimize_image'")
    if status != "pending":
        me.queue.db.execute("delete from jobs where user_id <> %s", (me.user_id,))
        job = me.queue.take("optimize_image")
        if status == "completed":
            me.queue.settle(job)
    for letter in ("notes", "more notes", "and more"):
        assert me.add(me.photo("a", ("sidecar", letter)))[0]["look_again"] is True
    left = me.queue.rows("select status from jobs where user_id = %s order by created_at", me.user_id)
    first = [] if status == "pending" else [status]
    assert [row["status"] for row in left] == [*first, "pending"]


def test_a_part_that_is_an_asset_stays_one(me: Importer) -> None:
    """Imported before bursts were known: it may have names, albums, and a history."""
    me.add(me.photo("b"))
    [said] = me.add(me.photo("a", ("burst", "b"), ("burst", "c")))
    assert said["parts"] == 1
    assert me.known("a", "b", "c") == {"a": None, "b": None, "c": "burst"}
    assert len(me.assets()) == 2


def test_a_part_that_comes_alone_is_the_photo_it_belongs_to(me: Importer) -> None:
    [first] = me.add(me.photo("a", ("raw", "dng"), file_name="a.jpg"))
    [said] = me.add(me.photo("dng", ("sidecar", "notes"), file_name="alone.dng", folder="raws"))
    assert (said["asset_id"], said["added"], said["parts"]) == (first["asset_id"], False, 1)
    [asset] = me.assets()
    assert (asset["file_name"], asset["folder"]) == ("a.jpg", None), (
        "the raw's name and folder are not its own"
    )


def test_a_file_is_part_of_one_photo(me: Importer) -> None:
    [first, second] = me.add(me.photo("a", ("raw", "dng")), me.photo("b", ("raw", "dng")))
    assert (first["parts"], second["parts"]) == (1, 0)


def test_one_refused_row_leaves_nothing_behind(me: Importer) -> None:
    """So that each can be tried by itself."""
    with pytest.raises(psycopg.errors.CheckViolation):
        me.add(me.photo("a"), me.photo("b", file_name="x" * 501))
    assert me.assets() == []


@pytest.mark.parametrize(
    ("path", "kind"),
    [("{other}/originals/x.dng", "raw"), ("{me}/../x.dng", "raw"), ("{me}/originals/x.dng", "motto")],
)
def test_parts_obey_the_rules_of_their_table(me: Importer, path: str, kind: str) -> None:
    photo = me.photo("a", ("raw", "dng"))
    photo["parts"][0] |= {"path": path.format(me=me.user_id, other=me.queue.user()), "kind": kind}
    with pytest.raises(psycopg.errors.CheckViolation):
        me.add(photo)


def test_nobody_reaches_anybody_elses(me: Importer, queue: Any) -> None:
    me.add(me.photo("a", ("raw", "dng")))
    stranger = Importer(queue)
    assert stranger.known("a", "dng") == {}
    with pytest.raises(psycopg.errors.CheckViolation):
        stranger.add(me.photo("c"))  # its path is in my folder
    [said] = stranger.add(stranger.photo("a", ("sidecar", "notes")))
    assert said["added"] is True
    assert {kind for _, kind, _ in me.parts()} == {"raw"}


@pytest.mark.parametrize("photos", [{}, [{}] * 501])
def test_what_is_asked_is_bounded(me: Importer, photos: Any) -> None:
    with me.queue.acting("authenticated", me.user_id), pytest.raises(psycopg.errors.DatabaseError) as refusal:
        me.queue.value("select import_photos(%s)", Jsonb(photos))
    assert refusal.value.sqlstate == "PT400"
    with me.queue.acting("authenticated", me.user_id), pytest.raises(psycopg.errors.DatabaseError) as refusal:
        me.queue.value("select find_originals(%s)", ["a"] * 10_001)
    assert refusal.value.sqlstate == "PT400"


def test_what_storage_has_lost_is_not_known_and_comes_in_again(me: Importer) -> None:
    photo = me.photo("a", ("raw", "dng"), ending=".jpeg")
    [first] = me.add(photo)
    me.lose("a")
    me.lose("dng")
    assert me.known("a", "dng") == {}
    again = me.photo("a", ("raw", "dng"))
    me.store(again["path"])
    [said] = me.add(again, stored=False)
    assert (said["asset_id"], said["added"], said["missing"]) == (first["asset_id"], False, [digest("dng")])
    assert [asset["path"] for asset in me.assets()] == [again["path"]], "where it is now"
    assert me.known("a", "dng") == {"a": None}


@pytest.mark.parametrize("file", ["noted", "taken", "gone"])
def test_a_photo_that_is_deleted_while_it_is_imported_again_is_stored_again(me: Importer, file: str) -> None:
    """Its file went, or a worker is about to delete it, after the import was told that it is there."""
    photo = me.photo("a")
    me.add(photo)
    assert me.known("a") == {"a": None}
    with me.queue.acting("authenticated", me.user_id):
        me.queue.db.execute("delete from assets")
        if file != "noted":
            assert len(me.queue.value("select take_trash()")["files"]) == 1
    if file == "gone":
        me.lose("a")
    [said] = me.add(photo, stored=False)
    assert (said["added"], said["missing"]) == (True, [digest("a")])


# At the same time.


def test_who_settles_these_photos_and_who_imports_them_again_wait_for_each_other(
    me: Importer, connect: Callable[[], psycopg.Connection]
) -> None:
    """Settlements take photos in the order of their ids, whatever order an import names them in."""
    said = me.add(*(me.photo(letter) for letter in "ab"))
    (first, one), (second, other) = sorted(zip((row["asset_id"] for row in said), "ab", strict=True))
    settling = connect()
    take = "select from assets where id = %s for no key update"
    with ThreadPoolExecutor(1) as pool:
        with settling.transaction():
            settling.execute(take, (first,))
            photos = [me.photo(letter, file_name=letter) for letter in (other, one)]
            imported = pool.submit(me.add, *photos)
            wait_until_locked(Queue(connect()), me.queue.db)
            settling.execute("set local lock_timeout = '1s'")
            settling.execute(take, (second,))
        assert len(imported.result(30)) == 2


def test_two_imports_of_the_same_bytes_at_once_make_one_photo(
    me: Importer, connect: Callable[[], psycopg.Connection]
) -> None:
    other = Importer.__new__(Importer)
    other.queue, other.user_id = Queue(connect()), me.user_id
    with ThreadPoolExecutor(1) as pool:
        with me.queue.db.transaction():
            [first] = me.add(me.photo("a", ("raw", "b"), ending=".jpeg"))
            later = pool.submit(other.add, other.photo("a", ending=".jpg"), other.photo("b"))
            time.sleep(0.5)
        assert [said["asset_id"] for said in later.result(30)] == [first["asset_id"]] * 2
    assert len(me.assets()) == 1
