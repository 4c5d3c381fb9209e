"""Photos with faces, and `image_ai` with tiny models in real model hosts."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg

from scripts.chaos_lab.crowd import Request, User
from scripts.chaos_lab.images.photos import PLACES, Photo, draw_photo
from scripts.chaos_lab.images.schema import SCHEMA
from scripts.chaos_lab.images.wish import KIND, USUAL_LEVEL, Wish, make_wishes, uploads
from scripts.chaos_lab.images.witness import BUCKET, witness
from scripts.chaos_lab.plan import Plan
from scripts.chaos_lab.trial import Scene, Trial
from scripts.chaos_lab.verdict import IMAGE_CHECKS
from scripts.chaos_lab.worker_process import serve_real
from worker.local.stack import StackInfo


def images_trial(tiny_models: Path) -> Trial:
    """`tiny_models` is a MODEL_CACHE_DIR that `scripts/make-test-models` has filled."""

    def settings(plan: Plan) -> Mapping[str, Any]:
        return {
            "lanes": {"ai": plan.slots},
            "model_profile": "tiny",
            "model_cache_dir": tiny_models,
            "model_downloads": False,
            "model_threads": 1,  # the workers share the machine
            "caption_level": USUAL_LEVEL,
        }

    return Trial(
        kinds=[KIND],
        schema=SCHEMA,
        populate=populate,
        settings=settings,
        serve=serve_real,
        witness=witness,
        checks=IMAGE_CHECKS,
    )


def populate(scene: Scene, users: Sequence[User], plan: Plan, dice: random.Random) -> Sequence[Request]:
    drawn = [
        (user.id, uuid4(), draw_photo(dice.randint(0, len(PLACES)), dice))
        for user in users
        for _ in range(plan.assets_per_user)
    ]
    photos = [(user, asset) for user, asset, _ in drawn]
    wishes = make_wishes(plan.jobs, photos, dice)
    note_wishes(scene.db, [*uploads(photos), *wishes])
    for user, asset, photo in drawn:
        note_photo(scene.db, user, asset, photo)
        upload(scene.stack, path_of(user, asset), photo)
    add_assets(scene.db, photos)
    return wishes


def path_of(user: UUID, asset: UUID) -> str:
    return f"{user}/originals/{asset}"


def note_wishes(db: psycopg.Connection[Any], wishes: Sequence[Wish]) -> None:
    with db.cursor() as cursor:
        cursor.executemany(
            "insert into chaos.wishes (asset_id, slot, operations, level, again)"
            " values (%s, %s, %s, %s, %s)"
            " on conflict (asset_id, slot) do update set again = true",
            [(wish.asset_id, wish.slot, list(wish.operations), wish.level, wish.again) for wish in wishes],
        )


def note_photo(db: psycopg.Connection[Any], user: UUID, asset: UUID, photo: Photo) -> None:
    """Write down what is on it, where the chaos does not reach."""
    db.execute(
        "insert into chaos.photos (asset_id, user_id, path, sha256, perceptual_hash)"
        " values (%s, %s, %s, %s, %s::bit(64))",
        [asset, user, path_of(user, asset), photo.sha256, photo.perceptual_hash],
    )
    with db.cursor() as cursor:
        cursor.executemany(
            "insert into chaos.faces (asset_id, x, y) values (%s, %s, %s)",
            [(asset, x, y) for x, y in photo.faces],
        )


def upload(stack: StackInfo, path: str, photo: Photo) -> None:
    headers = {
        "apikey": stack.secret_key,
        "authorization": f"Bearer {stack.secret_key}",
        "content-type": "image/jpeg",
    }
    url = f"{stack.url}/storage/v1/object/{BUCKET}/{path}"
    httpx.post(url, content=photo.data, headers=headers, timeout=30, trust_env=False).raise_for_status()


def add_assets(db: psycopg.Connection[Any], photos: Sequence[tuple[UUID, UUID]]) -> None:
    """The rows, whose insertion enqueues the first job of each."""
    with db.cursor() as cursor:
        cursor.executemany(
            "insert into public.assets (id, user_id, path, media_type) values (%s, %s, %s, 'photo')",
            [(asset, user, path_of(user, asset)) for user, asset in photos],
        )
