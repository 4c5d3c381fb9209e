"""The generated library is what it says: cosines as real weights have them, and all that makes it hard."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.bench_lab.people_library import PeopleLibrary, likeness_of, people_library


@pytest.fixture(scope="module")
def library() -> PeopleLibrary:
    return people_library(5_000, 100, 500, seed=1, named=0.1)


def test_cosines_are_those_of_real_weights(library: PeopleLibrary) -> None:
    likeness = likeness_of(library)

    assert likeness["same_min"] == pytest.approx(0.42, abs=0.04)
    assert likeness["same_mean"] == pytest.approx(0.73, abs=0.01)
    assert likeness["different_mean"] == pytest.approx(0.01, abs=0.005)
    assert likeness["different_max"] == pytest.approx(0.27, abs=0.04)


def test_siblings_are_half_alike(library: PeopleLibrary) -> None:
    sharp = ~library.blurred & ~library.aged
    means = [
        float(np.mean(library.faces.vectors[sharp & (library.truth == elder)] @ younger.T))
        for elder, other in library.relations
        if len(younger := library.faces.vectors[sharp & (library.truth == other)])
        and (sharp & (library.truth == elder)).any()
    ]

    assert len(means) >= 3
    assert 0.27 < min(means) < max(means) < 0.53


def test_the_ends_of_a_childhood_are_not_alike(library: PeopleLibrary) -> None:
    for person in np.unique(library.truth[library.aged]):
        vectors = library.faces.vectors[library.aged & ~library.blurred & (library.truth == person)]
        if len(vectors) > 40:
            assert (vectors @ vectors.T).min() < 0.37
            assert np.sort(vectors @ vectors.T, axis=1)[:, -3].min() > 0.5


def test_blurred_faces_of_strangers_are_alike_and_of_low_quality(library: PeopleLibrary) -> None:
    blurred = library.faces.vectors[library.blurred]

    assert 0.06 < library.blurred.mean() < 0.1
    assert library.faces.quality[library.blurred].max() < 0.25 < library.faces.quality[~library.blurred].min()
    assert (np.sort(blurred @ blurred.T, axis=1)[:, -20] > 0.4).mean() > 0.2


def test_nobody_is_twice_in_a_photo_and_some_photos_are_of_many(library: PeopleLibrary) -> None:
    pairs = set(zip(library.faces.photos.tolist(), library.truth.tolist(), strict=True))
    sizes = np.bincount(library.faces.photos)

    assert len(pairs) == len(library.truth)
    assert 5 <= sizes.max() <= 12
    assert sorted(library.arrival.tolist()) == list(range(len(library.truth)))


def test_people_are_of_unequal_size_and_strangers_are_seen_once(library: PeopleLibrary) -> None:
    sizes = np.bincount(library.truth)

    assert sizes[:100].sum() == 5_000
    assert sizes[:100].max() > 10 * sizes[:100].min()
    assert (sizes[100:] == 1).all()
    assert np.unique(library.faces.contacts[library.faces.contacts >= 0]).tolist() == list(range(10))


def test_the_same_seed_gives_the_same_library() -> None:
    one, again, other = (people_library(200, 5, 20, seed=seed) for seed in (4, 4, 5))

    assert np.array_equal(one.faces.vectors, again.faces.vectors)
    assert not np.array_equal(one.faces.vectors, other.faces.vectors)
