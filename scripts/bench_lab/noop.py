"""No-op jobs: what the queue itself can do, from claim to settlement, and how many requests that takes."""

from __future__ import annotations

from scripts.bench_lab.lab import NOOP, Lab
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.workers import serving

FLEET = 4
SETTINGS = {"LANES": "noop=8", "WAKE": "broadcast"}


def measure(lab: Lab) -> list[Measure]:
    jobs = lab.pick(full=4000, quick=200)
    alone, requests = jobs_per_second(lab, jobs, workers=1)
    together, requests_together = jobs_per_second(lab, jobs, workers=FLEET)
    return [
        Measure(name="one_worker", value=alone, unit="jobs/s"),
        Measure(name="four_workers", value=together, unit="jobs/s"),
        Measure(name="four_workers_to_one", value=together / alone, unit="x"),
        Measure(name="requests_per_job", value=requests, at_most=1.0),
        Measure(name="requests_per_job_of_four", value=requests_together, at_most=1.0),
    ]


def jobs_per_second(lab: Lab, jobs: int, *, workers: int) -> tuple[float, float]:
    """And HTTP requests per job, heartbeats and empty claims included."""
    lab.tell(f"{jobs} no-op jobs, {workers} worker(s)")
    user = lab.add_user()
    with serving(lab, SETTINGS, count=workers) as fleet:
        lab.add_noops(user, jobs // 10)
        lab.wait_until_finished(NOOP, within=60)
        lab.forget_noops()
        before = sum(worker.requests() for worker in fleet)
        lab.add_noops(user, jobs)
        lab.wait_until_finished(NOOP, within=600)
        requests = sum(worker.requests() for worker in fleet) - before
    seconds = lab.working_seconds(NOOP)
    lab.forget_noops()
    return jobs / seconds, requests / jobs
