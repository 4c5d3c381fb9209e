"""Places on the earth as points of a sphere: no seam at 180° and none at the poles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

EARTH_KM: Final = 6371.0088
"""The mean radius (IUGG), as haversine distances take it."""


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

    half = np.sqrt(np.sum((one - others) ** 2, axis=-1)) / 2
    distances: Floats = 2 * EARTH_KM * np.arcsin(np.minimum(half, 1))
    return distances


def centre(found: Floats) -> tuple[float, float]:
    """Latitude and longitude of the middle of points on the unit sphere, one at least."""
    import math

    import numpy as np

    x, y, z = (float(number) for number in np.mean(found, axis=0))
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))
