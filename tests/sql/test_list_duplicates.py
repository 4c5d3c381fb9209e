"""Groups of duplicates as an app lists them: what is alike, what is not, and which is the best."""

from __future__ import annotations

import random
import uuid
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.duplicates import FINE, LOOKS, Album, bits, turned
from tests.sql.library import like
from tests.sql.people import HERE, THERE, face, look, somebody

pytestmark = pytest.mark.stack


@pytest.fixture
def album(queue: Any) -> Album:
    return Album(queue)


def other(seed: object) -> dict[str, str]:
    """The looks of another picture."""
    return {"looks": bits(f"looks {seed}", 64), "fine": bits(f"fine {seed}", 256)}


def test_the_same_bytes_are_exact_duplicates_whatever_is_known_besides(album: Album) -> None:
    album.photo("a", sha256="a" * 64, similarity=None)
    album.photo("b", sha256="a" * 64, similarity=None)
    album.photo("c", sha256="c" * 64, **other("c"))
    assert album.together() == album.together("exact") == [{"a", "b"}]
    assert album.together("near") == album.together("burst") == []


@pytest.mark.parametrize(
    ("looks", "why", "near"),
    [
        ({}, "all the same", True),
        ({"looks": turned(LOOKS, 7)}, "7 of 64 bits", True),
        ({"looks": turned(LOOKS, 8)}, "8 of 64 bits", False),
        ({"fine": turned(FINE, 40)}, "40 of 256 bits", True),
        ({"fine": turned(FINE, 41)}, "41 of 256 bits: another page of the same layout", False),
        ({"contrast": 9.9}, "nearly one colour", False),
        ({"looks": None, "fine": None, "contrast": 0}, "blank", False),
        ({"similarity": 0.81}, "vectors alike", True),
        ({"similarity": 0.79}, "vectors of something else", False),
        ({"similarity": None}, "without a vector", False),
    ],
)
def test_near_duplicates_share_hash_fine_hash_and_vector(
    album: Album, looks: dict[str, Any], why: str, near: bool
) -> None:
    album.photo("a")
    album.photo("b", **looks)
    assert album.together("near") == ([{"a", "b"}] if near else []), why
    assert album.together("exact") == []


@pytest.mark.parametrize("seed", range(40))
def test_seven_bits_are_found_wherever_they_are(album: Album, seed: int) -> None:
    album.photo("a")
    album.photo("b", looks=turned(LOOKS, 7, seed))
    assert album.together() == [{"a", "b"}]


NOON = "2026-05-01T12:00:00Z"


@pytest.mark.parametrize(
    ("columns", "why", "burst"),
    [
        ({"taken_at": "2026-05-01T12:00:03Z"}, "three seconds", True),
        ({"taken_at": "2026-05-01T12:00:04Z"}, "four seconds", False),
        ({"taken_at": "2026-05-01T12:00:01Z", "width": 3000, "height": 4000}, "turned", True),
        ({"taken_at": "2026-05-01T12:00:01Z", "width": 3000, "height": 2000}, "another camera", False),
        ({"taken_at": "2026-05-01T12:00:01Z", "similarity": 0.91}, "alike", True),
        ({"taken_at": "2026-05-01T12:00:01Z", "similarity": 0.89}, "the other way", False),
        ({"taken_at": NOON, "taken_at_precision": "day"}, "a day is no moment", False),
        ({"taken_at": NOON, "taken_at_source": "file_time"}, "copied in the same moment", False),
        ({"taken_at": None}, "nobody knows when", False),
    ],
)
def test_bursts_are_of_one_camera_within_seconds_and_alike(
    album: Album, columns: dict[str, Any], why: str, burst: bool
) -> None:
    album.photo("a", taken_at=NOON, **other(1))
    album.photo("b", **other(2), **columns)
    assert album.together("burst") == ([{"a", "b"}] if burst else []), why
    assert album.together("near") == []


def test_a_burst_is_one_group_however_long(album: Album) -> None:
    for second in range(0, 12, 2):
        album.photo(f"{second:02}", taken_at=f"2026-05-01T12:00:{second:02}Z", **other(second))
    assert album.together("burst") == [{"00", "02", "04", "06", "08", "10"}]


def test_kinds_are_within_each_other(album: Album) -> None:
    album.photo("a", sha256="a" * 64, taken_at=NOON)
    album.photo("copy", sha256="a" * 64, taken_at=NOON)
    album.photo("small", looks=turned(LOOKS, 3))
    album.photo("next", taken_at="2026-05-01T12:00:02Z", **other("next"))
    assert album.together("exact") == [{"a", "copy"}]
    assert album.together("near") == [{"a", "copy", "small"}]
    assert album.together("burst") == album.together() == [{"a", "copy", "small", "next"}]
    (group,) = album.call("list_duplicates")["groups"]
    assert group["kind"] == "burst"
    why = {album.names[member["asset_id"]]: member["why"] for member in group["members"]}
    kinds = sorted(reason["kind"] for reason in why.values() if reason)
    assert kinds == ["burst", "exact", "near"]


def test_users_have_no_duplicates_in_common(queue: Any, album: Album) -> None:
    album.photo("a", sha256="a" * 64)
    another = Album(queue)
    another.photo("b", sha256="a" * 64)
    assert album.together() == another.together() == []


@pytest.mark.parametrize(
    ("worse", "why"),
    [
        ({"sharpness": 8}, "blurred"),
        ({"exposure": 0.7}, "too dark"),
        ({"width": 2000, "height": 1500}, "smaller"),
        ({"sharpness": 15, "contrast": 100}, "no sharper, but lighter"),
    ],
)
def test_the_best_is_sharp_well_exposed_and_large(album: Album, worse: dict[str, Any], why: str) -> None:
    for number in (1, 2):
        album.photo(f"worse {number}", **worse)
    album.photo("best")
    (group,) = album.call("list_duplicates")["groups"]
    assert album.named(group)[0] == "best", why
    assert group["best"] == album.ids["best"]
    scores = [member["score"] for member in group["members"]]
    assert scores[0] > scores[1] == scores[2]
    assert 0 < scores[0] <= 1


def test_of_photos_as_good_the_one_with_most_pixels_and_bytes_is_first(album: Album) -> None:
    album.photo("compressed", size=500)
    album.photo("cut", width=3980, height=2980, size=2000)
    album.photo("original", size=1000, sharpness=9.9)
    assert album.groups() == [["original", "compressed", "cut"]]


def test_what_is_not_measured_of_one_does_not_count_against_it(album: Album) -> None:
    album.photo("measured", sha256="a" * 64, size=500)
    unmeasured = album.photo("unmeasured", sha256="a" * 64, size=1000)
    album.queue.db.execute("delete from asset_quality where asset_id = %s", (unmeasured,))
    assert album.groups("exact") == [["unmeasured", "measured"]]


def test_the_worst_face_decides_where_all_else_is_the_same(album: Album) -> None:
    queue = album.queue
    queue.generation("m", "faces")
    for name, qualities in (("blink", (0.9, 0.2)), ("smile", (0.7, 0.6))):
        asset = album.photo(name, taken_at=NOON)
        look(queue, album.user, asset, face(0, HERE, somebody(1)), face(1, THERE, somebody(2)))
        for index, quality in enumerate(qualities):
            queue.db.execute(
                "update face_embeddings set quality = %s where asset_id = %s and face_index = %s",
                (quality, asset, index),
            )
    (group,) = album.call("list_duplicates")["groups"]
    assert album.named(group) == ["smile", "blink"]
    assert [round(member["face_quality"], 1) for member in group["members"]] == [0.6, 0.2]


def test_pages_go_on_where_the_one_before_ended(album: Album) -> None:
    for day in range(1, 8):
        for copy in ("a", "b"):
            album.photo(f"{day}{copy}", sha256=f"{day}" * 64, taken_at=f"2026-05-0{day}", **other(day))
    pages, after = [], None
    while True:
        answer = album.call("list_duplicates", limit=3, after=after)
        pages.append([set(album.named(group)) for group in answer["groups"]])
        if (after := answer["next"]) is None:
            break
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [group for page in pages for group in page] == [{f"{day}a", f"{day}b"} for day in range(7, 0, -1)]


def every_page(album: Album, **asked: Any) -> list[Any]:
    """The groups of all pages, each with the members of all of its own pages."""
    groups, after = [], None
    while True:
        page = album.call("list_duplicates", after=after, **asked)
        for group in page["groups"]:
            rest = group
            while rest["next"]:
                more = album.call("list_duplicates", after=rest["next"], **asked)
                assert more["next"] is None
                (rest,) = more["groups"]
                assert (rest["best"], rest["count"]) == (group["best"], group["count"])
                group["members"] += rest["members"]
            groups.append(group)
        if (after := page["next"]) is None:
            return groups


def many(album: Album, count: int, pairs: list[tuple[int, int]], kind: str = "exact") -> list[str]:
    """So many photos, a second after the other, that are alike in these pairs by the first of each."""
    ids = [str(uuid.uuid4()) for _ in range(count)]
    album.queue.db.execute(
        "insert into assets (id, user_id, path, media_type, taken_at) select id::uuid, %(user)s::uuid,"
        " %(user)s || '/' || id, 'document', '2026-05-01T12:00Z'::timestamptz + number * interval '1 second'"
        " from unnest(%(ids)s::text[]) with ordinality as photo (id, number)",
        {"user": album.user, "ids": ids},
    )
    album.queue.db.execute(
        "insert into kizu.alike (user_id, asset_id, other_id, kind, at)"
        " select %s, one, other, %s, (select taken_at from assets where id = one)"
        " from unnest(%s::uuid[], %s::uuid[]) as pair (one, other)",
        (album.user, kind, [ids[one] for one, _ in pairs], [ids[other] for _, other in pairs]),
    )
    return ids


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ([(one, one - 1) for one in range(1, 230)], "each by the one before it"),
        (
            [(one, one - 1) for one in range(1, 230, 2)] + [(one - 1, one) for one in range(2, 230, 2)],
            "mixed",
        ),
        ([(one, hub) for hub in range(3) for one in range(3, 230)], "all by the same three, the oldest"),
        ([(one, hub) for hub in range(227, 230) for one in range(227)], "all by the same three, the newest"),
    ],
)
def test_a_group_of_more_than_a_page_is_one(album: Album, pairs: list[tuple[int, int]], why: str) -> None:
    ids = many(album, 230, pairs)
    assert len(album.call("list_duplicates")["groups"][0]["members"]) == 100
    for limit in (1, 100):
        (group,) = every_page(album, limit=limit)
        assert (group["count"], group["more"]) == (230, False), why
        assert sorted(member["asset_id"] for member in group["members"]) == sorted(ids), why
        assert group["members"][0]["asset_id"] == group["best"]


def test_of_very_many_500_come_first(album: Album) -> None:
    ids = many(album, 620, [(one, hub) for hub in range(20) for one in range(20, 620)])
    (group,) = every_page(album)
    assert (group["count"], group["more"]) == (500, True)
    assert len({member["asset_id"] for member in group["members"]}) == 500
    shown = {member["asset_id"] for member in group["members"]} & set(ids[20:619])
    album.call("resolve_duplicates", keep=ids[619], remove=sorted(shown)[:100])
    album.queue.db.execute("delete from kizu.alike where asset_id <> all (select id from assets)")
    (group,) = every_page(album)
    assert (group["count"], group["more"]) == (500, True)


@pytest.mark.parametrize("seed", range(12))
def test_every_photo_is_in_one_group_of_all_pages(album: Album, seed: int) -> None:
    dice = random.Random(seed)
    count = 24
    pairs = {tuple(dice.sample(range(count), 2)) for _ in range(dice.choice([8, 20, 40]))}
    pairs -= {(other, one) for one, other in pairs if one < other}
    ids = many(album, count, sorted(pairs))
    apart = [dice.sample(ids, 2) for _ in range(seed % 4 * 3)]
    for pair in apart:
        album.call("keep_duplicates", asset_ids=pair)
    groups = [{member["asset_id"] for member in group["members"]} for group in every_page(album, limit=2)]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert not any(set(pair) <= group for pair in apart for group in groups)
    if not apart:
        of = list(range(count))
        for one, other in pairs:
            of = [of[one] if label == of[other] else label for label in of]
        alike = [{ids[place] for place in range(count) if of[place] == label} for label in set(of)]
        assert sorted(map(sorted, groups)) == sorted(sorted(group) for group in alike if len(group) > 1)


def test_a_photo_without_its_file_is_never_the_best(album: Album) -> None:
    album.photo("lost", stored=False, width=8000, height=6000)
    album.photo("there", width=400, height=300, sharpness=5)
    assert album.groups() == [["there", "lost"]]


def test_a_group_that_is_no_more_has_no_further_members(album: Album) -> None:
    ids = many(album, 130, [(one, one - 1) for one in range(1, 130)])
    (group,) = album.call("list_duplicates")["groups"]
    assert album.call("list_duplicates", after={**group["next"], "from": 10**6})["groups"][0]["members"] == []
    album.queue.db.execute("delete from kizu.alike where asset_id = %s", (ids[129],))
    page = album.call("list_duplicates", after=group["next"])
    assert (page["groups"], page["next"]) == ([], None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "all"},
        {"limit": 0},
        {"limit": 101},
        {"after": {"at": "yesterday's", "id": str(uuid.uuid4())}},
        {"after": {"at": "2026-05-01T00:00:00Z", "id": "7"}},
        {"after": {}},
        {"after": {"at": "2026-05-01T00:00:00Z", "id": str(uuid.uuid4()), "part": "1", "from": 100}},
        {"after": {"at": "2026-05-01T00:00:00Z", "id": str(uuid.uuid4()), "part": 1}},
        {"after": {"at": "2026-05-01T00:00:00Z", "id": str(uuid.uuid4()), "part": 1, "from": 10**12}},
        {"after": Jsonb([])},
        {"after": Jsonb("2026-05-01")},
        {"after": Jsonb(3)},
    ],
)
def test_what_makes_no_sense_is_refused(album: Album, wrong: dict[str, Any]) -> None:
    with pytest.raises(psycopg.Error, match="bad_params") as refusal:
        album.call("list_duplicates", **wrong)
    assert refusal.value.sqlstate == "PT400"


@pytest.mark.parametrize("end", ["294276-12-31 23:59:59+00", "4713-01-01 00:00:00+00 BC", "infinity"])
def test_a_time_that_is_none_stops_nobody(album: Album, end: str) -> None:
    album.photo("never", taken_at=end, sha256="7" * 64)
    album.photo("copy", sha256="7" * 64, **other(1))
    assert album.call("list_duplicates", kind="exact")["left"] == 0
    assert album.together("exact") == [{"never", "copy"}]


def test_a_group_stays_together_when_who_stood_between_is_gone(album: Album) -> None:
    first = album.photo("first", looks=turned(LOOKS, 6, 1))
    between = album.photo("between")
    album.photo("last", looks=turned(LOOKS, 3, 1))
    album.photo("far", looks=turned(LOOKS, 5, 2))
    assert album.together() == [{"first", "between", "last", "far"}]
    album.queue.db.execute("delete from assets where id = %s", (between,))
    assert {"first", "last"} <= album.together()[0]
    album.queue.db.execute("delete from assets where id = %s", (first,))
    assert all("first" not in group for group in album.together())


def test_many_copies_of_one_file_are_one_group_also_without_the_first(album: Album) -> None:
    copies = [album.photo(f"{number}", sha256="a" * 64) for number in range(30)]
    assert [len(group) for group in album.groups("exact")] == [30]
    for copy in copies[:25]:
        album.queue.db.execute("delete from assets where id = %s", (copy,))
    assert album.together("exact") == [{"25", "26", "27", "28", "29"}]


def test_another_time_or_file_is_another_neighbourhood(album: Album) -> None:
    a = album.photo("a", taken_at=NOON, **other(1))
    album.photo("b", taken_at="2026-05-01T12:00:01Z", **other(2))
    assert album.together() == [{"a", "b"}]
    with album.queue.acting("authenticated", album.user):
        album.queue.db.execute("update assets set taken_at = '2026-06-01T12:00:00Z' where id = %s", (a,))
    assert album.together() == []
    album.look(
        a,
        sha256="d" * 64,
        looks=other(2)["looks"],
        fine=other(2)["fine"],
        sharpness=1,
        exposure=1,
        contrast=50,
    )
    assert album.together() == [{"a", "b"}]


def test_vectors_of_the_generation_that_answers_decide(album: Album) -> None:
    queue = album.queue
    album.photo("a")
    b = album.photo("b")
    queue.generation("n", "pictures", 8)
    for asset, similarity in ((album.ids["a"], 1), (b, 0.1)):
        queue.db.execute(
            "insert into image_embeddings (user_id, asset_id, embedding, model_version)"
            " values (%s, %s, %s, 'n')",
            (album.user, asset, like(similarity)),
        )
    assert album.together() == [{"a", "b"}]
    queue.db.execute(
        "update generations set state = 'former' where kind = 'pictures' and model_version = 'm'"
    )
    queue.db.execute(
        "update generations set state = 'active', activated_at = now()"
        " where kind = 'pictures' and model_version = 'n'"
    )
    assert album.together() == []


def test_nothing_is_left_of_photos_that_are_gone(album: Album) -> None:
    a, b = album.photo("a"), album.photo("b")
    album.photo("c")
    album.call("keep_duplicates", asset_ids=[a, b])
    album.call("resolve_duplicates", keep=a, remove=[b])
    queue = album.queue
    held = (
        "select count(*) from kizu.{} where user_id = %s",
        "select count(*) from kizu.{} where asset_id = %s or other_id = %s",
    )
    assert (
        queue.value(held[1].format("alike"), b, b)
        == queue.value(held[1].format("kept_duplicates"), b, b)
        == 0
    )
    queue.db.execute("delete from auth.users where id = %s", (album.user,))
    for table in ("alike", "unmatched", "kept_duplicates", "resolved_duplicates"):
        assert queue.value(held[0].format(table), album.user) == 0, table


def test_photos_that_come_at_the_same_time_are_found(album: Album, connect: Any) -> None:
    """Of two settlements that do not see each other's photos, one leaves its own in the line."""
    queue = album.queue
    first, second = (queue.asset(album.user) for _ in range(2))
    album.names |= {first: "first", second: "second"}
    insert = "insert into asset_hashes (user_id, asset_id, sha256) values (%s, %s, %s)"
    one, other = connect(), connect()
    with one.transaction():
        one.execute(insert, (album.user, first, "a" * 64))
        with other.transaction():
            other.execute(insert, (album.user, second, "a" * 64))
    assert album.together() == [{"first", "second"}]


def test_a_job_is_settled_though_its_photo_cannot_be_matched(album: Album) -> None:
    with album.queue.db.transaction(force_rollback=True):
        album.queue.db.execute(
            "create or replace function kizu.match_photo(p_user uuid, p_asset uuid) returns void"
            " language plpgsql as 'begin raise exception ''broken''; end;'"
        )
        album.photo("a")
        assert album.queue.value("select count(*) from kizu.unmatched where user_id = %s", album.user) == 2
