"""What a word about somebody in many photos costs: as much more as they have more faces."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.sql.people import HERE, contact

pytestmark = pytest.mark.stack

DIMENSION = 8
FEW, MANY = 150, 600
READS = """
    select sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))::bigint
      from pg_class
     where relnamespace in ('public'::regnamespace, 'kizu'::regnamespace)
       and relkind in ('r', 'i')
"""


@pytest.fixture(autouse=True)
def model(queue: Any) -> None:
    queue.generation("m", "faces", DIMENSION)


def cluster(queue: Any, user: str, faces: int) -> str:
    """Somebody with so many faces, each in a photo of its own."""
    chance = random.Random(f"{user} {faces}")
    centre = [chance.gauss(0, 1) for _ in range(DIMENSION)]
    made = str(queue.value("insert into face_clusters (user_id) values (%s) returning id", user))
    queue.db.execute(
        "with photo as (insert into assets (user_id, path, media_type)"
        "               select %(user)s::uuid, %(user)s::text || '/' || gen_random_uuid(), 'document'"
        "                 from generate_series(1, %(faces)s) returning id)"
        " insert into face_embeddings (user_id, asset_id, embedding, bounding_box, model_version, cluster_id)"
        " select %(user)s::uuid, id, %(centre)s, %(box)s, 'm', %(made)s from photo",
        {"user": user, "faces": faces, "centre": str(centre), "box": Jsonb(HERE), "made": made},
    )
    return made


def faces_of(queue: Any, cluster_id: str) -> list[str]:
    found: list[str] = queue.value(
        "select array_agg(face_id order by face_id) from face_embeddings where cluster_id = %s", cluster_id
    )
    return found


def cost(queue: Any, user: str, statement: str, *arguments: Any) -> int:
    """Rows and entries of indexes that it reads."""
    with queue.acting("authenticated", user):
        before = queue.value(READS)
        queue.value(statement, *arguments)
        return int(queue.value(READS) - before)


def processor_time(queue: Any) -> int:
    """Nanoseconds that the process of this connection has computed for."""
    return int(Path(f"/proc/{queue.db.info.backend_pid}/schedstat").read_text().split()[0])


def test_a_word_about_ten_times_the_faces_takes_about_ten_times_as_long(queue: Any) -> None:
    """Also what reads no table, such as how rows were and are that a statement changed: when each was
    compared with each, it took thirty times as long."""
    few, many = 400, 4000
    times = {}
    for faces in (few, many):
        user = queue.user()
        one, other = cluster(queue, user, faces), cluster(queue, user, faces)
        queue.db.execute("analyze")
        for word, statement in (
            ("merge", "select merge_people(%s, array[%s]::uuid[])"),
            ("undo", "select undo_verdict()"),
        ):
            with queue.acting("authenticated", user):
                before = processor_time(queue)
                queue.value(statement, *([one, other] if word == "merge" else []))
                times[word, faces] = processor_time(queue) - before
    for word in ("merge", "undo"):
        assert times[word, many] <= 1.5 * many / few * times[word, few], times


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("word", ["merge", "name", "split", "clear", "forget"])
def test_a_word_about_four_times_the_faces_costs_four_times_as_much(
    queue: Any, word: str, analyzed: bool
) -> None:
    costs = {}
    for faces in (FEW, MANY):
        user = queue.user()
        one, other = cluster(queue, user, faces), cluster(queue, user, faces)
        ada = contact(queue, user)
        statements: dict[str, tuple[str, list[Any]]] = {
            "merge": ("select merge_people(%s, array[%s]::uuid[])", [one, other]),
            "name": ("select name_person(%s, %s)", [one, ada]),
            "split": ("select split_person(%s, %s::uuid[])", [one, faces_of(queue, one)[: faces // 3]]),
            "clear": ("select clear_people()", []),
            "forget": ("with gone as (delete from contacts where id = %s returning 1) select 1", [ada]),
        }
        if word == "forget":
            cost(queue, user, "select name_person(%s, %s)", one, ada)
        if analyzed:
            queue.db.execute("analyze")
        statement, arguments = statements[word]
        costs["word", faces] = cost(queue, user, statement, *arguments)
        if word != "forget":
            costs["undo", faces] = cost(queue, user, "select undo_verdict()")
    for what in {what for what, _ in costs}:  # chance is in it: the graph of an index, what the planner knows
        assert costs[what, MANY] <= 2 * MANY / FEW * costs[what, FEW], costs
