"""What is deleted leaves nothing of people behind, in whatever table: those are found in the catalog, so that
a new one cannot be forgotten."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.sql.people import HERE, THERE, contact, face, faces_of, look, somebody
from tests.sql.people_invariants import violations

pytestmark = pytest.mark.stack

# What tells of a photo, a face or a user, by the name of its column.
MEANS = {
    "user": ("user_id", "said_by", "created_by"),
    "photo": ("asset_id", "other_asset"),
    "face": ("face_id", "other_id", "representative_face_id"),
    "contact": ("contact_id", "contact_before", "contact_after"),
}
# What was done stays in the ledger of runs, and files that are still to be deleted wait in the trash.
KEPT = {"runs", "kizu.trash"}


def left(queue: Any, what: str, gone: list[str]) -> list[str]:
    """Tables and columns, of all schemas of ours, that hold one of these ids."""
    columns = queue.rows(
        "select attrelid::regclass::text as name, attname from pg_attribute"
        " join pg_class on pg_class.oid = attrelid"
        " where relnamespace in ('public'::regnamespace, 'kizu'::regnamespace) and relkind in ('r', 'p')"
        " and attname = any (%s) and atttypid = 'uuid'::regtype and not attisdropped and not relispartition",
        list(MEANS[what]),
    )
    assert len(columns) >= 3
    return sorted(
        f"{row['name']}.{row['attname']}"
        for row in columns
        if row["name"] not in KEPT
        and queue.value(
            f"select exists (select from {row['name']} where {row['attname']} = any (%s::uuid[]))", gone
        )
    )


class Library:
    """Photos of three people, of whom everything has been said that can be said."""

    def __init__(self, queue: Any) -> None:
        queue.generation("m", "faces")
        queue.generation("n", "faces")
        self.queue, self.user = queue, str(queue.user())
        self.ada, self.bob = contact(queue, self.user), contact(queue, self.user, "Bob")
        self.photos = [self.photo(seed, seed + 10) for seed in (1, 1, 1, 2, 2, 3, 3, 4)]
        one = [self.faces(photo)[0] for photo in self.photos]
        other = [self.faces(photo)[1] for photo in self.photos]
        self.say("assign_faces", p_face_ids=one[:1], p_contact_id=self.ada)
        self.say("assign_faces", p_face_ids=one[3:4], p_contact_id=self.bob)
        self.say("exclude_faces", p_face_ids=one[1:2], p_contact_id=self.ada)
        self.say("exclude_faces", p_face_ids=one[:1], p_contact_id=self.bob)
        self.say("mark_faces", p_face_ids=other[:2], p_mark="ignored")
        clusters = [self.cluster(one[5:7]), self.cluster([other[7]]), self.cluster(other[2:5])]
        self.say("merge_people", p_into=clusters[0], p_others=clusters[1:2])
        self.say("split_person", p_cluster_id=clusters[2], p_face_ids=other[2:3])
        self.say("remove_faces", p_face_ids=other[3:4])
        self.say("hide_person", p_cluster_id=clusters[0])
        self.say("undo_verdict")
        queue.db.execute(
            "insert into kizu.face_questions (face_id, other_id, user_id, asset_id, other_asset, likeness)"
            " select least(one.face_id, other.face_id), greatest(one.face_id, other.face_id), one.user_id,"
            "        case when one.face_id < other.face_id then one.asset_id else other.asset_id end,"
            "        case when one.face_id < other.face_id then other.asset_id else one.asset_id end, 0.5"
            "   from face_embeddings as one join face_embeddings as other on other.user_id = one.user_id"
            "  where one.user_id = %s and one.asset_id <> other.asset_id and one.model_version = 'm'"
            "    and other.model_version = 'm' on conflict do nothing",
            (self.user,),
        )
        queue.db.execute(
            "insert into kizu.namings (face_id, user_id, after) values (%s, %s, %s)",
            (one[0], self.user, uuid.UUID(int=0)),
        )
        queue.db.execute(
            "insert into kizu.unrecognised (user_id, after) values (%s, %s)", (self.user, uuid.UUID(int=0))
        )
        with queue.acting("authenticated", self.user):
            queue.db.execute("delete from asset_tags where asset_id = %s", (self.photos[4],))

    def photo(self, *seeds: int) -> str:
        asset = str(self.queue.asset(self.user))
        for model in "mn":
            look(
                self.queue,
                self.user,
                asset,
                *(
                    face(n, (HERE, THERE)[n], somebody(seed, blur=0.3 if n else 0.0), model)
                    for n, seed in enumerate(seeds)
                ),
            )
        return asset

    def faces(self, asset: str) -> list[str]:
        return [str(row["face_id"]) for row in faces_of(self.queue, asset)]

    def cluster(self, faces: list[str]) -> str:
        made = str(
            self.queue.value("insert into face_clusters (user_id) values (%s) returning id", self.user)
        )
        self.queue.value("select kizu.move_faces(%s, %s::uuid[], %s)", self.user, faces, made)
        return made

    def say(self, verb: str, **arguments: Any) -> None:
        names = ", ".join(f"{name} => %s" for name in arguments)
        self.act(f"select {verb}({names})", *arguments.values())

    def act(self, statement: str, *parameters: Any) -> None:
        with self.queue.acting("authenticated", self.user):
            self.queue.db.execute(statement, parameters)


@pytest.fixture
def library(queue: Any) -> Library:
    return Library(queue)


def test_what_is_there_is_found(library: Library) -> None:
    """Or what is said below of what is not would mean nothing."""
    faces = [face_id for photo in library.photos for face_id in library.faces(photo)]
    for table in (
        "exclusions",
        "face_pairs",
        "face_marks",
        "face_questions",
        "face_vectors",
        "verdict_changes",
    ):
        assert any(name.startswith(f"kizu.{table}.") for name in left(library.queue, "face", faces)), table
        assert any(
            name.startswith(f"kizu.{table}.") for name in left(library.queue, "user", [library.user])
        ), table


def test_a_photo_leaves_nothing_behind(library: Library) -> None:
    for photo in library.photos:
        rows = library.queue.rows("select id, face_id from face_embeddings where asset_id = %s", photo)
        faces = [str(row[key]) for row in rows for key in ("id", "face_id")]
        library.act("delete from assets where id = %s", photo)
        assert left(library.queue, "photo", [photo]) == []
        assert left(library.queue, "face", faces) == []
        assert violations(library.queue, library.user) == []
    of_faces = "select verdict from face_verdicts where user_id = %s and verdict not in ('hide', 'undo')"
    assert library.queue.rows(of_faces, library.user) == []
    unnamed = "select id from face_clusters where user_id = %s and contact_id is null"
    assert library.queue.rows(unnamed, library.user) == []
    assert library.queue.rows("select * from kizu.cluster_sums where user_id = %s", library.user) == []


def test_a_contact_leaves_nothing_behind(library: Library) -> None:
    for who in (library.ada, library.bob):
        library.act("delete from contacts where id = %s", who)
        assert left(library.queue, "contact", [who]) == []
        assert violations(library.queue, library.user) == []


def test_a_user_leaves_nothing_behind(library: Library) -> None:
    faces = [face_id for photo in library.photos for face_id in library.faces(photo)]
    library.queue.db.execute("delete from auth.users where id = %s", (library.user,))
    assert left(library.queue, "face", faces) == []
    assert left(library.queue, "contact", [library.ada, library.bob]) == []
    assert left(library.queue, "photo", library.photos) == []
    assert left(library.queue, "user", [library.user]) == []
