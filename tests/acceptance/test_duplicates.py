"""Photos that are alike, from their upload to the one that is kept, through a worker and the command line."""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageDraw, ImageFilter
from psycopg.types.json import Jsonb

from tests.acceptance.library import Library, drain, personal
from worker.cli import kizu
from worker.core.errors import BadParams

pytestmark = [pytest.mark.stack, pytest.mark.slow]

TAKEN = 0x9003  # EXIF's DateTimeOriginal
DETAILS = 0x8769
MEASURED = ["embedding", "hashes", "quality"]

Kizu = Callable[..., Result]


@pytest.fixture
def as_user(library: Library, monkeypatch: pytest.MonkeyPatch) -> Kizu:
    """`kizu` with the account of the library's owner."""

    def run(*arguments: str) -> Result:
        environment = {
            "SUPABASE_URL": library.stack.url,
            "SUPABASE_PUBLISHABLE_KEY": library.stack.publishable_key,
            "KIZU_EMAIL": library.email,
            "KIZU_PASSWORD": library.password,
        }
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            return CliRunner().invoke(kizu, arguments)

    return run


def scene(seed: int, moved: int = 0) -> Image.Image:
    """Blobs before a sky, with a sharp bush; `moved` to the right by so many pixels."""
    dice = random.Random(seed)
    image = Image.new("RGB", (1600, 1200), (dice.randrange(256), dice.randrange(256), 200))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, r = dice.randrange(1600) + moved, dice.randrange(1200), dice.randrange(100, 400)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(dice.randrange(256) for _ in range(3)))
    image = image.filter(ImageFilter.GaussianBlur(4))
    draw = ImageDraw.Draw(image)
    for _ in range(300):
        x, y = dice.randrange(200, 900) + moved, dice.randrange(300, 900)
        draw.line((x, y, x + dice.randrange(-60, 60), y + dice.randrange(-60, 60)), "white", 2)
    return image


def jpeg(image: Image.Image, taken: str, quality: int = 95) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(DETAILS)[TAKEN] = taken
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, exif=exif)
    return out.getvalue()


def test_the_best_is_kept_with_all_that_the_others_had(
    library: Library, as_user: Kizu, tiny_models: Path
) -> None:
    holiday, garden = scene(1), scene(2)
    original = jpeg(holiday, "2025:07:01 12:00:00")
    small = holiday.resize((800, 600))
    files = {
        "original": original,
        "copy": original,
        "sent": jpeg(small, "2025:07:01 12:00:00", quality=60),
        "sharp": jpeg(garden, "2025:08:01 12:00:00"),
        "blurred": jpeg(scene(2, moved=200).filter(ImageFilter.GaussianBlur(3)), "2025:08:01 12:00:02"),
        "alone": jpeg(scene(3), "2025:09:01 12:00:00"),
        "black": jpeg(Image.new("RGB", (1600, 1200)), "2025:09:02 12:00:00"),
        "dark": jpeg(Image.new("RGB", (1600, 1200), (3, 3, 3)), "2025:09:02 18:00:00"),
    }
    assets = {name: library.add(data, file_name=f"{name}.jpg") for name, data in files.items()}
    names = {asset: name for name, asset in assets.items()}
    library.db.execute("delete from ai_processing_jobs")
    for asset in assets.values():
        library.db.execute("select enqueue_job('image_ai', %s, %s)", [asset, Jsonb({"operations": MEASURED})])
    models = {
        "model_profile": "tiny",
        "embed_model": "conse",
        "model_cache_dir": tiny_models,
        "model_downloads": False,
    }
    worker = personal(library, lanes={"image": 2, "ai": 2}, **models)
    asyncio.run(drain(worker, within=300))

    def groups(*options: str) -> dict[str, tuple[str, set[str]]]:
        answer = json.loads(as_user("duplicates", "list", "--json", *options).stdout)
        assert (answer["next"], answer["left"]) == (None, 0)
        return {
            names[group["best"]]: (group["kind"], {names[one["asset_id"]] for one in group["members"]})
            for group in answer["groups"]
        }

    assert groups() == {
        "original": ("near", {"original", "copy", "sent"}),
        "sharp": ("burst", {"sharp", "blurred"}),
    }
    assert groups("--kind", "exact") == {"original": ("exact", {"original", "copy"})}
    assert groups("--kind", "burst") == {"sharp": ("burst", {"sharp", "blurred"})}
    shown = as_user("duplicates", "list").stdout
    assert "sent.jpg" in shown
    assert "1600x1200" in shown

    album = library.db.execute(
        "insert into albums (user_id, title) values (%s, 'Summer') returning id", [library.user_id]
    ).fetchone()
    assert album
    library.db.execute(
        "insert into album_assets (user_id, album_id, asset_id) values (%s, %s, %s)",
        [library.user_id, album[0], assets["sent"]],
    )
    told = as_user(
        "duplicates", "resolve", *(assets[name] for name in ("original", "copy", "sent")), "--json"
    )
    answer = json.loads(told.stdout)
    assert (answer["status"], answer["removed"], answer["moved"]["albums"]) == ("resolved", 2, 1)
    assert as_user("duplicates", "keep", assets["sharp"], assets["blurred"]).exit_code == 0
    assert groups() == {}
    asyncio.run(drain(worker))

    stored = {row[0] for row in library.db.execute("select name from storage.objects").fetchall()}
    for name, asset in assets.items():
        assert (f"{library.user_id}/originals/{asset}" in stored) == (name not in ("copy", "sent")), name
    kept = library.db.execute("select asset_id::text from album_assets").fetchall()
    assert kept == [(assets["original"],)]
    refused = as_user("duplicates", "resolve", assets["original"], assets["original"])
    assert isinstance(refused.exception, BadParams)


def test_photos_of_before_get_their_quality_by_back_fill(
    library: Library, as_user: Kizu, tiny_models: Path
) -> None:
    asset = library.add(jpeg(scene(1), "2025:07:01 12:00:00"))
    library.db.execute("delete from jobs")
    told: Any = json.loads(as_user("jobs", "missing", "quality", "--yes", "--json").stdout)
    assert told
    worker = personal(library, lanes={"ai": 1}, model_downloads=False, model_cache_dir=tiny_models)
    asyncio.run(drain(worker))
    [(sharpness, exposure, contrast, bits)] = library.db.execute(
        "select sharpness, exposure, contrast, length(fine_hash) from asset_quality where asset_id = %s",
        [asset],
    ).fetchall()
    assert sharpness > 1
    assert 0.3 < exposure <= 1
    assert contrast > 10
    assert bits == 256
