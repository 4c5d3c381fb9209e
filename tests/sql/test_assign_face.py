"""Owners say who a face is, and all their photos know it then, to come or looked at before."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import Queue, acting, wait_until_locked
from tests.sql.people import HERE, THERE, contact, face, faces_of, look, name_face, somebody

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def model(queue: Any) -> int:
    """The generation of faces that answers."""
    return int(queue.generation("m", "faces"))


@pytest.fixture
def user(queue: Any) -> str:
    return str(queue.user())


def assign(queue: Any, user: str, face_id: Any, contact_id: str | None = None, **more: Any) -> dict[str, Any]:
    arguments = {"p_face_id": face_id, "p_contact_id": contact_id, **more}
    names = ", ".join(f"{name} => %s" for name in arguments)
    with queue.acting("authenticated", user):
        return dict(queue.value(f"select assign_face({names})", *arguments.values()))


def spread(queue: Any, user: str, limit: int = 5000) -> dict[str, Any]:
    with queue.acting("authenticated", user):
        return dict(queue.value("select spread_names(%s)", limit))


def photo(queue: Any, user: str, *vectors: str, model: str = "m") -> str:
    asset = str(queue.asset(user))
    boxes = [HERE, THERE, {"x": 0.8, "y": 0.1, "width": 0.1, "height": 0.1}]
    look(queue, user, asset, *(face(n, boxes[n], vector, model) for n, vector in enumerate(vectors)))
    return asset


def said(queue: Any, asset: str, model: str = "m") -> list[tuple[str, bool]]:
    """Of each face: its contact, and whether that is only what we took it for."""
    return [(str(row["contact_id"]), row["recognised"]) for row in faces_of(queue, asset, model)]


def first(queue: Any, asset: str) -> Any:
    return faces_of(queue, asset)[0]["id"]


def tags(queue: Any, user: str, asset: str) -> list[tuple[str, bool]]:
    """People in a photo as its owner sees them, and whether each was recognised."""
    with queue.acting("authenticated", user):
        rows = queue.rows(
            "select tag_value, tagged_by ? 'similarity' as alike from asset_tags"
            " where asset_id = %s and tag_type = 'person' order by 1",
            asset,
        )
    return [(row["tag_value"], row["alike"]) for row in rows]


NOBODY = ("None", False)


def test_photos_seen_before_learn_the_name(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    named = photo(queue, user, somebody(1))
    alike = photo(queue, user, somebody(2), somebody(1, blur=0.5))
    other = photo(queue, user, somebody(3))

    answer = assign(queue, user, first(queue, named), ada)

    face_id = faces_of(queue, named)[0]["face_id"]
    assert answer == {
        "status": "assigned",
        "face_id": str(face_id),
        "contact_id": ada,
        "recognised": 1,
        "taken_back": 0,
        "left": 0,
    }
    assert said(queue, named) == [(ada, False)]
    assert said(queue, alike) == [NOBODY, (ada, True)]
    assert said(queue, other) == [NOBODY]
    assert tags(queue, user, named) == [("Ada", False)]
    assert tags(queue, user, alike) == [("Ada", True)]
    assert tags(queue, user, other) == []


def test_a_photo_that_comes_later_is_told_like_one_that_came_before(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    before = photo(queue, user, somebody(1, blur=0.4), somebody(2))
    named = photo(queue, user, somebody(1))
    assign(queue, user, first(queue, named), ada)
    later = photo(queue, user, somebody(1, blur=0.4), somebody(2))
    assert said(queue, before) == said(queue, later) == [(ada, True), NOBODY]
    columns = "tag_type, tag_value, contact_id, face_index, created_by, model_version, tagged_by"
    one, other = (
        queue.rows(f"select {columns} from asset_tags where asset_id = %s", a) for a in (before, later)
    )
    assert one == other


def test_a_name_makes_a_contact_once(queue: Any, user: str) -> None:
    assets = [photo(queue, user, somebody(n)) for n in (1, 2)]
    one = assign(queue, user, first(queue, assets[0]), p_name="  Ada Lovelace ")
    two = assign(queue, user, first(queue, assets[1]), p_name="Ada Lovelace")
    assert one["contact_id"] == two["contact_id"]
    assert queue.rows("select display_name from contacts where user_id = %s", user) == [
        {"display_name": "Ada Lovelace"}
    ]


@pytest.mark.parametrize("name", ["", "  ", "a" * 501, "Ada\x1b[2J"])
def test_a_name_is_some_characters(queue: Any, user: str, name: str) -> None:
    asset = photo(queue, user, somebody(1))
    with pytest.raises(psycopg.Error, match="bad_params") as caught:
        assign(queue, user, first(queue, asset), p_name=name)
    assert caught.value.sqlstate == "PT400"
    with pytest.raises(psycopg.Error, match="bad_params"):
        assign(queue, user, first(queue, asset), contact(queue, user), p_name="Ada")


def test_a_face_is_meant_by_any_of_its_ids(queue: Any, user: str) -> None:
    queue.generation("n", "faces")
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    asset = photo(queue, user, somebody(1))
    look(queue, user, asset, face(0, HERE, somebody(11), "n"))
    [one], [other] = faces_of(queue, asset), faces_of(queue, asset, "n")
    for face_id, who in ((one["id"], ada), (other["id"], bob), (one["face_id"], ada)):
        assign(queue, user, face_id, who)
        assert said(queue, asset) == said(queue, asset, "n") == [(who, False)]


def test_what_is_anothers_is_not_there(queue: Any, user: str) -> None:
    other = queue.user()
    mine, theirs = photo(queue, user, somebody(1)), photo(queue, other, somebody(1))
    wishes: list[tuple[Any, str | None]] = [
        (first(queue, theirs), contact(queue, user)),
        (faces_of(queue, theirs)[0]["face_id"], contact(queue, user)),
        (first(queue, theirs), None),
        (uuid.uuid4(), contact(queue, user)),
        (first(queue, mine), contact(queue, other)),
        (first(queue, mine), str(uuid.uuid4())),
    ]
    said_of = set()
    for face_id, contact_id in wishes:
        with pytest.raises(psycopg.Error) as caught:
            assign(queue, user, face_id, contact_id)
        said_of.add(
            (caught.value.sqlstate, caught.value.diag.message_primary, caught.value.diag.message_detail)
        )
    assert said_of == {
        ("PT404", "not_found", "there is no such face"),
        ("PT404", "not_found", "there is no such contact"),
    }
    assert said(queue, mine) == said(queue, theirs) == [NOBODY]
    with pytest.raises(psycopg.Error, match="not_found"):
        assign(queue, user, first(queue, theirs), p_name="Ada", p_user=other)
    assert (
        queue.value("select count(*) from contacts where display_name = 'Ada' and user_id = %s", other) == 1
    )


def test_the_service_names_for_a_user_and_only_theirs(queue: Any, user: str) -> None:
    other = queue.user()
    mine, theirs = photo(queue, user, somebody(1)), photo(queue, other, somebody(1))
    with queue.acting("service_role"):
        queue.value("select assign_face(%s, p_name => 'Ada', p_user => %s)", first(queue, mine), user)
        with pytest.raises(psycopg.Error, match="not_found"), queue.db.transaction():
            queue.value("select assign_face(%s, p_name => 'Ada', p_user => %s)", first(queue, theirs), user)
        queue.value("select assign_face(%s, p_name => 'Bob')", first(queue, theirs))
    rows = queue.rows(
        "select user_id::text, display_name from contacts where user_id = any (%s::uuid[]) order by 2",
        [user, other],
    )
    assert [tuple(row.values()) for row in rows] == [(user, "Ada"), (other, "Bob")]
    assert queue.value("select count(*) from face_embeddings where user_id = %s and recognised", user) == 0


def test_nobody_learns_from_anothers_names(queue: Any, user: str) -> None:
    theirs = photo(queue, queue.user(), somebody(1))
    assign(queue, user, first(queue, photo(queue, user, somebody(1))), contact(queue, user))
    assert said(queue, theirs) == [NOBODY]


def test_a_name_that_is_taken_away_does_not_come_back(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    named, mistaken = photo(queue, user, somebody(1)), photo(queue, user, somebody(1, blur=0.4))
    assign(queue, user, first(queue, named), ada)
    assert said(queue, mistaken) == [(ada, True)]

    answer = assign(queue, user, first(queue, mistaken))

    assert (answer["status"], answer["contact_id"], answer["taken_back"]) == ("removed", None, 0)
    assert said(queue, mistaken) == [NOBODY]
    assert tags(queue, user, mistaken) == []
    look(queue, user, mistaken, face(0, HERE, somebody(1, blur=0.4)))
    assert said(queue, mistaken) == [NOBODY], "a second look knows it"
    assign(queue, user, first(queue, photo(queue, user, somebody(1, blur=0.2))), ada)
    assert said(queue, mistaken) == [NOBODY], "as does the next name"
    assert said(queue, named) == [(ada, False)]

    assign(queue, user, first(queue, mistaken), ada)
    assert said(queue, mistaken) == [(ada, False)]
    assert queue.value("select count(*) from kizu.exclusions where user_id = %s", user) == 0


def test_a_run_that_is_taken_back_takes_no_persons_word_along(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    named, mistaken = photo(queue, user, somebody(1)), photo(queue, user, somebody(1, blur=0.4))
    assign(queue, user, first(queue, named), ada)
    assign(queue, user, first(queue, mistaken))
    for asset in (named, mistaken):
        queue.value("select roll_back_runs(%s, false)", Jsonb({"asset_id": asset}))
        look(queue, user, asset, face(0, HERE, somebody(1, blur=0.4)))
    assert said(queue, named) == [(ada, False)]
    assert said(queue, mistaken) == [NOBODY]


def test_what_is_not_ada_may_be_bob(queue: Any, user: str) -> None:
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    one = photo(queue, user, somebody(1))
    asset = photo(queue, user, somebody(1, blur=0.3))
    assign(queue, user, first(queue, one), ada)
    assign(queue, user, first(queue, photo(queue, user, somebody(1, blur=0.8))), bob)
    assert said(queue, asset) == [(ada, True)]
    assign(queue, user, first(queue, asset))
    assert said(queue, asset) == [(bob, True)]


def test_another_name_takes_back_what_the_wrong_one_spread(queue: Any, user: str) -> None:
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    wrong = photo(queue, user, somebody(1))
    right = photo(queue, user, somebody(2))
    by_wrong = [photo(queue, user, somebody(1, blur=0.3)) for _ in range(3)]
    by_right = photo(queue, user, somebody(2, blur=0.3))
    by_hand = photo(queue, user, somebody(1, blur=0.6))
    assign(queue, user, first(queue, wrong), ada)
    assign(queue, user, first(queue, right), ada)
    assign(queue, user, first(queue, by_hand), ada)
    assign(queue, user, first(queue, by_wrong[0]), ada)
    assign(queue, user, first(queue, by_wrong[0]))  # is nobody's now
    assert said(queue, by_wrong[1]) == said(queue, by_right) == [(ada, True)]

    answer = assign(queue, user, first(queue, wrong), bob)

    assert said(queue, wrong) == [(bob, False)]
    assert [said(queue, asset) for asset in by_wrong] == [[(bob, True)]] * 3
    assert (answer["recognised"], answer["taken_back"]) == (3, 2)
    assert said(queue, by_right) == [(ada, True)]
    assert said(queue, by_hand) == [(ada, False)]
    assert tags(queue, user, by_wrong[1]) == [("Bob", True)]

    removed = assign(queue, user, first(queue, wrong))
    assert said(queue, wrong) == [NOBODY]
    # By hand, Ada's other face is like them too.
    assert [said(queue, asset)[0][0] for asset in by_wrong] == ["None", ada, ada]
    assert removed["taken_back"] == 3


def test_a_person_whose_other_faces_are_alike_keeps_what_they_taught(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    named = [photo(queue, user, somebody(1, blur=blur)) for blur in (0.1, 0.2)]
    asset = photo(queue, user, somebody(1))
    for one in named:
        assign(queue, user, first(queue, one), ada)
    assign(queue, user, first(queue, named[0]))
    assert said(queue, asset) == [(ada, True)]
    assign(queue, user, first(queue, named[1]))
    assert said(queue, asset) == [NOBODY]
    assert tags(queue, user, asset) == []


def test_a_person_is_in_a_photo_once(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    asset = photo(queue, user, somebody(1, blur=0.6), somebody(1, blur=0.1))
    named = photo(queue, user, somebody(1))
    assign(queue, user, first(queue, named), ada)
    assert said(queue, asset) == [NOBODY, (ada, True)]
    assign(queue, user, first(queue, asset), ada)
    assert said(queue, asset) == [(ada, False), NOBODY]
    assert tags(queue, user, asset) == [("Ada", False)]


def test_what_people_named_is_never_recognised_anew(queue: Any, user: str) -> None:
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    by_hand = photo(queue, user, somebody(1))
    assign(queue, user, first(queue, by_hand), bob)
    assign(queue, user, first(queue, photo(queue, user, somebody(1))), ada)
    assert said(queue, by_hand) == [(bob, False)]


def test_each_generation_tells_by_its_own_measure(queue: Any, user: str) -> None:
    """Cosines are about 0.6 in both; `n` takes two faces for one from 0.7 on."""
    queue.generation("n", "faces", p_same_face=0.7)
    ada = contact(queue, user)
    named, alike = photo(queue, user, somebody(1)), photo(queue, user, somebody(1, blur=1.25))
    look(queue, user, named, face(0, HERE, somebody(11), "n"))
    look(queue, user, alike, face(0, HERE, somebody(11, blur=1.25), "n"))
    assign(queue, user, first(queue, named), ada)
    assert said(queue, named, "n") == [(ada, False)]
    assert said(queue, alike) == [(ada, True)]
    assert said(queue, alike, "n") == [NOBODY]


def test_names_are_there_when_another_generation_answers(queue: Any, user: str) -> None:
    other = queue.generation("n", "faces")
    ada = contact(queue, user)
    named, alike = photo(queue, user, somebody(1)), photo(queue, user, somebody(1, blur=0.3))
    look(queue, user, named, face(0, HERE, somebody(11), "n"))
    look(queue, user, alike, face(0, HERE, somebody(11, blur=0.3), "n"))
    assign(queue, user, first(queue, named), ada)
    queue.value("select flip_generation(%s, true)", other)
    assert said(queue, alike, "n") == [(ada, True)]
    assert tags(queue, user, alike) == [("Ada", True)]

    assign(queue, user, first(queue, named))
    assert [said(queue, asset, model) for asset in (named, alike) for model in "mn"] == [[NOBODY]] * 4


def test_a_wrong_word_is_taken_back_where_its_model_saw_nothing(queue: Any, user: str) -> None:
    """`n` has no row of the named face, and has taken the word of `m`."""
    queue.generation("n", "faces")
    ada = contact(queue, user)
    named, alike = photo(queue, user, somebody(1)), photo(queue, user, somebody(1, blur=0.3))
    look(queue, user, alike, face(0, HERE, somebody(11), "n"))
    assign(queue, user, first(queue, named), ada)
    assert said(queue, alike) == said(queue, alike, "n") == [(ada, True)]
    assign(queue, user, first(queue, named))
    assert said(queue, alike) == said(queue, alike, "n") == [NOBODY]


def test_said_again_it_changes_nothing(queue: Any, user: str) -> None:
    ada = contact(queue, user)
    named, alike = photo(queue, user, somebody(1)), photo(queue, user, somebody(1, blur=0.3))
    assign(queue, user, first(queue, named), ada)
    everything = "select xmin::text, * from face_embeddings order by id"
    before = queue.rows(everything), queue.rows("select * from asset_tags order by id")
    answer = assign(queue, user, first(queue, named), ada)
    assert (answer["recognised"], answer["taken_back"], answer["left"]) == (0, 0, 0)
    assert (queue.rows(everything), queue.rows("select * from asset_tags order by id")) == before
    assign(queue, user, first(queue, alike), ada)
    assert said(queue, alike) == [(ada, False)], "confirmed"


def test_a_face_is_in_the_cluster_of_whoever_it_is_said_to_be(queue: Any, user: str) -> None:
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    make = "insert into face_clusters (user_id, contact_id) values (%s, %s) returning id"
    of_ada, of_bob = queue.value(make, user, ada), queue.value(make, user, bob)
    of_nobody = queue.value(make, user, None)
    asset = photo(queue, user, somebody(1))
    one = first(queue, asset)
    for cluster, who, comes_to in ((of_ada, ada, of_ada), (of_ada, bob, of_bob), (of_nobody, ada, of_ada)):
        queue.db.execute(
            "update face_embeddings set cluster_id = %s, contact_id = null where id = %s", (cluster, one)
        )
        assign(queue, user, one, who)
        assert faces_of(queue, asset)[0]["cluster_id"] == comes_to
    assign(queue, user, one)
    assert faces_of(queue, asset)[0]["cluster_id"] is None


# Large libraries: a page at once, the rest by and by.


def fill(queue: Any, user: str, count: int, *, people: int = 20) -> list[str]:
    """A library of so many photos with one face each, of these people in turn; answers the first 20."""
    chance = random.Random(count)
    centres = [[chance.gauss(0, 1) for _ in range(8)] for _ in range(people)]
    # So many rows without triggers, not even those that look whether each row's user exists.
    queue.db.execute("set session_replication_role = replica")
    queue.db.execute(
        "insert into assets (id, user_id, path, media_type)"
        " select md5(%(user)s::text || n)::uuid, %(user)s::uuid, %(user)s::text || '/' || n, 'document'"
        "   from generate_series(1, %(count)s) as n",
        {"user": user, "count": count},
    )
    queue.db.execute(
        "insert into face_embeddings (user_id, asset_id, embedding, bounding_box, model_version)"
        " select %(user)s::uuid, md5(%(user)s::text || n)::uuid,"
        "        (%(centres)s::text[])[1 + n %% %(people)s]::extensions.vector, %(box)s, 'm'"
        "   from generate_series(1, %(count)s) as n",
        {
            "user": user,
            "count": count,
            "people": people,
            "centres": [str(centre) for centre in centres],
            "box": Jsonb(HERE),
        },
    )
    queue.db.execute("reset session_replication_role")
    queue.db.execute(
        "insert into kizu.face_vectors (id, face_id, asset_id, user_id, model_version, embedding)"
        " select id, face_id, asset_id, user_id, model_version,"
        "        extensions.l2_normalize(embedding)::extensions.halfvec"
        "   from face_embeddings where user_id = %s",
        (user,),
    )
    return [str(queue.value("select md5(%s::text || %s::int)::uuid", user, n)) for n in range(1, 21)]


@pytest.fixture
def small(queue: Any) -> Iterator[None]:
    """The generation that answers holds vectors of 8 numbers, without an index: rows come and go quickly."""
    queue.db.execute(
        "select kizu.unindex_generation(generation) from generations as generation where model_version = 'm'"
    )
    queue.db.execute("update generations set dimension = 8, same_face = 0.999 where model_version = 'm'")
    yield
    queue.db.execute("set session_replication_role = replica")
    for table in ("asset_tags", "kizu.face_vectors", "face_embeddings", "assets"):
        queue.db.execute(f"delete from {table}")
    queue.db.execute("reset session_replication_role")


@pytest.mark.usefixtures("small")
def test_what_one_call_leaves_others_finish(queue: Any, user: str) -> None:
    assets = fill(queue, user, 2000, people=4)
    answer = assign(queue, user, first(queue, assets[0]), contact(queue, user))
    assert 0 < answer["recognised"] < 500
    assert answer["left"] > 0
    named, left = answer["recognised"], answer["left"]
    while True:
        page = spread(queue, user, 500)
        named += page["recognised"]
        assert page["left"] < left
        left = page["left"]
        if not page["more"]:
            break
    assert (named, left) == (499, 0)
    assert queue.value("select count(*) from asset_tags where user_id = %s", user) == 500
    assert spread(queue, user) == {"recognised": 0, "taken_back": 0, "left": 0, "more": False}


@pytest.mark.usefixtures("small")
def test_a_name_that_changes_half_way_leaves_nothing_behind(queue: Any, user: str) -> None:
    assets = fill(queue, user, 2000, people=4)
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    one = first(queue, assets[0])
    assign(queue, user, one, ada)
    spread(queue, user, 300)
    assign(queue, user, one, bob)
    while spread(queue, user)["more"]:
        pass
    count = "select contact_id::text, count(*) from face_embeddings where contact_id is not null group by 1"
    assert queue.rows(count) == [{"contact_id": bob, "count": 500}]
    assign(queue, user, one)
    while spread(queue, user)["more"]:
        pass
    assert queue.rows(count) == []
    assert queue.value("select count(*) from asset_tags where user_id = %s", user) == 0


@pytest.mark.usefixtures("small")
def test_a_user_goes_on_with_their_own_names(queue: Any, user: str) -> None:
    assets = fill(queue, user, 1000, people=1)
    assign(queue, user, first(queue, assets[0]), contact(queue, user))
    another = queue.user()
    assert spread(queue, another) == {"recognised": 0, "taken_back": 0, "left": 0, "more": False}
    with queue.acting("kizu_worker"):
        assert queue.value("select spread_names()")["recognised"] > 0


WORK = """
    select (select sum(pg_stat_get_xact_tuples_fetched(indexrelid)) from pg_index where indrelid = id)::int
             as fetched,
           (pg_stat_get_xact_tuples_updated(id))::int as updated,
           (pg_stat_get_xact_numscans(id))::int as scans
      from (select 'public.face_embeddings'::regclass::oid as id) as faces
"""


@pytest.mark.usefixtures("small")
def test_one_call_does_as_much_for_a_hundred_thousand_faces_as_for_ten_thousand(queue: Any) -> None:
    cost = {}
    for count in (10_000, 100_000):
        user = queue.user()
        assets = fill(queue, user, count)
        queue.db.execute("vacuum (analyze) face_embeddings, kizu.face_vectors")
        ada = contact(queue, user)
        for verb in ("assign", "spread"):
            one = first(queue, assets[0])
            queue.db.execute("select pg_stat_force_next_flush()")
            with queue.acting("authenticated", user):
                if verb == "assign":
                    queue.value("select assign_face(%s, %s)", one, ada)
                else:
                    queue.value("select spread_names()")
                queue.db.execute("reset role")
                [cost[verb, count]] = queue.rows(WORK)
    for verb in ("assign", "spread"):
        small, large = cost[verb, 10_000], cost[verb, 100_000]
        assert large["scans"] == small["scans"] == 0, cost
        assert max(large["updated"], small["updated"]) <= 202, cost
        assert large["fetched"] <= 1.2 * small["fetched"] + 100, cost


# At the same time.


def test_a_photo_that_is_settled_meanwhile_learns_the_name(
    queue: Any, user: str, connect: Callable[[], psycopg.Connection]
) -> None:
    ada, named = contact(queue, user), photo(queue, user, somebody(1))
    asset, kind = queue.asset(user), queue.kind()
    queue.enqueue(kind, user, asset)
    job, one = queue.take(kind), first(queue, named)
    write = {"table": "face_embeddings", "rows": [face(0, HERE, somebody(1, blur=0.3))]}

    namer, worker = connect(), connect()
    with ThreadPoolExecutor(1) as pool:
        with acting(namer, "authenticated", user):
            namer.execute("select assign_face(%s, %s)", (one, ada))
            settled = pool.submit(Queue(worker).settle, job, writes=[write])
            wait_until_locked(queue, worker)
        assert settled.result(30)["answer"] == "settled"
    assert said(queue, asset) == [(ada, True)]


def test_who_names_waits_for_a_settlement_and_sees_its_photo(
    queue: Any, user: str, connect: Callable[[], psycopg.Connection]
) -> None:
    ada, named = contact(queue, user), photo(queue, user, somebody(1))
    asset, kind = queue.asset(user), queue.kind()
    queue.enqueue(kind, user, asset)
    job, one = queue.take(kind), first(queue, named)
    write = {"table": "face_embeddings", "rows": [face(0, HERE, somebody(1, blur=0.3))]}

    namer, worker = Queue(connect()), Queue(connect())
    with ThreadPoolExecutor(1) as pool:
        with worker.db.transaction():
            assert worker.settle(job, writes=[write])["answer"] == "settled"
            naming = pool.submit(assign, namer, user, one, ada)
            wait_until_locked(queue, namer.db)
        assert naming.result(30)["recognised"] == 1
    assert said(queue, asset) == [(ada, True)]


def test_users_name_without_waiting_for_each_other(
    queue: Any, user: str, connect: Callable[[], psycopg.Connection]
) -> None:
    other = queue.user()
    mine, theirs = photo(queue, user, somebody(1)), photo(queue, other, somebody(1))
    faces = first(queue, mine), first(queue, theirs)
    one = connect()
    with acting(one, "authenticated", user):
        one.execute("select assign_face(%s, p_name => 'Ada')", (faces[0],))
        assert assign(queue, other, faces[1], p_name="Bob")["status"] == "assigned"


def test_who_names_waits_for_the_deletion_of_a_contact(
    queue: Any, user: str, connect: Callable[[], psycopg.Connection]
) -> None:
    ada, bob, asset = contact(queue, user), contact(queue, user, "Bob"), photo(queue, user, somebody(1))
    one = first(queue, asset)
    assign(queue, user, one, ada)
    namer, remover = Queue(connect()), connect()
    with ThreadPoolExecutor(1) as pool:
        with acting(remover, "authenticated", user):
            remover.execute("delete from contacts where id = %s", (ada,))
            naming = pool.submit(assign, namer, user, one, bob)
            wait_until_locked(queue, namer.db)
        assert naming.result(30)["status"] == "assigned"
    assert said(queue, asset) == [(bob, False)]
    assert queue.value("select count(*) from kizu.exclusions where user_id = %s", user) == 0


def test_a_photo_of_somebody_who_is_deleted_meanwhile_is_settled_without_them(
    queue: Any, user: str, connect: Callable[[], psycopg.Connection]
) -> None:
    """Refused, it would be looked at no more, as a photo that breaks a rule."""
    ada, asset = contact(queue, user), photo(queue, user, somebody(1))
    assign(queue, user, first(queue, asset), ada)
    later, kind = queue.asset(user), queue.kind()
    queue.enqueue(kind, user, later)
    job = queue.take(kind)
    write = {"table": "face_embeddings", "rows": [face(0, HERE, somebody(1, blur=0.3))]}
    worker, remover = Queue(connect()), connect()
    with ThreadPoolExecutor(1) as pool:
        with acting(remover, "authenticated", user):
            remover.execute("delete from contacts where id = %s", (ada,))
            settling = pool.submit(worker.settle, job, writes=[write])
            wait_until_locked(queue, worker.db)
        assert settling.result(30)["answer"] == "settled"
    assert said(queue, later) == [("None", False)]


@pytest.mark.parametrize("seed", range(3))
def test_many_at_once_come_to_one_end(
    queue: Any, user: str, connect: Callable[[], psycopg.Connection], seed: int
) -> None:
    """Names and settlements of new photos: nobody is refused for good, and no name is lost."""
    chance = random.Random(seed)
    people = {name: contact(queue, user, name) for name in ("Ada", "Bob", "Cay")}
    assets = [photo(queue, user, somebody(n % 3), somebody((n + 1) % 3, blur=0.3)) for n in range(12)]
    kind = queue.kind()
    later = [queue.asset(user) for _ in range(8)]
    for asset in later:
        queue.enqueue(kind, user, asset)
    jobs = queue.claim(kind, 8)["jobs"]

    def settle(job: Any) -> None:
        write = {"table": "face_embeddings", "rows": [face(0, HERE, somebody(0, blur=0.2))]}
        assert Queue(connections.pop()).settle(job, writes=[write])["answer"] == "settled"

    def name(wish: tuple[Any, str]) -> None:
        namer = Queue(connections.pop())
        while True:
            try:
                assign(namer, user, *wish)
            except psycopg.DatabaseError as refusal:
                if refusal.sqlstate != "PT503":  # who waits too long is to ask again
                    raise
            else:
                break

    wishes = [(first(queue, asset), people[chance.choice(list(people))]) for asset in assets]
    wishes += [(first(queue, assets[0]), people["Ada"])]
    connections = [connect() for _ in range(len(wishes) + len(jobs))]
    work = [(settle, job) for job in jobs] + [(name, wish) for wish in wishes[:-1]]
    chance.shuffle(work)
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(act, what) for act, what in work]:
            done.result(60)
    name(wishes[-1])

    everybody = "select id, contact_id, recognised from face_embeddings order by id"
    once = queue.rows(everybody)
    for asset in [*assets, *later]:
        queue.value("select kizu.recognise_again(%s, array[%s]::uuid[])", user, asset)
    assert queue.rows(everybody) == once, "each photo is as a look now would tell it"


def test_named_by_hand_teaches_as_before(queue: Any, user: str) -> None:
    """As the database's superuser does, and no app can."""
    ada, named = contact(queue, user), photo(queue, user, somebody(1))
    name_face(queue, first(queue, named), ada)
    asset = photo(queue, user, somebody(1, blur=0.3))
    assert said(queue, asset) == [(ada, True)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege), queue.acting("authenticated", user):
        queue.db.execute("update face_embeddings set contact_id = null")
