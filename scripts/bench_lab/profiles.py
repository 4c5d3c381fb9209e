"""The free models against the reference models: embedding, faces and objects of photos in turn, in one run.

All weights are seeded ones of the true architectures, as accuracy is not measured here. Seeded InsightFace
finds no faces, so that its recognition costs nothing; that speaks for the reference models.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.bench_lab.images import MODELS, make_models
from scripts.bench_lab.lab import Lab
from scripts.bench_lab.marks import draw_marks
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.photos import write_photos
from scripts.bench_lab.profile_process import FIRST_FACT

PHOTO: tuple[int, int] = (1600, 1200)
ROUNDS = 3
ANSWER_SECONDS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one process had to say."""

    cold_seconds: float
    """From its start to its first fact."""
    rate: float
    """Photos per second."""
    peak_megabytes: float


def measure(lab: Lab) -> list[Measure]:
    make_models(lab)
    lab.tell("drawing photos")
    count = lab.pick(full=4, quick=1)
    photos = write_photos(lab.home / "profile-photos", count, PHOTO, distinct=count, add=draw_marks)
    rounds = lab.pick(full=ROUNDS, quick=1)
    free: list[Result] = []
    best: list[Result] = []
    torch: list[Result] = []
    for number in range(rounds):
        lab.tell(f"free and reference models, round {number + 1} of {rounds}")
        free.append(_run("tiny" if lab.quick else "free", "auto", photos))
        best.append(_run("tiny" if lab.quick else "best", "auto", photos))
        torch.append(_run("tiny" if lab.quick else "best", "torch", photos[:1]))
    rate, reference = max(one.rate for one in free), max(one.rate for one in best)
    cold = min(one.cold_seconds for one in free)
    return [
        Measure(name="free_photos_per_s", value=rate, unit="/s"),
        Measure(name="reference_photos_per_s", value=reference, unit="/s"),
        Measure(name="free_to_reference", value=rate / reference, unit="x", at_least=8),
        Measure(name="free_peak", value=max(one.peak_megabytes for one in free), unit="MB", at_most=700),
        Measure(name="reference_peak", value=max(one.peak_megabytes for one in best), unit="MB"),
        Measure(name="free_first_fact", value=cold, unit="s"),
        Measure(
            name="torch_to_free_first_fact",
            value=min(one.cold_seconds for one in torch) / cold,
            unit="x",
            at_least=3,
        ),
    ]


def _run(profile: str, backend: str, photos: list[Path]) -> Result:
    """Raises RuntimeError when the process failed."""
    command = [
        *(sys.executable, "-W", "ignore", "-m", "scripts.bench_lab.profile_process"),
        *(profile, backend, str(MODELS), *map(str, photos)),
    ]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    next((line for line in process.stdout if line.strip() == FIRST_FACT), None)  # among the log's lines
    cold = time.monotonic() - started
    said, complaint = process.communicate(timeout=ANSWER_SECONDS)
    if process.returncode != 0:
        raise RuntimeError(f"{profile}: {complaint[-2000:]}")
    found = json.loads(said.splitlines()[-1])
    return Result(cold_seconds=cold, rate=found["rate"], peak_megabytes=found["peak_megabytes"])
