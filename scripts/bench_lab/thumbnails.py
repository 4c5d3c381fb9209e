"""Photos through the whole queue, against a plain loop and against the bare limit, in turns."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from scripts.bench_lab.lab import Lab
from scripts.bench_lab.library import upload
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.photos import TWELVE_MEGAPIXELS, write_photos
from scripts.bench_lab.plain import bare_limit, plain_loop
from scripts.bench_lab.workers import DRAINING_WORKER, started

KIND = "optimize_image"
GOAL = 3.0
MOST_REQUESTS = 4.0
"""Of an image job: a share of the claims, a download, an upload, a share of the settlements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Seconds for all photos, each way once; `start` until the worker's first claim."""

    plain: float
    queue: float
    bare: float
    start: float
    requests: float


def measure(lab: Lab) -> list[Measure]:
    count = lab.pick(full=96, quick=16)
    lab.tell(f"drawing and uploading {count} photos")
    photos = write_photos(lab.home / "photos", count, TWELVE_MEGAPIXELS, distinct=12)
    user = upload(lab, photos)
    rounds = lab.pick(full=3, quick=1)
    thumbnails = [take_round(lab, user, photos, web=False) for _ in range(rounds)]
    both = take_round(lab, user, photos, web=True)

    def rate(seconds: list[float]) -> float:
        return count / statistics.median(seconds)

    plain, queue = rate([one.plain for one in thumbnails]), rate([one.queue for one in thumbnails])
    bare = rate([one.bare for one in thumbnails])
    return [
        Measure(name="plain_loop", value=plain, unit="photos/s"),
        Measure(name="whole_queue", value=queue, unit="photos/s"),
        Measure(name="bare_limit", value=bare, unit="photos/s"),
        Measure(name="queue_to_plain_loop", value=queue / plain, unit="x", at_least=GOAL),
        Measure(name="queue_to_bare_limit", value=queue / bare, unit="x"),
        Measure(
            name="requests_per_photo", value=max(one.requests for one in thumbnails), at_most=MOST_REQUESTS
        ),
        Measure(name="process_start", value=statistics.median(one.start for one in thumbnails), unit="s"),
        Measure(name="with_web_version", value=count / both.queue, unit="photos/s"),
        Measure(name="with_web_version_to_plain_loop", value=both.plain / both.queue, unit="x"),
        Measure(name="with_web_version_to_bare_limit", value=both.bare / both.queue, unit="x"),
    ]


def take_round(lab: Lab, user: UUID, photos: list[Path], *, web: bool) -> Round:
    wanted = "with web versions" if web else "thumbnails only"
    lab.tell(f"{len(photos)} photos in a plain loop, {wanted}")
    plain = plain_loop(photos, lab.home / "plain", web=web)
    lab.tell(f"{len(photos)} photos through the queue, {wanted}")
    queue, start, requests = through_queue(lab, user, web=web)
    lab.tell(f"{len(photos)} photos from memory, {wanted}")
    return Round(
        plain=plain,
        queue=queue,
        bare=bare_limit(photos, web=web),
        start=start,
        requests=requests / len(photos),
    )


def through_queue(lab: Lab, user: UUID, *, web: bool) -> tuple[float, float, int]:
    """Seconds of work, seconds from the start of the process to its first claim, and its HTTP requests."""
    lab.add_image_jobs(user, {"generate_thumbnail": True, "needs_web_version": web})
    with started(lab, "photos", DRAINING_WORKER) as worker:
        worker.wait(600)
    first_claim = lab.value(
        "select extract(epoch from min(picked_up_at))::float8 from public.image_processing_jobs"
    )
    requests = lab.value(
        "select (info ->> 'requests')::int from public.workers where worker_id = %s", worker.name
    )
    return lab.working_seconds(KIND), first_claim - worker.started, requests
