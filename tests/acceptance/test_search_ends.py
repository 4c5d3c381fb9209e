"""Where the list of a search ends, with a model that knows coloured shapes, and no command ever given."""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from models.serving.remote import RemoteModels
from models.tasks import EMBED, Embedder
from tests.acceptance.library import Library, drain
from tests.generations import forget_generations
from tests.sql.conftest import acting
from worker.library.measuring import unlike_sentences
from worker.operations.operation import vector_text
from worker.settings import Settings

pytest.importorskip("safetensors.numpy")

from scripts.shapes_model.drawing import THINGS, Scene, Thing, describe, draw, imagine

pytestmark = [pytest.mark.stack, pytest.mark.slow]

VERSION = "openclip-shapes"
PICTURES = 1000
ASKED = 300
NONSENSE: Sequence[str] = json.loads(Path(__file__).with_name("nonsense.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _nothing_before(db: psycopg.Connection[Any]) -> None:
    """The generation is the model's own, and what it is measured among are the test's pictures."""
    db.execute("delete from public.assets")
    forget_generations(db)


def pictures(count: int, seed: str) -> Iterator[tuple[Thing, Any]]:
    """Drawn ones of one thing each, never seen in training."""
    random = Random(seed)
    for _ in range(count):
        thing = random.choice(THINGS)
        yield thing, draw(imagine([thing], random), random, random.randint(200, 400))


def test_of_a_small_library_without_any_setting_nonsense_finds_nothing(
    library: Library, shapes: Settings
) -> None:
    shown = {}
    for thing, picture in pictures(40, "small"):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=90)
        shown[library.add(file.getvalue())] = thing
    library.db.execute("delete from jobs")  # those that came with the uploads
    library.db.execute(
        "select enqueue_job('image_ai', id, %s) from unnest(%s::uuid[]) as id",
        [Jsonb({"operations": ["embedding"]}), list(shown)],
    )
    asyncio.run(drain(shapes, within=300))

    def searched(text: str) -> set[str]:
        with acting(library.db, "authenticated", library.user_id):
            [answer] = library.db.execute("select search(%s)", [text]).fetchone() or [None]
            assert (answer["status"], answer["left_out"]) == ("ready", []), text
        return {result["asset_id"] for result in answer["results"]}

    wanted = shown[next(iter(shown))]
    fitting = f"a {wanted.colour} {wanted.shape}"
    for text in (fitting, *NONSENSE[:3]):
        with acting(library.db, "authenticated", library.user_id):
            library.db.execute("select ask_search(%s)", [text])
    asyncio.run(drain(shapes, within=300))  # does its chores first

    assert library.db.execute("select cutoff > 0, measured_photos from generations").fetchall() == [
        (True, 40)
    ]
    assert searched(fitting) >= {asset for asset, thing in shown.items() if thing == wanted}
    assert [searched(text) for text in NONSENSE[:3]] == [set()] * 3


def test_three_hundred_searches_find_what_fits_and_a_hundred_for_nonsense_nothing(
    library: Library, shapes: Settings
) -> None:
    drawn = list(pictures(PICTURES, "large"))
    random = Random("searches")
    asked = [THINGS[number % len(THINGS)] for number in range(ASKED)]
    texts = [describe(Scene((thing,), "", "dull"), random) for thing in asked]
    seen, said = asyncio.run(embedded(shapes, [picture for _, picture in drawn], [*texts, *NONSENSE]))
    shown = keep(library, seen, [thing for thing, _ in drawn])
    asyncio.run(drain(shapes, within=300))  # nothing but its chores

    def found(text: str) -> set[str]:
        assets: set[str] = set()
        after = None
        while True:
            with acting(library.db, "authenticated", library.user_id):
                row = library.db.execute(
                    "select rank_search(%s, p_vector => %s, p_version => %s, p_limit => 200, p_after => %s)",
                    [Jsonb({"semantic": text}), said[text], VERSION, after and Jsonb(after)],
                ).fetchone()
            assert row
            assets |= {result["asset_id"] for result in row[0]["results"]}
            after = row[0]["next"]
            if after is None:
                return assets

    right = wrong = missed = 0
    for thing, text in zip(asked, texts, strict=True):
        fitting = {asset for asset, what in shown.items() if what == thing}
        answer = found(text)
        right += len(answer & fitting)
        wrong += len(answer - fitting)
        missed += len(fitting - answer)
    nothing = sum(not found(text) for text in NONSENSE)

    numbers = {
        "cutoff": library.db.execute("select cutoff from generations").fetchall(),
        "precision": right / (right + wrong),
        "recall": right / (right + missed),
        "nonsense that finds nothing": nothing,
    }
    assert numbers["precision"] >= 0.9, numbers
    assert numbers["recall"] >= 0.9, numbers
    assert nothing >= 98, numbers


def test_what_is_asked_here_is_not_what_the_cut_off_was_measured_with() -> None:
    assert len(set(NONSENSE)) == len(NONSENSE) == 100
    assert not set(NONSENSE) & set(unlike_sentences())


async def embedded(
    settings: Settings, pictures: Sequence[Any], texts: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """The vectors of pictures, and of texts by the text."""
    from models.frame import Frame

    models = RemoteModels(settings)
    ask = partial(models.run, EMBED)
    try:
        seen, said = [], []
        for start in range(0, len(pictures), 50):
            page = [Frame.of(picture) for picture in pictures[start : start + 50]]
            seen += await asyncio.gather(*(ask(Embedder.embed_images, frame) for frame in page))
        said += await asyncio.gather(*(ask(Embedder.embed_texts, text) for text in texts))
    finally:
        await models.close()
    assert {answer.model.version for answer in (*seen, *said)} == {VERSION}

    def written(answer: Any) -> str:
        return vector_text(answer.value, len(answer.value))

    return [written(answer) for answer in seen], dict(zip(texts, map(written, said), strict=True))


def keep(library: Library, seen: Sequence[str], things: Sequence[Thing]) -> dict[str, Thing]:
    """The rows that a worker would write of them; what each asset shows."""
    db, assets = library.db, {str(uuid.uuid4()): thing for thing in things}
    model = Jsonb({"embed_model": "open_clip"})
    db.execute("select begin_generation('pictures', %s, %s, 512)", [VERSION, model])
    rows = [(library.user_id, asset) for asset in assets]
    with db.cursor() as cursor:
        cursor.executemany(
            "insert into assets (user_id, id, path, media_type) values (%s, %s, %s, 'document')",
            [(user, asset, f"{user}/{asset}.jpg") for user, asset in rows],
        )
        cursor.executemany(
            "insert into image_embeddings (user_id, asset_id, model_version, embedding)"
            " values (%s, %s, %s, %s)",
            [(*row, VERSION, vector) for row, vector in zip(rows, seen, strict=True)],
        )
        cursor.executemany(
            "insert into asset_facts (user_id, asset_id, fact, version, state)"
            " values (%s, %s, 'embedding', %s, 'done')",
            [(*row, VERSION) for row in rows],
        )
    return assets
