"""What people say of faces and people, each verb once in each of its ways, and taken back again."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import Queue, acting, wait_until_locked
from tests.sql.people import HERE, THERE, contact, face, faces_of, look, somebody
from tests.sql.people_invariants import violations
from tests.sql.people_state import state

pytestmark = pytest.mark.stack

SOMEWHERE = {"x": 0.8, "y": 0.1, "width": 0.1, "height": 0.1}


@pytest.fixture(autouse=True)
def model(queue: Any) -> int:
    """The generation of faces that answers."""
    return int(queue.generation("m", "faces"))


class Owner:
    """A user and what they say; after each word the rules of people hold."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.user = str(queue.user())

    def say(self, verb: str, **arguments: Any) -> dict[str, Any]:
        names = ", ".join(f"{name} => %s" for name in arguments)
        with self.queue.acting("authenticated", self.user):
            answer = dict(self.queue.value(f"select {verb}({names})", *arguments.values()))
        assert violations(self.queue, self.user) == []
        return answer

    def refused(self, verb: str, **arguments: Any) -> tuple[str, str]:
        before = self.state()
        with pytest.raises(psycopg.DatabaseError) as refusal:
            self.say(verb, **arguments)
        assert self.state() == before
        return str(refusal.value.sqlstate), str(refusal.value.diag.message_primary)

    def undo(self, before: Any) -> dict[str, Any]:
        """Takes the last word back, and all is as it was."""
        answer = self.say("undo_verdict")
        assert self.state() == before
        return answer

    def state(self) -> Any:
        return state(self.queue, self.user)

    def photo(self, *vectors: str) -> list[str]:
        """A new photo with these faces; answers their face_ids."""
        asset = str(self.queue.asset(self.user))
        boxes = [HERE, THERE, SOMEWHERE]
        look(
            self.queue,
            self.user,
            asset,
            *(face(n, boxes[n], vector) for n, vector in enumerate(vectors)),
        )
        return [str(row["face_id"]) for row in faces_of(self.queue, asset)]

    def look_again(self, face_id: str, model: str, vector: str) -> None:
        """Another model looks at the photo of a face, which is the only one there, and finds it."""
        asset = self.queue.value("select asset_id from face_embeddings where face_id = %s limit 1", face_id)
        look(self.queue, self.user, str(asset), face(0, HERE, vector, model))

    def rows(self, face_id: str) -> Any:
        """(cluster, contact, recognised) of the face by each model."""
        return self.state()["faces"][face_id]

    def cluster(self, *face_ids: str, contact_id: str | None = None) -> str:
        """These faces in a cluster, as a clustering leaves them."""
        made = str(
            self.queue.value(
                "insert into face_clusters (user_id, contact_id, name)"
                " values (%s, %s, (select display_name from contacts where id = %s)) returning id",
                self.user,
                contact_id,
                contact_id,
            )
        )
        self.queue.value("select kizu.move_faces(%s, %s::uuid[], %s)", self.user, list(face_ids), made)
        return made

    def who(self, *face_ids: str) -> list[tuple[str | None, str | None, bool]]:
        """(cluster, contact, recognised) of each face."""
        rows = self.queue.rows(
            "select face_id, cluster_id, contact_id, recognised from face_embeddings where user_id = %s",
            self.user,
        )
        found = {
            str(row["face_id"]): (
                row["cluster_id"] and str(row["cluster_id"]),
                row["contact_id"] and str(row["contact_id"]),
                row["recognised"],
            )
            for row in rows
        }
        return [found[face_id] for face_id in face_ids]

    def clustered(self, *face_ids: str) -> list[str | None]:
        return [row[0] for row in self.who(*face_ids)]

    def count(self, table: str) -> int:
        return int(self.queue.value(f"select count(*) from {table} where user_id = %s", self.user))


@pytest.fixture
def owner(queue: Any) -> Owner:
    return Owner(queue)


@pytest.fixture
def another(queue: Any) -> Owner:
    return Owner(queue)


def alone(owner: Owner, seed: int, *, blur: float = 0.0) -> str:
    return owner.photo(somebody(seed, blur=blur))[0]


def test_named_faces_are_in_the_persons_cluster(owner: Owner) -> None:
    ada = contact(owner.queue, owner.user)
    faces = [alone(owner, 1), alone(owner, 2)]
    before = owner.state()
    answer = owner.say("assign_faces", p_face_ids=faces, p_contact_id=ada)
    assert (answer["status"], answer["faces"], answer["contact_id"]) == ("assigned", 2, ada)
    assert owner.who(*faces) == [(answer["cluster_id"], ada, False)] * 2
    (person,) = owner.say("list_people")["people"]
    assert (person["name"], person["faces"], person["photos"]) == ("Ada", 2, 2)
    owner.undo(before)


def test_an_unnamed_cluster_becomes_the_persons(owner: Owner) -> None:
    one, other = alone(owner, 1), alone(owner, 2)
    cluster = owner.cluster(one, other)
    before = owner.state()
    answer = owner.say("assign_faces", p_face_ids=[one], p_name="Ada")
    assert answer["cluster_id"] == cluster
    assert owner.who(one, other) == [(cluster, answer["contact_id"], False), (cluster, None, False)]
    owner.say("undo_verdict")
    # Contacts stay.
    assert owner.state() | {"contacts": before["contacts"]} == before


def test_a_face_named_otherwise_changes_clusters(owner: Owner) -> None:
    ada, bob = contact(owner.queue, owner.user), contact(owner.queue, owner.user, "Bob")
    one, other = alone(owner, 1), alone(owner, 2)
    owner.say("assign_faces", p_face_ids=[one, other], p_contact_id=ada)
    before = owner.state()
    answer = owner.say("assign_faces", p_face_ids=[one], p_contact_id=bob)
    assert owner.who(one) == [(answer["cluster_id"], bob, False)]
    assert owner.count("kizu.exclusions") == 1
    owner.undo(before)


def test_who_was_only_recognised_gives_way_in_a_photo(owner: Owner) -> None:
    ada = contact(owner.queue, owner.user)
    known = alone(owner, 1)
    wrong, right = owner.photo(somebody(1, blur=0.3), somebody(2))
    owner.say("assign_faces", p_face_ids=[known], p_contact_id=ada)
    assert owner.who(wrong)[0][1:] == (ada, True)
    before = owner.state()
    owner.say("assign_faces", p_face_ids=[right], p_contact_id=ada)
    assert owner.who(wrong) == [(None, None, False)]
    owner.undo(before)


def test_two_faces_of_a_photo_may_be_said_to_be_one(owner: Owner) -> None:
    ada = contact(owner.queue, owner.user)
    faces = owner.photo(somebody(1), somebody(2))
    owner.say("assign_faces", p_face_ids=faces, p_contact_id=ada)
    (person,) = owner.say("list_people")["people"]
    assert (person["faces"], person["photos"]) == (2, 1)


def test_excluded_faces_leave_and_do_not_come_back(owner: Owner) -> None:
    ada = contact(owner.queue, owner.user)
    one, other = alone(owner, 1), alone(owner, 1, blur=0.3)
    owner.say("assign_faces", p_face_ids=[one], p_contact_id=ada)
    assert owner.who(other)[0][1:] == (ada, True)
    before = owner.state()
    owner.say("exclude_faces", p_face_ids=[other], p_contact_id=ada)
    assert owner.who(other) == [(None, None, False)]
    owner.say("assign_faces", p_face_ids=[alone(owner, 1, blur=0.1)], p_contact_id=ada)
    assert owner.who(other) == [(None, None, False)]
    owner.say("undo_verdict")
    owner.say("undo_verdict", p_verdict_id=owner.say("list_verdicts")["verdicts"][2]["id"])
    assert owner.who(other) == [tuple(before["faces"][other]["m"])]


def test_excluded_from_an_unnamed_person(owner: Owner) -> None:
    faces = [alone(owner, 1, blur=blur) for blur in (0.1, 0.2, 0.3)]
    cluster = owner.cluster(*faces)
    before = owner.state()
    owner.say("exclude_faces", p_face_ids=[faces[0]], p_cluster_id=cluster)
    assert owner.clustered(*faces) == [None, cluster, cluster]
    assert owner.count("kizu.face_pairs") == 2
    owner.undo(before)


@pytest.mark.parametrize("then", ["another name", "no name", "no contact"])
def test_who_is_not_a_person_is_not_them_by_another_name(owner: Owner, then: str) -> None:
    faces = [alone(owner, 1, blur=0.1 * number) for number in range(4)]
    (cluster,) = set(owner.clustered(*faces))
    ada = owner.say("name_person", p_cluster_id=cluster, p_name="Ada")["contact_id"]
    owner.say("exclude_faces", p_face_ids=faces[3:], p_cluster_id=cluster)
    if then == "no contact":
        with owner.queue.acting("authenticated", owner.user):
            owner.queue.db.execute("delete from contacts where id = %s", (ada,))
    else:
        owner.say("name_person", p_cluster_id=cluster, p_name="Bea" if then == "another name" else None)
    asset = owner.queue.value("select asset_id from face_embeddings where face_id = %s", faces[3])
    look(owner.queue, owner.user, str(asset), face(0, HERE, somebody(1, blur=0.3)))
    assert owner.who(faces[3]) == [(None, None, False)]
    assert violations(owner.queue, owner.user) == []


def test_who_is_not_a_person_is_not_whom_their_faces_are_taken_for(owner: Owner) -> None:
    """By another model, which answers by now."""
    later = owner.queue.generation("n", "faces")
    ada = [alone(owner, 1)]
    owner.look_again(ada[0], "n", somebody(1))
    contact_id = owner.say("assign_faces", p_face_ids=ada, p_name="Ada")["contact_id"]
    one, two = alone(owner, 2), alone(owner, 2, blur=0.3)
    (person,) = set(owner.clustered(one, two))
    owner.look_again(one, "n", somebody(1, blur=0.3))
    owner.queue.value("select flip_generation(%s, true)", later)
    assert owner.rows(one) == {"m": (person, None, False), "n": (person, contact_id, True)}
    before = owner.state()

    owner.say("exclude_faces", p_face_ids=ada, p_cluster_id=person)

    assert owner.rows(one)["n"][1:] == (None, False)
    owner.undo(before)


def test_who_is_not_a_person_is_not_whom_that_person_turns_out_to_be(owner: Owner) -> None:
    """Though they are in no cluster, and in a photo of which nobody speaks."""
    ada = [alone(owner, 1)]
    contact_id = owner.say("assign_faces", p_face_ids=ada, p_name="Ada")["contact_id"]
    like = alone(owner, 1, blur=0.3)
    person = owner.cluster(alone(owner, 2), alone(owner, 3))
    owner.queue.value("select kizu.move_faces(%s, array[%s]::uuid[], null)", owner.user, like)
    owner.say("exclude_faces", p_face_ids=[like], p_cluster_id=person)
    assert owner.who(like)[0][1:] == (contact_id, True)
    owner.queue.value("select kizu.move_faces(%s, array[%s]::uuid[], null)", owner.user, like)
    before = owner.state()

    owner.say("name_person", p_cluster_id=person, p_contact_id=contact_id)

    assert owner.who(like)[0][1:] == (None, False)
    owner.undo(before)


def test_removed_faces_are_in_no_cluster(owner: Owner) -> None:
    faces = [alone(owner, 1, blur=blur) for blur in (0.1, 0.2, 0.3)]
    cluster = owner.cluster(*faces)
    owner.say("name_person", p_cluster_id=cluster, p_name="Ada")
    before = owner.state()
    owner.say("remove_faces", p_face_ids=faces[:1])
    assert owner.who(faces[0]) == [(None, None, False)]
    assert (owner.count("kizu.face_pairs"), owner.count("kizu.exclusions")) == (2, 1)
    owner.undo(before)
    assert owner.say("remove_faces", p_face_ids=[alone(owner, 7)])["verdict_id"] is None


def test_merged_people_are_one(owner: Owner) -> None:
    first = [alone(owner, 1, blur=blur) for blur in (0.1, 0.2)]
    second = [alone(owner, 2, blur=blur) for blur in (0.1, 0.2)]
    into, other = owner.cluster(*first), owner.cluster(*second)
    before = owner.state()
    answer = owner.say("merge_people", p_into=into, p_others=[other])
    assert (answer["cluster_id"], answer["moved"], answer["left_behind"]) == (into, 2, 0)
    assert owner.clustered(*first, *second) == [into] * 4
    assert owner.count("kizu.face_pairs") == 3, "all four are tied, so that no clustering parts them"
    assert [person["cluster_id"] for person in owner.say("list_people")["people"]] == [into]
    owner.undo(before)
    assert owner.clustered(*second) == [other] * 2


def test_a_name_comes_to_those_who_are_merged(owner: Owner) -> None:
    ada, bob = contact(owner.queue, owner.user), contact(owner.queue, owner.user, "Bob")
    adas, bobs = [alone(owner, 1)], [alone(owner, 2), alone(owner, 2, blur=0.3)]
    strangers = [alone(owner, 3), alone(owner, 3, blur=0.3)]
    into = owner.say("assign_faces", p_face_ids=adas, p_contact_id=ada)["cluster_id"]
    other = owner.say("assign_faces", p_face_ids=bobs, p_contact_id=bob)["cluster_id"]
    third = owner.cluster(*strangers)
    before = owner.state()
    owner.say("merge_people", p_into=into, p_others=[other, third])
    assert owner.who(*adas, *bobs, *strangers) == [(into, ada, False)] * 5
    owner.undo(before)
    owner.say("merge_people", p_into=third, p_others=[other])
    assert owner.who(*bobs, *strangers) == [(third, bob, False)] * 4, "who has no name gets theirs"
    owner.undo(before)


def test_a_name_without_a_contact_comes_to_those_who_are_merged(owner: Owner) -> None:
    first, second = owner.cluster(alone(owner, 1)), owner.cluster(alone(owner, 2))
    owner.queue.db.execute("update face_clusters set name = 'Grandpa' where id = %s", (second,))
    before = owner.state()
    owner.say("merge_people", p_into=first, p_others=[second])
    assert owner.say("show_person", p_cluster_id=first)["person"]["name"] == "Grandpa"
    owner.undo(before)


def test_who_is_in_the_photo_already_stays_behind(owner: Owner) -> None:
    one, other = owner.photo(somebody(1), somebody(2))
    alike = alone(owner, 2, blur=0.3)
    into, from_there = owner.cluster(one), owner.cluster(other, alike)
    before = owner.state()
    answer = owner.say("merge_people", p_into=into, p_others=[from_there])
    assert (answer["moved"], answer["left_behind"]) == (1, 1)
    assert owner.clustered(one, alike, other) == [into, into, from_there]
    owner.undo(before)
    owner.say("remove_faces", p_face_ids=[alike])
    assert owner.refused("merge_people", p_into=into, p_others=[from_there]) == ("PT409", "conflict")


def test_split_faces_are_another_person(owner: Owner) -> None:
    faces = [alone(owner, seed) for seed in range(1, 6)]
    cluster = owner.cluster(*faces)
    before = owner.state()
    answer = owner.say("split_person", p_cluster_id=cluster, p_face_ids=faces[:2])
    made = answer["cluster_id"]
    assert owner.clustered(*faces) == [made, made, cluster, cluster, cluster]
    assert (
        owner.queue.value("select count(*) from kizu.face_pairs where user_id = %s and same", owner.user) == 1
    )
    owner.undo(before)
    owner.say("split_person", p_cluster_id=cluster, p_face_ids=faces[:2])
    made = owner.clustered(faces[0])[0]
    owner.say("merge_people", p_into=cluster, p_others=[made])
    assert owner.clustered(*faces) == [cluster] * 5, "the latest word holds"


def test_split_with_a_name(owner: Owner) -> None:
    faces = [alone(owner, seed) for seed in range(1, 5)]
    cluster = owner.cluster(*faces)
    ada = owner.say("name_person", p_cluster_id=cluster, p_name="Ada")["contact_id"]
    bob = contact(owner.queue, owner.user, "Bob")
    before = owner.state()
    answer = owner.say("split_person", p_cluster_id=cluster, p_face_ids=faces[:2], p_name="Bob")
    assert owner.who(*faces) == [(answer["cluster_id"], bob, False)] * 2 + [(cluster, ada, False)] * 2
    owner.undo(before)


def test_what_cannot_be_split(owner: Owner) -> None:
    faces, stranger = [alone(owner, seed) for seed in (1, 2)], alone(owner, 3)
    twins = owner.photo(somebody(4), somebody(5))
    cluster = owner.cluster(*faces)
    both = owner.say("assign_faces", p_face_ids=twins, p_name="Ada")["cluster_id"]
    owner.say("assign_faces", p_face_ids=[alone(owner, 6)], p_name="Ada")
    for face_ids, where, name, refusal in [
        ([*faces[:1], stranger], cluster, None, ("PT409", "conflict")),
        (twins, both, None, ("PT409", "conflict")),
        (twins[:1], both, "Ada", ("PT409", "conflict")),
        (faces, cluster, None, ("PT400", "bad_params")),
        ([], cluster, None, ("PT400", "bad_params")),
        (faces[:1], cluster, "", ("PT400", "bad_params")),
        (faces[:1], str(uuid.uuid4()), None, ("PT404", "not_found")),
    ]:
        assert (
            owner.refused("split_person", p_cluster_id=where, p_face_ids=face_ids, p_name=name) == refusal
        ), (face_ids, name)


def test_a_named_cluster_teaches_its_name(owner: Owner) -> None:
    faces = [alone(owner, 1, blur=0.1 * n) for n in range(1, 4)]
    later = alone(owner, 1)
    cluster = owner.cluster(*faces)
    ada = contact(owner.queue, owner.user)
    before = owner.state()
    answer = owner.say("name_person", p_cluster_id=cluster, p_contact_id=ada)
    assert answer["cluster_id"] == cluster
    assert owner.who(*faces) == [(cluster, ada, False)] * 3
    assert owner.who(later)[0][1:] == (ada, True)
    named = owner.state()
    owner.say("name_person", p_cluster_id=cluster)
    assert [row[1] for row in owner.who(*faces, later)] == [None] * 4
    (person,) = owner.say("list_people")["people"]
    assert (person["name"], person["contact_id"]) == (None, None)
    owner.undo(named)
    owner.undo(before)


def test_at_most_sixteen_of_a_cluster_are_said_to_be_somebody(owner: Owner) -> None:
    faces = [alone(owner, 1, blur=0.02 * n) for n in range(20)]
    cluster = owner.cluster(*faces)
    ada = owner.say("name_person", p_cluster_id=cluster, p_name="Ada")["contact_id"]
    said = [row[2] for row in owner.who(*faces)]
    assert (said.count(False), said.count(True)) == (16, 4)
    assert [row[1] for row in owner.who(*faces)] == [ada] * 20


def test_a_person_named_like_another_is_merged_into_them(owner: Owner) -> None:
    ada = contact(owner.queue, owner.user)
    one, other = alone(owner, 1), alone(owner, 2)
    into = owner.say("assign_faces", p_face_ids=[one], p_contact_id=ada)["cluster_id"]
    cluster = owner.cluster(other)
    answer = owner.say("name_person", p_cluster_id=cluster, p_name="Ada")
    assert answer["cluster_id"] == into
    assert owner.who(other) == [(into, ada, False)]


def test_who_is_not_them_leaves_when_a_cluster_gets_their_name(owner: Owner) -> None:
    ada = contact(owner.queue, owner.user)
    one, other = alone(owner, 1), alone(owner, 1, blur=0.2)
    cluster = owner.cluster(one, other)
    owner.say("exclude_faces", p_face_ids=[other], p_contact_id=ada)
    owner.say("name_person", p_cluster_id=cluster, p_contact_id=ada)
    assert owner.clustered(one, other) == [cluster, None]


def test_hidden_people_are_listed_apart(owner: Owner) -> None:
    clusters = [owner.cluster(alone(owner, seed)) for seed in (1, 2)]
    before = owner.state()
    assert owner.say("hide_person", p_cluster_id=clusters[0])["hidden"] is True
    assert owner.say("hide_person", p_cluster_id=clusters[0], p_hidden=True)["verdict_id"] is None

    def listed(hidden: bool) -> list[str]:
        return [person["cluster_id"] for person in owner.say("list_people", p_hidden=hidden)["people"]]

    assert (listed(False), listed(True)) == ([clusters[1]], [clusters[0]])
    owner.undo(before)
    owner.say("lock_person", p_cluster_id=clusters[0])
    assert owner.say("show_person", p_cluster_id=clusters[0])["person"]["locked"] is True
    owner.undo(before)


def test_marked_faces_are_nobodys(owner: Owner) -> None:
    ada = contact(owner.queue, owner.user)
    one, other = alone(owner, 1), alone(owner, 1, blur=0.3)
    owner.say("assign_faces", p_face_ids=[one], p_contact_id=ada)
    before = owner.state()
    owner.say("mark_faces", p_face_ids=[one], p_mark="not_a_face")
    assert owner.who(one, other)[0] == (None, None, False)
    assert owner.who(other)[0][1:] == (None, False), "what it taught goes with it"
    owner.say("mark_faces", p_face_ids=[one], p_mark="ignored")
    assert owner.queue.value("select mark from kizu.face_marks where user_id = %s", owner.user) == "ignored"
    owner.say("mark_faces", p_face_ids=[one], p_mark=None)
    assert owner.count("kizu.face_marks") == 0
    for _ in range(3):
        owner.say("undo_verdict")
    assert owner.state() == before
    assert owner.refused("mark_faces", p_face_ids=[one], p_mark="blurred") == ("PT400", "bad_params")


def test_a_name_takes_a_mark_away(owner: Owner) -> None:
    one = alone(owner, 1)
    owner.say("mark_faces", p_face_ids=[one], p_mark="ignored")
    owner.say("assign_faces", p_face_ids=[one], p_name="Ada")
    assert owner.count("kizu.face_marks") == 0


def test_cleared_people_keep_what_was_said(owner: Owner) -> None:
    ada = contact(owner.queue, owner.user)
    said, alike = alone(owner, 1), alone(owner, 1, blur=0.3)
    strangers = [alone(owner, 2), alone(owner, 3)]
    locked = [alone(owner, 4)]
    cluster = owner.say("assign_faces", p_face_ids=[said], p_contact_id=ada)["cluster_id"]
    owner.cluster(*strangers)
    kept = owner.cluster(*locked)
    owner.say("lock_person", p_cluster_id=kept)
    before = owner.state()
    answer = owner.say("clear_people")
    assert answer["more"] is False
    assert owner.clustered(said, alike, *strangers, *locked) == [cluster, None, None, None, kept]
    assert owner.who(alike) == [(None, None, False)]
    assert len(owner.say("list_people")["people"]) == 2
    assert owner.say("clear_people")["verdict_id"] is None
    owner.undo(before)


def test_faces_said_to_be_one_stay_together(owner: Owner) -> None:
    """A split said so; whoever one of them is, the other is."""
    faces = [alone(owner, seed) for seed in range(1, 5)]
    cluster = owner.cluster(*faces)
    made = owner.say("split_person", p_cluster_id=cluster, p_face_ids=faces[:2])["cluster_id"]
    bobs = owner.say("assign_faces", p_face_ids=[alone(owner, 9)], p_name="Bob")["cluster_id"]
    before = owner.state()
    owner.say("assign_faces", p_face_ids=faces[:1], p_name="Bob")
    assert owner.clustered(*faces[:2]) == [bobs, bobs]
    owner.undo(before)
    owner.say("exclude_faces", p_face_ids=faces[:1], p_cluster_id=made)
    assert owner.clustered(*faces[:2]) == [None, made]


# Taking back.


def test_who_is_one_with_somebody_is_recognised_with_them(owner: Owner) -> None:
    one, other = alone(owner, 1), alone(owner, 2)
    owner.say("answer_face_question", p_face_id=one, p_other_id=other, p_answer="same")
    ada = owner.say("assign_face", p_face_id=alone(owner, 3), p_name="Ada")["contact_id"]
    named = alone(owner, 1, blur=0.9)
    owner.say("assign_face", p_face_id=named, p_contact_id=ada)
    cluster = owner.clustered(named)[0]
    assert owner.who(one, other) == [(cluster, ada, True), (cluster, None, False)]


def test_who_is_one_with_somebody_is_not_recognised_apart_from_them(owner: Owner) -> None:
    one, other = alone(owner, 1), alone(owner, 2)
    owner.say("answer_face_question", p_face_id=one, p_other_id=other, p_answer="same")
    together = owner.clustered(one, other)
    ada = owner.say("assign_face", p_face_id=alone(owner, 3), p_name="Ada")["contact_id"]
    owner.say("exclude_faces", p_face_ids=[other], p_contact_id=ada)
    owner.say("assign_face", p_face_id=alone(owner, 1, blur=0.9), p_contact_id=ada)
    assert owner.who(one, other) == [(cluster, None, False) for cluster in together]


def test_who_is_recognised_by_one_model_alone_is_so_again(owner: Owner) -> None:
    """Another model does not take them for the contact, before and after."""
    later = owner.queue.generation("n", "faces")
    ada = contact(owner.queue, owner.user)
    one = [alone(owner, 1)]
    named = owner.say("assign_faces", p_face_ids=one, p_contact_id=ada)["cluster_id"]
    like = owner.photo(somebody(1, blur=0.3))
    assert owner.who(*like) == [(named, ada, True)]
    owner.look_again(one[0], "n", somebody(1))
    owner.look_again(like[0], "n", somebody(2))
    owner.queue.value("select flip_generation(%s, true)", later)
    assert owner.rows(like[0]) == {"m": (named, ada, True), "n": (named, None, False)}
    before = owner.state()
    owner.say("exclude_faces", p_face_ids=one, p_cluster_id=named)
    owner.undo(before)


def test_who_no_model_finds_twice_in_a_photo_is_back_in_their_cluster(owner: Owner) -> None:
    """Each model finds another face of the photo; they may be the same one."""
    owner.queue.generation("n", "faces")
    (one,) = owner.photo(somebody(1))
    asset = str(owner.queue.value("select asset_id from face_embeddings where face_id = %s", one))
    look(owner.queue, owner.user, asset, face(0, THERE, somebody(1), "n"))
    (other,) = (str(row["face_id"]) for row in faces_of(owner.queue, asset, "n"))
    owner.cluster(one, other)
    before = owner.state()
    owner.say("assign_faces", p_face_ids=[one], p_name="Ada")
    assert owner.clustered(other) == [None]
    owner.say("undo_verdict")
    assert owner.state() == {**before, "contacts": owner.state()["contacts"]}


def test_who_is_still_recognised_stays_so(owner: Owner) -> None:
    """The photo that taught the name is gone; nobody asks again because of a word that is taken back."""
    ada = contact(owner.queue, owner.user)
    taught, like = alone(owner, 1), alone(owner, 1, blur=0.1)
    owner.say("assign_faces", p_face_ids=[taught], p_contact_id=ada)
    owner.queue.db.execute(
        "delete from assets where id = (select asset_id from face_embeddings where face_id = %s)", (taught,)
    )
    assert owner.who(like)[0][1:] == (ada, True)
    other = alone(owner, 1, blur=0.2)
    before = owner.state()
    owner.say("assign_faces", p_face_ids=[other], p_contact_id=ada)
    owner.undo(before)


def test_of_two_who_differ_one_is_recognised(owner: Owner) -> None:
    """Both are like a face that is named, and are looked at together."""
    like, less_like = alone(owner, 1, blur=0.2), alone(owner, 1, blur=0.4)
    owner.say("answer_face_question", p_face_id=like, p_other_id=less_like, p_answer="different")
    named = alone(owner, 1)
    owner.say("clear_people")
    ada = contact(owner.queue, owner.user)
    before = owner.state()
    owner.say("assign_faces", p_face_ids=[named], p_contact_id=ada)
    assert [row[1] for row in owner.who(named, like, less_like)] == [ada, ada, None]
    owner.undo(before)


def test_an_older_word_is_taken_back_if_none_is_built_on_it(owner: Owner) -> None:
    one, other = alone(owner, 1), alone(owner, 2)
    first = owner.say("assign_faces", p_face_ids=[one], p_name="Ada")["verdict_id"]
    second = owner.say("assign_faces", p_face_ids=[other], p_name="Bob")["verdict_id"]
    third = owner.say("assign_faces", p_face_ids=[one], p_name="Cay")["verdict_id"]
    assert owner.refused("undo_verdict", p_verdict_id=first) == ("PT409", "conflict")
    assert owner.say("undo_verdict", p_verdict_id=second)["verdict"] == "is"
    assert owner.who(other) == [(None, None, False)]
    assert owner.refused("undo_verdict", p_verdict_id=second) == ("PT409", "conflict")
    undo = owner.say("undo_verdict")
    assert undo["undone"] == third
    assert owner.refused("undo_verdict", p_verdict_id=undo["verdict_id"]) == ("PT409", "conflict")
    assert owner.say("undo_verdict")["undone"] == first
    assert owner.refused("undo_verdict") == ("PT404", "not_found")
    listed = owner.say("list_verdicts")["verdicts"]
    assert [row["verdict"] for row in listed] == ["undo", "undo", "undo", "is", "is", "is"]
    assert [row["undone"] for row in listed] == [False] * 3 + [True] * 3
    assert {row["said_by"] for row in listed} == {owner.user}


def test_what_came_in_between_stays(owner: Owner) -> None:
    """A photo that came meanwhile is recognised no more, and a face in the way of who comes back leaves."""
    ada = contact(owner.queue, owner.user)
    one, beside = owner.photo(somebody(1), somebody(2))
    stays = alone(owner, 1, blur=0.1)
    cluster = owner.cluster(one, stays)
    removed = owner.say("remove_faces", p_face_ids=[one])
    owner.queue.value("select kizu.move_faces(%s, %s::uuid[], %s)", owner.user, [beside], cluster)
    owner.say("undo_verdict", p_verdict_id=removed["verdict_id"])
    assert owner.clustered(one, stays, beside) == [cluster, cluster, None]

    owner.say("assign_faces", p_face_ids=[one], p_contact_id=ada)
    later = alone(owner, 1, blur=0.2)
    assert owner.who(later)[0][1:] == (ada, True)
    owner.say("undo_verdict")
    assert owner.who(later)[0][1:] == (None, False)


def test_a_contact_that_is_gone_does_not_come_back(owner: Owner) -> None:
    ada, bob = contact(owner.queue, owner.user), contact(owner.queue, owner.user, "Bob")
    one = alone(owner, 1)
    owner.say("assign_faces", p_face_ids=[one], p_contact_id=ada)
    owner.say("assign_faces", p_face_ids=[one], p_contact_id=bob)
    with owner.queue.acting("authenticated", owner.user):
        owner.queue.db.execute("delete from contacts where id = %s", (ada,))
    owner.say("undo_verdict")
    assert owner.who(one)[0][1:] == (None, False)


# Refusals.


def test_what_is_asked_badly(owner: Owner) -> None:
    one = alone(owner, 1)
    cluster = owner.cluster(one)
    many = [str(uuid.uuid4()) for _ in range(1001)]
    for verb, arguments in [
        ("assign_faces", {"p_face_ids": []}),
        ("assign_faces", {"p_face_ids": many}),
        ("assign_faces", {"p_face_ids": [one, None]}),
        ("assign_faces", {"p_face_ids": [one], "p_contact_id": cluster, "p_name": "Ada"}),
        ("assign_faces", {"p_face_ids": [one], "p_name": " "}),
        ("assign_faces", {"p_face_ids": [one], "p_name": "a" * 501}),
        ("exclude_faces", {"p_face_ids": [one]}),
        ("exclude_faces", {"p_face_ids": many, "p_cluster_id": cluster}),
        ("remove_faces", {"p_face_ids": None}),
        ("mark_faces", {"p_face_ids": many, "p_mark": "ignored"}),
        ("merge_people", {"p_into": cluster, "p_others": [cluster]}),
        ("merge_people", {"p_into": cluster, "p_others": []}),
        ("merge_people", {"p_into": cluster, "p_others": many}),
        ("name_person", {"p_cluster_id": cluster, "p_name": "a\nb"}),
        ("list_people", {"p_limit": 501}),
        ("list_people", {"p_limit": 0}),
        ("list_people", {"p_after": Jsonb({"unnamed": False, "faces": 1, "cluster_id": "me"})}),
        ("list_people", {"p_after": Jsonb({"unnamed": "no", "faces": 1, "cluster_id": cluster})}),
        ("list_people", {"p_after": Jsonb({"unnamed": False, "faces": 1.5, "cluster_id": cluster})}),
        ("list_people", {"p_after": Jsonb({"cluster_id": cluster})}),
        ("list_people", {"p_after": Jsonb([])}),
        ("show_person", {"p_cluster_id": cluster, "p_after": Jsonb({"id": one})}),
        ("show_person", {"p_cluster_id": cluster, "p_after": Jsonb({"quality": "best", "id": one})}),
        ("show_person", {"p_cluster_id": cluster, "p_limit": 501}),
        ("list_verdicts", {"p_limit": None}),
    ]:
        assert owner.refused(verb, **arguments) == ("PT400", "bad_params"), (verb, arguments)


def test_nobody_touches_anothers_people(owner: Owner, another: Owner) -> None:
    mine, theirs = alone(owner, 1), alone(another, 1)
    my_cluster, their_cluster = owner.cluster(mine), another.cluster(theirs)
    their_contact = contact(another.queue, another.user)
    verdict = another.say("hide_person", p_cluster_id=their_cluster)["verdict_id"]
    before = another.state()
    for verb, arguments in [
        ("assign_faces", {"p_face_ids": [mine, theirs], "p_name": "Ada"}),
        ("assign_faces", {"p_face_ids": [mine], "p_contact_id": their_contact}),
        ("exclude_faces", {"p_face_ids": [theirs], "p_cluster_id": my_cluster}),
        ("exclude_faces", {"p_face_ids": [mine], "p_cluster_id": their_cluster}),
        ("exclude_faces", {"p_face_ids": [mine], "p_contact_id": their_contact}),
        ("remove_faces", {"p_face_ids": [mine, theirs]}),
        ("merge_people", {"p_into": my_cluster, "p_others": [their_cluster]}),
        ("merge_people", {"p_into": their_cluster, "p_others": [my_cluster]}),
        ("split_person", {"p_cluster_id": their_cluster, "p_face_ids": [theirs]}),
        ("split_person", {"p_cluster_id": my_cluster, "p_face_ids": [theirs]}),
        ("name_person", {"p_cluster_id": their_cluster, "p_name": "Ada"}),
        ("name_person", {"p_cluster_id": my_cluster, "p_contact_id": their_contact}),
        ("hide_person", {"p_cluster_id": their_cluster}),
        ("lock_person", {"p_cluster_id": their_cluster}),
        ("mark_faces", {"p_face_ids": [theirs], "p_mark": "ignored"}),
        ("undo_verdict", {"p_verdict_id": verdict}),
        ("show_person", {"p_cluster_id": their_cluster}),
    ]:
        for more in ({}, {"p_user": another.user}):
            assert owner.refused(verb, **arguments, **more) == ("PT404", "not_found"), (verb, arguments)
    assert len(owner.say("list_people", p_user=another.user)["people"]) == 1
    assert owner.say("list_verdicts", p_user=another.user)["verdicts"] == []
    owner.say("clear_people", p_user=another.user)
    assert another.state() == before


def test_the_service_speaks_for_a_user_and_only_of_theirs(owner: Owner, another: Owner) -> None:
    mine, theirs = alone(owner, 1), alone(another, 1)
    clusters = [owner.cluster(mine), another.cluster(theirs)]
    queue = owner.queue

    def refusal(statement: str, *parameters: Any) -> str:
        with pytest.raises(psycopg.DatabaseError) as caught, queue.acting("service_role"):
            queue.value(statement, *parameters)
        return str(caught.value.sqlstate)

    assert refusal("select merge_people(%s, %s::uuid[])", clusters[0], clusters[1:]) == "PT404"
    assert refusal("select assign_faces(%s::uuid[], p_name => 'A')", [mine, theirs]) == "PT404"
    assert refusal("select remove_faces(%s::uuid[], p_user => %s)", [theirs], owner.user) == "PT404"
    assert refusal("select list_people()") == refusal("select clear_people()") == "PT400"
    with queue.acting("service_role"):
        assert len(queue.value("select list_people(p_user => %s)", owner.user)["people"]) == 1
        queue.value("select hide_person(%s)", clusters[1])
    assert another.say("list_people")["people"] == []


# At the same time.


def test_a_verdict_waits_for_another_of_the_same_people(
    owner: Owner, connect: Callable[[], psycopg.Connection]
) -> None:
    one, other = alone(owner, 1), alone(owner, 2)
    first, second = owner.cluster(one), owner.cluster(other)
    merger, namer = connect(), Owner.__new__(Owner)
    namer.queue, namer.user = Queue(connect()), owner.user
    with ThreadPoolExecutor(1) as pool:
        with acting(merger, "authenticated", owner.user):
            merger.execute("select merge_people(%s, array[%s]::uuid[])", (first, second))
            naming = pool.submit(namer.refused, "name_person", p_cluster_id=second, p_name="Ada")
            wait_until_locked(owner.queue, namer.queue.db)
        with pytest.raises(AssertionError):
            naming.result(30)  # the state has changed, by the merging
    assert owner.refused("name_person", p_cluster_id=second, p_name="Ada") == ("PT404", "not_found")


def test_a_photo_that_is_settled_while_people_merge(
    owner: Owner, connect: Callable[[], psycopg.Connection]
) -> None:
    one, other = alone(owner, 1), alone(owner, 2)
    first, second = owner.cluster(one), owner.cluster(other)
    asset, kind = owner.queue.asset(owner.user), owner.queue.kind()
    owner.queue.enqueue(kind, owner.user, asset)
    job = owner.queue.take(kind)
    write = {"table": "face_embeddings", "rows": [face(0, HERE, somebody(2, blur=0.2))]}
    merger, worker = connect(), Queue(connect())
    with ThreadPoolExecutor(1) as pool:
        with acting(merger, "authenticated", owner.user):
            merger.execute("select merge_people(%s, array[%s]::uuid[])", (first, second))
            settled = pool.submit(worker.settle, job, writes=[write])
            wait_until_locked(owner.queue, worker.db)
        assert settled.result(30)["answer"] == "settled"
    assert violations(owner.queue, owner.user) == []


def test_who_waits_too_long_is_told_to_try_again(
    owner: Owner, connect: Callable[[], psycopg.Connection]
) -> None:
    cluster = owner.cluster(alone(owner, 1))
    holder = connect()
    with holder.transaction():
        holder.execute("select pg_advisory_xact_lock(kizu.faces_of(%s))", (owner.user,))
        assert owner.refused("hide_person", p_cluster_id=cluster) == ("PT503", "database_busy")
