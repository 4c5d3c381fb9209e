"""How much of what is nearest a search ranks first, of users who have a thousandth to all of many vectors.

Each of them searches as an app does, by `rank_search` and as nobody but themselves. Beside it stands one
statement over three things: every vector of the user, the index that generations have, and one of signs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from time import perf_counter
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from psycopg.types.json import Jsonb

from scripts.bench_lab.lab import Lab
from scripts.bench_lab.measure import Measure, percentile
from scripts.bench_lab.vector_library import (
    add_photos,
    add_vectors,
    as_text,
    as_uuids,
    become,
    begin_generation,
    draw_ids,
    indexed,
    large_stack,
    untriggered,
    value_of,
)
from scripts.bench_lab.vectors import NEAREST, SHARES, Model, Nearest, Places, draw_photos

DIMENSION = 512
VERSION = "bench"
RECALL_GOAL = 0.99
WARM = 10
"""Queries that only fill the caches."""
TURN = 5
"""Searches in one way before it is the next one's turn."""
EVERYTHING = "100"
"""The percentage of the one who has all."""

UNDERSTOOD = {"text": "a boat by the shore", "semantic": "a boat by the shore", "parts": []}
"""Words that no text of the library has: the order is that of the pictures."""

HALVES = "embedding::extensions.halfvec(512)"
SIGNS = "extensions.binary_quantize(embedding)::bit(512)"
OF_A_USER = """
    select asset_id
      from (select asset_id, embedding operator(extensions.<=>) %(vector)s::extensions.vector as distance
              from public.image_embeddings
             where model_version = 'bench' and user_id = %(user)s
             ORDER) as near
     order by distance limit 20
"""
WAYS = {
    "rank_search": "select public.rank_search(%s, %s::extensions.vector, %s, %s)",
    "one_by_one": OF_A_USER.replace("ORDER", "offset 0"),
    "halves": OF_A_USER.replace(
        "ORDER", f"order by {HALVES} operator(extensions.<=>) %(vector)s::extensions.halfvec(512) limit 60"
    ),
    "signs": OF_A_USER.replace(
        "ORDER",
        f"order by {SIGNS} operator(extensions.<~>)"
        " extensions.binary_quantize(%(vector)s::extensions.vector)::bit(512) limit 400",
    ),
}
"""What the indexes name is put in order by the exact distances; of signs it is more, as they say less."""
INDEX_OF_SIGNS = (
    f"create index signs on public.image_embeddings using hnsw (({SIGNS}) extensions.bit_hamming_ops)"
    " with (m = 24, ef_construction = 128)"
)
BY_INDEX = (
    "set hnsw.iterative_scan = relaxed_order; set hnsw.ef_search = 400; set hnsw.max_scan_tuples = 200000;"
    " set enable_seqscan = off; set enable_sort = off; set jit = off"
)
"""As the search sets it for itself; without sorting, the order can only be an index's."""
GIVE = (
    "update public.assets set user_id = %(user)s, path = %(user)s || '/' || id where id = any(%(assets)s)",
    "update public.image_embeddings set user_id = %(user)s where asset_id = any(%(assets)s)",
    "update public.asset_facts set user_id = %(user)s where asset_id = any(%(assets)s)",
)
FEW = 10
"""Searches one by one of a user with everything: each reads it all."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`is_short` where there was more to find; `recall` is the share of the nearest that was found."""

    milliseconds: float
    is_short: bool
    recall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """`users` by their percentages; `queries` are texts of vectors, and `nearest` answers them exactly."""

    db: psycopg.Connection[Any]
    users: Mapping[str, UUID]
    queries: Sequence[str] = field(repr=False)
    nearest: Mapping[str, Sequence[set[int]]] = field(repr=False)


def measure(lab: Lab) -> list[Measure]:
    vectors = lab.vectors or lab.pick(full=1_000_000, quick=2_000)
    with (
        large_stack(lab, vectors, DIMENSION) as url,
        psycopg.connect(url, autocommit=True) as db,
    ):
        lab.tell(f"adding {vectors} photos and their vectors")
        photos = draw_photos(vectors)
        random = np.random.default_rng(4)
        users, assets = draw_ids(random, len(SHARES) + 1), draw_ids(random, vectors)
        everything = np.full(vectors, len(SHARES))
        model = Model(photos, DIMENSION)
        queries = model.queries(WARM + lab.pick(full=150, quick=20))
        nearest = Nearest(queries, photos.owners)
        add_photos(db, assets, users[everything])
        begun = begin_generation(db, VERSION, DIMENSION)
        index = f"public.image_embeddings_of_generation_{begun['id']}"
        definition = value_of(db, "select pg_get_indexdef(%s::regclass)", index)
        db.execute(f"drop index {index}")
        add_vectors(db, model, VERSION, users[everything], assets, nearest)
        library = Library(
            db=db,
            users=dict(zip([*SHARES, EVERYTHING], as_uuids(users), strict=True)),
            queries=[as_text(query) for query in queries],
            nearest=nearest.places(),
        )
        built = []
        for name, statement, made in (
            ("halves", definition, index),
            ("signs", INDEX_OF_SIGNS, "public.signs"),
        ):
            lab.tell(f"indexing {name} of {vectors} vectors")
            built += indexed(db, statement, made, name)
        _settle(db)
        found = _searches(lab, library, [EVERYTHING])
        lab.tell("giving their photos to those who have few")
        _give(library, as_uuids(assets), photos.owners)
        _settle(db)
        return [
            Measure(name="vectors", value=vectors),
            *built,
            *_searches(lab, library, list(SHARES)),
            *found,
        ]


def _give(library: Library, assets: Sequence[UUID], owners: Places) -> None:
    """What is not theirs stays with the one who has all: their index is one, and so are its neighbours."""
    for percent, owner in SHARES.items():
        own = [assets[place] for place in np.flatnonzero(owners == owner)]
        with untriggered(library.db):
            for statement in GIVE:
                library.db.execute(statement, {"user": library.users[percent], "assets": own})


def _settle(db: psycopg.Connection[Any]) -> None:
    for table in ("assets", "asset_facts", "image_embeddings"):
        db.execute(f"vacuum (analyze) public.{table}")


def _searches(lab: Lab, library: Library, percents: Sequence[str]) -> list[Measure]:
    answers: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    questions = range(len(library.queries))
    for start in questions[::TURN]:
        lab.tell(f"searching, question {start} of {len(questions)}")
        for percent, way in product(percents, WAYS):
            if (percent, way) == (EVERYTHING, "one_by_one") and start >= WARM + FEW:
                continue
            with _acting(library, percent, way) as search:
                for question in questions[start : start + TURN]:
                    begin = perf_counter()
                    found = search(library.queries[question])
                    seconds = perf_counter() - begin
                    nearest = library.nearest[percent][question]
                    if start >= WARM:
                        answers[percent, way].append(
                            Answer(
                                1000 * seconds, len(found) < len(nearest), len(nearest & found) / len(nearest)
                            )
                        )
    return [
        measure
        for (percent, way), given in answers.items()
        for measure in _told(f"{way}_of_{percent}_percent", given, is_held=way == "rank_search")
    ]


def _told(name: str, answers: Sequence[Answer], *, is_held: bool) -> list[Measure]:
    """`is_held`: to the goals."""
    times = [answer.milliseconds for answer in answers]
    return [
        *(Measure(name=f"{name}_p{cut}", value=percentile(times, cut), unit="ms") for cut in (50, 95)),
        Measure(
            name=f"{name}_recall",
            value=float(np.mean([answer.recall for answer in answers])),
            at_least=RECALL_GOAL if is_held else None,
        ),
        Measure(
            name=f"{name}_short_answers",
            value=sum(answer.is_short for answer in answers),
            at_most=0 if is_held else None,
        ),
    ]


@contextmanager
def _acting(library: Library, percent: str, way: str) -> Iterator[Callable[[str], set[int]]]:
    """What answers a query, in this way and as this user, with the places of what it found."""
    db, user = library.db, library.users[percent]

    def rank(query: str) -> set[int]:
        answer = value_of(db, WAYS[way], Jsonb(UNDERSTOOD), query, VERSION, NEAREST)
        return _places(UUID(row["asset_id"]) for row in answer["results"])

    def state(query: str) -> set[int]:
        rows = db.execute(WAYS[way].encode(), {"vector": query, "user": user}).fetchall()
        return _places(asset for (asset,) in rows)

    match way:
        case "rank_search":
            become(db, "authenticated", user)
        case "halves" | "signs":
            db.execute(BY_INDEX)
    yield rank if way == "rank_search" else state
    db.execute("reset role; reset all")


def _places(found: Iterable[UUID]) -> set[int]:
    return {asset.int % 2**64 for asset in found}
