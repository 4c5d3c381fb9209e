"""What settling faces touches, whatever the planner believes of the tables: their photo and who is near."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.sql.people import HERE, THERE, contact, face

pytestmark = pytest.mark.stack

DIMENSION = 64
MANY = 1500
TABLES = [
    "public.assets",
    "public.asset_tags",
    "public.contacts",
    "public.face_clusters",
    "public.face_embeddings",
    "kizu.cluster_sums",
    "kizu.exclusions",
    "kizu.face_marks",
    "kizu.face_pairs",
    "kizu.face_questions",
    "kizu.face_vectors",
    "kizu.former_faces",
]
# Who is near is found among the vectors, of which as many are read as there are, up to some thousands.
READS = """
    select relname, pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid) as reads
      from pg_class
     where relnamespace in ('public'::regnamespace, 'kizu'::regnamespace)
       and relkind in ('r', 'i')
       and relname not like 'face\\_vectors%%'
"""


def unit(seed: int, blur: float = 0.0) -> list[float]:
    who, noise = random.Random(seed), random.Random(f"{seed} {blur}")
    numbers = [who.gauss(0, 1) + blur * noise.gauss(0, 1) for _ in range(DIMENSION)]
    length = sum(number**2 for number in numbers) ** 0.5
    return [number / length for number in numbers]


ADA, SOMEBODY = unit(1), unit(2)


@pytest.fixture(scope="module")
def library(new_queue: Any) -> Iterator[Any]:
    """A user who has named one of two people with very many faces each, and many photos of strangers."""
    queue = new_queue()
    queue.generation("m", "faces", DIMENSION)
    user: str = queue.user()
    ada = contact(queue, user)
    for vector in (ADA, SOMEBODY, None):
        cluster = vector and queue.value("insert into face_clusters (user_id) values (%s) returning id", user)
        queue.db.execute(
            "with photo as (insert into assets (user_id, path, media_type)"
            "               select %(user)s::uuid, %(user)s::text || '/' || gen_random_uuid(), 'document'"
            "                 from generate_series(1, %(many)s) returning id)"
            " insert into face_embeddings"
            "        (user_id, asset_id, embedding, bounding_box, model_version, cluster_id, quality)"
            " select %(user)s, id,"
            "        coalesce(%(vector)s::extensions.vector,"
            "                 array(select random() - 0.5 + 0 * length(id::text)"
            "                         from generate_series(1, %(dimension)s))::extensions.vector),"
            "        %(box)s, 'm', %(cluster)s, 0.9"
            "   from photo",
            {
                "user": user,
                "many": MANY,
                "vector": vector and str(vector),
                "dimension": DIMENSION,
                "box": Jsonb(HERE),
                "cluster": cluster,
            },
        )
        if vector is ADA:
            with queue.acting("authenticated", user):
                queue.value("select name_person(%s, %s)", cluster, ada)
    for table in TABLES:
        queue.db.execute(f"alter table {table} set (autovacuum_enabled = off)")
    yield queue, user
    for table in TABLES:
        queue.db.execute(f"alter table {table} reset (autovacuum_enabled)")
    queue.close()


def settle(queue: Any, user: str, number: int) -> dict[str, int]:
    """A photo of both and of a stranger: how much is read of which table or index."""
    kind, asset = queue.kind(), queue.asset(user)
    queue.enqueue(kind, user, asset)
    job = queue.take(kind)
    rows = [
        face(0, HERE, str(ADA)),
        face(1, THERE, str(SOMEBODY)),
        face(2, {**HERE, "x": 0.35}, str(unit(100 + number))),
    ]
    with queue.db.transaction():
        before = {row["relname"]: row["reads"] for row in queue.rows(READS)}
        answer = queue.settle(job, writes=[{"table": "face_embeddings", "rows": rows}])
        assert answer["answer"] == "settled", answer
        after = {row["relname"]: row["reads"] for row in queue.rows(READS)}
    touched = {name: reads - before.get(name, 0) for name, reads in after.items()}
    return {name: reads for name, reads in touched.items() if reads}


@pytest.mark.parametrize("tuples", [0, -1])
@pytest.mark.parametrize("empty", [[], *[[table] for table in TABLES], TABLES])
def test_settling_faces_reads_no_library(library: Any, empty: list[str], tuples: int) -> None:
    queue, user = library
    queue.db.execute(f"analyze {', '.join(TABLES)}")
    queue.db.execute(
        "update pg_class set reltuples = %(tuples)s where oid = any (%(tables)s::regclass[])"
        " or oid in (select indexrelid from pg_index where indrelid = any (%(tables)s::regclass[]))",
        {"tables": empty, "tuples": tuples},
    )
    settle(queue, user, 0)  # to plan a statement for the first time is to peek at the ends of indexes
    touched = settle(queue, user, 1)
    most = dict(sorted(touched.items(), key=lambda one: -one[1])[:3])
    # Who has many faces has two entries and rows for each; some hundred questions of the library may be read.
    assert sum(touched.values()) < 2 * MANY, most
