"""What a job that finds moments may read: its own user's photos, each once, and people who are not hidden."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.clusters import held, read
from tests.sql.moments import LISBON, NOON, clock, feed, give_vectors, occasion, photos, tell
from tests.sql.people import HERE, THERE, contact, face, look, somebody

pytestmark = pytest.mark.stack


@pytest.fixture
def ann(queue: Any) -> str:
    clock(queue)
    return str(queue.user())


def columns(queue: Any, user: str, **args: Any) -> list[dict[str, Any]]:
    return read(queue, held(queue, user), "moments_photos", **args)


def test_photos_come_as_columns_and_null_is_what_nobody_knows(queue: Any, ann: str) -> None:
    [first] = photos(queue, ann, [NOON], LISBON, location_name="Lisbon", file_name="a.jpg")
    [second] = photos(
        queue, ann, [NOON + timedelta(hours=1)], taken_at_source="file_time", media_type="video"
    )
    queue.db.execute(
        "insert into asset_quality (user_id, asset_id, sharpness, exposure, contrast)"
        " values (%s, %s, 3.5, 1, 1)",
        (ann, first),
    )
    queue.db.execute(
        "insert into asset_hashes (user_id, asset_id, sha256, perceptual_hash)"
        " values (%s, %s, repeat('0', 64), b'1' || repeat('0', 63)::bit(63))",
        (ann, first),
    )
    assert columns(queue, ann) == [
        {
            "ids": [first, second],
            "times": [int(NOON.timestamp()), None],
            "offsets": [0, 0],
            "latitudes": [LISBON[0], None],
            "longitudes": [LISBON[1], None],
            "places": ["Lisbon", None],
            "sharpness": [3.5, None],
            "hashes": [-(2**63), None],
            "media": ["image", "video"],
            "precisions": [None, None],
            "names": ["a.jpg", None],
            "face_photos": [],
            "face_people": [],
            "face_sizes": [],
        }
    ]


@pytest.mark.parametrize("limit", [1, 3, 7, 8])
def test_every_photo_comes_once_whatever_the_page(queue: Any, ann: str, limit: int) -> None:
    ben = queue.user()
    own = []
    for hour in range(7):  # two at the same time, now and then
        own += photos(queue, ann, [NOON + timedelta(hours=hour // 2)])
        photos(queue, ben, [NOON + timedelta(hours=hour // 2)])
    pages = columns(queue, ann, limit=limit)
    found = [one for page in pages for one in page["ids"]]
    assert sorted(found) == sorted(own)
    assert max(len(page["ids"]) for page in pages) == min(limit, 7)


def test_times_at_no_day_are_none(queue: Any, ann: str) -> None:
    photos(queue, ann, [NOON])
    queue.db.execute("update assets set taken_at = 'infinity' where user_id = %s", (ann,))
    [page] = columns(queue, ann)
    assert page["times"] == [None]


def test_people_are_those_who_are_named_or_seen_and_nobody_hidden(queue: Any, ann: str) -> None:
    queue.generation("m", "faces")
    ada, hidden = contact(queue, ann, "Ada"), contact(queue, ann, "Hidden")
    [photo] = photos(queue, ann, [NOON])
    look(queue, ann, photo, face(0, HERE, somebody(1)), face(1, THERE, somebody(2)))
    clusters = {}
    for index, person in ((0, ada), (1, hidden)):
        clusters[person] = queue.value(
            "insert into face_clusters (user_id, contact_id, hidden) values (%s, %s, %s) returning id",
            ann,
            person,
            person == hidden,
        )
        queue.db.execute(
            "update face_embeddings set cluster_id = %s where asset_id = %s and face_index = %s",
            (clusters[person], photo, index),
        )
    stranger = queue.value("insert into face_clusters (user_id, name) values (%s, 'S') returning id", ann)
    contact(queue, queue.user(), "Anybody else's")
    people = read(queue, held(queue, ann), "moments_people", limit=1)
    assert {row["id"]: (row["contact_id"], row["cluster_id"], row["name"]) for row in people} == {
        str(ada): (str(ada), None, "Ada"),
        str(stranger): (None, str(stranger), "S"),
    }
    [page] = columns(queue, ann)
    assert set(page["face_people"]) == {str(ada), str(hidden)}
    assert page["face_sizes"] == pytest.approx([0.04, 0.04])
    assert page["face_photos"] == [0, 0]


def test_vectors_are_given_of_ones_own_photos_alone(queue: Any, ann: str) -> None:
    queue.generation("m", dimension=8)
    ben = queue.user()
    [mine], [theirs] = photos(queue, ann, [NOON]), photos(queue, ben, [NOON])
    give_vectors(queue, ann, [mine])
    give_vectors(queue, ben, [theirs])
    rows = read(queue, held(queue, ann), "moments_vectors", assets=[mine, theirs])
    assert [row["asset_id"] for row in rows] == [mine]


def test_what_was_told_is_read_for_a_season(queue: Any, ann: str) -> None:
    occasion(queue, ann, NOON - timedelta(days=1))
    tell(queue, ann)
    [moment] = feed(queue, ann)
    job = held(queue, ann)

    def earlier(days: int) -> list[tuple[str, bool]]:
        clock(queue, NOON + timedelta(days=days))
        return [(row["id"], row["is_live"]) for row in read(queue, job, "moments_earlier")]

    assert earlier(0) == [(moment["id"], True)]
    assert earlier(8) == [(moment["id"], False)]
    assert earlier(92) == []
    queue.db.execute("update moments set expires_at = '2030-01-01' where id = %s", (moment["id"],))
    assert earlier(92) == [(moment["id"], True)]
    queue.db.execute("update moments set dismissed_at = kizu.now() where id = %s", (moment["id"],))
    assert earlier(1) == [(moment["id"], False)]


@pytest.mark.parametrize("born", ["infinity", "0044-03-15 BC", "12000-01-01"])
def test_a_birthday_that_no_calendar_has_is_not_known(queue: Any, ann: str, born: str) -> None:
    queue.db.execute(
        "insert into contacts (user_id, display_name, birth_date) values (%s, 'Gaius', %s)", (ann, born)
    )
    (person,) = read(queue, held(queue, ann), "moments_people")
    assert (person["name"], person["birth_date"]) == ("Gaius", None)


@pytest.mark.parametrize(
    "args", ['{"after": {"at": "x"}}', '{"limit": "many"}', '{"assets": ["x"]}', '{"after": {"id": 7}}']
)
@pytest.mark.parametrize("verb", ["moments_photos", "moments_people", "moments_vectors", "moments_earlier"])
def test_args_that_are_none_never_break(queue: Any, ann: str, verb: str, args: str) -> None:
    job = held(queue, ann)
    question = "select read_for_job('w1', %s, %s, %s, %s, %s)"
    try:
        answer = queue.value(question, job["table"], job["id"], job["epoch"], verb, args)
    except psycopg.DatabaseError as error:
        answer = error.sqlstate
    assert answer in ("PT400", {"rows": [], "next": None})
