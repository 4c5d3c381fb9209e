"""Two generations of vectors side by side, on one's own library."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from models.errors import ModelError
from models.results import Vector
from models.serving.asking import Models
from worker.generations import Generation
from worker.library.measuring import measure
from worker.library.sample import Caption, draw
from worker.library.search import EVERYTHING, embed
from worker.operations.operation import vector_text
from worker.project.connection import Connection
from worker.project.tables import Store

SAMPLE: Final = 200
TOP: Final = 20
"""What a person looks at."""
NEIGHBOURS_PAGE: Final = 25
"""Photos per call, each with two searches."""
AT_ONCE: Final = 4
"""Searches under way."""

Step: TypeAlias = Callable[[str, int, int], None]
"""Called with what is done now, how many of it are done, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What was found out of one generation."""

    id: int
    version: str
    state: str
    first: float | None = None
    """The share of captions that find their own photo first, among the photos of its user."""
    among: float | None = None
    """The share that finds it among the `TOP` first."""
    cutoff: float | None = None
    lacks: str | None = None
    """Why this machine could not ask its model."""
    right: int | None = None
    """Named faces whose nearest other named face is the same person's, and alike enough."""
    wrong: int | None = None
    """The same where it is another person's."""
    unsure: int | None = None
    """Named faces with none alike enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two generations of a kind; what does not concern the kind, or could not be found out, is None."""

    kind: str
    one: Side
    other: Side
    compared: int = 0
    """Photos whose neighbours were looked at."""
    overlap: float | None = None
    """The mean share of the `TOP` most similar photos that the two have in common."""
    captions: int = 0
    """How many were asked."""
    faces: int = 0
    """Named ones that both have found."""

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "top": TOP, "meaning": self.meaning}

    @property
    def meaning(self) -> str:
        """What it comes to, in one plain sentence."""
        return _of_faces(self) if self.kind == "faces" else _of_pictures(self)


async def compare(
    connection: Connection,
    models: Models,
    one: Generation,
    other: Generation,
    *,
    sample: int = SAMPLE,
    on_step: Step = lambda what, done, of: None,
) -> Comparison:
    """Compare two generations of a kind on `sample` photos, captions or named faces, and keep what came out.

    Each generation keeps its own cutoff, from which on its pictures answer a sentence from then on. What
    needs a model that this machine has not is left out, and said.

    Raises:
        NotFound, UnknownGeneration: one of them is no generation any more.
    """
    look = _compare_faces if one.kind == "faces" else _compare_pictures
    found = await look(connection, models, one, other, sample, on_step)
    for side in (found.one, found.other):
        kept = {"p_id": side.id, "p_cutoff": side.cutoff, "p_comparison": found.as_json()}
        await connection.rpc("calibrate_generation", kept)
    return found


async def _compare_faces(
    connection: Connection, models: Models, one: Generation, other: Generation, sample: int, on_step: Step
) -> Comparison:
    on_step("named faces", 0, 1)
    found = await connection.rpc(
        "compare_people", {"p_one": one.id, "p_other": other.id, "p_limit": min(sample, 1000)}
    )
    on_step("named faces", 1, 1)
    return Comparison(
        kind=one.kind,
        one=_side(one, **found["one"]),
        other=_side(other, **found["other"]),
        faces=found["faces"],
    )


async def _compare_pictures(
    connection: Connection, models: Models, one: Generation, other: Generation, sample: int, on_step: Step
) -> Comparison:
    compared, overlap = await _neighbours(connection, one, other, sample, on_step)
    captions = await draw(Store(connection), one, other, sample)
    sides = []
    for generation in (one, other):
        try:
            sides.append(await _look(connection, models, generation, captions, on_step))
        except ModelError as error:
            sides.append(_side(generation, lacks=f"{error.code}: {error}"))
    return Comparison(
        kind=one.kind,
        one=sides[0],
        other=sides[1],
        compared=compared,
        overlap=overlap,
        captions=len(captions),
    )


async def _neighbours(
    connection: Connection, one: Generation, other: Generation, sample: int, on_step: Step
) -> tuple[int, float | None]:
    """Photos compared, and the mean share of their nearest that two generations have in common."""
    after: str | None = None
    compared, shared, seen = 0, 0.0, 0
    while seen < sample:
        on_step("photos like a photo", seen, sample)
        limit = min(NEIGHBOURS_PAGE, sample - seen)
        page = await connection.rpc(
            "compare_neighbours",
            {"p_one": one.id, "p_other": other.id, "p_after": after, "p_limit": limit, "p_top": TOP},
        )
        compared += page["compared"]
        shared += (page["overlap"] or 0) * page["compared"]
        after, seen = page["next"], seen + limit
        if after is None:
            break
    on_step("photos like a photo", sample, sample)
    return compared, shared / compared if compared else None


async def _look(
    connection: Connection, models: Models, generation: Generation, captions: Sequence[Caption], on_step: Step
) -> Side:
    """What one generation's model makes of the sample.

    Raises:
        ModelError: it is not to be had here.
    """
    done = 0
    texts = list(dict.fromkeys(caption.text for caption in captions))
    on_step(f"captions, by {generation.version}", 0, len(texts))

    async def vector_of(text: str) -> Vector:
        nonlocal done
        vector = await embed(models, generation, text)
        done += 1
        on_step(f"captions, by {generation.version}", done, len(texts))
        return vector

    spoken = dict(zip(texts, await asyncio.gather(*map(vector_of, texts)), strict=True))
    ranks = await _ranks(connection, generation, captions, spoken, on_step)
    return _side(
        generation,
        first=share(rank == 0 for rank in ranks),
        among=share(rank is not None for rank in ranks),
        cutoff=await measure(
            connection,
            models,
            generation,
            on_step=partial(on_step, f"unlike sentences, by {generation.version}"),
        ),
    )


async def _ranks(
    connection: Connection,
    generation: Generation,
    captions: Sequence[Caption],
    spoken: Mapping[str, Vector],
    on_step: Step,
) -> list[int | None]:
    """Where each caption finds its own photo among the `TOP` of its user's, from 0; None: not among them."""
    gate, done = asyncio.Semaphore(AT_ONCE), 0

    async def rank_of(caption: Caption) -> int | None:
        nonlocal done
        async with gate:
            found = await connection.rpc(
                "search_image_embeddings",
                {
                    "query_embedding": vector_text(spoken[caption.text], generation.dimension),
                    "match_count": TOP,
                    "match_threshold": EVERYTHING,
                    "filter_user_id": caption.user_id,
                    "filter_model_version": generation.version,
                },
            )
        done += 1
        on_step(f"captions, by {generation.version}", done, len(captions))
        ids = [row["asset_id"] for row in found]
        return ids.index(caption.asset_id) if caption.asset_id in ids else None

    return await asyncio.gather(*map(rank_of, captions))


def share(said: Iterable[bool]) -> float | None:
    """Of those that are true; None of none."""
    answers = list(said)
    return sum(answers) / len(answers) if answers else None


def _side(generation: Generation, **found: Any) -> Side:
    return Side(id=generation.id, version=generation.version, state=generation.state, **found)


def _of_pictures(found: Comparison) -> str:
    one, other = found.one, found.other
    shared = (
        "no photo has neighbours in both"
        if found.overlap is None
        else f"of the {TOP} photos most like one they have {found.overlap:.0%} in common"
    )
    if one.lacks or other.lacks:
        lacking = " and ".join(side.version for side in (one, other) if side.lacks)
        return f"Where {lacking} cannot be asked, no sentence tells the two apart; {shared}."
    if one.among is None or other.among is None:
        return f"The library has no captions that could tell the two apart; {shared}."
    # Of the two counts the one that is nearer to a half tells more.
    telling = min(
        ("first", one.first or 0, other.first or 0),
        (f"among the first {TOP}", one.among, other.among),
        key=lambda counted: abs((counted[1] + counted[2]) / 2 - 0.5),
    )
    where, ours, theirs = telling
    often = _how_often(ours, theirs, found.captions)
    return (
        f"By its own caption {other.version} finds a photo {where} {often} "
        f"{one.version} ({theirs:.0%} and {ours:.0%} of {found.captions}); {shared}."
    )


def _of_faces(found: Comparison) -> str:
    one, other = found.one, found.other
    if not found.faces:
        return "No two faces that both have found are named as one person: there is nothing to compare."
    return (
        f"Of {found.faces} faces with a name {other.version} takes {other.right} for the right person and "
        f"{other.wrong} for a wrong one, {one.version} {one.right} and {one.wrong}."
    )


def _how_often(one: float, other: float, asked: int) -> str:
    """How a share compares with another one, both of `asked`: the same within two standard errors."""
    mean = (one + other) / 2
    if abs(other - one) <= 2 * math.sqrt(2 * mean * (1 - mean) / asked):
        return "about as often as"
    return "more often than" if other > one else "less often than"
