"""What a clustering found is written as far as it goes together with what happened meanwhile."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.sql.clusters import Clustering, clusters_of, held, photo, read
from tests.sql.people import HERE, contact, face, look, somebody
from tests.sql.people_invariants import violations
from worker.halves import halves_of

pytestmark = pytest.mark.stack


@pytest.fixture
def ann(queue: Any) -> str:
    queue.generation("m", "faces")
    return str(queue.user())


def verdict(queue: Any, user: str, word: str, *faces: str, cluster: str | None = None) -> int:
    """As a verb would write it."""
    number = queue.value(
        "insert into face_verdicts (user_id, verdict, cluster_id) values (%s, %s, %s) returning id",
        *(user, word, cluster),
    )
    for one in faces:
        queue.db.execute(
            "insert into face_verdict_faces (verdict_id, face_id, asset_id, user_id)"
            " select distinct %s::bigint, face_id, asset_id, user_id from face_embeddings where face_id = %s",
            (number, one),
        )
    return int(number)


def pair(queue: Any, user: str, one: str, other: str, *, same: bool) -> None:
    number = verdict(queue, user, "same" if same else "different", one, other)
    queue.db.execute(
        "insert into kizu.face_pairs (face_id, other_id, user_id, asset_id, other_asset, same, verdict_id)"
        " select distinct one.face_id, other.face_id, one.user_id, one.asset_id, other.asset_id, %s,"
        "        %s::bigint"
        "   from face_embeddings as one, face_embeddings as other"
        "  where one.face_id = %s and other.face_id = %s",
        (same, number, min(one, other), max(one, other)),
    )


def clear(queue: Any, user: str) -> None:
    """As if placing had not known where to put anybody."""
    queue.db.execute("update face_embeddings set cluster_id = null where user_id = %s", (user,))
    queue.db.execute("delete from face_clusters where user_id = %s", (user,))


def test_faces_come_into_new_clusters_which_are_counted(queue: Any, ann: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(3)]
    clear(queue, ann)
    run = Clustering(queue, ann)
    cluster, moves = run.group(*faces)

    assert run.settle(moves)["answer"] == "settled"

    assert clusters_of(queue, ann) == dict.fromkeys(faces, cluster)
    (row,) = queue.rows("select face_count, user_id from face_clusters where id = %s", cluster)
    assert (row["face_count"], str(row["user_id"])) == (3, ann)
    assert violations(queue, ann) == []
    assert queue.value("select count(*) from kizu.staged where user_id = %s", ann) == 0


def said(queue: Any, user: str, who: str, cluster: str, *faces: str) -> None:
    """As if somebody had said that these faces, of that cluster, are this contact."""
    queue.db.execute("update face_clusters set contact_id = %s where id = %s", (who, cluster))
    for one in faces:
        queue.db.execute(
            "update face_embeddings set contact_id = %s, recognised = false where face_id = %s", (who, one)
        )


def placed(queue: Any, user: str, *groups: list[str]) -> list[str]:
    """Clusters that hold these faces; answers their ids."""
    clear(queue, user)
    run = Clustering(queue, user)
    found = [run.group(*group) for group in groups]
    assert run.settle([move for _, moves in found for move in moves])["answer"] == "settled"
    return [cluster for cluster, _ in found]


def test_only_faces_that_change_their_cluster_are_written(queue: Any, ann: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(4)]
    [cluster] = placed(queue, ann, faces[:3])
    before = {str(row["face_id"]): row["xmin"] for row in versions(queue, ann)}
    run = Clustering(queue, ann)

    run.settle([run.move(one, cluster) for one in faces])

    after = {str(row["face_id"]): row["xmin"] for row in versions(queue, ann)}
    assert [one for one in faces if before[one] != after[one]] == faces[3:]
    assert violations(queue, ann) == []


def versions(queue: Any, user: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = queue.rows(
        "select face_id, xmin::text from face_embeddings where user_id = %s", user
    )
    return rows


def test_ids_names_and_contacts_outlive_a_clustering(queue: Any, ann: str) -> None:
    """F2 of the defects that are not to be inherited."""
    ada, bob = contact(queue, ann, "Ada"), contact(queue, ann, "Bob")
    faces = [photo(queue, ann, 1)[0] for _ in range(3)] + [photo(queue, ann, 2)[0] for _ in range(3)]
    [first, second] = placed(queue, ann, faces[:3], faces[3:])
    said(queue, ann, ada, first, faces[0])
    said(queue, ann, bob, second, faces[3])
    queue.db.execute("update face_clusters set name = 'Gran', hidden = true where id = %s", (first,))
    run = Clustering(queue, ann)

    run.settle([run.move(faces[1], second), run.move(faces[2], None), run.move(faces[4], None)])

    kept = {str(row["id"]): row for row in queue.rows("select * from face_clusters where user_id = %s", ann)}
    assert set(kept) == {first, second}
    assert (str(kept[first]["contact_id"]), kept[first]["name"], kept[first]["hidden"]) == (ada, "Gran", True)
    assert str(kept[second]["contact_id"]) == bob
    assert (kept[first]["face_count"], kept[second]["face_count"]) == (1, 3)
    assert violations(queue, ann) == []


def test_a_cluster_that_lost_all_faces_goes_unless_it_has_a_name(queue: Any, ann: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(4)]
    [_, named] = placed(queue, ann, faces[:2], faces[2:])
    queue.db.execute("update face_clusters set name = 'Gran' where id = %s", (named,))
    run = Clustering(queue, ann)

    run.settle([run.move(one, None) for one in faces])

    assert [str(row["id"]) for row in queue.rows("select id from face_clusters where user_id = %s", ann)] == [
        named
    ]
    assert violations(queue, ann) == []


def test_faces_of_one_photo_never_share_a_cluster(queue: Any, ann: str) -> None:
    twins = photo(queue, ann, 1, 2)
    other = photo(queue, ann, 1)
    clear(queue, ann)
    run = Clustering(queue, ann)
    cluster, moves = run.group(*twins, *other)

    run.settle(moves)

    assert clusters_of(queue, ann)[twins[0]] is None, "both stay, as nobody knows which of them it is"
    assert violations(queue, ann) == []
    assert queue.value("select count(*) from face_clusters where id = %s", cluster) == 0


def test_a_face_that_moved_since_it_was_read_stays_and_what_hangs_on_it_too(queue: Any, ann: str) -> None:
    """The face of one photo takes the place that the other was to take, whose place a third was to take."""
    one, other = photo(queue, ann, 1, 2)
    third, fourth = photo(queue, ann, 1, 2)
    more = [photo(queue, ann, who)[0] for who in (1, 1, 2, 2)]
    [first, second] = placed(queue, ann, [one, fourth, *more[:2]], [other, *more[2:]])
    run = Clustering(queue, ann)
    moves = [run.move(one, None), run.move(other, first), run.move(third, second), run.move(fourth, None)]
    queue.db.execute("select kizu.move_faces(%s, array[%s]::uuid[], null)", (ann, fourth))
    queue.db.execute("select kizu.move_faces(%s, array[%s]::uuid[], %s)", (ann, third, first))
    queue.db.execute("select kizu.move_faces(%s, array[%s]::uuid[], null)", (ann, one))
    queue.db.execute("select kizu.move_faces(%s, array[%s]::uuid[], %s)", (ann, one, first))

    run.settle(moves)

    found = clusters_of(queue, ann)
    assert (found[third], found[fourth]) == (first, None), "what happened meanwhile stays"
    assert (found[one], found[other]) == (None, first), "what nothing happened to moves"
    assert violations(queue, ann) == []


def test_a_photo_that_came_meanwhile_keeps_its_place(queue: Any, ann: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(3)]
    [cluster] = placed(queue, ann, faces)
    group = photo(queue, ann, 1, 2)
    queue.db.execute("select kizu.move_faces(%s, %s::uuid[], null)", (ann, group))
    run = Clustering(queue, ann)
    new = photo(queue, ann, 1)[0]
    queue.db.execute("select kizu.move_faces(%s, array[%s]::uuid[], null)", (ann, group[0]))
    queue.db.execute("select kizu.move_faces(%s, array[%s]::uuid[], %s)", (ann, new, cluster))
    queue.db.execute("select kizu.move_faces(%s, array[%s]::uuid[], %s)", (ann, group[1], cluster))

    run.settle([run.move(group[0], cluster), *[run.move(one, None) for one in faces]])

    found = clusters_of(queue, ann)
    assert found[new] == found[group[1]] == cluster
    assert found[group[0]] is None, "its cluster has another face of the photo by now"
    assert {found[one] for one in faces} == {None}
    assert violations(queue, ann) == []


@pytest.mark.parametrize("about", ["face", "cluster"])
def test_what_was_said_meanwhile_is_obeyed(queue: Any, ann: str, about: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(4)]
    [cluster] = placed(queue, ann, faces[:2])
    other = [photo(queue, ann, 2)[0] for _ in range(2)]
    run = Clustering(queue, ann)
    new, moves = run.group(*other)
    if about == "face":
        verdict(queue, ann, "is_not", faces[2])
    else:
        verdict(queue, ann, "name", cluster=cluster)

    run.settle([run.move(faces[2], cluster), run.move(faces[3], cluster), *moves])

    found = clusters_of(queue, ann)
    assert found[faces[2]] is None
    assert found[faces[3]] == (cluster if about == "face" else None)
    assert {found[one] for one in other} == {new}
    assert violations(queue, ann) == []


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("same", [True, False])
def test_pairs_are_obeyed_whatever_the_handler_says(queue: Any, ann: str, same: bool, when: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(4)]
    clear(queue, ann)
    [cluster] = placed(queue, ann, faces) if same else [""]
    if when == "before":
        pair(queue, ann, faces[0], faces[1], same=same)
    run = Clustering(queue, ann)
    if when == "meanwhile":
        pair(queue, ann, faces[0], faces[1], same=same)
    if same:
        moves = [run.move(faces[0], None), run.move(faces[2], None)]
    else:
        cluster, moves = run.group(*faces)

    run.settle(moves)

    found = clusters_of(queue, ann)
    if same:
        assert [found[one] for one in faces] == [cluster, cluster, None, cluster]
    else:
        assert [found[one] for one in faces] == [None, None, cluster, cluster]
    assert violations(queue, ann) == []


def test_a_face_never_comes_to_whom_it_is_not(queue: Any, ann: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(4)]
    [cluster] = placed(queue, ann, faces[:2])
    ada = contact(queue, ann, "Ada")
    said(queue, ann, ada, cluster, faces[0])
    queue.db.execute(
        "insert into kizu.exclusions (face_id, contact_id, asset_id, user_id)"
        " select face_id, %s, asset_id, user_id from face_embeddings where face_id = %s",
        (ada, faces[2]),
    )
    queue.db.execute("update contacts set birth_date = '2001-01-01' where id = %s", (ada,))
    queue.db.execute(
        "update assets set taken_at = '2000-12-31' where id = (select asset_id from face_embeddings"
        " where face_id = %s)",
        (faces[3],),
    )
    run = Clustering(queue, ann)
    assert run.faces[faces[3]]["taken_on"] == "2000-12-31"

    run.settle([run.move(one, cluster) for one in faces[2:]])

    found = clusters_of(queue, ann)
    assert found[faces[2]] is found[faces[3]] is None
    assert violations(queue, ann) == []


def test_a_face_that_was_said_to_be_somebody_stays_with_them(queue: Any, ann: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(4)]
    [first, second] = placed(queue, ann, faces[:2], faces[2:])
    said(queue, ann, contact(queue, ann), first, faces[0])
    run = Clustering(queue, ann)

    run.settle([run.move(faces[0], second), run.move(faces[1], second)])

    found = clusters_of(queue, ann)
    assert (found[faces[0]], found[faces[1]]) == (first, second)
    assert violations(queue, ann) == []


def test_the_first_cluster_of_a_contact_becomes_theirs(queue: Any, ann: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(3)]
    clear(queue, ann)
    ada = contact(queue, ann)
    for one in faces[:2]:
        queue.db.execute("update face_embeddings set contact_id = %s where face_id = %s", (ada, one))
    run = Clustering(queue, ann)
    assert run.faces[faces[0]]["contact_id"] == ada
    cluster, moves = run.group(*faces)

    run.settle(moves)

    assert str(queue.value("select contact_id from face_clusters where id = %s", cluster)) == ada
    assert violations(queue, ann) == []


def test_who_was_taken_for_somebody_is_not_in_the_cluster_of_another(queue: Any, ann: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(3)]
    [cluster] = placed(queue, ann, faces[:2])
    ada, bob = contact(queue, ann, "Ada"), contact(queue, ann, "Bob")
    said(queue, ann, ada, cluster, faces[0])
    queue.db.execute(
        "update face_embeddings set contact_id = %s, recognised = true where face_id = %s", (bob, faces[2])
    )
    queue.db.execute(
        "insert into asset_tags (user_id, asset_id, tag_type, tag_value, contact_id, model_version)"
        " select user_id, asset_id, 'person', 'Bob', contact_id, 'm' from face_embeddings where face_id = %s",
        (faces[2],),
    )
    run = Clustering(queue, ann)

    run.settle([run.move(faces[2], cluster)])

    (row,) = queue.rows("select contact_id, recognised from face_embeddings where face_id = %s", faces[2])
    assert row == {"contact_id": None, "recognised": False}
    assert queue.value("select count(*) from asset_tags where contact_id = %s", bob) == 0
    assert clusters_of(queue, ann)[faces[2]] == cluster
    assert violations(queue, ann) == []


def test_locked_clusters_and_marked_faces_are_neither_read_nor_moved(queue: Any, ann: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(6)]
    [locked, open_] = placed(queue, ann, faces[:2], faces[2:4])
    run = Clustering(queue, ann)
    queue.db.execute("update face_clusters set locked = true where id = %s", (locked,))
    number = verdict(queue, ann, "ignore")
    queue.db.execute(
        "insert into kizu.face_marks (face_id, user_id, asset_id, mark, verdict_id)"
        " select face_id, user_id, asset_id, 'ignored', %s from face_embeddings where face_id = %s",
        (number, faces[5]),
    )
    later = Clustering(queue, ann)
    assert set(later.faces) == set(faces[2:5])

    places = {0: open_, 2: locked, 4: locked, 5: open_}
    run.settle([run.move(faces[place], cluster) for place, cluster in places.items()])

    found = clusters_of(queue, ann)
    assert [found[one] for one in faces] == [locked, locked, open_, open_, None, None]
    assert violations(queue, ann) == []


def test_a_cluster_of_somebody_else_is_refused(queue: Any, ann: str) -> None:
    ben = str(queue.user())
    theirs = [photo(queue, ben, 1)[0] for _ in range(2)]
    [cluster] = placed(queue, ben, theirs)
    face = photo(queue, ann, 1)[0]
    run = Clustering(queue, ann)

    answer = run.settle([run.move(face, cluster)])

    assert answer["answer"] == "refused"
    assert "somebody else" in answer["error"]
    assert clusters_of(queue, ann) == {face: None}


def test_faces_of_somebody_else_are_passed_over(queue: Any, ann: str) -> None:
    ben = str(queue.user())
    theirs = [photo(queue, ben, 1)[0] for _ in range(2)]
    [cluster] = placed(queue, ben, theirs)
    run = Clustering(queue, ann)
    mine = str(uuid.uuid4())

    run.settle(
        [{"face_id": one, "cluster_id": mine, "was": cluster, "made": True} for one in theirs],
        [{"face_id": theirs[0], "other_id": theirs[1], "likeness": 0.4}],
    )

    assert clusters_of(queue, ben) == dict.fromkeys(theirs, cluster)
    assert queue.value("select count(*) from face_clusters where user_id = %s", ann) == 0
    assert queue.value("select count(*) from kizu.face_questions where user_id in (%s, %s)", ann, ben) == 0


def test_nothing_is_written_once_another_generation_answers(queue: Any, ann: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(2)]
    clear(queue, ann)
    run = Clustering(queue, ann)
    other = queue.generation("n", "faces")
    queue.value("select flip_generation(%s, true)", other)
    _, moves = run.group(*faces)

    assert run.settle(moves)["answer"] == "settled"

    assert set(clusters_of(queue, ann).values()) == {None}


def test_a_cluster_is_the_same_through_all_generations(queue: Any, ann: str) -> None:
    faces = [photo(queue, ann, 1)[0] for _ in range(2)]
    queue.generation("n", "faces")
    queue.db.execute(
        "insert into face_embeddings (face_id, user_id, asset_id, embedding, bounding_box, model_version)"
        " select face_id, user_id, asset_id, embedding, bounding_box, 'n' from face_embeddings"
        "  where user_id = %s",
        (ann,),
    )
    clear(queue, ann)
    run = Clustering(queue, ann)
    cluster, moves = run.group(*faces)
    run.settle(moves)
    rows = queue.rows("select model_version, cluster_id from face_embeddings where user_id = %s", ann)
    assert [str(row["cluster_id"]) for row in rows] == [cluster] * 4
    assert violations(queue, ann) == []


def test_questions_are_those_of_the_run_and_what_came_up_since(queue: Any, ann: str) -> None:
    faces = sorted(photo(queue, ann, who)[0] for who in range(1, 7))
    clear(queue, ann)

    def ask(one: int, other: int) -> None:
        queue.db.execute(
            "insert into kizu.face_questions (face_id, other_id, user_id, asset_id, other_asset, likeness)"
            " select one.face_id, other.face_id, one.user_id, one.asset_id, other.asset_id, 0.3"
            "   from face_embeddings as one, face_embeddings as other"
            "  where one.face_id = %s and other.face_id = %s",
            (faces[one], faces[other]),
        )

    ask(0, 1)
    run = Clustering(queue, ann)
    ask(4, 5)
    pair(queue, ann, faces[2], faces[4], same=False)
    asked = [(2, 1, 0.5), (3, 3, 0.9), (2, 4, 0.4)]

    run.settle([], [{"face_id": faces[a], "other_id": faces[b], "likeness": c} for a, b, c in asked])

    rows = queue.rows("select face_id, other_id, likeness from kizu.face_questions where user_id = %s", ann)
    found = {(str(row["face_id"]), str(row["other_id"])): round(row["likeness"], 2) for row in rows}
    assert found == {(faces[1], faces[2]): 0.5, (faces[4], faces[5]): 0.3}


def test_vectors_come_as_they_are_stored(queue: Any, ann: str) -> None:
    [face] = photo(queue, ann, 1)
    run = Clustering(queue, ann)
    stored = queue.value("select embedding::text from kizu.face_vectors where face_id = %s", face)
    told = halves_of(run.faces[face]["vector"])
    assert told.tolist() == pytest.approx(
        [float(number) for number in stored.strip("[]").split(",")], abs=1e-3
    )


def test_pages_hold_every_face_once(queue: Any, ann: str) -> None:
    faces = [one for _ in range(3) for one in photo(queue, ann, 1, 2)]
    rows = read(queue, held(queue, ann), "people_faces", limit=2)
    assert sorted(row["face_id"] for row in rows) == sorted(faces)


@pytest.mark.parametrize("moves", [True, False])
def test_whoever_leaves_something_for_another_run_asks_for_it_unless_nothing_moved(
    queue: Any, ann: str, moves: bool
) -> None:
    """Else a library of which no settlement can write all would never be clustered, or for ever."""
    faces = [photo(queue, ann, 1)[0] for _ in range(3)]
    clear(queue, ann)
    queue.db.execute("delete from jobs where user_id = %s and job_type = 'cluster_faces'", (ann,))
    run = Clustering(queue, ann)
    cluster, rows = run.group(*faces)
    if not moves:
        rows = [row | {"was": cluster} for row in rows]

    run.settle(rows, more=True)

    asked = queue.rows(
        "select status, priority from jobs where user_id = %s and job_type = 'cluster_faces'", ann
    )
    assert asked == ([{"status": "pending", "priority": 200}] if moves else [])


def test_who_is_one_with_a_face_that_this_model_did_not_find_stays_with_it(queue: Any, ann: str) -> None:
    """When the other model answers again, both are there, and still one person."""
    later = queue.generation("n", "faces")
    former = queue.value("select id from generations where model_version = 'm'")
    (one,), (other,) = photo(queue, ann, 1), photo(queue, ann, 2)
    pair(queue, ann, one, other, same=True)
    cluster = queue.value("insert into face_clusters (user_id) values (%s) returning id", ann)
    queue.value("select kizu.move_faces(%s, %s::uuid[], %s)", ann, [one, other], cluster)
    asset = queue.value("select asset_id from face_embeddings where face_id = %s", other)
    look(queue, ann, str(asset), face(0, {**HERE, "x": 0.0}, somebody(2), "n"))
    queue.value("select flip_generation(%s, true)", later)
    run = Clustering(queue, ann)
    run.settle([run.move(other, None)])
    queue.value("select flip_generation(%s, true)", former)
    assert clusters_of(queue, ann) == dict.fromkeys((one, other), str(cluster))
    assert violations(queue, ann) == []
