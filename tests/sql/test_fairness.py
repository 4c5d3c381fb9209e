"""Whose turn it is."""

from __future__ import annotations

import random
from collections import Counter, deque
from typing import Any

import pytest

pytestmark = pytest.mark.stack


def test_a_single_job_starts_next_while_20_000_of_another_user_wait(queue: Any) -> None:
    importer, visitor, kind = queue.user(), queue.user(), queue.kind()
    queue.enqueue_many(kind, importer, 20_000)
    for _ in range(3):  # one slot, busy with the import
        queue.settle(queue.take(kind))
    single = queue.enqueue(kind, visitor)

    assert queue.take(kind)["id"] == single


def test_a_single_job_starts_next_however_many_slots_the_import_fills(queue: Any) -> None:
    importer, visitor, kind = queue.user(), queue.user(), queue.kind()
    queue.enqueue_many(kind, importer, 500)
    queue.claim(kind, 8)
    single = queue.enqueue(kind, visitor)

    assert queue.take(kind, worker="w2")["id"] == single


def test_a_batch_begins_with_every_users_first_job(queue: Any) -> None:
    users, kind = [queue.user() for _ in range(4)], queue.kind()
    for user, count in zip(users, (300, 40, 5, 1), strict=True):
        queue.enqueue_many(kind, user, count)

    jobs = queue.claim(kind, 10)["jobs"]

    assert sorted(Counter(job["user_id"] for job in jobs).values()) == [1, 3, 3, 3]


def test_one_slot_goes_round(queue: Any) -> None:
    users, kind = [queue.user() for _ in range(3)], queue.kind()
    for user in users:
        queue.enqueue_many(kind, user, 10)
    served = []
    for _ in range(9):
        job = queue.take(kind)
        served.append(job["user_id"])
        queue.settle(job)

    rounds = [set(served[start : start + 3]) for start in (0, 3, 6)]
    assert rounds == [set(users)] * 3


def test_who_has_fewer_running_goes_first(queue: Any) -> None:
    busy, idle, kind = queue.user(), queue.user(), queue.kind()
    queue.enqueue_many(kind, busy, 10)
    queue.claim(kind, 2)
    queue.enqueue_many(kind, idle, 10)

    jobs = queue.claim(kind, 4)["jobs"]

    # idle catches up to two running, then they share
    assert Counter(job["user_id"] for job in jobs) == {idle: 3, busy: 1}


def test_work_of_another_kind_does_not_count_against_a_user(queue: Any) -> None:
    one, other = queue.user(), queue.user()
    video, photo = queue.kind("video_transcoding_jobs"), queue.kind("image_processing_jobs")
    queue.enqueue(video, one)
    queue.take(video)  # running for an hour, say
    queue.enqueue_many(photo, other, 50)
    queue.settle(queue.take(photo))
    single = queue.enqueue(photo, one)

    assert queue.take(photo)["id"] == single


def test_priority_goes_before_fairness(queue: Any) -> None:
    searching, other, kind = queue.user(), queue.user(), queue.kind()
    queue.enqueue_many(kind, other, 50)
    first = queue.enqueue(kind, searching, p_priority=0)
    second = queue.enqueue(kind, searching, p_priority=0)

    assert {queue.take(kind)["id"] for _ in range(2)} == {first, second}


def test_users_who_only_wait_for_a_time_keep_nobody_from_being_served(queue: Any) -> None:
    kind = queue.kind()
    for user in [queue.user() for _ in range(80)]:
        queue.enqueue(kind, user, p_run_at="2100-01-01 00:00+00")
    due = {queue.enqueue(kind, user) for user in [queue.user() for _ in range(3)]}

    assert {job["id"] for job in queue.claim(kind, 3)["jobs"]} == due


def test_with_many_users_a_full_batch_serves_as_many(queue: Any) -> None:
    kind = queue.kind()
    for user in [queue.user() for _ in range(200)]:
        queue.enqueue_many(kind, user, 3)

    jobs = queue.claim(kind, 32)["jobs"]

    assert len({job["user_id"] for job in jobs}) == 32


def test_level_orders_the_jobs_of_one_user_and_not_users(queue: Any) -> None:
    flood, backfill, kind = queue.user(), queue.user(), queue.kind()
    queue.enqueue_many(kind, flood, 300)
    behind = [queue.enqueue(kind, backfill, p_priority=200) for _ in range(20)]
    first = queue.enqueue(kind, backfill, p_priority=100)
    served = []
    for _ in range(40):
        job = queue.take(kind)
        served.append(job)
        queue.settle(job)
    assert Counter(job["user_id"] for job in served) == {flood: 20, backfill: 20}
    ours = [job["id"] for job in served if job["user_id"] == backfill]
    assert ours[0] == first
    assert set(ours[1:]) < set(behind)


def test_who_deletes_what_is_being_worked_on_has_been_served_all_the_same(queue: Any) -> None:
    deleting, other, kind = queue.user(), queue.user(), queue.kind()
    served = []
    for _ in range(30):
        for user in (deleting, other):
            queue.enqueue(kind, user, queue.asset(user))
        job = queue.take(kind)
        served.append(job["user_id"])
        if job["user_id"] == deleting:
            queue.db.execute("delete from assets where id = %s", (job["asset_id"],))
        else:
            queue.settle(job)
    assert Counter(served) == {deleting: 15, other: 15}


def test_jobs_that_a_user_runs_on_their_own_worker_do_not_count_against_them(queue: Any) -> None:
    own, other, kind = queue.user(), queue.user(), queue.kind()
    queue.enqueue_many(kind, own, 50)
    queue.enqueue_many(kind, other, 50)
    with queue.acting("authenticated", own):
        queue.claim(kind, 20, worker="mine")
    queue.settle(queue.take(kind))
    queue.settle(queue.take(kind))
    jobs = queue.claim(kind, 8)["jobs"]
    assert Counter(job["user_id"] for job in jobs) == {own: 4, other: 4}


def test_turns_of_a_deleted_user_go_with_them(queue: Any) -> None:
    user, kind = queue.user(), queue.kind()
    queue.enqueue(kind, user, queue.asset(user))
    queue.take(kind)
    queue.db.execute("delete from assets where user_id = %s", (user,))
    assert queue.value("select count(*) from kizu.turns where user_id = %s", user) == 1
    queue.enqueue(kind, user, queue.asset(user))
    queue.take(kind)
    queue.db.execute("delete from auth.users where id = %s", (user,))
    assert queue.value("select count(*) from kizu.turns where user_id = %s", user) == 0


@pytest.mark.slow
@pytest.mark.parametrize("turns", [1_000])
def test_over_any_500_claims_each_user_has_a_fair_share(queue: Any, turns: int) -> None:
    """Fifty users: floods, backfills, schedules, deletions, workers of their own; eight slots."""
    chance = random.Random(turns)
    kinds = [queue.kind(), queue.kind("image_processing_jobs")]
    users = [queue.user() for _ in range(50)]
    habits = dict(zip(users, ["flood", "backfill", "delete", "hoard", "mixed"] * 10, strict=True))
    for user, habit in habits.items():
        for _ in range(turns // 40):
            level = {"flood": 100, "backfill": 900, "mixed": chance.choice([100, 200, 300])}.get(habit, 100)
            asset = queue.asset(user) if habit == "delete" else None
            queue.enqueue(chance.choice(kinds), user, asset, p_priority=level)
        if habit == "flood":
            queue.enqueue_many(kinds[0], user, turns)
        if habit == "hoard":
            queue.enqueue_many(kinds[0], user, turns // 10)
            with queue.acting("authenticated", user):
                queue.claim(kinds, 30, worker="mine", lease=3600)

    running: deque[Any] = deque()
    served: list[str] = []
    while len(served) < turns:
        (job,) = queue.claim(kinds, 1, lease=3600)["jobs"]
        served.append(job["user_id"])
        if habits[job["user_id"]] == "delete":
            queue.db.execute("delete from assets where id = %s", (job["asset_id"],))
        else:
            running.append(job)
        if len(running) >= 8:
            queue.settle(running.popleft())

    for start in range(0, turns - 499, 50):
        shares = Counter(served[start : start + 500])
        assert set(shares) == set(users)
        assert min(shares.values()) >= 9, (start, habits[min(shares, key=lambda user: shares[user])])
        assert max(shares.values()) <= 11, (start, habits[max(shares, key=lambda user: shares[user])])


def test_a_personal_worker_is_served_its_own_line_in_order(queue: Any) -> None:
    me, other, kind = queue.user(), queue.user(), queue.kind()
    queue.enqueue_many(kind, other, 50)
    mine = [queue.enqueue(kind, me) for _ in range(3)]

    with queue.acting("authenticated", me):
        answer = queue.claim(kind, 10)

    assert sorted(job["id"] for job in answer["jobs"]) == sorted(mine)
    assert answer["next_due_seconds"] is None
