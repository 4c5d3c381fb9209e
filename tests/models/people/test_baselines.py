"""What clustering is compared with where the package gets through no more is what the package finds."""

from __future__ import annotations

import numpy as np
import pytest

from models.people.scores import b_cubed
from scripts.bench_lab.people_baselines import ORIGINAL, PLAIN, Settings, hdbscan_by_package
from scripts.bench_lab.people_library import people_library
from scripts.bench_lab.reachability import hdbscan_by_products, spanning_tree

hdbscan = pytest.importorskip("hdbscan")

LIBRARY = people_library(1_000, 15, 150, seed=3)


@pytest.mark.parametrize("min_samples", [1, 2, 5])
def test_the_spanning_tree_is_as_short_as_the_packages(min_samples: int) -> None:
    vectors = LIBRARY.faces.vectors
    edges = spanning_tree(vectors, min_samples)
    packages = hdbscan.HDBSCAN(metric="euclidean", min_samples=min_samples, gen_min_span_tree=True)
    packages.fit(vectors.astype(np.float64))
    assert edges.shape == (len(vectors) - 1, 3)
    assert edges[:, 2].sum() == pytest.approx(
        packages.minimum_spanning_tree_.to_numpy()[:, 2].sum(), rel=1e-5
    )


@pytest.mark.parametrize("settings", [ORIGINAL, PLAIN], ids=["original", "plain"])
def test_people_are_those_of_the_package(settings: Settings) -> None:
    found = hdbscan_by_products(LIBRARY.faces.vectors, **settings)
    packages = hdbscan_by_package(LIBRARY.faces.vectors, **settings)
    assert b_cubed(packages, found).f1 > 0.99, "equal distances may be taken in another order"
