"""A library of many vectors in two generations: searches beside a fixed column's, and pauses at a change.

The library is made by the migrations of the project, in a stack of its own whose Postgres has the memory that
it would have for so many vectors. The fixed column is a copy of table, index and function as they were before
generations.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any
from uuid import UUID

import numpy as np
import psycopg

from scripts.bench_lab.lab import Lab
from scripts.bench_lab.measure import Measure, percentile
from scripts.bench_lab.pauses import Statements, traffic
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
    value_of,
)
from scripts.bench_lab.vectors import NEAREST, OTHERS, SHARES, Model, Nearest, draw_photos
from worker.local.migrations import find_migrations
from worker.local.stack import PROJECT

DIMENSIONS = (512, 384)
"""Of the generation that answers, which are the fixed column's too, and of the other."""
NEW_DIMENSION = 768
SEARCH_GOAL, RECALL_GOAL, FLIP_GOAL, ROLLBACK_GOAL = 1.1, 0.99, 0.3, 1.0
TURN = 10
"""Searches on one side before it is the other's turn."""
NEW_PHOTOS = 20_000
"""Of the owner of a tenth: they have no vectors yet, which are written while generations change."""
FIXED_BY = "20261121002800"
"""The migration that made the search of the fixed column; it is never edited any more."""

SEARCHES = {
    "public": "select asset_id from public.search_image_embeddings("
    "%s::extensions.vector, %s, -1, filter_model_version => %s)",
    "fixed": "select asset_id from fixed.search_image_embeddings("
    "%s::extensions.vector, %s, -1, filter_model_version => %s)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Whose model made the `queries`, which are texts of vectors; `nearest` answers them exactly."""

    id: int
    version: str
    queries: Sequence[str] = field(repr=False)
    nearest: Mapping[str, Sequence[set[int]]] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """`owners` are in the order of their shares."""

    url: str
    db: psycopg.Connection[Any]
    owners: Sequence[UUID] = field(repr=False)
    new_photos: Sequence[UUID] = field(repr=False)
    generations: Sequence[Generation]


def measure(lab: Lab) -> list[Measure]:
    vectors = lab.vectors or lab.pick(full=1_000_000, quick=2_000)
    with large_stack(lab, vectors, max(DIMENSIONS)) as url, psycopg.connect(url, autocommit=True) as db:
        library, measures = _build(lab, url, db, vectors)
        return [
            Measure(name="vectors_of_each", value=vectors),
            *measures,
            *_searches(lab, library),
            *_changes(lab, library),
        ]


def _build(lab: Lab, url: str, db: psycopg.Connection[Any], vectors: int) -> tuple[Library, list[Measure]]:
    """Each index is made after its rows, in one go, as it would be for rows that were there before."""
    lab.tell(f"adding {vectors} photos")
    photos = draw_photos(vectors)
    random = np.random.default_rng(4)
    users = draw_ids(random, len(SHARES) + OTHERS)
    assets = draw_ids(random, vectors + NEW_PHOTOS)
    add_photos(db, assets, users[np.append(photos.owners, np.full(NEW_PHOTOS, SHARES["10"]))])

    generations, measures = [], []
    for dimension in DIMENSIONS:
        lab.tell(f"adding {vectors} vectors of {dimension} numbers, and their index")
        version = f"bench-{dimension}"
        begun = begin_generation(db, version, dimension)
        index = f"image_embeddings_of_generation_{begun['id']}"
        definition = value_of(db, "select pg_get_indexdef(('public.' || %s)::regclass)", index)
        db.execute(f"drop index public.{index}")
        model = Model(photos, dimension)
        queries = model.queries(lab.pick(full=300, quick=30))
        nearest = Nearest(queries, photos.owners)
        add_vectors(db, model, version, users[photos.owners], assets, nearest)
        if dimension == DIMENSIONS[0]:
            _keep_fixed(db)
        measures += indexed(db, definition, f"public.{index}", str(dimension))
        generations.append(
            Generation(
                id=begun["id"],
                version=version,
                queries=[as_text(query) for query in queries],
                nearest=nearest.places(),
            )
        )
    lab.tell(f"indexing {vectors} vectors of a fixed column")
    measures += indexed(
        db,
        "create index by_similarity on fixed.image_embeddings"
        " using hnsw (embedding extensions.vector_cosine_ops)",
        "fixed.by_similarity",
        "fixed",
    )
    for table in ("public.assets", "public.asset_facts", "public.image_embeddings", "fixed.image_embeddings"):
        db.execute(f"vacuum (analyze) {table}")
    library = Library(
        url=url, db=db, owners=as_uuids(users), new_photos=as_uuids(assets[vectors:]), generations=generations
    )
    return library, measures


def _keep_fixed(db: psycopg.Connection[Any]) -> None:
    """The table with a column of one length, with the vectors that there are now, and its search."""
    path = next(found.path for found in find_migrations(PROJECT / "migrations") if found.version == FIXED_BY)
    with db.transaction():
        db.execute(
            """
            create schema fixed;
            grant usage on schema fixed to authenticated, service_role;
            create table fixed.image_embeddings (like public.image_embeddings including defaults);
            alter table fixed.image_embeddings alter column embedding type extensions.vector(512);
            insert into fixed.image_embeddings select * from public.image_embeddings;
            alter table fixed.image_embeddings add primary key (id), add unique (asset_id, model_version);
            create index image_embeddings_of_a_user on fixed.image_embeddings (user_id);
            """
        )
        db.execute(
            path.read_text()
            .replace("public.image_embeddings", "fixed.image_embeddings")
            .replace("public.search_image_embeddings", "fixed.search_image_embeddings")
            .encode()
        )


def _searches(lab: Lab, library: Library) -> list[Measure]:
    active, other = library.generations
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    sides = {"active": ("public", active), "fixed": ("fixed", active), "other": ("public", other)}
    questions = range(len(active.queries))
    for is_measured in (False, True):
        lab.tell("searching" if is_measured else "warming up")
        for start in questions[::TURN]:
            for percent in active.nearest:
                with _acting(library, percent):
                    for side, (schema, generation) in sides.items():
                        for question in questions[start : start + TURN]:
                            begin = time.perf_counter()
                            rows = _search(library.db, schema, generation, question)
                            if is_measured:
                                times[side, percent].append(1000 * (time.perf_counter() - begin))
                                found[side, percent].append(
                                    _share(rows, generation.nearest[percent][question])
                                )
    measures = []
    for percent in active.nearest:
        cuts = {
            side: {cut: percentile(times[side, percent], int(cut[1:])) for cut in ("p50", "p99")}
            for side in sides
        }
        measures += [
            Measure(name=f"search_{side}_of_{percent}_percent_{cut}", value=cuts[side][cut], unit="ms")
            for side in sides
            for cut in ("p50", "p99")
        ]
        measures += [
            Measure(
                name=f"search_active_to_fixed_of_{percent}_percent_{cut}",
                value=cuts["active"][cut] / cuts["fixed"][cut],
                unit="x",
                at_most=SEARCH_GOAL if cut == "p50" else None,
            )
            for cut in ("p50", "p99")
        ]
        measures += [
            Measure(
                name=f"recall_{side}_of_{percent}_percent",
                value=float(np.mean(found[side, percent])),
                at_least=None if side == "fixed" else RECALL_GOAL,
            )
            for side in sides
        ]
    return measures


def _changes(lab: Lab, library: Library) -> list[Measure]:
    """The longest statements around several changes of each kind; `quiet` changes nothing."""
    other = library.generations[1]
    db = library.db
    numbers = count()

    def begin() -> None:
        begin_generation(db, f"bench-new-{next(numbers)}", NEW_DIMENSION, new=True)

    changes: dict[str, Callable[[], object]] = {
        "quiet": lambda: time.sleep(0.5),
        "flip": lambda: db.execute("select public.flip_generation(%s)", [other.id]),
        "rollback": lambda: db.execute("select public.rollback_generation('pictures')"),
        "begin": begin,
    }
    goals = {"flip": FLIP_GOAL, "rollback": ROLLBACK_GOAL}
    longest: dict[str, dict[str, float]] = {name: defaultdict(float) for name in changes}
    with traffic(library.url) as going:
        going.add("search", _searching(library, "10", is_named=False))
        going.add("search", _searching(library, "0.1", is_named=True))
        going.add("write", _writing(library))
        for turn in range(lab.pick(full=5, quick=1)):
            lab.tell(f"changing generations under load, turn {turn + 1}")
            for change, do in changes.items():
                for name, seconds in going.longest_during(do).items():
                    longest[change][name] = max(longest[change][name], seconds)
            _drop_new(db)
    return [
        Measure(
            name=f"{change}_itself" if name == "change" else f"{change}_longest_{name}",
            value=seconds,
            unit="s",
            at_most=None if name == "change" else goals.get(change),
        )
        for change, of_change in longest.items()
        for name, seconds in of_change.items()
    ]


def _searching(library: Library, percent: str, *, is_named: bool) -> Statements:
    """As apps do. Naming no generation, it is refused when another begins to answer, and then asks that."""

    def statements(db: psycopg.Connection[Any]) -> Iterator[None]:
        become(db, "authenticated", library.owners[SHARES[percent]])
        generations = cycle(library.generations)
        generation = next(generations)
        for question in cycle(range(len(generation.queries))):
            try:
                _search(db, "public", generation, question, is_named=is_named)
            except psycopg.Error as error:
                if is_named or error.sqlstate != "PT400":
                    raise
                generation = next(generations)
                _search(db, "public", generation, question, is_named=False)
            yield

    return statements


def _writing(library: Library) -> Statements:
    """Vectors of new photos, in each generation."""

    def statements(db: psycopg.Connection[Any]) -> Iterator[None]:
        for photo, question in zip(library.new_photos, cycle(range(len(library.generations[0].queries)))):
            for generation in library.generations:
                db.execute(
                    "insert into public.image_embeddings (user_id, asset_id, embedding, model_version)"
                    " values (%s, %s, %s, %s)",
                    [library.owners[SHARES["10"]], photo, generation.queries[question], generation.version],
                )
                yield
        raise RuntimeError("no photos are left to write vectors of")

    return statements


def _search(
    db: psycopg.Connection[Any], schema: str, generation: Generation, question: int, *, is_named: bool = True
) -> list[tuple[UUID]]:
    return db.execute(
        SEARCHES[schema],
        [generation.queries[question], NEAREST, generation.version if is_named else None],
    ).fetchall()


def _share(rows: Sequence[tuple[UUID]], nearest: set[int]) -> float:
    """Of the nearest photos, those that were found."""
    return len(nearest & {asset.int % 2**64 for (asset,) in rows}) / len(nearest)


@contextmanager
def _acting(library: Library, percent: str) -> Iterator[None]:
    """As the owner of so many percent, or as the service."""
    if percent in SHARES:
        become(library.db, "authenticated", library.owners[SHARES[percent]])
    else:
        become(library.db, "service_role", None)
    yield
    library.db.execute("reset role")


def _drop_new(db: psycopg.Connection[Any]) -> None:
    """All generations that are neither active nor former; their indexes would make writes slower."""
    for (generation,) in db.execute("select id from public.generations where state = 'filling'").fetchall():
        while not value_of(db, "select public.drop_generation(%s) -> 'done'", generation):
            pass
