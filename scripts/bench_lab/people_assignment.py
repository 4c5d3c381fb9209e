"""Whose face a new one is, among ever more faces that people named: now, and as it was, each compared with.

All users' faces are in one index. What is measured is one new photo with one face: whom it is taken for and
where it is placed, in a transaction that is rolled back, so that each photo is new to both sides.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from psycopg import sql

from scripts.bench_lab.lab import Lab
from scripts.bench_lab.measure import Measure
from worker.local.migrations import find_migrations
from worker.local.stack import PROJECT

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIMENSION = 512
FACES_OF_EACH = 20
"""Of one person, all of which people named."""
BLUR = 0.03
"""Of each number of a face; with it faces of one person have cosines of about 0.7."""
FLAT_GOAL, FASTER_GOAL, SAME_GOAL = 2.0, 10.0, 1.0
SIZES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Shares of the most faces that a user has."""
FORMERLY = "20261130000300"
"""The migration that made the function which compared with each; it is never edited any more."""
VERSION = "bench"

NOW = "select kizu.recognise_faces(%(user)s, %(photos)s, %(version)s), kizu.place_faces(%(user)s, %(photos)s)"
FORMER = "select former.recognise_faces(%(user)s, %(photos)s, %(version)s)"


def measure(lab: Lab) -> list[Measure]:
    most = lab.vectors or lab.pick(full=100_000, quick=2_000)
    photos, former_photos = lab.pick(full=40, quick=8), lab.pick(full=3, quick=8)
    _begin(lab)
    counts = [max(round(most * size), FACES_OF_EACH) for size in SIZES]
    users = [_add_faces(lab, count, photos, seed) for seed, count in enumerate(counts)]
    lab.tell(f"indexing {sum(counts)} faces")
    lab.db.execute("set maintenance_work_mem = '1GB'")
    lab.db.execute(
        "select kizu.index_generation(one) from generations as one where model_version = %s", [VERSION]
    )
    lab.db.execute("vacuum (analyze) public.face_embeddings, kizu.face_vectors, public.face_clusters")

    seconds: dict[tuple[str, int], list[float]] = {}
    for turn in range(photos):
        lab.tell(f"photo {turn + 1} of {photos}")
        for count, (user, assets) in zip(counts, users, strict=True):
            statements = (NOW, FORMER) if turn % 2 else (FORMER, NOW)
            for statement in statements if turn < former_photos else (NOW,):
                seconds.setdefault((statement, count), []).append(_time(lab, statement, user, assets[turn]))
    median = {key: statistics.median(values) for key, values in seconds.items()}
    agree = [
        _recognised(lab, user, asset) == _recognised(lab, user, asset, exact=True)
        for user, assets in users
        for asset in assets
    ]
    first, last = counts[0], counts[-1]
    return [
        *(
            Measure(name=f"{name}_ms_at_{count}", value=median[statement, count] * 1e3, unit="ms")
            for name, statement in (("now", NOW), ("former", FORMER))
            for count in counts
        ),
        Measure(name="growth", value=median[NOW, last] / median[NOW, first], at_most=FLAT_GOAL),
        Measure(
            name="faster", value=median[FORMER, last] / median[NOW, last], unit="x", at_least=FASTER_GOAL
        ),
        *(
            Measure(name=f"growth_to_{count}", value=median[NOW, count] / median[NOW, first])
            for count in counts[1:-1]
        ),
        Measure(name="as_the_exact_answer", value=statistics.mean(agree), at_least=SAME_GOAL),
    ]


def _begin(lab: Lab) -> None:
    """A generation without an index, and what recognised faces before, in a schema of its own."""
    lab.db.execute(
        "select begin_generation('faces', %s, '{}', %s, p_same_face => 0.5, p_new => true)",
        [VERSION, DIMENSION],
    )
    lab.db.execute(
        "select kizu.unindex_generation(one) from generations as one where model_version = %s", [VERSION]
    )
    path = next(found.path for found in find_migrations(PROJECT / "migrations") if found.version == FORMERLY)
    text = path.read_text()
    body = text[text.index("create function kizu.recognise_faces(") :]
    lab.db.execute("drop schema if exists former cascade")
    lab.db.execute("create schema former")
    body = body[: body.index("\n$$;") + 4].replace("kizu.recognise_faces(", "former.recognise_faces(")
    lab.db.execute(sql.SQL(body))  # type: ignore[arg-type]
    lab.db.execute("select kizu.pin_plans('former.recognise_faces(uuid, uuid[], text)')")


def _add_faces(lab: Lab, count: int, photos: int, seed: int) -> tuple[UUID, list[UUID]]:
    """A user with so many named faces in clusters, and new photos with a face of one of these people each."""
    lab.tell(f"adding a user with {count} faces")
    random = np.random.default_rng(seed)
    user = lab.add_user()
    centres = _unit(random.standard_normal((max(count // FACES_OF_EACH, 1), DIMENSION), np.float32))
    contacts, clusters = _ids(random, len(centres)), _ids(random, len(centres))
    people = np.arange(count + photos) % len(centres)
    faces, assets = _ids(random, count + photos), _ids(random, count + photos)
    db = lab.db
    for table, columns, rows in (
        ("contacts", "id, user_id, display_name", [(contact, user, "bench") for contact in contacts]),
        (
            "face_clusters",
            "id, user_id, contact_id",
            [(cluster, user, contact) for cluster, contact in zip(clusters, contacts, strict=True)],
        ),
        (
            "assets",
            "id, user_id, path, media_type",
            [(asset, user, f"{user}/{asset}", "document") for asset in assets],
        ),
    ):
        with db.cursor().copy(f"copy public.{table} ({columns}) from stdin".encode()) as copy:
            for row in rows:
                copy.write_row(row)
    db.execute("set session_replication_role = replica")
    columns = "id, face_id, user_id, asset_id, embedding, bounding_box, model_version, contact_id, cluster_id"
    with db.cursor().copy(f"copy public.face_embeddings ({columns}) from stdin".encode()) as copy:
        for number, person in enumerate(people):
            vector = centres[person] + BLUR * random.standard_normal(DIMENSION).astype(np.float32)
            said = (contacts[person], clusters[person]) if number < count else (None, None)
            face = faces[number]
            copy.write_row((face, face, user, assets[number], _text(vector), "{}", VERSION, *said))
    db.execute("reset session_replication_role")
    db.execute(
        "insert into kizu.face_vectors (id, face_id, asset_id, user_id, model_version, embedding)"
        " select id, face_id, asset_id, user_id, model_version,"
        "        kizu.kept_vector(embedding)::extensions.halfvec"
        "   from public.face_embeddings where user_id = %s",
        [user],
    )
    db.execute("analyze public.face_embeddings, kizu.face_vectors")
    db.execute("select kizu.count_people(%s, %s)", [user, clusters])
    return user, assets[count:]


def _time(lab: Lab, statement: str, user: UUID, asset: UUID) -> float:
    with lab.db.transaction(force_rollback=True):
        lab.db.execute("select pg_advisory_xact_lock(kizu.faces_of(%s))", [user])
        begin = time.perf_counter()
        lab.db.execute(statement.encode(), {"user": user, "photos": [asset], "version": VERSION})
        return time.perf_counter() - begin


def _recognised(lab: Lab, user: UUID, asset: UUID, *, exact: bool = False) -> Any:
    """Whom the face of a new photo is taken for, None for nobody; `exact` compares with every face."""
    with lab.db.transaction(force_rollback=True):
        if exact:
            lab.db.execute("set local kizu.test_few_faces = 1000000")
        lab.db.execute("select pg_advisory_xact_lock(kizu.faces_of(%s))", [user])
        lab.db.execute(NOW.encode(), {"user": user, "photos": [asset], "version": VERSION})
        return lab.value("select contact_id from public.face_embeddings where asset_id = %s", asset)


def _ids(random: np.random.Generator, count: int) -> list[UUID]:
    return [UUID(bytes=random.bytes(16)) for _ in range(count)]


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _text(vector: NDArray[Any]) -> str:
    return "[" + ",".join(f"{number:.5f}" for number in vector) + "]"
