"""What duplicates cost: the rows of a photo's neighbourhood, and of a page, however large the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sql.duplicates import Album
from tests.sql.library import MODEL

pytestmark = pytest.mark.stack

MANY, FEW = 20_000, 2_000
"""Photos of two users."""
PAIRS = 1_000
TABLES = (
    "{assets,asset_hashes,asset_quality,image_embeddings,asset_tags,face_embeddings,album_assets,albums,moments,"
    "moment_assets,asset_parts,kizu.alike,kizu.unmatched,kizu.kept_duplicates,kizu.resolved_duplicates}"
)
READ = """
    select sum(pg_stat_get_xact_tuples_returned(id)
               + pg_stat_get_xact_tuples_fetched(id) + of_indexes)::int
      from unnest(%s::regclass[]) as id,
           lateral (select coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0) as of_indexes
                      from pg_index where indrelid = id) as indexes
"""
SCANS = "select sum(pg_stat_get_xact_numscans(id))::int from unnest(%s::regclass[]) as id"
BELIEFS = {
    "analyzed": None,
    "none": (-1, "0"),
    "of an empty table": (0, "relpages"),
}


@pytest.fixture(scope="module")
def users(new_queue: Callable[[], Any]) -> Iterator[tuple[Any, list[str]]]:
    """Two users, each with PAIRS of photos that are alike among others that are not."""
    queue = new_queue()
    queue.generation(MODEL, "pictures", 8)
    users = [queue.user(), queue.user()]
    queue.db.execute("set session_replication_role = replica")
    queue.db.execute(
        "insert into assets (user_id, path, media_type, taken_at, width, height)"
        " select owner::uuid, owner || '/' || n, 'photo',"
        "        '2019-01-01'::timestamptz + n * interval '1 minute', 4000, 3000"
        "   from unnest(%s::text[], %s::int[]) as owned (owner, photos), generate_series(1, photos) as n",
        (users, [MANY, FEW]),
    )
    owned = "from assets where user_id = any (%s::uuid[])"
    queue.db.execute(
        "insert into asset_hashes (user_id, asset_id, sha256, perceptual_hash)"
        " select user_id, id, encode(sha256(id::text::bytea), 'hex'),"
        f"       (hashtextextended(id::text, 0))::bit(64) {owned}",
        (users,),
    )
    queue.db.execute(
        "insert into asset_quality (user_id, asset_id, sharpness, exposure, contrast, fine_hash)"
        f" select user_id, id, 10, 0.9, 50, repeat('01', 128)::bit(256) {owned}",
        (users,),
    )
    queue.db.execute(
        "insert into kizu.alike (user_id, asset_id, other_id, kind, at)"
        " select user_id, id, other, 'near', taken_at"
        "   from (select id, user_id, taken_at, lead(id) over in_time as other,"
        "                row_number() over in_time as n"
        f"          {owned} window in_time as (partition by user_id order by taken_at)) as photo"
        "  where n %% 2 = 1 and n < 2 * %s",
        (users, PAIRS),
    )
    queue.db.execute(
        "insert into image_embeddings (user_id, asset_id, embedding, model_version)"
        " select user_id, id,"
        "        format('[1,%%s,%%s,0,0,0,0,0]', random() / 9, random() / 9)::extensions.vector, %s"
        "   from kizu.alike, unnest(array[asset_id, other_id]) as id where user_id = any (%s::uuid[])",
        (MODEL, users),
    )
    queue.db.execute("reset session_replication_role")
    yield queue, users
    queue.db.execute("analyze")
    queue.close()


@pytest.fixture(params=BELIEFS)
def album(users: tuple[Any, list[str]], request: pytest.FixtureRequest) -> Album:
    queue, (user, _) = users
    queue.db.execute("analyze assets, asset_hashes, asset_quality, image_embeddings, kizu.alike")
    if believed := BELIEFS[request.param]:
        queue.db.execute(
            "update pg_class set reltuples = %(tuples)s, relpages = " + believed[1] + ""
            " where oid = any (%(tables)s::regclass[]) or oid in"
            " (select indexrelid from pg_index where indrelid = any (%(tables)s::regclass[]))",
            {"tuples": believed[0], "tables": TABLES},
        )
        queue.db.execute("delete from pg_statistic where starelid = any (%s::regclass[])", (TABLES,))
    return Album(queue, user)


def cost(album: Album, act: Callable[[], Any], tables: str = TABLES) -> tuple[Any, int, int]:
    """What is answered, how many rows and index entries are read, and how often a table from end to end."""
    db = album.queue.db
    with db.transaction(force_rollback=True):
        act()  # to plan a statement for the first time is to peek at the ends of indexes
    with db.transaction(force_rollback=True):
        before = album.queue.value(READ, tables), album.queue.value(SCANS, tables)
        answer = act()
        db.execute("reset role")
        rows, scans = album.queue.value(READ, tables), album.queue.value(SCANS, tables)
        return answer, rows - before[0], scans - before[1]


def test_a_page_reads_a_page(album: Album) -> None:
    for kind in (None, "near", "exact", "burst"):
        answer, rows, scans = cost(album, lambda: album.call("list_duplicates", kind=kind, limit=20))  # noqa: B023
        assert len(answer["groups"]) == (20 if kind in (None, "near") else 0), kind
        assert scans == 0, kind
        assert rows < 3_000, kind
        if answer["next"]:
            deep = {"at": "2019-01-02T00:00:00Z", "id": album.user}
            answer, rows, scans = cost(
                album,
                lambda: album.call("list_duplicates", kind=kind, limit=20, after=deep),  # noqa: B023
            )
            assert (len(answer["groups"]), scans) == (20, 0), kind
            assert rows < 3_000, kind


def test_a_photo_is_matched_with_its_neighbours_only(album: Album) -> None:
    asset = album.queue.value("select id from assets where user_id = %s limit 1", album.user)

    def match() -> None:
        album.queue.db.execute("select kizu.match_photo(%s, %s)", (album.user, asset))

    _, rows, scans = cost(album, match)
    assert scans == 0
    assert rows < 500


def test_a_photo_that_thousands_are_alike_is_no_dearer(album: Album) -> None:
    with album.queue.db.transaction(force_rollback=True):
        album.queue.db.execute(
            """
            with own as (
              select id, taken_at, row_number() over (order by taken_at desc) as n
                from assets
               where user_id = %(user)s
            )
            insert into kizu.alike (user_id, asset_id, other_id, kind, at)
            select %(user)s, own.id, hub.id, 'exact', own.taken_at
              from own, own as hub
             where own.n <= 3000 and hub.n in (3001, 3002, 3003)
            """,
            {"user": album.user},
        )
        answer, rows, _ = cost(album, lambda: album.call("list_duplicates", kind="exact", limit=1))
        assert [group["count"] for group in answer["groups"]] == [500]
        assert rows < 20_000


@pytest.mark.parametrize("album", ["analyzed"], indirect=True)
def test_a_page_among_thousands_that_are_alike_reads_a_page(album: Album) -> None:
    """All look like the same twenty, which are the oldest: none but the newest is where they are shown."""
    with album.queue.db.transaction(force_rollback=True):
        album.queue.db.execute(
            """
            with own as (
              select id, taken_at, row_number() over (order by taken_at desc) as n
                from assets
               where user_id = %(user)s
            ),
            seen as (
              insert into image_embeddings (user_id, asset_id, embedding, model_version)
              select %(user)s, id, '[1,0,0,0,0,0,0,0]', %(model)s from own where n <= 1520
                  on conflict do nothing
            )
            insert into kizu.alike (user_id, asset_id, other_id, kind, at)
            select %(user)s, own.id, hub.id, 'near', own.taken_at
              from own, own as hub
             where own.n <= 1500 and hub.n between 1501 and 1520
            """,
            {"user": album.user, "model": MODEL},
        )
        first = album.call("list_duplicates", limit=1)
        album.queue.db.execute("reset role")
        assert [group["count"] for group in first["groups"]] == [500]
        answer, rows, scans = cost(album, lambda: album.call("list_duplicates", limit=1, after=first["next"]))
        assert (answer["groups"], scans) == ([], 0)
        assert rows < 60_000


# Taken for empty, all indexes of a table cost the same, and Postgres' own checks of references take any.
@pytest.mark.parametrize("album", ["analyzed", "none"], indirect=True)
def test_to_resolve_a_group_reads_the_group(album: Album) -> None:
    # What goes with a deleted photo is found as Postgres plans the checks of its own references.
    tables = TABLES.replace("image_embeddings,", "")
    (group,) = album.call("list_duplicates", limit=1)["groups"]
    keep, remove = (member["asset_id"] for member in group["members"])
    answer, rows, scans = cost(
        album, lambda: album.call("resolve_duplicates", keep=keep, remove=[remove]), tables
    )
    assert (answer["removed"], scans) == (1, 0)
    assert rows < 1_000
    answer, rows, scans = cost(album, lambda: album.call("keep_duplicates", asset_ids=[keep, remove]))
    assert (answer["pairs"], scans) == (1, 0)
    assert rows < 200
