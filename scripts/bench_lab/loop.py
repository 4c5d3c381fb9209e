"""Eight photos of 24 megapixels at once: how late the event loop gets, and how much memory they take."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from scripts.bench_lab.lab import Lab
from scripts.bench_lab.library import upload
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.photos import TWENTY_FOUR_MEGAPIXELS, write_photos
from scripts.bench_lab.workers import ROOT, serving

PHOTOS = 8
KIND = "optimize_image"
GOAL_MS = 50.0
MIB = 1024 * 1024


def measure(lab: Lab) -> list[Measure]:
    lab.tell(f"drawing and uploading {PHOTOS} large photos")
    photos = write_photos(lab.home / "large", PHOTOS, TWENTY_FOUR_MEGAPIXELS, distinct=4)
    user = upload(lab, photos)
    cores = os.cpu_count() or 1
    return [
        *_lags(lab, user, "as_configured", threads=cores),
        *_lags(lab, user, "all_decoding_at_once", threads=PHOTOS),
    ]


def _lags(lab: Lab, user: UUID, name: str, *, threads: int) -> list[Measure]:
    """The lag of the worker's loop, and that of a loop in an idle process at the same time."""
    rounds = lab.pick(full=10, quick=1)
    lab.tell(f"{PHOTOS} large photos at once in {threads} threads, {rounds} time(s)")
    with (
        serving(lab, {"LANES": f"image={PHOTOS}", "DECODE_THREADS": threads}) as (worker,),
        _idle_loop() as idle,
    ):
        for _ in range(rounds):
            lab.add_image_jobs(user, {"needs_web_version": True})
            lab.wait_until_finished(KIND, within=300)
            lab.working_seconds(KIND)
    found = worker.findings()
    late = found["loop_late"]
    return [
        Measure(name=f"{name}_lag_p50", value=late["p50"] * 1000, unit="ms"),
        Measure(name=f"{name}_lag_p99", value=late["p99"] * 1000, unit="ms", at_most=GOAL_MS),
        Measure(name=f"{name}_lag_longest", value=late["longest"] * 1000, unit="ms"),
        Measure(name=f"{name}_idle_process_p99", value=idle["p99"] * 1000, unit="ms"),
        Measure(name=f"{name}_peak_rss", value=found["peak_bytes"] / MIB, unit="MiB"),
    ]


@contextmanager
def _idle_loop() -> Iterator[dict[str, Any]]:
    """How late the loop of a process that does nothing was meanwhile; filled in at the end."""
    found: dict[str, Any] = {}
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.bench_lab.loop_clock"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        words, _ = process.communicate(timeout=30)
    found |= json.loads(words)
