"""Places on the earth as points of a sphere: no seam at 180° and none at the poles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

EARTH_KM: Final = 6371.0088
"""The mean radius (IUGG), as haversine distances take it."""

CELLS_AROUND: Final = 2
"""Of the grid: a cell's diagonal is 1.74 of its sides, so that what is as near is two cells away at most."""
_BITS: Final = 21
"""Of a cell's number along one axis: enough for a distance of 20 metres."""


def points(latitudes: npt.NDArray[np.floating[Any]], longitudes: npt.NDArray[np.floating[Any]]) -> Floats:
    """Shape (n, 3), on the unit sphere, of degrees."""
    import numpy as np

    latitude, longitude = np.radians(latitudes), np.radians(longitudes)
    around = np.cos(latitude)
    return np.stack(
        [around * np.cos(longitude), around * np.sin(longitude), np.sin(latitude)], axis=1
    ).astype(np.float64, copy=False)


def chord(km: float) -> float:
    """The straight line between two points of the unit sphere that are so far apart along the ground."""
    import math

    return 2 * math.sin(min(km / EARTH_KM, math.pi) / 2)


def distances_km(one: Floats, others: Floats) -> Floats:
    """Along the ground, of points on the unit sphere whose shapes (…, 3) broadcast."""
    import numpy as np

    return arcs_km(np.sqrt(np.sum((one - others) ** 2, axis=-1)))


def arcs_km(chords: Floats) -> Floats:
    """Along the ground, of points of the unit sphere that are so far apart in a straight line."""
    import numpy as np

    distances: Floats = 2 * EARTH_KM * np.arcsin(np.minimum(chords / 2, 1))
    return distances


def centre(found: Floats) -> tuple[float, float]:
    """Latitude and longitude of the middle of points on the unit sphere, one at least."""
    import math

    import numpy as np

    x, y, z = (float(number) for number in np.mean(found, axis=0))
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))


def cells(found: Floats, km: float) -> npt.NDArray[np.int64]:
    """The cell of each point in a cubic grid whose cells' diagonal is a distance: one cell, no further apart.

    Numbers of neighbours differ by `step`s of one to two along each axis.
    """
    import numpy as np

    # A hair less than the diagonal, as rounding must put no two points into a cell that are further apart.
    place = np.floor((found + 1) / (chord(km) / 3**0.5 * (1 - 1e-9))).astype(np.int64) + CELLS_AROUND
    return (place[:, 0] << 2 * _BITS) | (place[:, 1] << _BITS) | place[:, 2]


def step(x: int, y: int, z: int) -> int:
    """The difference of the numbers of two cells that are so many cells apart."""
    return (x << 2 * _BITS) + (y << _BITS) + z
