"""Nearest faces are found in cells, and hardly any is missed."""

from __future__ import annotations

import numpy as np
import pytest

from models.people import graph
from models.people.graph import alike
from scripts.bench_lab.people_baselines import nearest
from scripts.bench_lab.people_library import people_library


def pairs_of(edges: graph.Edges) -> set[tuple[int, int]]:
    return set(zip(edges.one.tolist(), edges.other.tolist(), strict=True))


@pytest.mark.parametrize("count", [0, 1])
def test_one_face_is_like_nobody(count: int) -> None:
    assert pairs_of(alike(np.ones((count, 1), np.float32), 0.5)) == set()


def test_a_pair_is_there_once_with_its_cosine_from_the_floor_on() -> None:
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    edges = alike(vectors, 0.6)

    assert list(zip(edges.one, edges.other, edges.likeness, strict=True)) == [
        (0, 1, pytest.approx(0.8)),
        (1, 2, pytest.approx(0.6)),
    ]


def test_of_many_the_nearest_are_kept_from_either_side() -> None:
    turns = np.radians([0, 1, 3, 7, 15])
    vectors = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)

    assert pairs_of(alike(vectors, 0.5, neighbours=1)) == {(0, 1), (1, 2), (2, 3), (3, 4)}


def test_cells_miss_hardly_any_neighbour() -> None:
    vectors = people_library(4_500, 45, 500, seed=2).faces.vectors
    places, cosines = nearest(vectors)
    face, column = np.nonzero(cosines >= 0.4)
    other = places[face, column]
    wanted = set(zip(np.minimum(face, other).tolist(), np.maximum(face, other).tolist(), strict=True))
    edges = alike(vectors, 0.4)

    assert len(vectors) > graph.EXACT_BELOW
    assert len(wanted & pairs_of(edges)) > 0.98 * len(wanted)
    assert np.allclose(
        edges.likeness, np.einsum("ij,ij->i", vectors[edges.one], vectors[edges.other]), atol=1e-5
    )
    assert (edges.one < edges.other).all()


def test_a_cell_of_one_person_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "EXACT_BELOW", 100)
    monkeypatch.setattr(graph, "MOST_PER_CELL", 64)
    random = np.random.default_rng(0)
    vectors = (np.eye(1, 64) + 0.02 * random.standard_normal((1_000, 64))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    compared = [(asking, cell) for asking, cell in graph._comparisons(vectors)]
    edges = alike(vectors, 0.5)

    assert max(len(cell) for _, cell in compared) <= 64
    assert sum(len(asking) * len(cell) for asking, cell in compared) <= 1_000 * graph.PROBES * 2 * 64
    assert set(edges.one) | set(edges.other) == set(range(1_000))
    assert linked(edges, 1_000) == 1


def linked(edges: graph.Edges, count: int) -> int:
    """How many parts the graph falls into."""
    part = np.arange(count)
    for _ in range(count):
        before = part.copy()
        np.minimum.at(part, edges.one, part[edges.other])
        np.minimum.at(part, edges.other, part[edges.one])
        if np.array_equal(before, part):
            break
    return len(np.unique(part))
