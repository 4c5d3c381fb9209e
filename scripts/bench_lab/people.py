"""Full clustering of faces beside other ways to find people, on the same generated libraries, in turns."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.people.scores import b_cubed
from scripts.bench_lab.chart import write_growth
from scripts.bench_lab.lab import Lab
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.people_library import likeness_of, people_library

MIB = 1024 * 1024
ANSWER_SECONDS = 6 * 3_600
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
HDBSCAN_AT_MOST = 10_000
"""Its time grows with the square; the libraries above are for the other ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    seconds: float
    cpu_seconds: float
    """Of all its threads: what the time comes to on a machine that is busy with something else, too."""
    peak_megabytes: float
    precision: float
    recall: float
    f1: float


def measure(lab: Lab) -> list[Measure]:
    return [*_cosines(lab), *_accuracy(lab), *_speed(lab)]


def _cosines(lab: Lab) -> list[Measure]:
    """What the generated vectors are like, to be held beside those of real weights."""
    lab.tell("sampling cosines")
    return [
        Measure(name=f"cosine_{name}", value=value)
        for name, value in likeness_of(people_library(5_000, 100, 500, seed=1)).items()
    ]


def _accuracy(lab: Lab) -> list[Measure]:
    """F1 of all ways on the large library, and on a fifth, where the package gets through."""
    return [
        *_side_by_side(lab, "large", 1, ("graph", "core", "original_by_products", "plain_by_products")),
        *_side_by_side(lab, "small", 5, ("graph", "core", "original", "plain", "hdbscan")),
    ]


def _side_by_side(lab: Lab, name: str, part: int, ways: Sequence[str]) -> list[Measure]:
    count, people, strangers = (1_500, 30, 150) if lab.quick else (50_000, 500, 5_000)
    home = _library(lab, count // part, people // part, strangers // part)
    results = {way: _run(lab, way, home) for way in ways}
    found: list[Measure] = []
    for way, result in results.items():
        goal = 0.95 if way == "graph" else None
        found.append(Measure(name=f"{name}_{way}_f1", value=result.f1, at_least=goal))
        found.append(Measure(name=f"{name}_{way}_precision", value=result.precision))
        found.append(Measure(name=f"{name}_{way}_recall", value=result.recall))
        found.append(Measure(name=f"{name}_{way}_cpu", value=result.cpu_seconds, unit="s"))
    best = max(result.f1 for way, result in results.items() if way not in ("graph", "hdbscan"))
    found.append(Measure(name=f"{name}_graph_above_best", value=results["graph"].f1 - best, at_least=0))
    shutil.rmtree(home)
    return found


def _speed(lab: Lab) -> list[Measure]:
    """Seconds by number of faces, one in a hundred a person and one in ten a stranger; and ratios."""
    growth: dict[str, list[tuple[float, float]]] = {"graph": [], "exact": [], "original": []}
    found: list[Measure] = []
    for count in SIZES[:2] if lab.quick else SIZES:
        strangers = count // 10
        home = _library(lab, count - strangers, max(count // 100, 10), strangers)
        ways = ["graph", "exact", "graph", "exact"] if count <= HDBSCAN_AT_MOST else ["graph", "exact"]
        ways += ["original"] * (count <= HDBSCAN_AT_MOST)
        results: dict[str, Result] = {}
        for way in ways:
            result = _run(lab, way, home)
            if way not in results or result.seconds < results[way].seconds:
                results[way] = result
        for way, result in results.items():
            growth[way].append((count, result.seconds))
            found.append(Measure(name=f"{count}_{way}", value=result.seconds, unit="s"))
            found.append(Measure(name=f"{count}_{way}_cpu", value=result.cpu_seconds, unit="s"))
        graph = results["graph"]
        found.append(Measure(name=f"{count}_graph_f1", value=graph.f1))
        found.append(
            Measure(
                name=f"{count}_graph_peak",
                value=graph.peak_megabytes * 1e6 / MIB,
                unit="MiB",
                at_most=1.5 * 1024 if count == 100_000 else None,
            )
        )
        found.append(
            Measure(
                name=f"{count}_exact_to_graph",
                value=results["exact"].seconds / graph.seconds,
                unit="x",
                at_least=1 if count == 100_000 else None,
            )
        )
        if "original" in results:
            found.append(
                Measure(
                    name=f"{count}_hdbscan_to_graph",
                    value=results["original"].seconds / graph.seconds,
                    unit="x",
                    at_least=20 if count == 10_000 else None,
                )
            )
        shutil.rmtree(home)
    if lab.plots is not None:
        write_growth(
            lab.plots / "people-speed.svg",
            title="Finding the people among faces",
            across="faces",
            up="seconds",
            lines={
                "clustering": growth["graph"],
                "bare exact kNN": growth["exact"],
                "HDBSCAN": growth["original"],
            },
        )
    return found


def _library(lab: Lab, count: int, people: int, strangers: int) -> Path:
    """A folder with the arrays of a generated library."""
    lab.tell(f"drawing {count + strangers:,} faces")
    library = people_library(count, people, strangers, seed=1)
    home = lab.home / f"people-{count}"
    home.mkdir()
    for name, numbers in (
        ("vectors", library.faces.vectors),
        ("photos", library.faces.photos),
        ("quality", library.faces.quality),
        ("arrival", library.arrival),
        ("truth", library.truth),
    ):
        np.save(home / f"{name}.npy", numbers)
    return home


def _run(lab: Lab, way: str, home: Path) -> Result:
    """Raises RuntimeError when the process failed."""
    truth = np.load(home / "truth.npy")
    lab.tell(f"{len(truth):,} faces: {way}")
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "scripts.bench_lab.people_process", way, str(home)],
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
        check=False,
    )
    if ended.returncode != 0:
        raise RuntimeError(f"{way}: {ended.stderr[-2000:]}")
    said = json.loads(ended.stdout.splitlines()[-1])
    score = b_cubed(truth, np.load(home / f"{way}.npy"))
    return Result(**said, precision=score.precision, recall=score.recall, f1=score.f1)
