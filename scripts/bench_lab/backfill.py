"""Filling another generation of vectors, against the first looks at the same photos.

Both generations have one model's weights under two names, as heavy as the released ones, so that only their
ways differ: jobs as an upload makes them, and jobs of back-fill.
"""

from __future__ import annotations

from statistics import median
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from models.catalog import discover
from models.selection import select
from models.settings import ModelSettings
from scripts.bench_lab.images import KIND, MODELS, SMALL, make_models
from scripts.bench_lab.lab import Lab
from scripts.bench_lab.library import upload
from scripts.bench_lab.marks import draw_marks
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.photos import TWELVE_MEGAPIXELS, write_photos
from scripts.bench_lab.workers import serving

GOAL = 0.95
WEIGHTS = "openclip/ViT-B-32/laion2b_s34b_b79k/open_clip_model.safetensors"
ROUNDS = 3
"""Pairs of a first look and a back-fill of as many photos."""
WITHIN = 900


def measure(lab: Lab) -> list[Measure]:
    make_models(lab)
    photos = write_photos(
        lab.home / "backfill-photos",
        lab.pick(full=48, quick=4),
        SMALL if lab.quick else TWELVE_MEGAPIXELS,
        distinct=6,
        add=draw_marks,
    )
    settings = {
        "MODEL_CACHE_DIR": str(MODELS),
        "MODEL_DOWNLOADS": "false",
        "MODEL_TTL": "3600",
        "MODEL_PROFILE": "tiny" if lab.quick else "best",
    }
    pairs: list[tuple[float, float]] = []
    with serving(lab, settings):
        lab.tell("loading the models")
        _look(lab, upload(lab, photos[:4]), None)
        active = lab.value("select kizu.answering('pictures')")
        other = _begin(lab)
        for number in range(-1, lab.pick(full=ROUNDS, quick=1)):
            lab.tell(f"first looks and back-fill, round {number + 1}")
            _look(lab, upload(lab, photos), active)
            pairs.append((_rate(lab, active), _rate(lab, other)))
    measured = pairs[1:]  # before that the other's model had to be loaded
    return [
        Measure(name="first_looks", value=max(first for first, _ in measured), unit="photos/s"),
        Measure(name="back_fill", value=max(filled for _, filled in measured), unit="photos/s"),
        Measure(
            name="back_fill_to_first_looks",
            value=median(filled / first for first, filled in measured),
            unit="x",
            at_least=GOAL,
        ),
    ]


def _look(lab: Lab, user: UUID, version: str | None) -> None:
    """Has a user's photos embedded for one generation, or for the first; what another lacks then follows."""
    params: dict[str, Any] = {"operations": ["embedding"]}
    if version is not None:
        params["versions"] = {"embedding": version}
    lab.db.execute("delete from public.ai_processing_jobs")
    lab.db.execute(
        "insert into public.ai_processing_jobs (user_id, asset_id, job_type, params)"
        " select user_id, id, %s, %s from public.assets where user_id = %s order by path",
        [KIND, Jsonb(params), user],
    )
    lab.wait_until_finished(KIND, within=WITHIN)
    lab.working_seconds(KIND)  # all were completed


def _rate(lab: Lab, version: str) -> float:
    """Photos per second that were embedded for a generation, from its first claim to its last settlement."""
    photos, seconds = lab.row(
        "select count(*), extract(epoch from max(completed_at) - min(picked_up_at))::float8"
        "  from public.ai_processing_jobs where params #>> '{versions,embedding}' = %s",
        version,
    )
    return float(photos / seconds)


def _begin(lab: Lab) -> str:
    """Another generation, of the model's own weights by another name: their path."""
    path = "tiny/openclip" if lab.quick else WEIGHTS
    choice = {
        "embed_model": "open_clip",
        "clip_model": "ViT-B-32",
        "clip_pretrained": path,
        "vector_precision": "fp32",
    }
    settings = ModelSettings(_env_file=None, model_cache_dir=MODELS, **choice)  # type: ignore[arg-type]
    version = select(discover(), "embed", settings)[1].version
    lab.db.execute(
        "select public.begin_generation('pictures', %s, %s, 512, p_new => true)", [version, Jsonb(choice)]
    )
    return version
