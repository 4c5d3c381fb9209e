"""One face seen by several models: each has a row of its own for it, and what people say is said of all."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.sql.conftest import Queue, wait_until_locked
from tests.sql.people import HERE, NEARLY_HERE, THERE, contact, face, faces_of, name_face, somebody

pytestmark = pytest.mark.stack

# Two detectors' boxes around one face: the wide one shares 0.44 with the other.
TIGHT = {"x": 0.20, "y": 0.20, "width": 0.20, "height": 0.20}
WIDE = {"x": 0.15, "y": 0.15, "width": 0.30, "height": 0.30}
BESIDE = {"x": 0.32, "y": 0.20, "width": 0.20, "height": 0.20}


@pytest.fixture(autouse=True)
def generations(queue: Any) -> tuple[int, int]:
    """`m` answers, `n` is beside it."""
    return queue.generation("m", "faces"), queue.generation("n", "faces")


def look(queue: Any, user: str, asset: str, model: str, *faces: tuple[dict[str, float], str]) -> None:
    kind = queue.kind()
    queue.enqueue(kind, user, asset)
    rows = [face(index, box, vector, model) for index, (box, vector) in enumerate(faces)]
    write = {"table": "face_embeddings", "scope": {"model_version": model}, "rows": rows}
    answer = queue.settle(queue.take(kind), writes=[write])
    assert answer["answer"] == "settled", answer


def flip(queue: Any, generation: int) -> None:
    queue.value("select flip_generation(%s, true)", generation)


def said(queue: Any, asset: str, model: str) -> list[tuple[str, bool]]:
    """Of each face: its contact, and whether that is only what we took it for."""
    return [(str(row["contact_id"]), row["recognised"]) for row in faces_of(queue, asset, model)]


def face_ids(queue: Any, asset: str, model: str) -> list[Any]:
    return [row["face_id"] for row in faces_of(queue, asset, model)]


def tags(queue: Any, user: str, asset: str) -> list[str]:
    """As their owner sees them."""
    with queue.acting("authenticated", user):
        rows = queue.rows("select tag_value from asset_tags where asset_id = %s order by 1", asset)
    return [row["tag_value"] for row in rows]


def test_one_face_is_the_same_in_each_generation(queue: Any) -> None:
    user = queue.user()
    asset = queue.asset(user)
    look(queue, user, asset, "m", (TIGHT, somebody(1)), (THERE, somebody(2)))
    look(
        queue,
        user,
        asset,
        "n",
        (THERE, somebody(12)),
        (HERE | {"x": 0.8}, somebody(13)),
        (WIDE, somebody(11)),
    )
    first, second = face_ids(queue, asset, "m")
    there, new, wide = face_ids(queue, asset, "n")
    assert (there, wide) == (second, first)
    assert new not in (first, second)
    ids = queue.rows("select id from face_embeddings where asset_id = %s", asset)
    assert len(ids) == 5

    look(queue, user, asset, "m", (TIGHT, somebody(1)), (THERE, somebody(2)))
    look(queue, user, asset, "n", (WIDE, somebody(11)), (THERE, somebody(12)))
    assert face_ids(queue, asset, "m") == face_ids(queue, asset, "n") == [first, second]


def test_a_face_is_the_one_that_it_overlaps_most(queue: Any) -> None:
    user = queue.user()
    asset = queue.asset(user)
    look(queue, user, asset, "m", (TIGHT, somebody(1)), (BESIDE, somebody(2)))
    look(queue, user, asset, "n", (BESIDE | {"x": 0.28}, somebody(12)), (TIGHT | {"x": 0.21}, somebody(11)))
    assert face_ids(queue, asset, "n") == face_ids(queue, asset, "m")[::-1]


@pytest.mark.parametrize(("said_of", "told"), [("m", "n"), ("n", "m")])
def test_what_people_say_is_said_of_all_rows_of_a_face(queue: Any, said_of: str, told: str) -> None:
    user = queue.user()
    asset, ada, bob = queue.asset(user), contact(queue, user), contact(queue, user, "Bob")
    cluster = queue.value("insert into face_clusters (user_id) values (%s) returning id", user)
    look(queue, user, asset, "m", (HERE, somebody(1)), (THERE, somebody(2)))
    look(queue, user, asset, "n", (HERE, somebody(11)), (THERE, somebody(12)))
    row = faces_of(queue, asset, said_of)[0]["id"]
    others = faces_of(queue, asset, told)[1]

    for change, wanted in (
        ("contact_id = %(ada)s", (ada, None)),
        ("contact_id = %(bob)s", (bob, None)),
        ("cluster_id = %(cluster)s", (bob, cluster)),
        ("contact_id = null", (None, cluster)),
        ("cluster_id = null", (None, None)),
    ):
        queue.db.execute(
            f"update face_embeddings set {change}, recognised = false where id = %(row)s",
            {"ada": ada, "bob": bob, "cluster": cluster, "row": row},
        )
        for model in (said_of, told):
            one = faces_of(queue, asset, model)[0]
            assert (one["contact_id"] and str(one["contact_id"]), one["cluster_id"]) == wanted
            assert not one["recognised"]
    assert faces_of(queue, asset, told)[1] == others


def test_what_was_only_recognised_is_not_said_of_other_rows(queue: Any) -> None:
    user = queue.user()
    known, asset, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    look(queue, user, asset, "n", (HERE, somebody(11)))
    look(queue, user, known, "m", (HERE, somebody(1)))
    name_face(queue, faces_of(queue, known)[0]["id"], ada)
    look(queue, user, asset, "m", (HERE, somebody(1)))
    assert said(queue, asset, "m") == [(ada, True)]
    assert said(queue, asset, "n") == [("None", False)]


def test_a_correction_of_what_was_recognised_is_said_of_all_rows(queue: Any) -> None:
    user = queue.user()
    known, asset = queue.asset(user), queue.asset(user)
    ada, bob = contact(queue, user), contact(queue, user, "Bob")
    for model, offset in (("m", 0), ("n", 10)):
        look(queue, user, known, model, (HERE, somebody(1 + offset)))
    name_face(queue, faces_of(queue, known)[0]["id"], ada)
    for model, offset in (("m", 0), ("n", 10)):
        look(queue, user, asset, model, (HERE, somebody(1 + offset)))
        assert said(queue, asset, model) == [(ada, True)]

    name_face(queue, faces_of(queue, asset, "n")[0]["id"], bob)

    assert said(queue, asset, "m") == said(queue, asset, "n") == [(bob, False)]
    look(queue, user, asset, "m", (HERE, somebody(1)))
    assert said(queue, asset, "m") == [(bob, False)]
    assert tags(queue, user, asset) == ["Bob"]


def test_names_given_between_a_flip_and_a_rollback_are_kept(queue: Any, generations: tuple[int, int]) -> None:
    user = queue.user()
    asset, ada, bob = queue.asset(user), contact(queue, user), contact(queue, user, "Bob")
    look(queue, user, asset, "m", (HERE, somebody(1)))
    look(queue, user, asset, "n", (HERE, somebody(11)), (THERE, somebody(12)))
    flip(queue, generations[1])
    with queue.acting("authenticated", user):
        rows = queue.rows("select id, bounding_box from face_embeddings order by face_index")
    assert [row["bounding_box"] for row in rows] == [HERE, THERE]
    for row, who in zip(rows, (ada, bob), strict=True):
        name_face(queue, row["id"], who)

    queue.value("select rollback_generation('faces', true)")

    with queue.acting("authenticated", user):
        seen = queue.rows("select contact_id::text from face_embeddings")
    assert seen == [{"contact_id": ada}]
    # Who only the other model finds is known when that answers again, and to a model that finds them later.
    assert said(queue, asset, "n") == [(ada, False), (bob, False)]
    look(queue, user, asset, "m", (HERE, somebody(1)), (THERE, somebody(2)))
    assert said(queue, asset, "m") == [(ada, False), (bob, False)]


def test_each_generation_recognises_by_its_own_cosine(queue: Any) -> None:
    """The two faces have a cosine of about 0.6."""
    queue.generation("strict", "faces", p_same_face="0.7")
    queue.generation("lax", "faces", p_same_face="0.3")
    user = queue.user()
    known, new, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    for model in ("m", "strict", "lax"):
        look(queue, user, known, model, (HERE, somebody(1)))
    name_face(queue, faces_of(queue, known)[0]["id"], ada)
    for number, (model, wanted) in enumerate((("strict", False), ("m", True), ("lax", True))):
        asset = queue.asset(user)
        look(queue, user, asset, model, (HERE, somebody(1, blur=1.25)))
        assert said(queue, asset, model) == [(ada if wanted else "None", wanted)], number
    look(queue, user, new, "lax", (HERE, somebody(1, blur=2.5)))
    assert said(queue, new, "lax") == [(ada, True)]


def test_a_generation_without_named_faces_takes_anothers_word(queue: Any) -> None:
    user = queue.user()
    known, asset, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    look(queue, user, known, "m", (HERE, somebody(1)))
    name_face(queue, faces_of(queue, known)[0]["id"], ada)
    look(queue, user, asset, "m", (HERE, somebody(1)), (THERE, somebody(2)))
    look(queue, user, asset, "n", (THERE, somebody(12)), (HERE, somebody(11)))
    assert said(queue, asset, "n") == [("None", False), (ada, True)]


def test_a_generation_with_named_faces_decides_for_itself(queue: Any) -> None:
    user = queue.user()
    known, asset, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    for model, person in (("m", 1), ("n", 11)):
        look(queue, user, known, model, (HERE, somebody(person)))
    name_face(queue, faces_of(queue, known)[0]["id"], ada)
    look(queue, user, asset, "m", (HERE, somebody(1)))
    look(queue, user, asset, "n", (HERE, somebody(77)))  # to this model it is somebody else
    assert said(queue, asset, "m") == [(ada, True)]
    assert said(queue, asset, "n") == [("None", False)]


def test_a_person_is_in_a_photo_once_in_each_generation(queue: Any) -> None:
    user = queue.user()
    known, asset, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    for model in ("m", "n"):
        look(queue, user, known, model, (HERE, somebody(1)))
    name_face(queue, faces_of(queue, known)[0]["id"], ada)
    twins = (HERE, somebody(1, blur=0.1)), (THERE, somebody(1, blur=0.2))
    look(queue, user, asset, "m", *twins)
    look(queue, user, asset, "n", *twins[::-1])
    assert said(queue, asset, "m") == [(ada, True), ("None", False)]
    assert said(queue, asset, "n") == [("None", False), (ada, True)]
    assert tags(queue, user, asset) == ["Ada"]


def test_no_face_clears_one_generation(queue: Any) -> None:
    user = queue.user()
    asset, ada = queue.asset(user), contact(queue, user)
    for model in ("m", "n"):
        look(queue, user, asset, model, (HERE, somebody(1)))
    name_face(queue, faces_of(queue, asset)[0]["id"], ada)
    look(queue, user, asset, "n")
    assert said(queue, asset, "n") == []
    assert said(queue, asset, "m") == [(ada, False)]
    look(queue, user, asset, "n", (HERE, somebody(1)))
    assert said(queue, asset, "n") == [(ada, False)], "the other row has kept the name"


def test_rows_without_a_scope_are_of_their_own_version_and_none_of_the_active(queue: Any) -> None:
    """As a worker of before writes them."""
    user = queue.user()
    asset = queue.asset(user)

    def write(*rows: dict[str, Any]) -> Any:
        kind = queue.kind()
        queue.enqueue(kind, user, asset)
        return queue.settle(queue.take(kind), writes=[{"table": "face_embeddings", "rows": list(rows)}])

    write(face(0, HERE, somebody(1), "m"))
    write(face(0, HERE, somebody(1), "n"))
    assert (len(faces_of(queue, asset, "m")), len(faces_of(queue, asset, "n"))) == (1, 1)
    write()
    assert (len(faces_of(queue, asset, "m")), len(faces_of(queue, asset, "n"))) == (0, 1)
    mixed = write(face(0, HERE, somebody(1), "m"), face(1, THERE, somebody(1), "n"))
    assert (mixed["answer"], mixed["error"]) == ("refused", "faces: expected rows of m")
    unknown = write(face(0, HERE, somebody(1), "x"))
    assert (unknown["answer"], unknown["error"]) == (
        "refused",
        "unknown_generation: x is no generation of faces",
    )


def test_crops_by_a_worker_of_before_are_of_the_faces_that_it_wrote(queue: Any) -> None:
    user = queue.user()
    asset = queue.asset(user)

    def write(model: str, name: str, scope: dict[str, str], *faces: dict[str, Any]) -> list[tuple[str, str]]:
        """All crops there are then, by generation."""
        kind = queue.kind()
        queue.enqueue(kind, user, asset)
        crop = {"bucket": "assets", "key": f"{user}/{name}.jpg", "bytes": 1, "mime_type": "image/jpeg"}
        writes = [
            {"table": "face_embeddings", "rows": list(faces), "scope": {"model_version": model}},
            {
                "table": "derived_assets",
                "scope": {"kind": "face_crop", **scope},
                "rows": [crop] if faces else [],
            },
        ]
        answer = queue.settle(queue.take(kind), writes=writes)
        assert answer["answer"] == "settled", answer
        rows = queue.rows("select model_version, key from derived_assets where asset_id = %s", asset)
        return sorted((row["model_version"], row["key"].split("/")[-1]) for row in rows)

    for model in "mn":
        write(model, model, {"model_version": model}, face(0, HERE, somebody(1), model))
    assert write("m", "m2", {}, face(0, HERE, somebody(1), "m")) == [("m", "m2.jpg"), ("n", "n.jpg")]
    assert write("n", "n2", {}, face(0, HERE, somebody(1), "n")) == [("m", "m2.jpg"), ("n", "n2.jpg")]
    assert write("m", "none", {}) == [("n", "n2.jpg")]


@pytest.mark.parametrize("order", ["mn", "nm"])
@pytest.mark.parametrize("looks_again", ["", "m", "n", "mn", "nm"])
def test_owners_see_a_person_in_a_photo_once(
    queue: Any, generations: tuple[int, int], order: str, looks_again: str
) -> None:
    """Recognised by each model, then confirmed: whichever model looks again, and whichever answers."""
    user = queue.user()
    known, asset, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    offset = {"m": 0, "n": 10}
    for model in "mn":
        look(queue, user, known, model, (HERE, somebody(1 + offset[model])))
    name_face(queue, faces_of(queue, known)[0]["id"], ada)
    for model in order:
        look(queue, user, asset, model, (HERE, somebody(1 + offset[model])))
    assert tags(queue, user, asset) == ["Ada"]
    name_face(queue, faces_of(queue, asset)[0]["id"], ada)
    for model in looks_again:
        look(queue, user, asset, model, (HERE, somebody(1 + offset[model])))
    assert tags(queue, user, asset) == ["Ada"]
    flip(queue, generations[1])
    assert tags(queue, user, asset) == ["Ada"]


def test_somebody_whom_only_the_other_model_finds_is_tagged_once(
    queue: Any, generations: tuple[int, int]
) -> None:
    """Their face is named in one generation, and in the other somebody beside them is taken for them."""
    user = queue.user()
    known, asset, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    for model in "mn":
        look(queue, user, known, model, (HERE, somebody(1)))
    name_face(queue, faces_of(queue, known)[0]["id"], ada)
    look(queue, user, asset, "m", (HERE, somebody(2)))
    name_face(queue, faces_of(queue, asset)[0]["id"], ada)
    look(queue, user, asset, "n", (THERE, somebody(1)))
    assert said(queue, asset, "n") == [(ada, True)]
    look(queue, user, asset, "m", (HERE, somebody(2)))
    assert tags(queue, user, asset) == ["Ada"]
    flip(queue, generations[1])
    assert tags(queue, user, asset) == ["Ada"]


def test_a_tag_that_its_owner_corrects_is_seen_whatever_answers(
    queue: Any, generations: tuple[int, int]
) -> None:
    user = queue.user()
    known, asset, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    look(queue, user, known, "m", (HERE, somebody(1)))
    name_face(queue, faces_of(queue, known)[0]["id"], ada)
    look(queue, user, asset, "m", (HERE, somebody(1)))
    with queue.acting("authenticated", user):
        queue.db.execute("update asset_tags set tag_value = 'Ada''s sister' where asset_id = %s", (asset,))
        queue.db.execute(
            "insert into asset_tags (asset_id, tag_type, tag_value, model_version)"
            " values (%s, 'object', 'hill', 'm')",
            (asset,),
        )
    flip(queue, generations[1])
    assert tags(queue, user, asset) == ["Ada's sister", "hill"]


def test_persons_that_an_older_app_tagged_without_a_contact_stay(queue: Any) -> None:
    user = queue.user()
    asset = queue.asset(user)
    for _ in range(2):
        queue.db.execute(
            "insert into asset_tags (user_id, asset_id, tag_type, tag_value, created_by)"
            " values (%s, %s, 'person', 'somebody', null)",
            (user, asset),
        )
    assert tags(queue, user, asset) == ["somebody"] * 2


def test_a_contact_that_is_deleted_names_no_row_of_any_generation(queue: Any) -> None:
    user = queue.user()
    known, asset, ada = queue.asset(user), queue.asset(user), contact(queue, user)
    for photo in (known, asset):
        for model in "mn":
            look(queue, user, photo, model, (HERE, somebody(1)))
        if photo == known:
            name_face(queue, faces_of(queue, known)[0]["id"], ada)
    assert said(queue, known, "n") == [(ada, False)]
    assert said(queue, asset, "n") == [(ada, True)]
    with queue.acting("authenticated", user):
        queue.db.execute("delete from contacts where id = %s", (ada,))
    assert queue.value("select count(*) from face_embeddings where contact_id = %s", ada) == 0
    assert tags(queue, user, known) == tags(queue, user, asset) == []


def test_a_user_with_names_in_all_generations_can_go(queue: Any) -> None:
    user = queue.user()
    cluster = queue.value("insert into face_clusters (user_id) values (%s) returning id", user)
    ada = contact(queue, user)
    for number in range(3):
        asset = queue.asset(user)
        for model in "mn":
            look(queue, user, asset, model, (HERE, somebody(number)), (THERE, somebody(9)))
        row = faces_of(queue, asset)[0]["id"]
        name_face(queue, row, ada)
        queue.db.execute("update face_embeddings set cluster_id = %s where id = %s", (cluster, row))
    queue.db.execute("delete from face_clusters where id = %s", (cluster,))
    assert queue.value("select count(*) from face_embeddings where cluster_id = %s", cluster) == 0
    queue.db.execute("delete from auth.users where id = %s", (user,))
    assert queue.value("select count(*) from face_embeddings where user_id = %s", user) == 0


def test_faces_of_a_video_stay_as_they_are(queue: Any) -> None:
    """Another app writes them; photos' faces are not theirs, and theirs are not replaced."""
    user = queue.user()
    asset, ada = queue.asset(user), contact(queue, user)
    for model, index in (("m", 50), ("n", 50)):
        queue.db.execute(
            "insert into face_embeddings (user_id, asset_id, face_index, embedding, bounding_box,"
            " model_version, is_from_video, contact_id) values (%s, %s, %s, %s, '{}', %s, true, %s)",
            (user, asset, index, somebody(5), model, ada),
        )
    before = queue.rows("select * from face_embeddings where is_from_video order by id")
    look(queue, user, asset, "m", (HERE, somebody(5)))
    look(queue, user, asset, "n", (HERE, somebody(5)))
    look(queue, user, asset, "m")
    assert queue.rows("select * from face_embeddings where is_from_video order by id") == before
    assert len(faces_of(queue, asset, "n")) == 2
    assert tags(queue, user, asset) == []


def test_another_users_faces_and_names_are_never_met(queue: Any) -> None:
    user, another = queue.user(), queue.user()
    mine, theirs = queue.asset(user), queue.asset(another)
    look(queue, another, theirs, "m", (HERE, somebody(1)))
    name_face(queue, faces_of(queue, theirs)[0]["id"], contact(queue, another))
    for model in "mn":
        look(queue, user, mine, model, (HERE, somebody(1)))
    assert said(queue, mine, "m") == said(queue, mine, "n") == [("None", False)]
    assert set(face_ids(queue, mine, "n")).isdisjoint(face_ids(queue, theirs, "m"))
    with queue.acting("authenticated", user):
        assert queue.value("select count(*) from face_embeddings") == 1


def test_two_models_that_look_at_a_photo_at_once_find_one_face(
    queue: Any, connect: Callable[[], psycopg.Connection]
) -> None:
    user = queue.user()
    asset = queue.asset(user)
    jobs = {}
    for model in "mn":
        kind = queue.kind()
        queue.enqueue(kind, user, asset)
        jobs[model] = queue.take(kind)

    def settle(one: Any, model: str) -> Any:
        rows = [face(0, HERE, somebody(1), model)]
        write = {"table": "face_embeddings", "scope": {"model_version": model}, "rows": rows}
        return one.settle(jobs[model], writes=[write])["answer"]

    first, second = Queue(connect()), connect()
    with ThreadPoolExecutor(1) as pool:
        with first.db.transaction():
            assert settle(first, "m") == "settled"
            answer = pool.submit(settle, Queue(second), "n")
            wait_until_locked(queue, second)
        assert answer.result(30) == "settled"
    assert face_ids(queue, asset, "m") == face_ids(queue, asset, "n")


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_to_a_photo_its_faces_are_in_order(queue: Any, seed: int) -> None:
    """Looks, names and corrections at random: no face is twice in a generation, people's word is one for all
    rows of a face, a generation recognises a person once in a photo, and their owner sees no tag twice."""
    queue.generation("o", "faces")
    chance, user = random.Random(seed), queue.user()
    assets = [queue.asset(user) for _ in range(3)]
    people = [contact(queue, user, name) for name in ("Ada", "Bob", "Cay")]
    boxes = [HERE, NEARLY_HERE, THERE, TIGHT, WIDE, BESIDE]
    for _ in range(60):
        asset = chance.choice(assets)
        if chance.random() < 0.7:
            found = chance.sample(boxes, chance.randrange(4))
            model = chance.choice("mno")
            look(
                queue, user, asset, model, *((box, somebody(chance.randrange(4), blur=0.2)) for box in found)
            )
        else:
            queue.db.execute(
                "update face_embeddings set contact_id = %s, recognised = false where id ="
                " (select id from face_embeddings where asset_id = %s order by random() limit 1)",
                (chance.choice([*people, None]), asset),
            )
    faces = "from face_embeddings group by face_id"
    assert queue.rows(f"select face_id {faces}, model_version having count(*) > 1") == []
    assert queue.rows(f"select face_id {faces} having count(distinct asset_id) > 1") == []
    said_twice = queue.rows(
        "select one.face_id from face_embeddings as one join face_embeddings as other using (face_id)"
        " where not one.recognised and one.contact_id is not null"
        "   and not other.recognised and other.contact_id is not null"
        "   and one.contact_id <> other.contact_id"
    )
    assert said_twice == []
    twice = queue.rows(
        "select asset_id from face_embeddings where recognised and contact_id is not null"
        " group by asset_id, model_version, contact_id having count(*) > 1"
    )
    assert twice == []
    for generation in queue.value("select generations()"):
        flip(queue, generation["id"])
        for asset in assets:
            for model in "mno":
                look(queue, user, asset, model, (HERE, somebody(1)))
            seen = tags(queue, user, asset)
            assert len(seen) == len(set(seen))
