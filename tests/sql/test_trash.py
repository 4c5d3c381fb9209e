"""Files go with their rows: what is noted for deletion, who is answered it, and what is never deleted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.sql.conftest import acting

pytestmark = pytest.mark.stack

BUCKETS = ("assets", "thumbnails", "avatars", "face-thumbnails")


class Bucket:
    """Files as rows of Storage, and the workers that delete them."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue

    def put(self, key: str, bucket: str = "assets") -> str:
        """Upload, over what was there."""
        self.queue.db.execute(
            "insert into storage.objects (bucket_id, name, created_at, updated_at)"
            " values (%s, %s, clock_timestamp(), clock_timestamp())"
            " on conflict (bucket_id, name) do update set updated_at = clock_timestamp()",
            (bucket, key),
        )
        return key

    def photo(self, user: str, path: str | None = None, **columns: Any) -> tuple[str, str]:
        """An asset with its file; answers its id and path."""
        row = {
            "user_id": user,
            "path": path or f"{user}/{uuid.uuid4()}.jpg",
            "media_type": "document",
            **columns,
        }
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        asset = self.queue.value(
            f"insert into assets ({names}) values ({places}) returning id", *row.values()
        )
        return str(asset), self.put(row["path"])

    def make(self, user: str, asset: str, key: str) -> str:
        """A file that a worker made, with its row."""
        self.queue.db.execute(
            "insert into derived_assets (user_id, asset_id, kind, bucket, key, bytes, mime_type)"
            " values (%s, %s, 'web', 'assets', %s, 1, 'image/jpeg')",
            (user, asset, key),
        )
        return self.put(key)

    def delete(self, asset: str) -> None:
        """As an app does, by REST."""
        user = self.queue.value("select user_id from assets where id = %s", asset)
        with self.queue.acting("authenticated", str(user)):
            self.queue.db.execute("delete from assets where id = %s", (asset,))

    def take(self, *, done: Any = (), limit: int = 500) -> Any:
        return self.queue.value("select take_trash(%s::bigint[], %s)", list(done), limit)

    def empty(self, role: str = "service_role", user: str | None = None, *, limit: int = 500) -> set[str]:
        """What a worker of this role deletes until it is answered no more."""
        gone: set[str] = set()
        done: list[int] = []
        for _ in range(100):
            with self.queue.acting(role, user):
                page = self.take(done=done, limit=limit)
                for file in page["files"]:
                    deleted = self.queue.db.execute(
                        "delete from storage.objects where bucket_id = %s and name = %s",
                        (file["bucket"], file["key"]),
                    )
                    if deleted.rowcount:
                        gone.add(file["key"])
            done = page["ids"]
            if not page["files"] and not page["more"]:
                return gone
        raise AssertionError("there was no end of it")

    def left(self) -> set[str]:
        return {row["name"] for row in self.queue.rows("select name from storage.objects")}

    def waiting(self) -> int:
        return int(self.queue.value("select count(*) from kizu.trash"))

    def later(self, interval: str) -> None:
        self.queue.db.execute(
            "select set_config('kizu.test_now', (kizu.now() + %s::interval)::text, false)", (interval,)
        )


@pytest.fixture
def bucket(queue: Any) -> Iterator[Bucket]:
    queue.db.execute("delete from storage.objects")
    queue.db.execute("delete from kizu.trash")
    yield Bucket(queue)
    queue.db.execute("delete from storage.objects")


@pytest.fixture
def user(queue: Any) -> str:
    return str(queue.user())


def processed(user: str, asset: str, name: str = "web.jpg") -> str:
    return f"{user}/processed/{asset}/{uuid.uuid4()}.1/{name}"


@pytest.mark.parametrize("role", ["service_role", "kizu_worker", "authenticated"])
def test_what_belongs_to_an_asset_goes_with_it(queue: Any, bucket: Bucket, user: str, role: str) -> None:
    asset, path = bucket.photo(user)
    kept, kept_path = bucket.photo(user)
    film = bucket.put(f"{user}/film.mov")
    queue.db.execute(
        "insert into asset_parts (user_id, asset_id, kind, path) values (%s, %s, 'live', %s)",
        (user, asset, film),
    )
    queue.db.execute(
        "insert into asset_parts (user_id, asset_id, kind, first_byte, bytes)"
        " values (%s, %s, 'motion', 1, 2)",
        (user, asset),
    )
    gone = {
        path,
        film,
        bucket.make(user, asset, processed(user, asset)),
        bucket.make(user, asset, processed(user, asset, "face-0.jpg")),
        bucket.make(user, asset, processed(user, str(uuid.uuid4()))),
        bucket.put(processed(user, asset, "lost.jpg")),
        bucket.put(f"{user}/videos/{asset}/web.mp4"),
    }
    stays = {
        kept_path,
        bucket.make(user, kept, processed(user, kept)),
        bucket.put(f"{user}/me.jpg", "avatars"),
        bucket.put(f"{user}/nobody's.jpg"),
    }
    assert bucket.empty() == set(), "all are named, or nobody's to delete"

    bucket.delete(asset)

    assert bucket.empty(role, user if role == "authenticated" else None) == gone
    assert bucket.left() == stays


def test_a_part_goes_alone(queue: Any, bucket: Bucket, user: str) -> None:
    asset, path = bucket.photo(user)
    raw = bucket.put(f"{user}/raw.dng")
    queue.db.execute(
        "insert into asset_parts (user_id, asset_id, kind, path) values (%s, %s, 'raw', %s)",
        (user, asset, raw),
    )
    with queue.acting("authenticated", user):
        queue.db.execute("delete from asset_parts")
    assert bucket.empty() == {raw}
    assert bucket.left() == {path}


def test_an_account_takes_all_its_files_along(queue: Any, bucket: Bucket, user: str) -> None:
    others = queue.user()
    asset, path = bucket.photo(user)
    _, theirs = bucket.photo(others)
    gone = {path, bucket.make(user, asset, processed(user, asset))}
    gone |= {bucket.put(f"{user}/{number}.jpg", name) for number, name in enumerate(BUCKETS)}
    theirs_too = bucket.put(f"{others}/x.jpg", "avatars")
    queue.db.execute("delete from auth.users where id = %s", (user,))
    assert bucket.waiting() == 1, "its folder"
    assert bucket.empty("authenticated", others) == set()
    assert bucket.empty("kizu_worker", limit=2) == gone
    assert bucket.left() == {theirs, theirs_too}


def test_what_is_written_after_the_end_is_found_a_day_later(queue: Any, bucket: Bucket, user: str) -> None:
    """An attempt that ran when the asset was deleted, and an app whose token was still good."""
    asset, path = bucket.photo(user)
    bucket.delete(asset)
    assert bucket.empty() == {path}
    late = bucket.put(processed(user, asset))
    assert bucket.empty() == set()
    bucket.later("25 hours")
    assert bucket.empty() == {late}
    assert bucket.empty() == set()
    assert bucket.waiting() == 0

    queue.db.execute("reset kizu.test_now")
    queue.db.execute("delete from auth.users where id = %s", (user,))
    assert bucket.empty() == set()
    late = bucket.put(f"{user}/late.jpg")
    bucket.later("25 hours")
    assert bucket.empty() == {late}
    assert bucket.waiting() == 0


@pytest.mark.parametrize("role", ["service_role", "kizu_worker", "authenticated"])
def test_a_file_that_comes_again_is_somebodys(queue: Any, bucket: Bucket, user: str, role: str) -> None:
    asset, path = bucket.photo(user)
    bucket.delete(asset)
    bucket.put(path)
    caller = (role, user if role == "authenticated" else None)
    assert bucket.empty(*caller) == set(), "no row names it yet"
    bucket.photo(user, path)
    assert bucket.empty(*caller) == set()
    assert bucket.left() == {path}


def test_a_row_that_comes_again_keeps_its_file(bucket: Bucket, user: str) -> None:
    asset, path = bucket.photo(user)
    thumbnail = bucket.make(user, asset, processed(user, asset))
    bucket.delete(asset)
    bucket.queue.db.execute(
        "insert into assets (id, user_id, path, media_type) values (%s, %s, %s, 'document')",
        (asset, user, path),
    )
    assert bucket.empty() == set()
    assert bucket.left() == {path, thumbnail}


@pytest.mark.parametrize("where", ["path", "part", "derived", "thumbnail", "web_uri"])
def test_what_another_row_refers_to_stays(queue: Any, bucket: Bucket, user: str, where: str) -> None:
    asset, path = bucket.photo(user)
    shared = bucket.put(processed(user, asset))
    url = f"https://project.example/storage/v1/object/authenticated/assets/{shared}?token=x"
    other, other_path = bucket.photo(user, **({where: url} if where in ("thumbnail", "web_uri") else {}))
    if where == "path":
        queue.db.execute("update assets set path = %s where id = %s", (shared, other))
    elif where == "part":
        queue.db.execute(
            "insert into asset_parts (user_id, asset_id, kind, path) values (%s, %s, 'raw', %s)",
            (user, other, shared),
        )
    elif where == "derived":
        bucket.make(user, other, shared)
    bucket.delete(asset)
    assert bucket.empty() == {path}
    assert bucket.left() == {other_path, shared}


def test_what_storage_keeps_is_asked_for_again_and_more_and_more_seldom(bucket: Bucket, user: str) -> None:
    asset, path = bucket.photo(user)
    bucket.delete(asset)
    waits = []
    for _ in range(4):
        page = bucket.take()
        assert [file["key"] for file in page["files"]] == [path]
        bucket.take(done=page["ids"])  # Storage refused, and the worker does not know
        waited = 0
        while not bucket.take()["files"]:
            waited += 1
            bucket.later("1 minute")
        waits.append(waited)
        # That take was the next try's; it is undone, so that each begins at the same place.
        bucket.queue.db.execute(
            "update kizu.trash set due_at = kizu.now(), tries = tries - 1 where tries > 0"
        )
    assert waits == [1, 2, 4, 8]


def test_two_workers_take_different_files(
    queue: Any, bucket: Bucket, user: str, connect: Callable[[], psycopg.Connection]
) -> None:
    paths = set()
    for _ in range(6):
        asset, path = bucket.photo(user)
        paths.add(path)
        bucket.delete(asset)
    taken: list[set[str]] = []
    one, other = connect(), connect()
    with acting(one, "service_role"), acting(other, "kizu_worker"):
        for connection in (one, other):
            [answer] = connection.execute("select take_trash(p_limit => 9)").fetchone() or [None]
            taken.append({file["key"] for file in answer["files"]})
    assert [len(keys) for keys in taken] == [3, 3]
    assert taken[0] | taken[1] == paths


def test_users_are_answered_their_own(queue: Any, bucket: Bucket, user: str) -> None:
    other = queue.user()
    mine, theirs = bucket.photo(user), bucket.photo(other)
    bucket.delete(mine[0])
    bucket.delete(theirs[0])
    with queue.acting("authenticated", user):
        page = bucket.take()
    assert [file["key"] for file in page["files"]] == [mine[1]]
    queue.db.execute("delete from storage.objects where name = %s", (mine[1],))
    with queue.acting("authenticated", other):
        bucket.take(done=page["ids"], limit=0)
    assert queue.value("select count(*) from kizu.trash where id = any (%s)", page["ids"]) == 1, (
        "not theirs to end"
    )


READ = """
    select pg_stat_get_xact_numscans('storage.objects'::regclass)::int as whole,
           (select sum(pg_stat_get_xact_tuples_fetched(indexrelid)) from pg_index
             where indrelid = 'storage.objects'::regclass)::int as files
"""


@pytest.mark.parametrize("analyzed", [False, True])
def test_folders_are_found_by_their_name_among_many_files(
    queue: Any, bucket: Bucket, user: str, analyzed: bool
) -> None:
    """Else a call about a hundred of them takes longer than a worker may, and no file goes."""
    queue.db.execute(
        "insert into storage.objects (bucket_id, name)"
        " select 'assets', %s || '/processed/' || gen_random_uuid() || '/j.1/web.jpg'"
        "   from generate_series(1, 5000)",
        (user,),
    )
    if analyzed:
        queue.db.execute("analyze storage.objects")
    asset, path = bucket.photo(user)
    made = bucket.make(user, asset, processed(user, asset))
    bucket.delete(asset)
    bucket.take(limit=0)  # to plan a statement for the first time is to peek at the ends of indexes
    with queue.db.transaction():
        [before] = queue.rows(READ)
        assert {file["key"] for file in bucket.take()["files"]} == {path, made}
        [after] = queue.rows(READ)
    assert after["whole"] == before["whole"]
    assert after["files"] - before["files"] < 20


# A stolen token of the narrow role.


def test_the_narrow_role_deletes_no_original_but_what_its_owner_deleted(
    queue: Any, bucket: Bucket, user: str
) -> None:
    living = bucket.photo(user)[1]
    asset, deleted = bucket.photo(user)
    loose = bucket.put(f"{user}/loose.jpg")
    avatar = bucket.put(f"{user}/me.jpg", "avatars")
    bucket.delete(asset)
    again, named_again = bucket.photo(user)
    bucket.delete(again)
    bucket.put(named_again)
    with queue.acting("kizu_worker"):
        queue.db.execute("delete from storage.objects")
    assert bucket.left() == {living, loose, avatar, named_again}
    assert deleted not in bucket.left()


def test_the_narrow_role_makes_nothing_into_trash(queue: Any, bucket: Bucket, user: str) -> None:
    """It settles jobs, and so names files in derived_assets, and takes these rows away again."""
    asset, original = bucket.photo(user)
    loose, avatar = bucket.put(f"{user}/loose.jpg"), bucket.put(f"{user}/me.jpg", "avatars")
    kind = queue.kind()
    for named in (True, False):
        queue.enqueue(kind, user, asset)
        with queue.acting("kizu_worker"):
            job = queue.take(kind)
            rows = [
                {"bucket": name, "key": key, "kind": "web", "bytes": 1, "mime_type": "image/jpeg"}
                for name, key in (("assets", original), ("assets", loose), ("avatars", avatar))
            ]
            write = {"table": "derived_assets", "scope": {"kind": "web"}, "rows": rows if named else []}
            assert queue.settle(job, writes=[write])["answer"] == "settled"
    with queue.acting("kizu_worker"):
        assert bucket.take()["files"] == []
        queue.db.execute("delete from storage.objects")
    assert bucket.left() == {original, loose, avatar}
    with pytest.raises(psycopg.errors.InsufficientPrivilege), queue.acting("kizu_worker"):
        queue.db.execute(
            "insert into kizu.trash (user_id, bucket, key) values (%s, 'assets', %s)", (user, original)
        )
    # Nor by what it says of an asset that its owner deletes later.
    queue.enqueue(kind, user, asset)
    with queue.acting("kizu_worker"):
        write = {"table": "derived_assets", "scope": {"kind": "web"}, "rows": rows[1:]}
        queue.settle(queue.take(kind), writes=[write])
    bucket.delete(asset)
    assert bucket.empty() == {original}


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_nobody_makes_anothers_file_into_trash(queue: Any, bucket: Bucket, user: str, role: str) -> None:
    theirs = bucket.photo(user)[1]
    attacker = queue.user()
    bucket.photo(attacker)
    for statement in (
        "insert into assets (path) values (%s)",
        "insert into asset_parts (asset_id, kind, path) select id, 'raw', %s from assets",
    ):
        with pytest.raises(psycopg.Error), queue.acting(role, attacker):
            queue.db.execute(statement, (theirs,))
    url = f"https://project.example/storage/v1/object/authenticated/assets/{theirs}"
    asset, own = bucket.photo(attacker, thumbnail=url, web_uri=url)
    bucket.delete(asset)
    assert bucket.empty() == {own}
    assert theirs in bucket.left()


@pytest.mark.parametrize("table", ["assets", "asset_parts"])
@pytest.mark.parametrize("path", ["{user}/", "{user}/albums/", "{user}/albums/rome/", "{user}//"])
def test_a_row_that_names_a_folder_takes_no_other_file_along(
    queue: Any, bucket: Bucket, user: str, table: str, path: str
) -> None:
    """Nor does it keep the trash of others from being emptied."""
    asset, _ = bucket.photo(user)
    loose = {bucket.put(f"{user}/albums/rome/just-uploaded.jpg"), bucket.put(f"{user}//just-uploaded.jpg")}
    deleted, others = bucket.photo(queue.user())
    with queue.acting("authenticated", user):
        if table == "assets":
            queue.db.execute("insert into assets (path) values (%s)", (path.format(user=user),))
        else:
            queue.db.execute(
                "insert into asset_parts (asset_id, kind, path) values (%s, 'raw', %s)",
                (asset, path.format(user=user)),
            )
        queue.db.execute(f"delete from {table} where path = %s", (path.format(user=user),))
    bucket.delete(deleted)
    assert bucket.empty() == {others}
    assert loose < bucket.left()


@pytest.mark.parametrize("scope", [{}, {"kind": "raw"}, {"kind": "motion"}])
def test_the_narrow_role_takes_no_part_that_is_a_file_of_its_owners(
    queue: Any, bucket: Bucket, user: str, scope: dict[str, str]
) -> None:
    asset, path = bucket.photo(user)
    files = {path}
    for kind in ("raw", "motion"):
        files.add(bucket.put(f"{user}/{kind}"))
        queue.db.execute(
            "insert into asset_parts (user_id, asset_id, kind, path) values (%s, %s, %s, %s)",
            (user, asset, kind, f"{user}/{kind}"),
        )
    kind = queue.kind()
    queue.enqueue(kind, user, asset)
    with queue.acting("kizu_worker"):
        write = {"table": "asset_parts", "scope": scope, "rows": []}
        assert queue.settle(queue.take(kind), writes=[write])["answer"] == "settled"
    assert bucket.empty("kizu_worker") == set()
    assert bucket.left() == files
    assert queue.value("select count(*) from asset_parts where asset_id = %s", asset) == 2


def test_no_worker_says_of_a_file_in_a_foreign_bucket_that_it_is_to_be_deleted(
    queue: Any, bucket: Bucket, user: str
) -> None:
    """A user's own worker may name any bucket, and the worker of all has a key to each."""
    queue.db.execute(
        "insert into storage.buckets (id, name) values ('invoices', 'invoices') on conflict do nothing"
    )
    asset, path = bucket.photo(user)
    invoice = bucket.put(f"{user}/processed/2026.pdf", "invoices")
    kind = queue.kind()
    queue.enqueue(kind, user, asset)
    with queue.acting("authenticated", user):
        rows = [
            {"bucket": name, "key": key, "kind": "web", "bytes": 1, "mime_type": "image/jpeg"}
            for name, key in (("invoices", invoice), ("assets", f"{user}/processed/a/b/c/"))
        ]
        write = {"table": "derived_assets", "scope": {"kind": "web"}, "rows": rows}
        assert queue.settle(queue.take(kind), writes=[write])["answer"] == "settled"
    bucket.delete(asset)
    assert bucket.empty() == {path}
    assert bucket.left() == {invoice}
