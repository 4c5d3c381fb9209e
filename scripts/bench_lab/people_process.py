"""One way to cluster faces in a process of its own, so that its peak memory is its own; for `people.py`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from models.people.clustering import cluster
from models.people.faces import Faces, Verdicts
from models.people.scale import Scale
from scripts.bench_lab.people_baselines import (
    ORIGINAL,
    PLAIN,
    core_with_deferral,
    hdbscan_by_package,
    nearest,
)
from scripts.bench_lab.reachability import hdbscan_by_products

SCALE = Scale(same=0.5, maybe=0.35, margin=0.1)
"""Of the model whose cosines the generated vectors have."""


def main(way: str, folder: str) -> None:
    """Cluster the faces in `folder`, write the labels there, and say how long it took and what it held."""
    home = Path(folder)
    stored = {name: np.load(home / f"{name}.npy") for name in ("vectors", "photos", "quality", "arrival")}
    vectors, arrival = stored["vectors"], stored["arrival"]
    faces = Faces(
        vectors=vectors,
        photos=stored["photos"],
        quality=stored["quality"],
        contacts=np.full(len(vectors), -1, np.int64),
    )
    if way in ("hdbscan", "original", "plain"):
        import hdbscan  # noqa: F401 - is not what is measured
    started, worked = time.perf_counter(), time.process_time()
    match way:
        case "exact":
            labels = nearest(vectors)[0][:, 0]
        case "graph" | "hdbscan":
            labels = cluster(faces, Verdicts.none(), SCALE, engine=way).labels
        case "original":
            labels = hdbscan_by_package(vectors, **ORIGINAL)
        case "plain":
            labels = hdbscan_by_package(vectors, **PLAIN)
        case "original_by_products":
            labels = hdbscan_by_products(vectors, **ORIGINAL)
        case "plain_by_products":
            labels = hdbscan_by_products(vectors, **PLAIN)
        case "core":
            labels = core_with_deferral(vectors, arrival)
        case _:
            raise ValueError(f"no way to cluster is called {way}")
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
    np.save(home / f"{way}.npy", labels)
    said = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_megabytes": _peak_megabytes()}
    print(json.dumps(said))


def _peak_megabytes() -> float:
    """What this process held at most. `ru_maxrss` would begin with what its parent held when it was made."""
    status = Path("/proc/self/status").read_text("ascii")
    [kilobytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kilobytes) * 1024 / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
