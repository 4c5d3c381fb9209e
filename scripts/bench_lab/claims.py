"""Claims beside a small and a large backlog; `scripts/bench_claim.py` has the details."""

from __future__ import annotations

from scripts import bench_claim, bench_claim_loaded
from scripts.bench_lab.lab import Lab
from scripts.bench_lab.measure import Measure

GOAL = 1.5
SNAPSHOT_GOAL = 2.0


def measure(lab: Lab) -> list[Measure]:
    large = lab.pick(full=1_000_000, quick=20_000)
    found = bench_claim.measure(
        lab.info.database_url, large=large, rounds=lab.pick(full=500, quick=50), told=lab.tell
    )
    measures = [Measure(name="pending_and_as_many_finished", value=large, unit="jobs")]
    for limit in (1, 8):
        claims = found[f"claim_{limit}"]
        for size in ("small", "large"):
            measures += [
                Measure(name=f"claim_{limit}_{size}_{cut}", value=claims[size][f"{cut}_ms"], unit="ms")
                for cut in ("p50", "p99")
            ]
        measures += [
            Measure(
                name=f"claim_{limit}_large_to_small_{cut}",
                value=claims["ratio"][f"{cut}_ms"],
                unit="x",
                at_most=GOAL,
            )
            for cut in ("p50", "p99")
        ]
    measures.append(Measure(name="hot_heartbeats", value=found["heartbeats_hot"], at_least=0.99))
    return [*measures, *_loaded(lab)]


def _loaded(lab: Lab) -> list[Measure]:
    found = bench_claim_loaded.measure(
        lab.info.database_url,
        consumed=lab.pick(full=40_000, quick=1_000),
        held=lab.pick(full=100_000, quick=2_000),
        finished=lab.pick(full=1_000_000, quick=5_000),
        pending=lab.pick(full=300_000, quick=2_000),
        rounds=lab.pick(full=300, quick=30),
        told=lab.tell,
    )
    ratios = [
        Measure(
            name=f"claim_16_{name}_{cut}", value=found[name]["ratio"][f"{cut}_ms"], unit="x", at_most=goal
        )
        for name, goal in (("snapshot", SNAPSHOT_GOAL), ("loaded", GOAL))
        for cut in ("p50", "p99")
    ]
    times = [
        Measure(name=f"claim_16_{side}_{cut}", value=found[name][side][f"{cut}_ms"], unit="ms")
        for name, sides in (("snapshot", ("without", "under")), ("loaded", ("empty", "loaded")))
        for side in sides
        for cut in ("p50", "p99")
    ]
    return [*times, *ratios]
