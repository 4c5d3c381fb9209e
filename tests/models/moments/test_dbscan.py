"""Clusters along the ground, against a published DBSCAN with haversine and at the seams of the globe."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from models.moments.dbscan import NOISE, dbscan
from models.sphere import EARTH_KM, centre, distances_km, points

Floats = npt.NDArray[np.float64]


def clusters(places: list[tuple[float, float]], *, least: int = 4) -> list[int]:
    latitudes, longitudes = np.array(places, float).reshape(-1, 2).T
    return dbscan(points(latitudes, longitudes), radius_km=5, least=least).tolist()


def along_a_parallel(
    latitude: float, longitude: float, *, apart_km: float, count: int = 4
) -> list[tuple[float, float]]:
    step = np.degrees(apart_km / (EARTH_KM * np.cos(np.radians(latitude))))
    return [(latitude, (longitude + step * at + 180) % 360 - 180) for at in range(count)]


@pytest.mark.parametrize(
    ("latitude", "longitude", "why"),
    [
        (0, 0, "0 is a place like any other"),
        (60, 25, "a degree east is half as long at 60 N"),
        (-17.7, 179.99, "180 is no border"),
        (0, 180, "nor is it on the equator"),
        (89.9, 0, "longitudes turn about the pole"),
    ],
)
def test_points_4_km_apart_are_together_and_6_km_apart_are_not(
    latitude: float, longitude: float, why: str
) -> None:
    # The ends of a row are no core points when four are needed, so three are.
    near = along_a_parallel(latitude, longitude, apart_km=4)
    far = along_a_parallel(latitude, longitude, apart_km=6)

    assert clusters(near, least=3) == [0, 0, 0, 0], why
    assert clusters(far, least=3) == [NOISE] * 4, why


def test_three_are_too_few_and_four_are_enough() -> None:
    assert clusters([(48.1, 11.5)] * 3) == [NOISE] * 3
    assert clusters([(48.1, 11.5)] * 4) == [0] * 4


def test_nothing_and_one_point_are_no_cluster() -> None:
    assert clusters([]) == []
    assert clusters([(1, 1)]) == [NOISE]


def test_poles_are_one_place_whatever_the_longitude() -> None:
    assert clusters([(90, -120), (90, 0), (90, 60), (89.99, 170)]) == [0] * 4


def test_numbers_follow_the_first_points() -> None:
    rome, oslo = (41.9, 12.5), (59.9, 10.7)

    assert clusters([oslo, rome, rome, oslo, oslo, rome, oslo, rome]) == [0, 1, 1, 0, 0, 1, 0, 1]


@pytest.mark.parametrize("at_once", [1, 1 << 20])
def test_a_border_point_is_of_the_nearest_core_points(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.moments.dbscan._PAIRS_AT_ONCE", at_once)
    left = [(0.0, 0.0), *[(0.0, -0.04)] * 3]
    right = [(0.0, 0.08), *[(0.0, 0.12)] * 3]

    assert clusters([(0, 0.038), *left, *right]) == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert clusters([(0, 0.042), *left, *right]) == [0, 1, 1, 1, 1, 0, 0, 0, 0]


def test_large_cells_touch_only_if_two_of_their_points_do() -> None:
    rng = np.random.default_rng(1)
    one = np.column_stack([rng.uniform(0, 0.02, 3_000), rng.uniform(0, 0.02, 3_000)])
    apart, touching = (
        one + np.array([0, 0.0655]),
        one + np.array([0, 0.064]),
    )  # 5.06 and 4.89 km from edge to edge

    assert max(clusters([*map(tuple, one), *map(tuple, apart)])) == 1
    assert max(clusters([*map(tuple, one), *map(tuple, touching)])) == 0


def scattered(seed: int, count: int = 3_000) -> tuple[Floats, Floats]:
    """Towns, roads and lone points, some of them at the seams."""
    rng = np.random.default_rng(seed)
    middles = np.column_stack([rng.uniform(-75, 75, 30), rng.uniform(-180, 180, 30)])
    middles[:3] = [[0, 180], [60, -180], [89.97, 30]]
    spread = rng.choice([0.005, 0.05, 0.2], count)[:, None]
    found = middles[rng.integers(0, 30, count)] + rng.normal(size=(count, 2)) * spread
    found[:200] = np.column_stack([rng.uniform(-60, 60, 200), rng.uniform(-180, 180, 200)])
    latitudes = np.where(found[:, 0] > 90, 180 - found[:, 0], found[:, 0])
    return latitudes, (found[:, 1] + 180) % 360 - 180


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_those_of_a_published_dbscan(seed: int) -> None:
    published = pytest.importorskip("sklearn.cluster")
    latitudes, longitudes = scattered(seed)

    ours = dbscan(points(latitudes, longitudes), radius_km=5, least=4)
    theirs = published.DBSCAN(eps=5 / EARTH_KM, min_samples=4, metric="haversine", algorithm="ball_tree").fit(
        np.radians(np.column_stack([latitudes, longitudes]))
    )

    core = theirs.core_sample_indices_
    assert len(np.unique(ours)) > 20
    assert np.array_equal(ours == NOISE, theirs.labels_ == NOISE)
    pairs = np.unique(np.column_stack([ours[core], theirs.labels_[core]]), axis=0)
    assert len(pairs) == len(np.unique(ours[core])) == len(np.unique(theirs.labels_[core]))


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_points_changes_nothing_but_numbers(seed: int) -> None:
    latitudes, longitudes = scattered(seed)
    order = np.random.default_rng(seed).permutation(len(latitudes))

    ours = dbscan(points(latitudes, longitudes), radius_km=5, least=4)
    turned = dbscan(points(latitudes[order], longitudes[order]), radius_km=5, least=4)

    pairs = np.unique(np.column_stack([ours[order], turned]), axis=0)
    assert len(pairs) == len(np.unique(ours)) == len(np.unique(turned))


def test_a_radius_is_not_less_than_20_metres() -> None:
    with pytest.raises(ValueError, match=r"0\.02 km"):
        dbscan(np.zeros((1, 3)), radius_km=0.01, least=4)


def test_distances_are_those_of_the_ground() -> None:
    berlin, paris = points(np.array([52.52, 48.8566]), np.array([13.405, 2.3522]))

    assert float(distances_km(berlin, paris)) == pytest.approx(877.5, abs=1)


def test_the_middle_of_both_sides_of_180_is_there() -> None:
    latitude, longitude = centre(points(np.array([10.0, 10.0]), np.array([179.0, -179.0])))

    assert (round(latitude), abs(round(longitude))) == (10, 180)
