"""The rules of people find what breaks them: each is broken once, by a hand that obeys nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tests.sql.people import HERE, NEARLY_HERE, THERE, contact, face, faces_of, look, somebody
from tests.sql.people_invariants import locked_faces, violations

pytestmark = pytest.mark.stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Ada's cluster with two faces of hers, one a photo; beside the first a stranger, in a cluster alone."""

    queue: Any
    user: str
    ada: str
    cluster: str
    strangers: str
    photo: str
    one: str
    other: str
    stranger: str

    def run(self, statement: str, *parameters: Any) -> None:
        """Past all triggers: whatever the product would do about it."""
        self.queue.db.execute("set session_replication_role = replica")
        self.queue.db.execute(statement, parameters)
        self.queue.db.execute("reset session_replication_role")

    def count(self) -> None:
        clusters = [
            row["id"] for row in self.queue.rows("select id from face_clusters where user_id = %s", self.user)
        ]
        self.queue.value("select kizu.count_people(%s, %s)", self.user, clusters)

    def verdict(self) -> Any:
        return self.queue.value(
            "insert into face_verdicts (user_id, verdict) values (%s, 'same') returning id", self.user
        )

    def pair(self, one: str, other: str, *, same: bool) -> None:
        smaller, larger = sorted((one, other))
        self.run(
            "insert into kizu.face_pairs"
            " (face_id, other_id, user_id, asset_id, other_asset, same, verdict_id)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            smaller,
            larger,
            self.user,
            self.photo,
            self.photo,
            same,
            self.verdict(),
        )

    def move(self, face_id: str, cluster: str | None) -> None:
        self.run("update face_embeddings set cluster_id = %s where face_id = %s", cluster, face_id)
        self.count()


@pytest.fixture
def library(queue: Any) -> Library:
    queue.generation("m", "faces")
    user = str(queue.user())
    ada = contact(queue, user)
    assets = [str(queue.asset(user)) for _ in range(2)]
    look(queue, user, assets[0], face(0, HERE, somebody(1)), face(1, THERE, somebody(2)))
    look(queue, user, assets[1], face(0, HERE, somebody(1, blur=0.3)))
    make = "insert into face_clusters (user_id, contact_id, name) values (%s, %s, %s) returning id"
    cluster, strangers = (
        str(queue.value(make, user, who, name)) for who, name in ((ada, "Ada"), (None, None))
    )
    (one, stranger), (other,) = ([str(row["face_id"]) for row in faces_of(queue, asset)] for asset in assets)
    made = Library(
        queue=queue,
        user=user,
        ada=ada,
        cluster=cluster,
        strangers=strangers,
        photo=assets[0],
        one=one,
        other=other,
        stranger=stranger,
    )
    made.run(
        "update face_embeddings set cluster_id = %s, contact_id = %s where face_id = %s", cluster, ada, one
    )
    made.run(
        "update face_embeddings set cluster_id = %s, contact_id = %s, recognised = true where face_id = %s",
        cluster,
        ada,
        other,
    )
    made.run("update face_embeddings set cluster_id = %s where face_id = %s", strangers, stranger)
    made.count()
    return made


def _both_said(library: Library) -> None:
    _said(library, library.stranger)
    library.move(library.stranger, library.cluster)


def _exclude_and_recognise(library: Library) -> None:
    _exclude(library)
    library.run("update face_embeddings set contact_id = null where face_id = %s", library.one)
    _recognise(library, library.stranger)


def _differ_by_contact(library: Library) -> None:
    library.move(library.other, None)
    library.pair(library.one, library.other, same=False)


def _same_in_no_cluster(library: Library) -> None:
    library.run("update face_embeddings set contact_id = null where face_id = %s", library.other)
    library.move(library.stranger, None)
    library.move(library.other, None)
    library.pair(library.other, library.stranger, same=True)


def _same_and_marked(library: Library) -> None:
    _mark(library)
    library.pair(library.other, library.stranger, same=True)


def _recognise(library: Library, face_id: str) -> None:
    library.run(
        "update face_embeddings set contact_id = %s, recognised = true where face_id = %s",
        library.ada,
        face_id,
    )


def rules(library: Library) -> set[str]:
    return {line.split()[0] for line in violations(library.queue, library.user)}


def test_nothing_is_found_where_nothing_is_broken(library: Library) -> None:
    library.pair(library.one, library.other, same=True)
    library.pair(library.one, library.stranger, same=False)
    locked = locked_faces(library.queue, library.user)
    assert violations(library.queue, library.user, locked) == []


def _second_generation(library: Library) -> None:
    library.queue.generation("n", "faces")
    look(library.queue, library.user, library.photo, face(0, NEARLY_HERE, somebody(11), "n"))
    assert rules(library) == set()
    library.run("update face_embeddings set cluster_id = null where model_version = 'n'")


def _said(library: Library, face_id: str) -> None:
    library.run(
        "update face_embeddings set contact_id = %s, recognised = false where face_id = %s",
        library.ada,
        face_id,
    )


def _exclude(library: Library) -> None:
    library.run(
        "insert into kizu.exclusions (face_id, contact_id, asset_id, user_id) values (%s, %s, %s, %s)",
        library.stranger,
        library.ada,
        library.photo,
        library.user,
    )


def _exclude_from_the_cluster(library: Library) -> None:
    _exclude(library)
    library.run(
        "update face_embeddings set cluster_id = null, contact_id = null where asset_id = %s", library.photo
    )
    library.move(library.stranger, library.cluster)


def _mark(library: Library) -> None:
    library.run(
        "insert into kizu.face_marks (face_id, user_id, asset_id, mark, verdict_id)"
        " values (%s, %s, %s, 'ignored', %s)",
        library.stranger,
        library.user,
        library.photo,
        library.verdict(),
    )


def _born_later(library: Library) -> None:
    library.run("update contacts set birth_date = '2001-01-01'")
    library.run("update assets set taken_at = '2000-12-31'")


CASES: list[tuple[str, set[str], Callable[[Library], None]]] = [
    ("said, and in no cluster", {"V1"}, lambda it: it.move(it.one, None)),
    ("said, and in another cluster", {"V1", "V2"}, lambda it: it.move(it.one, it.strangers)),
    ("two of a photo in a cluster", {"V2"}, lambda it: it.move(it.stranger, it.cluster)),
    ("two of a photo with a contact, one recognised", {"V2"}, lambda it: _recognise(it, it.stranger)),
    ("two of a photo said to be one", set(), _both_said),
    ("excluded, not there", set(), _exclude),
    ("excluded and in the cluster", {"V3"}, _exclude_from_the_cluster),
    ("excluded and recognised", {"V3"}, _exclude_and_recognise),
    ("different, in one cluster", {"V4"}, lambda it: it.pair(it.one, it.other, same=False)),
    ("different, with one contact", {"V4"}, _differ_by_contact),
    ("the same, in two clusters", {"V5"}, lambda it: it.pair(it.other, it.stranger, same=True)),
    ("the same, in none", {"V5"}, _same_in_no_cluster),
    ("the same, one marked", {"V6"}, _same_and_marked),
    ("marked, and in a cluster", {"V6"}, _mark),
    (
        "one too many counted",
        {"V7"},
        lambda it: it.run("update face_clusters set face_count = face_count + 1"),
    ),
    (
        "another's face shown",
        {"V7"},
        lambda it: it.run("update face_clusters set representative_face_id = %s", it.one),
    ),
    ("no face shown", {"V7"}, lambda it: it.run("update face_clusters set representative_face_id = null")),
    (
        "a better face not shown",
        {"V7"},
        lambda it: it.run(
            "update face_embeddings set quality = 0.5"
            " where cluster_id is not null"
            " and not exists (select from face_clusters where representative_face_id = face_embeddings.id)"
        ),
    ),
    (
        "a centre elsewhere",
        {"V7"},
        lambda it: it.run("update face_clusters set centroid_embedding = %s::extensions.vector", somebody(9)),
    ),
    ("no centre", {"V7"}, lambda it: it.run("update face_clusters set centroid_embedding = null")),
    ("a sum without a face's vector", {"V7"}, lambda it: it.run("update kizu.cluster_sums set faces = 7")),
    ("a sum of others", {"V7"}, lambda it: it.run("update kizu.cluster_sums set total = total + total")),
    ("no sum", {"V7"}, lambda it: it.run("delete from kizu.cluster_sums")),
    ("a sum of another model", {"V7"}, lambda it: it.run("update kizu.cluster_sums set model_version = 'n'")),
    (
        "an empty cluster",
        {"V7"},
        lambda it: it.run("insert into face_clusters (user_id) values (%s)", it.user),
    ),
    (
        "a name without a face",
        set(),
        lambda it: it.run("insert into face_clusters (user_id, name) values (%s, 'n')", it.user),
    ),
    ("no cluster in another generation", {"V8"}, _second_generation),
    ("recognised before birth", {"V9"}, _born_later),
]


@pytest.mark.parametrize(("expected", "spoil"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_breaks_a_rule_is_found(
    library: Library, expected: set[str], spoil: Callable[[Library], None]
) -> None:
    spoil(library)
    assert rules(library) == expected


def test_what_changes_a_locked_cluster_is_found(library: Library) -> None:
    library.run("update face_clusters set locked = true where id = %s", library.cluster)
    locked = locked_faces(library.queue, library.user)
    assert locked == {library.cluster: frozenset({library.one, library.other})}
    library.run("delete from face_embeddings where face_id = %s", library.other)
    library.count()
    assert violations(library.queue, library.user, locked) == [], "a photo may go"
    library.move(library.stranger, library.cluster)
    assert [line.split()[0] for line in violations(library.queue, library.user, locked)] == ["V2", "V10"]
    library.move(library.stranger, library.strangers)
    library.run(
        "update face_embeddings set cluster_id = null, contact_id = null where face_id = %s", library.one
    )
    library.count()
    (line,) = violations(library.queue, library.user, locked)
    assert (
        line
        == f"V10 a locked cluster stays as it is: id={library.cluster}, lost=['{library.one}'], gained=[]"
    )


def test_a_person_has_one_cluster(library: Library) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        library.run("update face_clusters set contact_id = %s", library.ada)
    library.queue.db.execute("reset session_replication_role")


def test_anothers_faces_are_not_looked_at(library: Library) -> None:
    library.run("update face_clusters set face_count = 9")
    assert violations(library.queue, library.queue.user()) == []
