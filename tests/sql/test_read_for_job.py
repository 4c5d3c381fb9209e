"""What a handler may read: registered verbs, for the user of a job that its worker holds."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack


@pytest.fixture
def facts(queue: Any) -> Any:
    """Adds an asset with facts to a user's library."""

    def add(user: str, *names: str) -> str:
        asset = str(queue.asset(user))
        for name in names:
            queue.db.execute(
                "insert into asset_facts (asset_id, user_id, fact, version, state)"
                " values (%s, %s, %s, 'v', 'done')",
                (asset, user, name),
            )
        return asset

    return add


def held(queue: Any, user: str) -> Any:
    kind = queue.kind()
    queue.enqueue(kind, user)
    return queue.take(kind)


def read(queue: Any, job: Any, *, verb: str = "asset_facts", worker: str = "w1", **args: Any) -> Any:
    return queue.value(
        "select read_for_job(%s, %s, %s, %s, %s, %s)",
        *(worker, job["table"], job["id"], job["epoch"], verb, Jsonb(args)),
    )


@pytest.mark.parametrize("role", ["kizu_worker", "service_role", "authenticated"])
def test_rows_are_those_of_the_jobs_user_whoever_asks(queue: Any, facts: Any, role: str) -> None:
    ann, ben = queue.user(), queue.user()
    asset = facts(ann, "faces")
    facts(ben, "faces", "ocr")
    job = held(queue, ann)

    with queue.acting(role, ann):
        answer = read(queue, job, user_id=ben, p_user=ben)

    assert [(row["asset_id"], row["fact"]) for row in answer["rows"]] == [(asset, "faces")]
    assert answer["next"] is None


def test_pages_follow_each_other_to_the_end(queue: Any, facts: Any) -> None:
    ann = queue.user()
    for _ in "ab":
        facts(ann, "faces", "ocr")
    expected = sorted(
        (str(row["asset_id"]), row["fact"])
        for row in queue.rows("select asset_id, fact from asset_facts where user_id = %s", ann)
    )
    job = held(queue, ann)
    seen: list[tuple[str, str]] = []
    after: Any = None
    for _ in range(10):
        page = read(queue, job, limit=1, **({"after": after} if after else {}))
        seen += [(row["asset_id"], row["fact"]) for row in page["rows"]]
        after = page["next"]
        if after is None:
            break
    assert seen == expected
    assert [row["fact"] for row in read(queue, job, fact="ocr")["rows"]] == ["ocr"] * (len(expected) // 2)


def test_without_the_lease_nothing_is_read(queue: Any, facts: Any) -> None:
    ann = queue.user()
    facts(ann, "faces")
    job = held(queue, ann)
    late = {**job, "epoch": job["epoch"] - 1}
    lost: list[tuple[Any, str]] = [(job, "w2"), (late, "w1"), ({**job, "id": str(uuid.uuid4())}, "w1")]
    lost += [({**job, "table": "assets"}, "w1"), ({**job, "table": "image_processing_jobs"}, "w1")]
    for attempt, worker in lost:
        with pytest.raises(psycopg.DatabaseError, match="lease_lost"):
            read(queue, attempt, worker=worker)
    with (
        queue.acting("authenticated", queue.user()),
        pytest.raises(psycopg.DatabaseError, match="lease_lost"),
    ):
        read(queue, job)
    queue.settle(job)
    with pytest.raises(psycopg.DatabaseError, match="lease_lost"):
        read(queue, job)


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("users", {}),
        ("enqueue_job", {}),
        ("asset_facts; drop table assets", {}),
        ("asset_facts", {"limit": "many"}),
        ("asset_facts", {"after": {"asset_id": "x"}}),
        ("asset_facts", {"fact": "x" * 40_000}),
    ],
)
def test_odd_questions_are_a_mistake(queue: Any, verb: str, args: Any) -> None:
    job = held(queue, queue.user())
    with pytest.raises(psycopg.DatabaseError, match="bad_params"):
        read(queue, job, verb=verb, **args)
