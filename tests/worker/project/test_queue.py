"""Verbs become calls, and answers jobs; what the queue promises is in tests/worker/core/test_queue.py."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from worker.core.errors import BadParams, DatabaseUnavailable
from worker.core.job import (
    Ask,
    Cancelled,
    Done,
    Failed,
    Job,
    Outcome,
    Released,
    Replace,
    Retry,
    Run,
    Update,
    Upsert,
)
from worker.core.queue import Heartbeat, SettleAnswer, Verdict
from worker.project.queue import SETTLE_BYTES, SETTLE_LIMIT, SupabaseQueue

ID, USER, ASSET, CLAIM = (UUID(int=number) for number in range(1, 5))
JOB = Job(table="jobs", id=ID, kind="image_ai", user_id=USER, epoch=3)


class Rpc:
    """Notes what is called, and answers it."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.calls: list[tuple[str, Any, float]] = []

    async def __call__(self, function: str, params: Mapping[str, Any], *, within: float) -> Any:
        self.calls.append((function, params, within))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(params) if callable(self.answer) else self.answer


def queue(rpc: Rpc) -> SupabaseQueue:
    return SupabaseQueue(rpc, "w1", 60)


ROW = {
    "table": "jobs",
    "id": str(ID),
    "kind": "image_ai",
    "user_id": str(USER),
    "asset_id": str(ASSET),
    "asset": {"path": "someone/a.jpg"},
    "params": {"operations": ["ocr"]},
    "attempt": 2,
    "max_attempts": 7,
    "epoch": 3,
    "crashes": 1,
    "priority": 50,
}


async def test_a_claim_answers_with_jobs_and_when_to_look_again() -> None:
    rpc = Rpc({"jobs": [ROW], "next_due_seconds": 4.5})
    claim = await queue(rpc).claim(("image_ai", "moments"), 8, CLAIM)
    assert rpc.calls == [
        (
            "claim_jobs",
            {
                "p_worker": "w1",
                "p_kinds": ["image_ai", "moments"],
                "p_limit": 8,
                "p_lease_seconds": 60,
                "p_claim_id": str(CLAIM),
            },
            20.0,
        )
    ]
    assert claim.next_due_seconds == 4.5
    assert claim.jobs == (
        Job(
            table="jobs",
            id=ID,
            kind="image_ai",
            user_id=USER,
            asset_id=ASSET,
            asset={"path": "someone/a.jpg"},
            params={"operations": ["ocr"]},
            attempt=2,
            max_attempts=7,
            epoch=3,
            crashes=1,
            priority=50,
        ),
    )


async def test_a_job_may_be_about_no_asset() -> None:
    rpc = Rpc({"jobs": [{**ROW, "asset_id": None, "asset": None}], "next_due_seconds": None})
    [job] = (await queue(rpc).claim(["image_ai"], 1, CLAIM)).jobs
    assert (job.asset_id, job.asset) == (None, {})


async def test_heartbeats_are_answered_by_attempt() -> None:
    rows = [
        {"table": "jobs", "id": str(ID), "epoch": 3, "verdict": "kept"},
        {"table": "jobs", "id": str(ID), "epoch": 2, "verdict": "lost"},
    ]
    rpc = Rpc(rows)
    older = Job(table="jobs", id=ID, kind="image_ai", user_id=USER, epoch=2)
    beats = [Heartbeat(job=JOB, progress=40, step="ocr"), Heartbeat(job=older, progress=0, step="")]
    assert await queue(rpc).extend(beats) == {
        JOB.attempt_id: Verdict.KEPT,
        older.attempt_id: Verdict.LOST,
    }
    [(function, params, within)] = rpc.calls
    assert (function, within) == ("extend_leases", 20.0)
    assert params["p_jobs"] == [
        {"table": "jobs", "id": str(ID), "epoch": 3, "progress": 40, "step": "ocr"},
        {"table": "jobs", "id": str(ID), "epoch": 2, "progress": 0, "step": None},
    ]


def settled(params: Any) -> list[dict[str, Any]]:
    """The last first, as no order is promised."""
    return [
        {**{name: one[name] for name in ("table", "id", "epoch")}, "answer": "settled", "status": "completed"}
        for one in reversed(params["p_settlements"])
    ]


@pytest.mark.parametrize(
    ("outcome", "sent"),
    [
        (Done(result={"a": 1}), {"kind": "done", "result": {"a": 1}}),
        (
            Retry(code="timeout", message="late", delay_seconds=9),
            {"kind": "retry", "code": "timeout", "message": "late", "delay_seconds": 9},
        ),
        (
            Failed(code="not_found", message="gone"),
            {"kind": "failed", "code": "not_found", "message": "gone"},
        ),
        (Released(), {"kind": "released", "delay_seconds": 0.0}),
        (
            Released(delay_seconds=30, code="disk_full", message="no room"),
            {"kind": "released", "delay_seconds": 30, "code": "disk_full", "message": "no room"},
        ),
        (Cancelled(), {"kind": "cancelled"}),
    ],
)
async def test_each_outcome_has_its_form(outcome: Outcome, sent: dict[str, Any]) -> None:
    rpc = Rpc(settled)
    answer = await queue(rpc).settle(JOB, outcome, Run())
    assert (answer.answer, answer.status) == (SettleAnswer.SETTLED, "completed")
    [(function, params, within)] = rpc.calls
    assert (function, within) == ("settle_jobs", 60)
    [settlement] = params["p_settlements"]
    assert settlement["outcome"] == sent
    assert (settlement["table"], settlement["id"], settlement["epoch"]) == ("jobs", str(ID), 3)
    assert (settlement["writes"], settlement["next"]) == ([], [])


async def test_rows_and_following_jobs_travel_with_the_end() -> None:
    rpc = Rpc(settled)
    done = Done(
        writes=[
            Replace(table="faces", scope={"kind": "x"}, rows=[{"a": 1}]),
            Replace(table="tags"),
            Upsert(table="facts", rows=[{"b": 2}]),
            Update(table="assets", set={"c": 3}, merge={"e": {"f": 5}}),
        ],
        next=[
            Ask(kind="cluster", asset_id=None, delay_seconds=5, dedupe="me"),
            Ask(kind="again", params={"x": 1}),
            Ask(kind="other", asset_id=ASSET),
        ],
    )
    run = Run(handler="image_ai", handler_version="1", timings={"decode": 0.5}, content="tag", seconds=2.5)
    await queue(rpc).settle(JOB, done, run)
    [settlement] = rpc.calls[0][1]["p_settlements"]
    assert settlement["writes"] == [
        {"table": "faces", "scope": {"kind": "x"}, "rows": [{"a": 1}]},
        {"table": "tags", "scope": {}, "rows": []},
        {"table": "facts", "rows": [{"b": 2}]},
        {"table": "assets", "set": {"c": 3}, "merge": {"e": {"f": 5}}},
    ]
    plain = {"params": {}, "delay_seconds": 0.0, "dedupe": None}
    assert settlement["next"] == [
        {**plain, "kind": "cluster", "asset_id": None, "delay_seconds": 5, "dedupe": "me"},
        {**plain, "kind": "again", "params": {"x": 1}},  # about the same asset, which SQL knows
        {**plain, "kind": "other", "asset_id": ASSET},
    ]
    assert settlement["run"] == {
        "handler": "image_ai",
        "handler_version": "1",
        "models": (),
        "timings": {"decode": 0.5},
        "counts": {},
        "content": "tag",
        "started_seconds_ago": 2.5,
    }


async def test_settlements_in_one_call_get_each_its_own_answer() -> None:
    def by_epoch(params: Any) -> list[dict[str, Any]]:
        return [{**row, "status": str(row["epoch"])} for row in settled(params)]

    rpc = Rpc(by_epoch)
    real = queue(rpc)
    jobs = [Job(table="jobs", id=ID, kind="k", user_id=USER, epoch=number) for number in range(40)]
    answers = await asyncio.gather(*(real.settle(job, Done(), Run()) for job in jobs))
    assert [answer.status for answer in answers] == [str(number) for number in range(40)]
    assert max(len(params["p_settlements"]) for _, params, _ in rpc.calls) <= SETTLE_LIMIT
    assert len(rpc.calls) < 5


async def test_a_settlement_that_is_never_answered_does_not_spoil_the_others() -> None:
    asked: list[tuple[int, float]] = []

    class Database:
        async def __call__(self, function: str, params: Any, *, within: float) -> Any:
            asked.append((len(params["p_settlements"]), within))
            if any(row["epoch"] == 7 for row in params["p_settlements"]):
                raise DatabaseUnavailable("statement timeout")
            return settled(params)

    real = SupabaseQueue(Database(), "w1", 60)
    jobs = [Job(table="jobs", id=ID, kind="k", user_id=USER, epoch=number) for number in range(16)]
    answers = await asyncio.gather(*(real.settle(job, Done(), Run()) for job in jobs), return_exceptions=True)
    assert [number for number, answer in enumerate(answers) if isinstance(answer, Exception)] == [7]
    assert {within for count, within in asked if count > 1} == {20}
    assert {within for count, within in asked if count == 1} == {60}
    assert len(asked) == 1 + 2 * 4


async def test_large_settlements_share_no_call_and_small_ones_do() -> None:
    rpc = Rpc(settled)
    real = queue(rpc)
    large = Done(result={"text": "x" * SETTLE_BYTES})
    jobs = [Job(table="jobs", id=ID, kind="k", user_id=USER, epoch=number) for number in range(9)]
    answers = await asyncio.gather(
        *(real.settle(job, large if job.epoch in (3, 4) else Done(), Run()) for job in jobs)
    )
    assert all(answer.answer is SettleAnswer.SETTLED for answer in answers)
    assert [len(params["p_settlements"]) for _, params, _ in rpc.calls] == [3, 1, 1, 4]


async def test_what_the_server_does_not_want_is_refused_and_an_outage_is_raised() -> None:
    refused = await queue(Rpc(BadParams("a row of ours"))).settle(JOB, Done(), Run())
    assert (refused.answer, refused.error) == (SettleAnswer.REFUSED, "a row of ours")
    with pytest.raises(DatabaseUnavailable):
        await queue(Rpc(DatabaseUnavailable())).settle(JOB, Done(), Run())
