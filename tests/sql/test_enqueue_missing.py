"""Reconciliation: just the photos that lack a fact get a job, for just what they lack, once."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack

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


def fail(queue: Any, user: str, code: str) -> None:
    """All jobs of the user."""
    queue.db.execute(
        "update ai_processing_jobs set status = 'failed', error_code = %s, completed_at = now()"
        " where user_id = %s",
        (code, user),
    )


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
        "facts": facts,
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
    ("code", "again"),
    [("unreadable", 0), ("worker_lost", 0), ("weights_missing", 1), ("storage_unavailable", 1)],
)
def test_what_failed_for_the_photos_own_reason_is_not_tried_again(
    queue: Any, photo: Any, code: str, again: int
) -> None:
    user = queue.user()
    photo(user)
    missing(queue, user)
    fail(queue, user, code)
    assert missing(queue, user)["enqueued"] == again
    assert missing(queue, user, force=True)["enqueued"] == 1 - again


@pytest.mark.parametrize(("code", "lacking"), [("unreadable", 0), ("not_an_image", 0), ("model_failed", 1)])
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

    def end(status: str) -> None:
        queue.db.execute(
            "update ai_processing_jobs set status = %s, error_code = 'model_failed', completed_at = now()"
            " where user_id = %s and status = 'pending'",
            (status, user),
        )

    assert enqueued("one") == 1
    end("failed")
    assert enqueued("one") == 0
    assert enqueued("two") == 1
    end("failed")
    assert (
        queue.value("select enqueue_missing(%s, %s, p_force => true)", Jsonb({"faces": "two"}), user)[
            "enqueued"
        ]
        == 1
    )
    end("completed")
    assert enqueued("two") == 1, "its last job has not failed, and the fact is missing"


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


def test_the_columns_say_how_long_their_vectors_are(queue: Any) -> None:
    with queue.acting("kizu_worker"):
        dimensions = queue.value("select vector_dimensions()")
    assert dimensions == {"image_embeddings": 512, "face_embeddings": 512}
