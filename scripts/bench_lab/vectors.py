"""Vectors as models make them of photos, drawn: what a search of them has to find, and how far it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

SHARES = {"0.1": 0, "1": 1, "10": 2}
"""Owners by the percentage of the photos that they have; everybody else's are the rest."""
CLUSTERS = 4_000
LATENT = 48
"""Dimensions that hold most of the variance: a model's vectors fill few of the directions they could."""
OTHERS = 200
NEAREST = 20
BLOCK = 20_000


@dataclass(frozen=True, slots=True)
class Photos:
    """What each of the photos shows (`clusters`), and whose it is (`owners`); both in the photos' order."""

    clusters: NDArray[np.int64]
    owners: NDArray[np.int64]
    shares: Floats
    """Of each cluster, as chances."""


def draw_photos(count: int) -> Photos:
    """Owners lean to clusters, as people do to subjects, and yet have their share of the photos."""
    random = np.random.default_rng(1)
    chances = random.pareto(1.5, CLUSTERS) + 0.3
    chances /= chances.sum()
    clusters = random.choice(CLUSTERS, count, p=chances)
    shares = np.array([float(percent) / 100 for percent in SHARES])
    shares = np.append(shares, np.full(OTHERS, (1 - shares.sum()) / OTHERS))
    leaning = random.lognormal(0, 1, (len(shares), CLUSTERS))
    weights = shares[:, None] * leaning / (leaning @ chances)[:, None]
    up_to = np.cumsum(weights / weights.sum(axis=0), axis=0)
    owners = np.concatenate(
        [
            (random.random(len(block)) > up_to[:-1, block]).sum(axis=0)
            for block in np.array_split(clusters, max(1, count // BLOCK))
        ]
    )
    return Photos(clusters, owners, chances)


class Model:
    """One model's view of the photos: unit vectors of `dimension` numbers, the same each time."""

    def __init__(self, photos: Photos, dimension: int) -> None:
        self._photos = photos
        self.dimension = dimension
        random = np.random.default_rng(dimension)

        def directions(count: int) -> Floats:
            return np.linalg.qr(random.standard_normal((dimension, count)))[0].T.astype(np.float32)

        def normal(*shape: int) -> Floats:
            return random.standard_normal(shape, dtype=np.float32)

        self._spectrum = _unit(np.arange(1, LATENT + 1, dtype=np.float32) ** np.float32(-0.3))
        self._basis = directions(LATENT)
        self._centres = normal(CLUSTERS, LATENT) * self._spectrum
        self._spread = random.lognormal(np.log(0.6), 0.25, CLUSTERS).astype(np.float32)
        self._tail = _unit(np.arange(1, dimension + 1, dtype=np.float32) ** np.float32(-0.5))[
            :, None
        ] * directions(dimension)
        self._common, self._of_words = (_unit(normal(dimension)) for _ in range(2))

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """The first photo's place and the vectors of it and the next, block after block."""
        random = np.random.default_rng(2)
        for start in range(0, len(self._photos.clusters), BLOCK):
            clusters = self._photos.clusters[start : start + BLOCK]
            yield start, _unit(self._points(clusters, 0.3, random) + 0.7 * self._common)

    def queries(self, count: int) -> Floats:
        """Two of three are like a picture's vector; the third like a sentence's, which lies off to a side."""
        random = np.random.default_rng(3)
        clusters = random.choice(CLUSTERS, count, p=self._photos.shares)
        pictures = self._points(clusters, 0.3, random) + 0.7 * self._common
        sentences = self._points(clusters, 0.6, random) + 1.2 * self._of_words
        pictures[::3] = sentences[::3]
        return _unit(pictures)

    def _points(self, clusters: NDArray[np.int64], noise: float, random: np.random.Generator) -> Floats:
        inner = random.standard_normal((len(clusters), LATENT), dtype=np.float32) * self._spectrum
        outer = random.standard_normal((len(clusters), self.dimension), dtype=np.float32)
        points: Floats = (
            self._centres[clusters] + self._spread[clusters][:, None] * inner
        ) @ self._basis + np.float32(noise) * (outer @ self._tail)
        return points


class Nearest:
    """The places of the vectors nearest to each query, exactly: of each owner in SHARES, and of all."""

    def __init__(self, queries: Floats, owners: NDArray[np.int64]) -> None:
        self._queries = queries
        self._owners = owners
        self._best: dict[str, tuple[Floats, Places]] = {
            percent: (np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64))
            for percent in [*SHARES, "100"]
        }

    def look_at(self, start: int, vectors: Floats) -> None:
        likeness = self._queries @ vectors.T
        owners = self._owners[start : start + len(vectors)]
        for percent, (best, places) in self._best.items():
            here = np.flatnonzero(owners == SHARES[percent]) if percent in SHARES else np.arange(len(vectors))
            best = np.hstack([best, likeness[:, here]])
            places = np.hstack([places, np.broadcast_to(start + here, (len(best), len(here)))])
            top = np.argsort(-best, axis=1)[:, :NEAREST]
            self._best[percent] = np.take_along_axis(best, top, 1), np.take_along_axis(places, top, 1)

    def places(self) -> Mapping[str, list[set[int]]]:
        """By percentage; for each query at most NEAREST places."""
        return {percent: [set(row) for row in places.tolist()] for percent, (_, places) in self._best.items()}


def _unit(vectors: Floats) -> Floats:
    found: Floats = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return found.astype(np.float32, copy=False)
