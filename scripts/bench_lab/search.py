"""A sentence from an app through function, queue, worker and SQL, against the text tower and the SQL alone.

The model is as heavy as the released one and seeded; the library's vectors are drawn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any
from uuid import UUID

import httpx
import numpy as np
from psycopg.types.json import Jsonb

from models.catalog import discover
from models.selection import select
from models.settings import ModelSettings
from scripts.bench_lab.backfill import WEIGHTS
from scripts.bench_lab.images import KIND, MODELS, SMALL, make_models
from scripts.bench_lab.lab import Lab
from scripts.bench_lab.library import upload
from scripts.bench_lab.marks import draw_marks
from scripts.bench_lab.measure import Measure, percentile
from scripts.bench_lab.partner import beside
from scripts.bench_lab.photos import TWELVE_MEGAPIXELS, write_photos
from scripts.bench_lab.workers import ROOT, serving
from worker.local.stack import mint_token

WARM_GOAL, WARM_GOAL_MS, BESIDE_JOBS_GOAL, COLD_GOAL = 3.0, 300.0, 2.0, 10.0
WAIT_MS = 10_000
PATIENCE = 6
"""Searches of so long until the model is loaded."""
PAUSE = 0.05
"""Seconds between two searches, so that no answer is another's queue."""
RANK = "select public.rank_search(%s, %s::extensions.vector, %s, 50)"
DAYS = ("", "last summer", "in May", "yesterday", "at night", "in 2024")


def measure(lab: Lab) -> list[Measure]:
    make_models(lab, "openclip")
    photos = write_photos(
        lab.home / "search-photos", 4, SMALL if lab.quick else TWELVE_MEGAPIXELS, distinct=4, add=draw_marks
    )
    user = upload(lab, photos)
    choice = model_choice(lab)
    version, dimension = begin_pictures(lab, choice)
    add_documents(lab, user, version, dimension, lab.pick(full=9_000, quick=200))
    searches = lab.pick(full=200, quick=10)
    settings = worker_settings(lab, choice)
    app = App(lab, user)
    with (
        serving(lab, settings),
        beside(lab, "scripts.bench_lab.bare_words", settings=_bare(settings)) as bare,
    ):
        lab.tell("warming up")
        app.warm_up()
        lab.tell(f"{searches} searches, the text tower alone and the SQL alone")
        asked = sentences("first", searches)
        warm = app.search(asked)
        hops = _hops(lab, user)
        tower = bare.ask(sentences=asked)
        sql = _rank(lab, user, version, tower["vector"], searches)
        lab.tell("the same sentences again")
        again = app.search(asked)
        lab.tell("one cold command, and as it was when the command loaded the model")
        turns = range(lab.pick(full=3, quick=1))
        cold = {way: [_cold(lab, user, settings, way, turn) for turn in turns] for way in WAYS}
        jobs = lab.pick(full=1_000, quick=20)
        lab.tell(f"{searches} searches beside {jobs} photos that wait")
        _add_image_jobs(lab, user, jobs)
        busy = app.search(sentences("busy", searches))
        waiting = int(
            lab.value("select count(*) from public.jobs where job_type = %s and status = 'pending'", KIND)
        )
    asks, loads = median(cold["asks"]), median(cold["loads"])
    floor = percentile(tower["seconds"], 95) + percentile(sql, 95)
    p95 = percentile(warm, 95)
    return [
        *_percentiles("warm", warm, p95_goal=None if lab.quick else WARM_GOAL_MS),
        *(Measure(name=f"warm_{name}_p50", value=1000 * took, unit="ms") for name, took in hops.items()),
        *_percentiles("text_tower", tower["seconds"]),
        *_percentiles("sql", sql),
        Measure(name="warm_p95_to_tower_and_sql", value=p95 / floor, unit="times", at_most=WARM_GOAL),
        *_percentiles("again", again),
        *_percentiles("beside_jobs", busy),
        Measure(
            name="beside_jobs_p95_to_warm",
            value=percentile(busy, 95) / p95,
            unit="times",
            at_most=BESIDE_JOBS_GOAL,
        ),
        Measure(name="jobs_that_still_waited", value=waiting),
        Measure(name="cold_command", value=asks, unit="s"),
        Measure(name="cold_command_that_loads", value=loads, unit="s"),
        Measure(name="cold_command_faster", value=loads / asks, unit="x", at_least=COLD_GOAL),
    ]


def sentences(kind: str, count: int) -> list[str]:
    """Different ones, each of which nobody has asked before."""
    return [
        f"a {kind} boat number {number} by the shore {DAYS[number % len(DAYS)]}".strip()
        for number in range(count)
    ]


class App:
    """Calls the function `search` as its user."""

    def __init__(self, lab: Lab, user: UUID) -> None:
        self._http = httpx.Client(
            base_url=lab.info.url, headers=headers_of(lab, user), timeout=60, trust_env=False
        )

    def warm_up(self) -> None:
        """Until a worker has its model.

        Raises:
            RuntimeError: after a minute it has not.
        """
        for remaining in range(PATIENCE)[::-1]:
            try:
                self.search(sentences("warm", 3))
                return
            except RuntimeError:
                if not remaining:
                    raise

    def search(self, asked: Sequence[str]) -> list[float]:
        """Seconds for each.

        Raises:
            RuntimeError: a worker did not answer, or not with a vector.
        """
        seconds = []
        for sentence in asked:
            took, lacks = self.ask(sentence)
            seconds.append(took)
            if lacks:
                raise RuntimeError(f"{sentence!r} was not answered: {lacks}")
            time.sleep(PAUSE)
        return seconds

    def ask(self, sentence: str) -> tuple[float, str]:
        """Seconds, and what the answer lacks of a worker's; empty where that is nothing."""
        began = time.perf_counter()
        answer = self._http.post("/functions/v1/search", json={"text": sentence, "wait_ms": WAIT_MS})
        seconds = time.perf_counter() - began
        if not answer.is_success:
            return seconds, f"status {answer.status_code}"
        found = answer.json()
        is_whole = not found["timed_out"] and "picture" not in found["left_out"]
        return seconds, "" if is_whole else f"{found['left_out']}, {found['lacks']}"


def headers_of(lab: Lab, user: UUID) -> dict[str, str]:
    """With which an app acts as this user for two hours."""
    token = mint_token(lab.info, role="authenticated", sub=str(user), ttl=7200)
    return {"apikey": lab.info.publishable_key, "authorization": f"Bearer {token}"}


def model_choice(lab: Lab) -> dict[str, str]:
    return {
        "embed_model": "open_clip",
        "clip_model": "ViT-B-32",
        "clip_pretrained": "tiny/openclip" if lab.quick else WEIGHTS,
        "vector_precision": "fp32",
    }


def worker_settings(lab: Lab, choice: Mapping[str, str]) -> dict[str, Any]:
    return {
        "LANES": "ai=1,interactive=2",
        "MODEL_CACHE_DIR": str(MODELS),
        "MODEL_DOWNLOADS": "false",
        "MODEL_TTL": "3600",
        "MODEL_PROFILE": "tiny" if lab.quick else "best",
        **{name.upper(): value for name, value in choice.items()},
    }


def _bare(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in settings.items() if name != "LANES"}


def begin_pictures(lab: Lab, choice: Mapping[str, str]) -> tuple[str, int]:
    """The library's first generation, which answers."""
    settings = ModelSettings(_env_file=None, model_cache_dir=MODELS, **choice)  # type: ignore[arg-type]
    version = select(discover(), "embed", settings)[1].version
    begun = lab.value(
        "select public.begin_generation('pictures', %s, %s, 512, p_new => false)",
        version,
        Jsonb(dict(choice)),
    )
    return version, int(begun["dimension"])


def add_documents(lab: Lab, user: UUID, version: str, dimension: int, count: int) -> None:
    """Documents, which no kind of job wants, each with a name, a day and a vector."""
    dice = np.random.default_rng(5)
    with lab.db.transaction():
        lab.db.execute(
            "insert into public.assets (id, user_id, path, media_type, file_name, taken_at)"
            " select md5(%(user)s::text || n)::uuid, %(user)s, %(user)s::text || '/' || n, 'document',"
            "        'IMG_' || n || '.jpg', now() - n * interval '3 hours'"
            "   from generate_series(1, %(count)s) as n",
            {"user": user, "count": count},
        )
        assets = lab.db.execute(
            "select md5(%s::text || n)::uuid from generate_series(1, %s) as n", [user, count]
        ).fetchall()
        with (
            lab.db.cursor() as cursor,
            cursor.copy(
                "copy public.image_embeddings (user_id, asset_id, model_version, embedding) from stdin"
            ) as copy,
        ):
            for (asset,) in assets:
                vector = dice.standard_normal(dimension)
                copy.write_row([user, asset, version, json.dumps((vector / np.linalg.norm(vector)).tolist())])
    lab.db.execute("vacuum analyze public.assets, public.image_embeddings")


def _rank(lab: Lab, user: UUID, version: str, vector: Sequence[float], count: int) -> list[float]:
    """Seconds of the SQL by itself, as its user, of so many searches."""
    claims = json.dumps({"role": "authenticated", "sub": str(user)})
    seconds = []
    for sentence in sentences("first", count):
        understood = {"text": sentence, "semantic": sentence, "parts": []}
        with lab.db.transaction():
            lab.db.execute(
                "select set_config('request.jwt.claims', %s, true),"
                " set_config('role', 'authenticated', true)",
                [claims],
            )
            began = time.perf_counter()
            lab.db.execute(RANK, [Jsonb(understood), json.dumps(list(vector)), version]).fetchall()
            seconds.append(time.perf_counter() - began)
    return seconds


def _hops(lab: Lab, user: UUID) -> dict[str, float]:
    """Where the time of searches went, by the database's clock: medians of seconds, of all that were made."""
    wait, work = lab.row(
        "select percentile_cont(0.5) within group (order by extract(epoch from picked_up_at - created_at)),"
        "       percentile_cont(0.5) within group (order by extract(epoch from completed_at - picked_up_at))"
        "  from public.ai_processing_jobs"
        " where job_type in ('search', 'understand') and user_id = %s and status = 'completed'",
        user,
    )
    return {"until_claimed": float(wait), "until_settled": float(work)}


WAYS = {
    "asks": ["-m", "worker", "search", "--user", "{user}", "--wait", "60"],
    "loads": ["-m", "scripts.bench_lab.local_search"],
}
"""`kizu search`, and the same question by a program that loads the model."""


def _cold(lab: Lab, user: UUID, settings: Mapping[str, Any], way: str, number: int) -> float:
    """Seconds from the start of a program to its end.

    Raises:
        RuntimeError: it failed.
    """
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ
    } | {
        "PYTHONPATH": str(ROOT),
        "SUPABASE_URL": lab.info.url,
        "SUPABASE_SECRET_KEY": lab.info.secret_key,
        **{name: str(value) for name, value in settings.items() if name != "LANES"},
    }
    began = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, *(part.format(user=user) for part in WAYS[way]), f"a {way} boat number {number}"],
        env=environment,
        cwd=lab.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    seconds = time.perf_counter() - began
    if ended.returncode != 0:
        raise RuntimeError(f"a search by the command failed:\n{ended.stderr[-2000:]}")
    return seconds


def _add_image_jobs(lab: Lab, user: UUID, count: int) -> None:
    """Embeddings of the user's photos, over and over."""
    lab.db.execute("delete from public.ai_processing_jobs where job_type = %s", [KIND])
    lab.db.execute(
        "insert into public.ai_processing_jobs (user_id, asset_id, job_type, params)"
        " select photo.user_id, photo.id, %s, jsonb_build_object('operations', array['embedding'], 'n', n)"
        "   from generate_series(1, %s) as n"
        "  cross join lateral (select * from public.assets as photo"
        "                       where photo.user_id = %s and media_type <> 'document'"
        "                       order by path offset n %% 4 limit 1) as photo",
        [KIND, count, user],
    )


def _percentiles(name: str, seconds: Sequence[float], *, p95_goal: float | None = None) -> list[Measure]:
    return [
        Measure(
            name=f"{name}_p{percent}",
            value=percentile(seconds, percent) * 1000,
            unit="ms",
            at_most=p95_goal if percent == 95 else None,
        )
        for percent in (50, 95)
    ]
