"""Turns for pixels: no large picture stops small ones, no flood of small ones stops a large one."""

from __future__ import annotations

import random

import pytest

from models.pictures.demand import Demand
from models.pictures.schedule import LARGE_PIXELS, MOST_PASSED, PATIENCE_SECONDS, Request, Schedule

MEGABYTE = 2**20
GIGABYTE = 2**30
SMALL = Demand(pixels=12_000_000, bytes=108_000_000)
HUGE = Demand(pixels=200_000_000, bytes=1_800_000_000)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def schedule(threads: int = 2, memory: int = 16 * GIGABYTE, clock: Clock | None = None) -> Schedule:
    return Schedule(threads, memory, clock=clock or Clock())


def admitted(schedule: Schedule) -> list[Request]:
    """All that have their turn now."""
    found = []
    while request := schedule.next():
        found.append(request)
    return found


def works(requests: list[Request]) -> list[object]:
    return [request.work for request in requests]


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_a_small_picture_never_waits_for_large_ones_alone(threads: int) -> None:
    turns = schedule(threads, 1024 * GIGABYTE)
    for _ in range(20):
        turns.add("image", HUGE)
    assert len(admitted(turns)) == max(1, threads // 2)
    turns.add("image", SMALL, "small")
    assert works(admitted(turns)) == ["small"]


def test_small_goes_before_large_and_the_smallest_first() -> None:
    turns = schedule(threads=1)
    for pixels in (48, 200, 1, 12):
        turns.add("image", Demand(pixels=pixels * 1_000_000), pixels)
    order = []
    for _ in range(4):
        [now] = admitted(turns)
        order.append(now.work)
        turns.end(now)
    assert order == [1, 12, 48, 200]


def test_what_follows_on_a_decoded_picture_goes_before_any_other() -> None:
    turns = schedule(threads=1)
    turns.add("image", SMALL, "picture", urgent=True)
    turns.add("ai", Demand(), "crop")
    assert works(admitted(turns)) == ["crop"]


def test_what_somebody_waits_for_goes_before_a_backfill() -> None:
    turns = schedule(threads=1)
    turns.add("image", Demand(pixels=1), "backfill")
    turns.add("image", SMALL, "asked for", urgent=True)
    assert works(admitted(turns)) == ["asked for"]


def test_of_two_full_lanes_each_has_a_thread() -> None:
    turns = schedule(threads=2)
    for _ in range(50):
        turns.add("image", SMALL)
    for _ in range(50):
        turns.add("ai", Demand(pixels=40_000_000))
    running = admitted(turns)
    for _ in range(40):
        assert {request.lane for request in running} == {"image", "ai"}
        turns.end(running.pop(0))
        running += admitted(turns)


def test_two_lanes_take_turns_at_a_single_thread() -> None:
    turns = schedule(threads=1)
    for _ in range(10):
        turns.add("image", SMALL)
        turns.add("ai", SMALL)
    lanes = []
    for _ in range(10):
        [now] = admitted(turns)
        lanes.append(now.lane)
        turns.end(now)
    assert lanes == ["image", "ai"] * 5


@pytest.mark.parametrize("wait", [0.0, 1.0])
def test_large_pictures_one_after_the_other_do_not_keep_a_larger_one_waiting(wait: float) -> None:
    clock = Clock()
    turns = schedule(4, 8 * GIGABYTE, clock)  # two large ones at once, in 4 GB
    for _ in range(2):
        turns.add("image", HUGE)
    running = admitted(turns)
    larger = turns.add("image", Demand(pixels=200_000_000, bytes=3 * GIGABYTE))
    for _ in range(2 * MOST_PASSED):
        clock.now += wait
        turns.add("image", HUGE)
        turns.end(running.pop(0))
        running += admitted(turns)
        if larger in running:
            break
    assert larger in running


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_large_picture_is_passed_over_only_so_often(threads: int) -> None:
    turns = schedule(threads)
    large = turns.add("image", HUGE)
    passed = 0
    while large not in turns.running and passed <= MOST_PASSED:
        for _ in range(threads):
            turns.add("image", SMALL)
        admitted(turns)
        turns.end(next(request for request in turns.running if request is not large))
        passed += 1
    assert MOST_PASSED - threads <= passed <= MOST_PASSED + 1


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_large_picture_waits_only_so_long(threads: int) -> None:
    clock = Clock()
    turns = schedule(threads, clock=clock)
    turns.add("image", HUGE, "large")
    for _ in range(3 * threads):
        turns.add("image", SMALL)
    admitted(turns)
    clock.now = PATIENCE_SECONDS - 0.1
    turns.end(next(iter(turns.running)))
    assert works(admitted(turns)) == [None]
    clock.now = PATIENCE_SECONDS
    turns.end(next(iter(turns.running)))
    assert works(admitted(turns))[0] == "large"


@pytest.mark.parametrize(
    ("gigabytes", "at_once"), [(3, 1), (7, 1), (8, 2), (12, 3), (64, 4)], ids=lambda value: str(value)
)
def test_large_pictures_run_together_only_as_half_of_the_memory_allows(gigabytes: int, at_once: int) -> None:
    turns = schedule(8, gigabytes * GIGABYTE)
    for _ in range(9):
        turns.add("image", Demand(pixels=200_000_000, bytes=2 * GIGABYTE))
    assert len(admitted(turns)) == at_once


def test_small_pictures_are_large_where_memory_is_small() -> None:
    assert schedule(2, GIGABYTE).is_large(Demand(pixels=20_000_000, bytes=180_000_000))
    assert not schedule(2, 16 * GIGABYTE).is_large(Demand(pixels=20_000_000, bytes=180_000_000))


def test_who_withdraws_has_no_turn_and_who_runs_counts_to_the_end() -> None:
    turns = schedule(threads=2)
    first, second = turns.add("image", HUGE), turns.add("image", HUGE)
    assert admitted(turns) == [first]
    turns.withdraw(first)
    assert admitted(turns) == []
    turns.withdraw(second)
    turns.end(first)
    assert admitted(turns) == []
    assert not turns.running


@pytest.mark.parametrize("seed", range(60))
def test_any_crowd_keeps_within_the_budget_and_gets_through(seed: int) -> None:
    chance = random.Random(seed)
    clock = Clock()
    threads, memory = chance.choice([1, 2, 3, 4, 8]), chance.choice([1, 2, 4, 16, 128]) * GIGABYTE
    turns = schedule(threads, memory, clock)
    ends: dict[Request, float] = {}
    arrivals = sorted((chance.uniform(0, 60), chance.choice(["image", "ai", "video"])) for _ in range(400))

    def check() -> None:
        large = [request for request in turns.running if turns.is_large(request.demand)]
        small = len(turns.running) - len(large)
        assert len(turns.running) <= turns.most_threads
        assert len(large) <= max(1, threads // 2)
        assert len(large) <= 1 or sum(request.demand.bytes for request in large) <= memory // 2
        assert sum(
            request.demand.bytes for request in turns.running if request not in large
        ) <= turns.most_threads * memory // (4 * threads)
        if small < max(1, threads - len(large)):
            assert all(turns.is_large(request.demand) for request in turns.waiting), "the share is kept"

    while arrivals or ends or turns.waiting:
        soonest = min([*ends.values(), *(at for at, _ in arrivals[:1])])
        clock.now = soonest
        while arrivals and arrivals[0][0] <= clock.now:
            _, lane = arrivals.pop(0)
            pixels = chance.choice([0, 500_000, 12_000_000, 12_000_000, 50_000_000, 120_000_000, 200_000_000])
            demand = Demand(pixels=pixels, bytes=9 * pixels)
            request = turns.add(lane, demand, urgent=chance.random() < 0.1)
            if chance.random() < 0.05:
                turns.withdraw(request)
        for request in [request for request, at in ends.items() if at <= clock.now]:
            del ends[request]
            turns.end(request)
        for request in admitted(turns):
            ends[request] = clock.now + chance.uniform(0.5, 1.5) * request.demand.pixels / 2e8
        check()
    assert not turns.waiting
    assert not turns.running


def test_what_is_large_is_more_than_a_phone_takes() -> None:
    turns = schedule()
    assert not turns.is_large(Demand(pixels=50_000_000, bytes=450_000_000))
    assert turns.is_large(Demand(pixels=LARGE_PIXELS + 1, bytes=MEGABYTE))
