"""How good the order of a search is, by each source alone and by all of them fused, on a labelled library.

Every asset is about one thing. Some show it; of some only a caption, a text in the picture, a tag or the
file's name says it, of many several do; and some texts mention another thing in passing. Six users have the
same assets: one of them with everything that is known, the others with what one source knows.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from scripts.bench_lab.lab import Lab
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.workers import ROOT
from scripts.shapes_model.drawing import THINGS, caption

SOURCES: Mapping[str, float] = {"picture": 0.5, "caption": 0.35, "text": 0.25, "tag": 0.25, "name": 0.2}
"""The share of assets that each tells of."""
IN_PASSING = 0.1
"""The share of assets with a text about something else."""
NEAREST = 20
VERSION = "shapes"
RANK = "select public.rank_search(%s, %s::extensions.vector, %s, %s)"


@dataclass(frozen=True, slots=True)
class Asset:
    """`thing` and `mentioned` are numbers of `THINGS`; `told` the sources that tell of it."""

    thing: int
    told: frozenset[str]
    mentioned: int | None


def measure(lab: Lab) -> list[Measure]:
    assets = draw_assets(lab.pick(full=1_440, quick=288))
    lab.tell(f"drawing {len(assets)} pictures")
    pictures, words = _vectors(lab, assets)
    lab.value(
        "select public.begin_generation('pictures', %s, '{}', %s, p_new => true)", VERSION, pictures.shape[1]
    )
    found = {}
    for name in (*SOURCES, "all"):
        lab.tell(f"searching by {name}")
        user = _fill(lab, assets, pictures, set(SOURCES) if name == "all" else {name})
        by_picture = name in ("picture", "all")
        found[name] = float(
            np.mean(
                [
                    ndcg(
                        [
                            assets[place].thing == number
                            for place in _search(lab, user, number, words if by_picture else None)
                        ],
                        sum(asset.thing == number for asset in assets),
                    )
                    for number in range(len(THINGS))
                ]
            )
        )
    best = max(value for name, value in found.items() if name != "all")
    return [
        *(Measure(name=f"ndcg_{name}", value=value) for name, value in found.items()),
        Measure(name="ndcg_all_above_best", value=found["all"] - best, at_least=0.0),
    ]


def draw_assets(count: int) -> list[Asset]:
    """The same each time; each is told of by one source at least."""
    dice = Random("assets")
    assets = []
    for number in range(count):
        told = {name for name, share in SOURCES.items() if dice.random() < share}
        thing = number % len(THINGS)
        other = dice.randrange(len(THINGS))
        mentioned = other if other != thing and "text" not in told and dice.random() < IN_PASSING else None
        assets.append(Asset(thing, frozenset(told or {dice.choice(list(SOURCES))}), mentioned))
    return assets


def ndcg(hits: Sequence[bool], relevant: int) -> float:
    """The normalised discounted cumulative gain of the first `NEAREST`, with a gain of 1 for a hit (0 to 1).

    K. Järvelin and J. Kekäläinen, Cumulated gain-based evaluation of IR techniques (2002).
    """
    discounts = 1 / np.log2(np.arange(2, NEAREST + 2))
    gains = np.zeros(NEAREST)
    gains[: len(hits[:NEAREST])] = hits[:NEAREST]
    return float(gains @ discounts / discounts[: min(relevant, NEAREST)].sum())


def _vectors(lab: Lab, assets: Sequence[Asset]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    shown, file = lab.home / "shown.json", lab.home / "shapes.npz"
    shown.write_text(json.dumps([asset.thing if "picture" in asset.told else None for asset in assets]))
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "scripts.bench_lab.shapes_vectors",
        str(shown),
        str(file),
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=900)
    with np.load(file) as arrays:
        return arrays["pictures"], arrays["words"]


def _fill(lab: Lab, assets: Sequence[Asset], pictures: NDArray[np.float32], sources: set[str]) -> UUID:
    """A user with the assets, as far as these sources know them; their paths end with their places."""
    user = lab.add_user()
    inserts = {
        "picture": "insert into public.image_embeddings (asset_id, user_id, model_version, embedding)",
        "caption": "insert into public.image_descriptions (asset_id, user_id, model_version, description)",
        "text": "insert into public.image_text (asset_id, user_id, model_version, extracted_text)",
        "tag": "insert into public.asset_tags (asset_id, user_id, tag_type, tag_value)",
    }
    of_assets = " select id, user_id, %s, %s from public.assets where path = %s"
    with lab.db.transaction(), lab.db.cursor() as cursor:
        cursor.executemany(
            "insert into public.assets (user_id, path, media_type, file_name)"
            " values (%s, %s, 'document', %s)",
            [
                (user, f"{user}/{place}", f"{_words(asset, 'name')}.jpg" if "name" in sources else None)
                for place, asset in enumerate(assets)
            ],
        )
        for name in sources & set(inserts):
            rows = [
                (*_row(name, asset, vector), f"{user}/{place}")
                for place, (asset, vector) in enumerate(zip(assets, pictures, strict=True))
                if name != "tag" or "tag" in asset.told
            ]
            cursor.executemany(inserts[name] + of_assets, rows)  # type: ignore[operator]
    return user


def _row(name: str, asset: Asset, vector: NDArray[np.float32]) -> tuple[str, str]:
    match name:
        case "picture":
            return VERSION, json.dumps(vector.tolist())
        case "caption":
            return VERSION, f"It seems to be {_words(asset, name)}."
        case "text":
            return VERSION, _words(asset, name)
        case _:
            return "object", _words(asset, name)


def _words(asset: Asset, source: str) -> str:
    if source in asset.told:
        return caption(THINGS[asset.thing])
    if source == "text" and asset.mentioned is not None:
        return f"not {caption(THINGS[asset.mentioned])}"
    return "something"


def _search(lab: Lab, user: UUID, number: int, words: NDArray[np.float32] | None) -> list[int]:
    """The places of the assets that are found, best first, as their user sees them."""
    asked = caption(THINGS[number])
    claims = json.dumps({"role": "authenticated", "sub": str(user)})
    vector = None if words is None else json.dumps(words[number].tolist())
    with lab.db.transaction():
        lab.db.execute(
            "select set_config('request.jwt.claims', %s, true), set_config('role', 'authenticated', true)",
            [claims],
        )
        answer = lab.value(
            RANK,
            Jsonb({"text": asked, "semantic": asked, "parts": []}),
            vector,
            None if words is None else VERSION,
            NEAREST,
        )
    return [int(row["path"].rpartition("/")[2]) for row in answer["results"]]
