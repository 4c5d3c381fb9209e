"""How long a single job waits for an idle worker: from its insert to its claim, by the database's clock."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

from scripts.bench_lab.lab import NOOP, Lab
from scripts.bench_lab.measure import Measure, percentile
from scripts.bench_lab.workers import serving

MEAN_PAUSE = 0.1
"""Seconds between two jobs while Realtime works."""


def measure(lab: Lab) -> list[Measure]:
    singles = lab.pick(full=100, quick=10)
    poll = lab.pick(full=5, quick=1)
    changes = waits(lab, singles, {"WAKE": "postgres_changes"}, within=singles * MEAN_PAUSE)
    broadcast = waits(lab, singles, {"WAKE": "broadcast"}, within=singles * MEAN_PAUSE)
    polled = waits(lab, singles, {"WAKE": "off", "POLL_INTERVAL": poll}, within=12.0 * poll)
    return [
        *_percentiles("realtime", changes),
        *_percentiles("broadcast", broadcast),
        *_percentiles("without_realtime", polled),
        Measure(name="without_realtime_longest_in_polls", value=max(polled) / poll, at_most=1.05),
    ]


def waits(lab: Lab, singles: int, settings: Mapping[str, object], *, within: float) -> list[float]:
    """Seconds from insert to claim of single jobs, inserted at random moments `within` so many seconds."""
    lab.tell(f"{singles} single jobs, {', '.join(f'{name}={value}' for name, value in settings.items())}")
    user = lab.add_user()
    moments = sorted(random.uniform(0, within) for _ in range(singles))
    with serving(lab, {"LANES": "noop=8", **settings}):
        began = time.monotonic()
        for moment in moments:
            time.sleep(max(0.0, began + moment - time.monotonic()))
            lab.add_noops(user, 1)
        lab.wait_until_finished(NOOP, within=60)
    found = lab.db.execute(
        "select extract(epoch from picked_up_at - created_at)::float8"
        " from public.ai_processing_jobs where job_type = %s",
        [NOOP],
    ).fetchall()
    lab.forget_noops()
    return [seconds for (seconds,) in found]


def _percentiles(name: str, waited: list[float]) -> list[Measure]:
    return [
        Measure(name=f"{name}_p{percent}", value=percentile(waited, percent) * 1000, unit="ms")
        for percent in (50, 95)
    ]
