"""Reconciliation: just the photos that lack a fact get a job, for just what they lack, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack

MIGRATIONS = Path(__file__).parents[2] / "supabase" / "migrations"
WANTED = {"embedding": "clip", "faces": "buffalo"}


@pytest.fixture
def photo(queue: Any) -> Any:
    """Adds a photo of a user of which `known` operations are known in the wanted version."""

    def add(user: str, *known: str, **columns: Any) -> str:
        asset = str(queue.asset(user, media_type=columns.get("media_type", "photo")))
        queue.db.execute("delete from jobs where asset_id = %s", (asset,))
        facts = {name: (WANTED[name], None) for name in known} | columns.get("facts", {})
        for name, (version, reason) in facts.items():
            queue.db.execute(
                "insert into asset_facts (asset_id, user_id, fact, version, state, reason)"
                " values (%s, %s, %s, %s, %s, %s)",
                (asset, user, name, version, "unavailable" if reason else "done", reason),
            )
        return asset

    return add


def missing(queue: Any, user: str, **arguments: Any) -> dict[str, Any]:
    names = "".join(f", p_{name} => %s" for name in arguments)
    with queue.acting("authenticated", user):
        return dict(queue.value(f"select enqueue_missing(%s{names})", Jsonb(WANTED), *arguments.values()))


def jobs(queue: Any, user: str) -> dict[str, list[str]]:
    rows = queue.rows("select asset_id, params from ai_processing_jobs where user_id = %s", user)
    return {str(row["asset_id"]): row["params"]["operations"] for row in rows}


def end(queue: Any, user: str, outcome: str, code: str | None = None) -> None:
    """All jobs of the user, by a worker of theirs."""
    with queue.acting("authenticated", user):
        for job in queue.claim("image_ai", 100)["jobs"]:
            answer = queue.settle(job, {"kind": outcome} | ({"code": code} if code else {}))
            assert answer["answer"] == "settled", answer


def fail(queue: Any, user: str, code: str) -> None:
    end(queue, user, "failed", code)


def stop_clock(queue: Any, hour: float) -> None:
    """At so many hours after a moment in the past, where the jobs are due."""
    time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    queue.db.execute("select set_config('kizu.test_now', %s, false)", (time.isoformat(),))


def test_each_photo_gets_what_it_lacks(queue: Any, photo: Any) -> None:
    user = queue.user()
    photo(user, "embedding", "faces")
    half, none = photo(user, "embedding"), photo(user)
    older = photo(user, "faces", facts={"embedding": ("clip-old", None)})
    failed = photo(user, "faces", facts={"embedding": ("clip", "weights_missing")})
    photo(user, media_type="video")

    facts = {"embedding": 3, "faces": 2}
    assert missing(queue, user) == {
        "looked_at": 5,
        "missing": 4,
        "enqueued": 4,
        "changed": 0,
        "facts": facts,
        "left": {},
        "next": None,
    }
    assert jobs(queue, user) == {
        half: ["faces"],
        none: ["embedding", "faces"],
        older: ["embedding"],
        failed: ["embedding"],
    }


def test_asked_again_nothing_is_doubled(queue: Any, photo: Any) -> None:
    user = queue.user()
    photo(user)
    assert missing(queue, user)["enqueued"] == 1
    assert missing(queue, user)["enqueued"] == 0


def test_a_photo_whose_own_job_waits_is_left_alone(queue: Any) -> None:
    user = queue.user()
    queue.asset(user, media_type="photo")  # its upload enqueued the job
    answer = missing(queue, user)
    assert (answer["looked_at"], answer["missing"], answer["enqueued"]) == (1, 1, 0)
    assert answer["left"] == {"embedding": {"under_way": 1}, "faces": {"under_way": 1}}


def test_pages_follow_each_other_to_the_end(queue: Any, photo: Any) -> None:
    user = queue.user()
    photos = {photo(user) for _ in range(5)}
    after, pages = None, 0
    while pages == 0 or after:
        answer = missing(queue, user, limit=2, **({"after": after} if after else {}))
        after, pages = answer["next"], pages + 1
    assert pages == 3
    assert set(jobs(queue, user)) == photos


def test_a_dry_run_only_counts(queue: Any, photo: Any) -> None:
    user = queue.user()
    photo(user)
    answer = missing(queue, user, dry_run=True)
    assert (answer["looked_at"], answer["missing"], answer["enqueued"]) == (1, 1, 0)
    assert jobs(queue, user) == {}


def test_force_wants_everything_again(queue: Any, photo: Any) -> None:
    user = queue.user()
    asset = photo(user, "embedding", "faces")
    assert missing(queue, user, force=True)["enqueued"] == 1
    assert jobs(queue, user) == {asset: ["embedding", "faces"]}


@pytest.mark.parametrize(
    ("code", "nights"),
    [
        # What would fail the same way again is left.
        ("too_large", []),
        # A chance is taken three times, with growing pauses.
        ("timeout", [1, 5]),
        ("out_of_memory", [1, 5]),
        ("worker_lost", [1, 5]),
        # An outage is over at some time, whatever was tried meanwhile.
        ("device_unavailable", [0, 1, 2, 3, *range(5, 31, 2)]),
        ("storage_unavailable", [0, 1, 2, 3, *range(5, 31, 2)]),
        # Whether the machine has it is asked by whoever enqueues.
        ("weights_missing", [*range(31)]),
    ],
)
def test_a_photo_is_tried_again_by_what_it_failed_for(
    queue: Any, photo: Any, code: str, nights: list[int]
) -> None:
    user = queue.user()
    photo(user)
    stop_clock(queue, 0)
    assert missing(queue, user)["enqueued"] == 1
    fail(queue, user, code)

    tried = []
    for night in range(31):
        stop_clock(queue, 24 * night)
        if (answer := missing(queue, user))["enqueued"]:
            tried.append(night)
            fail(queue, user, code)
        else:
            assert answer["missing"] == 1
            assert answer["left"] == {fact: {code: 1} for fact in WANTED}

    assert tried == nights
    assert missing(queue, user, force=True)["enqueued"] == 1


def test_reasons_that_take_turns_do_not_make_a_photo_tried_for_ever(queue: Any, photo: Any) -> None:
    user = queue.user()
    photo(user)
    tried = 0
    for night in range(20):
        stop_clock(queue, 24 * night)
        tried += missing(queue, user)["enqueued"]
        fail(queue, user, ("timeout", "out_of_memory")[night % 2])
    assert tried == 3


def test_one_operation_that_always_fails_holds_up_no_other(queue: Any, photo: Any) -> None:
    user = queue.user()
    asset = photo(user)
    stop_clock(queue, 0)
    missing(queue, user)
    found = [
        {"fact": "faces", "version": "buffalo", "state": "done"},
        {"fact": "embedding", "state": "unavailable", "reason": "model_failed"},
    ]
    with queue.acting("authenticated", user):
        [job] = queue.claim("image_ai", 1)["jobs"]
        queue.settle(job, writes=[{"table": "asset_facts", "rows": found}])

    answer = missing(queue, user)
    assert (answer["enqueued"], answer["left"]) == (0, {"embedding": {"model_failed": 1}})
    queue.db.execute(
        "update asset_facts set version = 'older' where fact = 'faces' and asset_id = %s", (asset,)
    )
    assert missing(queue, user)["enqueued"] == 1
    assert [
        job["params"]
        for job in queue.rows("select params from jobs where status = 'pending' and asset_id = %s", asset)
    ] == [{"operations": ["faces"], "versions": {"faces": "buffalo"}}]


def test_what_was_found_out_in_the_end_is_missed_no_more(queue: Any, photo: Any) -> None:
    user = queue.user()
    asset = photo(user)
    missing(queue, user)
    fail(queue, user, "unreadable")
    missing(queue, user, force=True)
    with queue.acting("authenticated", user):
        [job] = queue.claim("image_ai", 1)["jobs"]
        fact = {"fact": "faces", "version": "buffalo", "state": "nothing_found"}
        queue.settle(job, writes=[{"table": "asset_facts", "rows": [fact]}])
    assert queue.rows("select fact from kizu.misses where asset_id = %s", asset) == []
    assert missing(queue, user)["enqueued"] == 1, "a file in which was looked is a picture"


@pytest.mark.parametrize(
    ("code", "lacking"),
    [("unreadable", 0), ("not_an_image", 0), ("unsupported_format", 0), ("model_failed", 1)],
)
def test_a_file_that_is_no_picture_lacks_nothing_whatever_is_asked(
    queue: Any, photo: Any, code: str, lacking: int
) -> None:
    user = queue.user()
    photo(user)
    missing(queue, user)
    fail(queue, user, code)
    new = Jsonb({"faces": "another"})
    found = queue.value("select enqueue_missing(%s, %s)", new, user)
    assert (found["looked_at"], found["missing"], found["enqueued"]) == (1, lacking, lacking)
    assert queue.value("select enqueue_missing(%s, %s, p_force => true)", new, user)["missing"] == 1


def test_what_failed_for_one_model_is_tried_with_the_next(queue: Any, photo: Any) -> None:
    user = queue.user()
    photo(user)

    def enqueued(version: str) -> int:
        return int(queue.value("select enqueue_missing(%s, %s)", Jsonb({"faces": version}), user)["enqueued"])

    assert enqueued("one") == 1
    fail(queue, user, "model_failed")
    assert enqueued("one") == 0
    assert enqueued("two") == 1
    fail(queue, user, "model_failed")
    forced = queue.value("select enqueue_missing(%s, %s, p_force => true)", Jsonb({"faces": "two"}), user)
    assert forced["enqueued"] == 1
    end(queue, user, "done")
    assert enqueued("three") == 1, "its last job has not failed, and the fact is missing"


def test_a_user_reaches_only_their_own_photos(queue: Any, photo: Any) -> None:
    user, another = queue.user(), queue.user()
    photo(another)
    assert missing(queue, user, user_id=another)["looked_at"] == 0
    assert jobs(queue, another) == {}


@pytest.mark.parametrize(
    "versions",
    [
        *({}, ["embedding"], None, {"faces": 1}, {"faces": {"a": [1e300]}}, {"faces": ""}),
        *({"dreams": "v"}, {"faces": "v" * 201}, {f"operation_{number}": "v" for number in range(65)}),
    ],
)
def test_odd_versions_are_a_mistake(queue: Any, versions: Any) -> None:
    user = queue.user()
    with (
        queue.acting("authenticated", user),
        pytest.raises(psycopg.DatabaseError, match="bad_params"),
    ):
        queue.value("select enqueue_missing(%s)", Jsonb(versions))


def test_of_strips_is_missing_what_only_their_middle_told(queue: Any, photo: Any) -> None:
    user = queue.user()
    sizes = {"wide": (9000, 1000), "tall": (1080, 9040), "double": (2000, 1000), "usual": (4000, 3000)}
    named = {name: photo(user, "embedding", "faces", facts={"hashes": ("1", None)}) for name in sizes}
    unknown = photo(user, "embedding", "faces")
    for name, asset in named.items():
        queue.db.execute("update assets set width = %s, height = %s where id = %s", (*sizes[name], asset))
    assert missing(queue, user)["missing"] == 0
    queue.db.execute((MIGRATIONS / "20261130000810_look_at_strips_again.sql").read_text())
    assert missing(queue, user)["facts"] == {"embedding": 2, "faces": 2}
    assert jobs(queue, user) == {named[name]: ["embedding", "faces"] for name in ("wide", "tall")}
    assert unknown not in jobs(queue, user)
    assert len(queue.rows("select from asset_facts where fact = 'hashes' and user_id = %s", user)) == 4
