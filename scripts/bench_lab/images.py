"""Photos through the whole queue and every model, against a plain worker and against the bare models.

The models are seeded ones of the true sizes: as heavy as the released ones, and they find the same marks in
every photo. The sides take turns within one run, all of them warm.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID

import psutil
from psycopg import sql
from psycopg.types.json import Jsonb

from scripts.bench_lab.lab import Lab
from scripts.bench_lab.library import upload
from scripts.bench_lab.marks import draw_marks
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.partner import Partner, beside
from scripts.bench_lab.photos import TWELVE_MEGAPIXELS, write_photos
from scripts.bench_lab.workers import ROOT, Worker, serving

KIND = "image_ai"
PLAIN_KIND = "plain_image_ai"
"""Jobs that only the plain worker claims."""
MODELS = ROOT / ".kizu" / "test-models"
"""Kept from run to run; the tests keep theirs there, too."""
SMALL = (640, 480)
WARM_UP_PHOTOS = 4
MOST_TOKENS = 150
"""Of a caption, on both sides; the full-size model ends it after 20."""
BARE_GOAL = 0.90
LAG_GOAL_MS = 50.0
IDLE_GOAL, PEAK_GOAL = 100, 2560
"""MiB."""
UNLOADED_GOAL = 1.1
LOOK_SECONDS = 0.1
MIB = 1024 * 1024
FACTS = (
    "asset_hashes",
    "asset_quality",
    "detected_objects",
    "face_embeddings",
    "image_descriptions",
    "image_embeddings",
    "image_text",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Operations asked for together, and of how many photos."""

    name: str
    operations: tuple[str, ...]
    photos: int
    plain_photos: int
    goal: float
    """Times the plain worker's rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Photos per second, each way once."""

    plain: float
    queue: float
    bare: float
    requests: float
    """Per job."""


def loads_for(lab: Lab) -> list[Load]:
    three = ("embedding", "faces", "objects")
    without_captions = (*three, "ocr", "hashes")

    def load(name: str, operations: tuple[str, ...], *, photos: int, plain_photos: int, goal: float) -> Load:
        photos, plain_photos = lab.pick(full=photos, quick=4), lab.pick(full=plain_photos, quick=1)
        return Load(name=name, operations=operations, photos=photos, plain_photos=plain_photos, goal=goal)

    everything = load("all", (*without_captions, "describe"), photos=12, plain_photos=2, goal=12)
    if lab.quick:
        return [everything]
    return [
        load("three", three, photos=48, plain_photos=4, goal=5),
        load("without_captions", without_captions, photos=24, plain_photos=2, goal=25),
        everything,
    ]


def measure(lab: Lab) -> list[Measure]:
    loads = loads_for(lab)
    make_models(lab)
    lab.tell("drawing and uploading photos")
    size = SMALL if lab.quick else TWELVE_MEGAPIXELS
    most = max(load.photos for load in loads)
    photos = write_photos(lab.home / "photos", most, size, distinct=6, add=draw_marks)
    user, plain_user = upload(lab, photos), upload(lab, photos[: max(load.plain_photos for load in loads)])
    settings = {
        "model_cache_dir": str(MODELS),
        "model_downloads": False,
        "model_ttl": 3600,
        "model_profile": "tiny" if lab.quick else "best",
    }
    with ExitStack() as stack:
        plain = stack.enter_context(_plain_worker(lab, loads[-1]))
        bare = stack.enter_context(_bare_models(lab, settings, loads[-1], photos))
        worker = stack.enter_context(_worker(lab, settings))
        idle = worker.rss_bytes
        memory = stack.enter_context(_watched(worker))
        lab.tell("loading the models")
        _through_queue(lab, worker, user, loads[-1], WARM_UP_PHOTOS)
        measures = []
        rates = {}
        for load in loads:
            rates[load.name] = turns = _take_turns(lab, load, worker, user, plain, plain_user, bare)
            measures += _speed(load, turns)
        measures += _found(lab, user, plain_user, loads)
        measures += _memory(lab, worker, memory, idle)
    measures += _inside(worker.findings())
    if not lab.quick:
        measures += _with_easyocr(lab, settings, user, loads[1], rates[loads[1].name].plain)
    return measures


def make_models(lab: Lab, *only: str) -> None:
    """All, or those of these makers. Raises RuntimeError when they could not be made."""
    lab.tell("writing seeded models, unless they are there")
    options = [*([] if lab.quick else ["--full"]), *(f"--only={name}" for name in only)]
    made = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "scripts.test_models", str(MODELS), *options],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode != 0:
        raise RuntimeError(f"the seeded models could not be made:\n{made.stderr[-2000:]}")


@contextmanager
def _plain_worker(lab: Lab, load: Load) -> Iterator[Partner]:
    lab.tell("loading the plain worker's models")
    lab.db.execute(
        "insert into public.job_kinds (kind, table_name) values (%s, 'ai_processing_jobs')", [PLAIN_KIND]
    )
    lab.db.execute(  # whose vectors stand beside the queue's, and which nobody else fills
        "insert into public.generations (kind, model_version, dimension, state)"
        " select kind, 'plain', 512, 'filling' from public.vector_kinds"
    )
    for table in FACTS:  # it writes its rows itself
        lab.db.execute(sql.SQL("grant insert on {} to service_role").format(sql.Identifier(table)))
    lab.db.execute("grant execute on function kizu.hash_keys(uuid, bit) to service_role")  # by an index
    with beside(
        lab,
        "scripts.bench_lab.plain_images",
        url=lab.info.url,
        key=lab.info.secret_key,
        kind=PLAIN_KIND,
        cache=str(MODELS),
        tiny=lab.quick,
        operations=load.operations,
        tokens=MOST_TOKENS,
    ) as partner:
        yield partner


@contextmanager
def _bare_models(
    lab: Lab, settings: Mapping[str, object], load: Load, photos: list[Path]
) -> Iterator[Partner]:
    lab.tell("loading the bare models")
    with beside(
        lab,
        "scripts.bench_lab.bare_images",
        settings=settings,
        operations=load.operations,
        photos=[str(photo) for photo in photos],
    ) as partner:
        yield partner


@contextmanager
def _worker(lab: Lab, settings: Mapping[str, object]) -> Iterator[Worker]:
    """A worker with its own slots for pictures, idle for long enough to know what memory that takes."""
    lab.tell("an idle worker")
    environment = {name.upper(): value for name, value in settings.items()}
    with serving(lab, environment) as (worker,):
        time.sleep(lab.pick(full=3, quick=1))
        yield worker


def _take_turns(
    lab: Lab, load: Load, worker: Worker, user: UUID, plain: Partner, plain_user: UUID, bare: Partner
) -> Turns:
    lab.tell(f"{load.name}: {load.plain_photos} photos by the plain worker")
    for table in FACTS:
        lab.db.execute(
            sql.SQL("delete from {} where user_id = %s").format(sql.Identifier(table)), [plain_user]
        )
    _add_jobs(lab, plain_user, PLAIN_KIND, load, load.plain_photos)
    done = plain.ask()
    if done["photos"] != load.plain_photos:
        raise RuntimeError(f"the plain worker did {done['photos']} of {load.plain_photos} photos")
    lab.tell(f"{load.name}: {load.photos} photos through the queue, as many by the bare models")
    half = load.photos // 2
    before = _alone(bare, load, half)
    queue, requests = _through_queue(lab, worker, user, load, load.photos)
    after = _alone(bare, load, half)
    return Turns(
        plain=load.plain_photos / done["seconds"],
        queue=load.photos / queue,
        bare=2 * half / (before + after),
        requests=requests / load.photos,
    )


def _alone(bare: Partner, load: Load, photos: int) -> float:
    """Seconds. Asked for before the queue and after it, since a machine's speed drifts."""
    return float(sum(bare.ask(operations=load.operations, photos=photos)["seconds"].values()))


def _add_jobs(lab: Lab, user: UUID, kind: str, load: Load, photos: int) -> None:
    """One for each of so many photos; those of this kind before are gone."""
    lab.db.execute("delete from public.ai_processing_jobs where job_type = %s", [kind])
    lab.db.execute(
        "insert into public.ai_processing_jobs (user_id, asset_id, job_type, params)"
        " select user_id, id, %s, %s from public.assets where user_id = %s order by path limit %s",
        [kind, Jsonb({"operations": load.operations}), user, photos],
    )


def _through_queue(lab: Lab, worker: Worker, user: UUID, load: Load, photos: int) -> tuple[float, int]:
    """Seconds from the first claim to the last settlement, and HTTP requests meanwhile.

    Raises:
        RuntimeError: an operation could not be done.
    """
    before = worker.requests()
    _add_jobs(lab, user, KIND, load, photos)
    lab.wait_until_finished(KIND, within=900)
    seconds, requests = lab.working_seconds(KIND), worker.requests() - before
    refused = lab.db.execute(
        "select distinct done.key, done.value ->> 'message'"
        "  from public.ai_processing_jobs as job, jsonb_each(job.result) as done"
        " where job.job_type = %s and done.value ->> 'success' = 'false'",
        [KIND],
    ).fetchall()
    if refused:
        raise RuntimeError(f"not every operation was done: {refused}")
    return seconds, requests


def _speed(load: Load, turns: Turns) -> list[Measure]:
    name = load.name
    return [
        Measure(name=f"{name}_plain", value=turns.plain, unit="photos/s"),
        Measure(name=f"{name}_queue", value=turns.queue, unit="photos/s"),
        Measure(name=f"{name}_bare_models", value=turns.bare, unit="photos/s"),
        Measure(name=f"{name}_to_plain", value=turns.queue / turns.plain, unit="x", at_least=load.goal),
        Measure(name=f"{name}_to_bare_models", value=turns.queue / turns.bare, unit="x", at_least=BARE_GOAL),
        Measure(name=f"{name}_requests_per_job", value=turns.requests),
    ]


def _found(lab: Lab, user: UUID, plain_user: UUID, loads: list[Load]) -> list[Measure]:
    """What each side has found in a photo, on average."""
    queries = {
        ("faces", "faces"): "select count(*) from public.face_embeddings where user_id = %s",
        ("things", "objects"): "select count(*) from public.detected_objects where user_id = %s",
        ("lines", "ocr"): "select coalesce(sum(jsonb_array_length(text_regions)), 0) from public.image_text"
        " where user_id = %s",
        ("letters_of_caption", "describe"): "select coalesce(sum(length(description)), 0)"
        " from public.image_descriptions where user_id = %s",
    }
    measures = []
    for (what, operation), query in queries.items():
        # The queue's rows stay from load to load, of the plain worker those of the last.
        photos = max(load.photos for load in loads if operation in load.operations)
        for side, of, count in (("queue", user, photos), ("plain", plain_user, loads[-1].plain_photos)):
            value = float(lab.value(query, of)) / count
            measures.append(Measure(name=f"{what}_{side}", value=value, unit="per photo"))
    return measures


class _Memory:
    """What a worker and its model host hold together; `peak` is in bytes."""

    def __init__(self, worker: Worker) -> None:
        self.peak = 0
        self._process = psutil.Process(worker.process.pid)
        self._children: list[psutil.Process] = []
        self._ended = Event()

    def has_host(self) -> bool:
        return bool(self._process.children())

    def watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            with suppress(psutil.NoSuchProcess):
                self._children = [child for child in self._children if child.is_running()]
                self._children = self._children or self._process.children()
                together = (self._process, *self._children)
                self.peak = max(self.peak, sum(process.memory_info().rss for process in together))

    def end(self) -> None:
        self._ended.set()


@contextmanager
def _watched(worker: Worker) -> Iterator[_Memory]:
    memory = _Memory(worker)
    thread = Thread(target=memory.watch)
    thread.start()
    try:
        yield memory
    finally:
        memory.end()
        thread.join()


def _memory(lab: Lab, worker: Worker, memory: _Memory, idle: int) -> list[Measure]:
    wait = lab.pick(full=60, quick=2)
    lab.tell(f"{wait} seconds without models")
    worker.process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + 60
    while memory.has_host() and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    time.sleep(wait)
    after = sum(
        process.memory_info().rss
        for process in (psutil.Process(worker.process.pid), *psutil.Process(worker.process.pid).children())
    )
    return [
        Measure(name="memory_idle", value=idle / MIB, unit="MiB", at_most=IDLE_GOAL),
        Measure(name="memory_peak", value=memory.peak / MIB, unit="MiB", at_most=PEAK_GOAL),
        Measure(name="memory_unloaded", value=after / MIB, unit="MiB"),
        Measure(name="memory_unloaded_to_idle", value=after / idle, unit="x", at_most=UNLOADED_GOAL),
    ]


def _inside(findings: Mapping[str, Any]) -> list[Measure]:
    """What the worker noted of itself: its loop, and the calls of its models."""
    late = findings["loop_late"]
    measures = [
        Measure(name="loop_lag_p50", value=late["p50"] * 1000, unit="ms"),
        Measure(name="loop_lag_p99", value=late["p99"] * 1000, unit="ms", at_most=LAG_GOAL_MS),
        Measure(name="loop_lag_longest", value=late["longest"] * 1000, unit="ms"),
    ]
    for version, model in findings["models"].items():
        inputs = sum(int(size) * count for size, count in model["batch_sizes"].items())
        if inputs:
            measures += [
                Measure(name=f"{version}_batch_mean", value=inputs / model["batches"]),
                Measure(name=f"{version}_batch_largest", value=max(map(int, model["batch_sizes"]))),
                Measure(name=f"{version}_run", value=1000 * model["run_seconds"] / inputs, unit="ms/photo"),
                Measure(name=f"{version}_wait", value=1000 * model["wait_seconds"] / inputs, unit="ms/photo"),
            ]
    return measures


def _with_easyocr(
    lab: Lab, settings: Mapping[str, object], user: UUID, load: Load, plain: float
) -> list[Measure]:
    """The same with the engine that the plain worker has."""
    with _worker(lab, {**settings, "ocr_model": "easyocr"}) as worker:
        lab.tell("loading the models, with EasyOCR")
        _through_queue(lab, worker, user, load, WARM_UP_PHOTOS)
        photos = load.photos // 2
        lab.tell(f"{load.name}: {photos} photos through the queue with EasyOCR")
        seconds, _ = _through_queue(lab, worker, user, load, photos)
    rate = photos / seconds
    return [
        Measure(name=f"{load.name}_with_easyocr", value=rate, unit="photos/s"),
        Measure(name=f"{load.name}_with_easyocr_to_plain", value=rate / plain, unit="x"),
    ]
