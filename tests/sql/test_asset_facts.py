"""What is known of an asset: written with the job that looked, and told to older apps in their words."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import settlement

pytestmark = pytest.mark.stack


@pytest.fixture
def asset(queue: Any) -> Any:
    return queue.asset(queue.user())


def note(queue: Any, asset: str, *facts: tuple[str, str, str] | tuple[str, str, str, str]) -> dict[str, Any]:
    """A job about the asset finds out facts (name, version, state, reason); answers the asset's row then."""
    kind = queue.kind()
    user = queue.value("select user_id::text from assets where id = %s", asset)
    queue.enqueue(kind, user, asset)
    names = ("fact", "version", "state", "reason")
    rows = [dict(zip(names, fact, strict=False)) for fact in facts]
    answer = queue.settle(queue.take(kind), writes=[{"table": "asset_facts", "rows": rows}])
    assert answer["answer"] == "settled", answer
    [row] = queue.rows("select * from assets where id = %s", asset)
    return dict(row)


def known(queue: Any, asset: str) -> dict[tuple[str, str], tuple[str, str | None]]:
    """{(fact, version): (state, reason)}."""
    rows = queue.rows("select fact, version, state, reason from asset_facts where asset_id = %s", asset)
    return {(row["fact"], row["version"]): (row["state"], row["reason"]) for row in rows}


def test_facts_come_one_by_one_and_older_columns_say_so(queue: Any, asset: str) -> None:
    note(queue, asset, ("embedding", "clip", "done"))
    row = note(
        queue,
        asset,
        ("faces", "buffalo", "nothing_found"),
        ("ocr", "easyocr", "unavailable", "weights_missing"),
    )

    assert known(queue, asset) == {
        ("embedding", "clip"): ("done", None),
        ("faces", "buffalo"): ("nothing_found", None),
        ("ocr", "easyocr"): ("unavailable", "weights_missing"),
    }
    assert {name: (entry["version"], entry["ok"]) for name, entry in row["ai_operations"].items()} == {
        "embedding": ("clip", True),
        "faces": ("buffalo", True),
    }
    assert all(entry["at"] for entry in row["ai_operations"].values())
    assert row["ai_processed_operations"] == ["embedding", "faces"]
    assert row["ai_processed_at"] is not None
    assert row["ai_processed_date"] is not None


def test_fact_found_out_again_has_a_new_time_and_the_others_keep_theirs(queue: Any, asset: str) -> None:
    before = note(queue, asset, ("embedding", "a", "done"), ("faces", "b", "done"))["ai_operations"]
    after = note(queue, asset, ("faces", "b", "done"))["ai_operations"]
    assert after["embedding"] == before["embedding"]
    assert after["faces"]["at"] > before["faces"]["at"]


def test_what_a_job_finds_out_changes_the_asset_once(queue: Any, asset: str) -> None:
    note(queue, asset, ("hashes", "1", "done"))
    updates = "select pg_stat_get_xact_tuples_updated('public.assets'::regclass)"
    with queue.db.transaction():
        before = queue.value(updates)
        note(queue, asset, ("hashes", "1", "done"), ("embedding", "clip", "done"))
        assert queue.value(updates) == before + 1


def test_what_is_known_stays_known_when_it_cannot_be_found_out_anew(queue: Any, asset: str) -> None:
    note(queue, asset, ("faces", "old", "done"))
    note(queue, asset, ("faces", "old", "unavailable", "weights_missing"))
    assert known(queue, asset) == {("faces", "old"): ("done", None)}


def test_each_version_of_a_fact_is_known_for_itself(queue: Any, asset: str) -> None:
    note(queue, asset, ("faces", "old", "done"))
    note(queue, asset, ("faces", "new", "unavailable", "weights_missing"))
    assert known(queue, asset) == {
        ("faces", "old"): ("done", None),
        ("faces", "new"): ("unavailable", "weights_missing"),
    }

    row = note(queue, asset, ("faces", "new", "done"))
    assert known(queue, asset) == {("faces", "old"): ("done", None), ("faces", "new"): ("done", None)}
    assert row["ai_operations"]["faces"]["version"] == "new", "the last found out, where none answers"


def test_what_nobody_can_tell_the_version_of_gives_way_to_what_is_known(queue: Any, asset: str) -> None:
    """A worker that lacks the model does not know its version, and settles it beside others that it knows."""
    kind = queue.kind()
    user = queue.value("select user_id::text from assets where id = %s", asset)

    def settle(*rows: dict[str, Any]) -> None:
        queue.enqueue(kind, user, asset)
        answer = queue.settle(queue.take(kind), writes=[{"table": "asset_facts", "rows": list(rows)}])
        assert answer["answer"] == "settled", answer

    missed = {"fact": "faces", "state": "unavailable", "reason": "weights_missing"}
    settle({"fact": "embedding", "version": "clip", "state": "done"}, missed)
    settle({**missed, "version": None})
    both = {("embedding", "clip"): ("done", None)}
    assert known(queue, asset) == both | {("faces", ""): ("unavailable", "weights_missing")}
    misses = "select fact, version, tries from kizu.misses where asset_id = %s"
    assert queue.rows(misses, asset) == [{"fact": "faces", "version": "", "tries": 2}]

    settle({"fact": "faces", "version": "buffalo", "state": "nothing_found"})
    both[("faces", "buffalo")] = ("nothing_found", None)
    assert known(queue, asset) == both
    assert queue.rows(misses, asset) == []

    settle(missed)
    assert known(queue, asset) == both, "another version is known"


@pytest.mark.parametrize(
    ("fact", "rule"),
    [
        ({"fact": "dreams", "version": "1", "state": "done"}, "asset_facts_fact_fkey"),
        ({"fact": "faces", "version": "1", "state": "perhaps"}, "state_is_known"),
        ({"fact": "faces", "version": "1", "state": "unavailable"}, "only_the_unavailable_has_a_reason"),
        (
            {"fact": "faces", "version": "1", "state": "done", "reason": "x"},
            "only_the_unavailable_has_a_reason",
        ),
        ({"fact": "faces", "version": "v" * 201, "state": "done"}, "texts_are_short"),
        ({"fact": "faces", "version": "1", "state": "done", "at": "now"}, "jobs do not write asset_facts.at"),
    ],
)
def test_odd_facts_are_refused(queue: Any, asset: str, fact: dict[str, str], rule: str) -> None:
    kind = queue.kind()
    queue.enqueue(kind, queue.value("select user_id::text from assets where id = %s", asset), asset)
    answer = queue.settle(queue.take(kind), writes=[{"table": "asset_facts", "rows": [fact]}])
    assert answer["answer"] == "refused"
    assert rule in answer["error"]


def test_a_row_named_twice_is_refused_and_the_other_settlements_stand(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    for _ in range(2):
        queue.enqueue(kind, user, queue.asset(user))
    bad, good = queue.take(kind), queue.take(kind)
    fact = {"fact": "faces", "version": "1", "state": "done"}
    twice = settlement(bad, writes=[{"table": "asset_facts", "rows": [fact, fact]}])
    answers = queue.value("select settle_jobs('w1', %s)", Jsonb([twice, settlement(good)]))
    assert {answer["id"]: answer["answer"] for answer in answers} == {
        bad["id"]: "refused",
        good["id"]: "settled",
    }
