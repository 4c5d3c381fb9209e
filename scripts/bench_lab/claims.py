"""Claims beside a small and a large backlog; `scripts/bench_claim.py` has the details."""

from __future__ import annotations

from scripts import bench_claim
from scripts.bench_lab.lab import Lab
from scripts.bench_lab.measure import Measure

GOAL = 1.5


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
    return [*measures, Measure(name="hot_heartbeats", value=found["heartbeats_hot"], at_least=0.99)]
