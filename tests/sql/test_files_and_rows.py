"""Rows held against files, and files against rows: page by page, and each user their own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack


class Project:
    """Files and rows that go together, or do not."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue

    def put(self, key: str, bucket: str = "assets", *, hours: float = 48) -> str:
        self.queue.db.execute(
            "insert into storage.objects (bucket_id, name, created_at, updated_at, metadata)"
            " select %s, %s, at, at, '{\"size\": 5}'"
            "   from (select now() - make_interval(secs => %s)) as t (at)",
            (bucket, key, hours * 3600),
        )
        return key

    def photo(self, user: str, **columns: Any) -> tuple[str, str]:
        """An asset without its file."""
        row = {"user_id": user, "path": f"{user}/{uuid.uuid4()}.jpg", "media_type": "document", **columns}
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        asset = self.queue.value(
            f"insert into assets ({names}) values ({places}) returning id", *row.values()
        )
        return str(asset), str(row["path"])

    def part(self, user: str, asset: str) -> str:
        key = f"{user}/{uuid.uuid4()}.mov"
        self.queue.db.execute(
            "insert into asset_parts (user_id, asset_id, kind, path) values (%s, %s, 'live', %s)",
            (user, asset, key),
        )
        return key

    def make(self, user: str, asset: str) -> str:
        key = f"{user}/processed/{asset}/{uuid.uuid4()}.1/web.jpg"
        self.queue.db.execute(
            "insert into derived_assets (user_id, asset_id, kind, bucket, key, bytes, mime_type)"
            " values (%s, %s, 'web', 'assets', %s, 1, 'image/jpeg')",
            (user, asset, key),
        )
        return key

    def missing(self) -> list[dict[str, Any]]:
        """All pages of the answer, of two rows each."""
        return self._all("missing", "select list_missing_files(%s, 2)")

    def unnamed(self, age: str = "24 hours") -> list[str]:
        return [
            f"{file['bucket']}/{file['key']}"
            for file in self._all("files", f"select list_unnamed_files('{age}', %s, 2)")
        ]

    def _all(self, what: str, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: Jsonb | None = None
        for _ in range(100):
            page = self.queue.value(query, after)
            found += page[what]
            if page["next"] is None:
                return found
            after = Jsonb(page["next"])
        raise AssertionError("there was no end of it")


@pytest.fixture
def project(queue: Any) -> Iterator[Project]:
    for table in ("storage.objects", "derived_assets", "asset_parts", "assets"):
        queue.db.execute(f"delete from {table}")
    queue.db.execute("delete from kizu.trash")
    yield Project(queue)
    queue.db.execute("delete from storage.objects")


@pytest.fixture
def user(queue: Any) -> str:
    return str(queue.user())


def test_rows_whose_file_is_not_there_are_found(queue: Any, project: Project, user: str) -> None:
    wanted = set()
    for owner in (user, str(queue.user())):
        for there in (True, False):
            asset, path = project.photo(owner)
            for key in (path, project.part(owner, asset), project.make(owner, asset)):
                if there:
                    project.put(key)
                else:
                    wanted.add((asset, key))
        project.photo(owner, path=None, web_uri="https://elsewhere.example/a.jpg")
    found = project.missing()
    assert {(row["asset_id"], row["key"]) for row in found} == wanted
    assert len(found) == 6
    assert sorted(row["table"] for row in found[:4]) == ["asset_parts"] * 2 + ["assets"] * 2
    with queue.acting("authenticated", user):
        mine = {(row["asset_id"], row["key"]) for row in project.missing()}
    assert mine == {(asset, key) for asset, key in wanted if key.startswith(user)}


def test_files_that_no_row_names_are_found(queue: Any, project: Project, user: str) -> None:
    other = str(queue.user())
    for owner in (user, other):
        asset, path = project.photo(owner)
        for key in (path, project.part(owner, asset), project.make(owner, asset)):
            project.put(key)
        project.put(f"{owner}/young.jpg", hours=1)
        project.put(f"{owner}/me.jpg", "avatars")
        linked = project.put(f"{owner}/thumb.jpg", "thumbnails")
        project.photo(
            owner,
            path=None,
            thumbnail=f"https://p.example/storage/v1/object/sign/thumbnails/{linked}?token=a",
        )
    loose = {
        owner: {
            f"assets/{project.put(f'{owner}/{name}')}" for name in ("a.jpg", "b.jpg", "processed/x/web.jpg")
        }
        | {f"face-thumbnails/{project.put(f'{owner}/0.jpg', 'face-thumbnails')}"}
        for owner in (user, other, str(uuid.uuid4()))
    }
    found = project.unnamed()
    assert set(found) == set().union(*loose.values())
    assert len(found) == 12
    assert len(project.unnamed("30 minutes")) == 14
    with queue.acting("authenticated", user):
        assert set(project.unnamed()) == loose[user]


def test_a_file_whose_name_is_written_otherwise_in_an_address_is_shown(
    queue: Any, project: Project, user: str
) -> None:
    key = project.put(f"{user}/Mum & me 100.jpg", "thumbnails")
    address = f"https://p.example/storage/v1/object/sign/thumbnails/{user}/Mum%20%26%20me%20100.jpg?token=a"
    project.photo(user, path=None, thumbnail=address)
    for odd in ("%ff.jpg", "%00.jpg", "100%.jpg", "%"):
        project.photo(user, path=None, thumbnail=f"https://p.example/thumbnails/{user}/{odd}")
    assert project.unnamed() == []
    queue.db.execute("update assets set thumbnail = null where user_id = %s", (user,))
    assert project.unnamed() == [f"thumbnails/{key}"]


def test_what_an_album_shows_is_not_unnamed(queue: Any, project: Project, user: str) -> None:
    asset, path = project.photo(user)
    project.put(path)
    album = queue.value(
        "insert into albums (user_id, title, keyphoto) values (%s, 'Rome', %s) returning id",
        user,
        project.put(f"{user}/albums/rome.jpg"),
    )
    queue.db.execute(
        "insert into album_assets (user_id, album_id, asset_id, asset_uri, thumbnail_uri)"
        " values (%s, %s, %s, %s, %s)",
        (
            user,
            album,
            asset,
            f"https://p.example/storage/v1/object/sign/assets/{project.put(f'{user}/albums/1.jpg')}?token=a",
            project.put(f"{user}/small.jpg", "thumbnails"),
        ),
    )
    assert project.unnamed() == []


def test_what_a_running_attempt_writes_is_not_unnamed(queue: Any, project: Project, user: str) -> None:
    kind = queue.kind()
    asset, _ = project.photo(user)
    queue.enqueue(kind, user, asset)
    job = queue.take(kind)
    key = project.put(f"{user}/processed/{asset}/{job['id']}.{job['epoch']}/web.jpg")
    assert project.unnamed() == []
    queue.db.execute("select release_jobs('w1')")
    assert project.unnamed() == [f"assets/{key}"]


def test_what_waits_to_be_deleted_is_counted_and_not_unnamed(queue: Any, project: Project, user: str) -> None:
    asset, path = project.photo(user)
    project.put(path)
    assert queue.value("select trash_waiting()") == {"waiting": 0, "tried": 0, "since": None}
    queue.db.execute("delete from assets where id = %s", (asset,))
    assert project.unnamed() == []
    assert queue.value("select trash_waiting()")["waiting"] == 3, "the file, and two folders"
    queue.value("select take_trash()")
    told = queue.value("select trash_waiting()")
    assert (told["waiting"], told["tried"]) == (1, 1)
    with queue.acting("authenticated", str(queue.user())):
        assert queue.value("select trash_waiting()")["waiting"] == 0


@pytest.mark.parametrize("verb", ["list_missing_files", "list_unnamed_files"])
def test_a_place_that_was_not_answered_is_refused(queue: Any, verb: str) -> None:
    with pytest.raises(Exception, match="bad_params"):
        queue.value(f"""select {verb}(p_after => '{{"table": "jobs", "bucket": "x"}}')""")


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_pages_of_any_size_have_everything_once(queue: Any, project: Project, limit: int) -> None:
    wanted: list[str] = []
    for user in (queue.user(), queue.user()):
        for _ in range(3):
            asset, path = project.photo(user)
            wanted += [path, project.part(user, asset), project.make(user, asset)]
    queue.db.execute(
        "insert into derived_assets (user_id, asset_id, kind, bucket, key, bytes, mime_type)"
        " select user_id, asset_id, 'thumbnail', 'thumbnails', key, 1, 'image/jpeg' from derived_assets"
    )
    wanted += [key for key in wanted if "/processed/" in key]
    lost = [project.put(f"{queue.users[0]}/lost{number}.jpg") for number in range(5)]

    def pages(what: str, query: str) -> list[str]:
        keys, after = [], None
        while True:
            page = queue.value(query, after and Jsonb(after), limit)
            keys += [row["key"] for row in page[what]]
            if (after := page["next"]) is None:
                return keys

    assert sorted(pages("missing", "select list_missing_files(%s, %s)")) == sorted(wanted)
    assert sorted(pages("files", "select list_unnamed_files('24 hours', %s, %s)")) == sorted(lost)


@pytest.mark.parametrize(
    "after",
    [
        {},
        [],
        "assets",
        7,
        {"table": 7, "bucket": 7},
        {"table": "users", "bucket": "avatars"},
        {"table": "assets", "bucket": "assets", "key": 7},
        {"table": "assets", "bucket": "assets", "user_id": "me", "key": ["x"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("query", ["list_missing_files(%s)", "list_unnamed_files('24 hours', %s)"])
def test_a_place_that_no_page_answered_is_refused(queue: Any, after: Any, query: str) -> None:
    with (
        queue.acting("authenticated", queue.user()),
        pytest.raises(psycopg.Error, match="bad_params") as refused,
    ):
        queue.value(f"select {query}", Jsonb(after))
    assert refused.value.sqlstate == "PT400"


def test_a_user_that_is_none_is_no_place(queue: Any) -> None:
    after = Jsonb({"table": "assets", "user_id": "me", "key": ""})
    with queue.acting("service_role"), pytest.raises(psycopg.Error, match="bad_params"):
        queue.value("select list_missing_files(%s)", after)
