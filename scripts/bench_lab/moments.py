"""Moments of ever larger libraries beside reading the same photos alone, and their DBSCAN beside another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import numpy as np

from models.moments.dbscan import dbscan
from models.sphere import EARTH_KM, points
from scripts.bench_lab.chart import write_growth
from scripts.bench_lab.lab import Lab
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.workers import started

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIZES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Shares of the most photos of a user."""
READING_GOAL, MEMORY_GOAL, DBSCAN_GOAL = 3.0, 400.0, 5.0
MIB = 1024 * 1024
RADIUS_KM, LEAST = 5.0, 4
PLACES = 300
"""Where a user has been; the first is home, with a third of the photos."""
YEARS = 8
PROCESS = "scripts.bench_lab.moments_process"


def measure(lab: Lab) -> list[Measure]:
    return [*_jobs(lab), *_clusters(lab)]


def _jobs(lab: Lab) -> list[Measure]:
    most = lab.pick(full=100_000, quick=2_000)
    growth: dict[str, list[tuple[float, float]]] = {"moments": [], "reading": []}
    found: list[Measure] = []
    for count in (round(most * size) for size in SIZES):
        lab.tell(f"adding a user with {count} photos")
        user = _add_photos(lab, count)
        results = {}
        for way in ("read", "moments"):
            lab.tell(f"{count} photos: {way}")
            lab.db.execute(
                "insert into public.ai_processing_jobs (user_id, job_type) values (%s, 'generate_moments')",
                [user],
            )
            program = ("-m", PROCESS, way)
            with started(lab, f"{way}-{count}", program, {"LANES": "ai=1", "WAKE": "off"}) as worker:
                worker.wait(600)
            results[way] = worker.findings()
        growth["reading"].append((count, results["read"]["seconds"]))
        growth["moments"].append((count, results["moments"]["seconds"]))
        ratio = results["moments"]["seconds"] / results["read"]["seconds"]
        goal = READING_GOAL if count == most and not lab.quick else None
        found.append(Measure(name=f"to_reading_at_{count}", value=ratio, unit="times", at_most=goal))
        found.append(Measure(name=f"seconds_at_{count}", value=results["moments"]["seconds"], unit="s"))
    told = lab.value("select count(*) from public.moments where user_id = %s", user)
    if lab.plots is not None:
        write_growth(
            lab.plots / "moments-growth.svg",
            title="Moments of a library",
            across="photos",
            up="seconds",
            lines=growth,
        )
    return [
        *found,
        Measure(name="told_at_the_most", value=told, at_least=1),
        Measure(name="peak", value=results["moments"]["peak_bytes"] / MIB, unit="MiB", at_most=MEMORY_GOAL),
    ]


def _clusters(lab: Lab) -> list[Measure]:
    """Both on the same coordinates; the peer keeps every pair of neighbours, of which home has most."""
    from sklearn.cluster import DBSCAN

    found = []
    for count in (1_000,) if lab.quick else (10_000, 30_000):
        latitudes, longitudes, _ = _whereabouts(count)
        lab.tell(f"clustering {count} places")

        def ours() -> Any:
            return dbscan(points(latitudes, longitudes), radius_km=RADIUS_KM, least=LEAST)  # noqa: B023

        def theirs() -> Any:
            radians = np.radians(np.stack([latitudes, longitudes], axis=1))  # noqa: B023
            clustered = DBSCAN(
                eps=RADIUS_KM / EARTH_KM, min_samples=LEAST, metric="haversine", algorithm="ball_tree"
            )
            return clustered.fit(radians).labels_

        seconds = {work: _seconds(work) for work in (ours, theirs)}
        found.append(
            Measure(
                name=f"dbscan_faster_at_{count}",
                value=seconds[theirs] / seconds[ours],
                unit="x",
                at_least=None if lab.quick else DBSCAN_GOAL,
            )
        )
    return found


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _whereabouts(count: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Latitudes, longitudes, and seconds since 1970: a third at home, the others on trips of some days."""
    dice = np.random.default_rng(3)
    centres = np.stack([dice.uniform(-55, 65, PLACES), dice.uniform(-180, 180, PLACES)])
    trips = np.sort(dice.uniform(0, YEARS * 365, PLACES))
    place = np.where(dice.random(count) < 1 / 3, 0, dice.integers(1, PLACES, count))
    days = np.where(place == 0, dice.uniform(0, YEARS * 365, count), trips[place] + dice.uniform(0, 6, count))
    spread = 0.02 * dice.standard_normal((2, count))
    latitudes, longitudes = centres[:, place] + spread
    times = int(time.time()) - (days * 86_400).astype(np.int64)
    return latitudes, np.clip(longitudes, -180, 180), times


def _add_photos(lab: Lab, count: int) -> UUID:
    """A user with photos that have a place and a time."""
    user = lab.add_user()
    latitudes, longitudes, times = _whereabouts(count)
    db = lab.db
    db.execute("set session_replication_role = replica")
    with db.cursor().copy(
        "copy public.assets"
        " (id, user_id, path, media_type, latitude, longitude, taken_at, taken_at_offset_minutes) from stdin"
    ) as copy:
        for latitude, longitude, at in zip(latitudes, longitudes, times, strict=True):
            asset = uuid4()
            stamp = np.datetime64(int(at), "s").astype(str) + "Z"
            copy.write_row(
                (asset, user, f"{user}/{asset}", "photo", float(latitude), float(longitude), stamp, 0)
            )
    db.execute("reset session_replication_role")
    db.execute("insert into kizu.moment_settings (user_id) values (%s)", [user])
    db.execute("vacuum (analyze) public.assets")
    return user
