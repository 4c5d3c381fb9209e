"""One user's backlog and another user's single job: how many claims come between its insert and its own."""

from __future__ import annotations

import random
import time

from scripts.bench_lab.lab import NOOP, Lab
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.workers import serving


def measure(lab: Lab) -> list[Measure]:
    backlog = lab.pick(full=20_000, quick=2_000)
    singles = lab.pick(full=20, quick=3)
    return [
        Measure(name="claims_before_with_one_slot", value=claims_before(lab, backlog, singles, 1), at_most=0),
        Measure(
            name="claims_before_with_eight_slots", value=claims_before(lab, backlog, singles, 8), at_most=0
        ),
    ]


def claims_before(lab: Lab, backlog: int, singles: int, slots: int) -> int:
    """The most claims that were made after a single job was there and before it was claimed itself."""
    lab.tell(f"{singles} single jobs beside {backlog} pending ones, {slots} slot(s)")
    crowd = lab.add_user()
    loners = [lab.add_user() for _ in range(singles)]
    lab.add_noops(crowd, backlog)
    lab.db.execute("analyze public.ai_processing_jobs")
    with serving(lab, {"LANES": f"noop={slots}", "WAKE": "broadcast"}):
        there = []
        for loner in loners:
            time.sleep(random.uniform(0.01, 0.05))
            lab.add_noops(loner, 1)
            there.append(lab.value("select clock_timestamp()"))  # a claim under way meanwhile saw no job yet
        while lab.value(
            "select exists (select from public.jobs"
            " where status <> 'completed' and job_type = %s and user_id = any (%s))",
            NOOP,
            loners,
        ):
            time.sleep(0.05)
    found = lab.value(
        "select max(before) from ("
        "  select count(distinct other.picked_up_at) as before"
        "    from unnest(%s::uuid[], %s::timestamptz[]) as loner(id, there)"
        "    join public.ai_processing_jobs as single on single.user_id = loner.id"
        "    left join public.ai_processing_jobs as other"
        "      on other.job_type = single.job_type and other.user_id = %s"
        "     and other.picked_up_at > loner.there and other.picked_up_at < single.picked_up_at"
        "   where single.job_type = %s"
        "   group by single.id) as counted",
        loners,
        there,
        crowd,
        NOOP,
    )
    lab.forget_noops()
    return int(found)
