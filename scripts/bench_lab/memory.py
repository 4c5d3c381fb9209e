"""What the processes hold while nothing is to be done."""

from __future__ import annotations

import time

import psutil

from scripts.bench_lab.lab import Lab
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.workers import KIZU_WORKER, started
from worker.local.stack import LocalStack

SETTLED_SECONDS = 3.0
MIB = 1024 * 1024


def measure(lab: Lab) -> list[Measure]:
    lab.tell("an idle worker")
    with started(lab, "idle", KIZU_WORKER) as worker:
        deadline = time.monotonic() + 60
        while worker.status() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(SETTLED_SECONDS)
        idle = worker.rss_bytes
    gateway = LocalStack(lab.info.home).status().gateway_pid
    return [
        Measure(name="worker_idle", value=idle / MIB, unit="MiB"),
        Measure(name="gateway", value=psutil.Process(gateway).memory_info().rss / MIB, unit="MiB"),
    ]
