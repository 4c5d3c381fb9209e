"""Drawn pictures through the whole system, and found again by what they show."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result
from psycopg.types.json import Jsonb

from models.serving.remote import RemoteModels
from models.tasks import EMBED, Embedder
from tests.acceptance.library import Library, drain
from worker.cli import kizu
from worker.operations.operation import vector_text
from worker.project.connection import Connection
from worker.settings import Settings

pytest.importorskip("safetensors.numpy")

from scripts.shapes_model.drawing import THINGS, Thing, caption, draw, imagine

pytestmark = [pytest.mark.stack, pytest.mark.slow]

PICTURES = 200
MODEL_VERSION = "openclip-shapes"
CAPTIONS = {caption(thing): thing for thing in THINGS}

Kizu = Callable[..., Result]


@pytest.fixture
def as_user(library: Library, shapes: Settings, monkeypatch: pytest.MonkeyPatch) -> Kizu:
    """`kizu` with the account of the library's owner and the same model."""

    def run(*arguments: str, **more: str) -> Result:
        environment = {
            "SUPABASE_URL": library.stack.url,
            "SUPABASE_PUBLISHABLE_KEY": library.stack.publishable_key,
            "KIZU_EMAIL": library.email,
            "KIZU_PASSWORD": library.password,
            "CLIP_PRETRAINED": shapes.clip_pretrained,
            "MODEL_CACHE_DIR": str(shapes.model_cache_dir),
            "MODEL_DOWNLOADS": "false",
            **more,
        }
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            return CliRunner().invoke(kizu, arguments)

    return run


def test_the_right_shape_and_colour_is_found_first(library: Library, shapes: Settings, as_user: Kizu) -> None:
    pictures = upload(library, PICTURES)
    asyncio.run(drain(shapes, within=300))
    states = library.db.execute("select status, count(*) from ai_processing_jobs group by 1").fetchall()
    assert states == [("completed", PICTURES)]

    found = asyncio.run(search(shapes, list(CAPTIONS)))

    assert {len(ranked) for ranked in found.values()} == {PICTURES}
    # Each caption asked for as a search: what comes first shows that thing.
    asked = {text: thing for text, thing in CAPTIONS.items() if thing in pictures.values()}
    right = [pictures[next(iter(found[text]))] == thing for text, thing in asked.items()]
    assert len(asked) == len(THINGS)
    assert sum(right) >= 0.95 * len(asked)
    # Each picture looked at alone: of all captions, its own is nearest.
    nearest = {asset: max(found, key=lambda text: found[text][asset]) for asset in pictures}
    own = [CAPTIONS[nearest[asset]] == thing for asset, thing in pictures.items()]
    assert sum(own) >= 0.95 * len(pictures)

    asked = as_user("search", "a", "blue", "star", "--wait", "0")
    assert "no worker is there" in asked.stderr
    asyncio.run(drain(shapes, within=300))
    result = as_user("search", "a blue star", "--limit", "3", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert (answer["status"], answer["version"], answer["left_out"]) == ("ready", MODEL_VERSION, [])
    assert len(answer["results"]) == 3
    for row in answer["results"]:
        [evidence] = row["evidence"]
        assert evidence["source"] == "picture"
        assert evidence["similarity"] == pytest.approx(found["a blue star"][row["asset_id"]], abs=1e-4)
        assert row["path"] == library.asset(row["asset_id"])["path"]
    assert pictures[answer["results"][0]["asset_id"]] == Thing("blue", "star")
    assert answer["results"][0]["path"] in as_user("search", "a blue star").stdout


def test_before_any_picture_was_seen_a_search_says_so(as_user: Kizu, shapes: Settings) -> None:
    as_user("search", "a red circle", "--wait", "0")
    asyncio.run(drain(shapes))
    result = as_user("search", "a red circle")
    assert result.exit_code == 0
    assert "no model has seen a picture yet" in result.stderr
    assert "kizu jobs missing embedding" in result.stderr


@pytest.mark.parametrize("text", ["", "   ", "word " * 101])
def test_a_search_is_for_something_and_not_for_a_book(as_user: Kizu, text: str) -> None:
    result = as_user("search", text)
    assert result.exit_code == 2
    assert "expected 1 to 500" in result.stderr


def upload(library: Library, count: int) -> dict[str, Thing]:
    """Pictures never drawn in training, with a job for the embedding alone; what each shows, by asset."""
    random = Random("search")
    pictures = {}
    for number in range(count):
        thing = THINGS[number % len(THINGS)]
        file = io.BytesIO()
        draw(imagine([thing], random), random, random.randint(240, 640)).save(file, "JPEG", quality=90)
        pictures[library.add(file.getvalue())] = thing
    library.db.execute("delete from jobs")  # those that came with the uploads
    library.db.execute(
        "select enqueue_job('image_ai', id, %s) from unnest(%s::uuid[]) as id",
        [Jsonb({"operations": ["embedding"]}), list(pictures)],
    )
    return pictures


async def search(settings: Settings, texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Every picture's similarity to every text, best first, as the owner's app would learn it."""
    models = RemoteModels(settings)
    try:
        answers = await asyncio.gather(*(models.run(EMBED, Embedder.embed_texts, text) for text in texts))
    finally:
        await models.close()
    assert {answer.model.version for answer in answers} == {MODEL_VERSION}
    found = {}
    async with Connection(settings) as connection:
        for text, answer in zip(texts, answers, strict=True):
            wish: dict[str, Any] = {
                "query_embedding": vector_text(answer.value, len(answer.value)),
                "match_count": 1000,
            }
            rows = await connection.rpc("search_image_embeddings", {**wish, "match_threshold": -1})
            found[text] = {row["asset_id"]: row["similarity"] for row in rows}
    return found
