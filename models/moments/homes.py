"""Where a user lives, so that being there is neither a trip nor a visit.

A home is seen in many weeks of a year: two weeks at the sea are not, every August of ten years.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from models import sphere
from models.moments.clock import years_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from models.moments.library import Library

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

AROUND_KM: Final = 5.0
"""Of a home's middle: the radius that places have everywhere here."""
LEAST_WEEKS: Final = 6
"""In which a home is seen, of a year: longer than holidays last."""
LEAST_SHARE: Final = 0.25
"""Of a year's weeks with photos, in which a home is seen; that is up to four homes, or a home and a work."""
_APART_KM: Final = 15.0
"""Between homes of one year; what is nearer is one."""
_CANDIDATES: Final = 12
_WEEKS: Final = 1 << 20
"""More than there are."""


@dataclass(frozen=True, slots=True)
class Homes:
    """How far each row is from the nearest home of its year or of the one before or after.

    Where none of these has one, the nearest year that has counts.
    """

    distances_km: Floats
    """Of every row of the library; infinite if no home is known, NaN without coordinates."""

    @property
    def are_known(self) -> bool:
        import numpy as np

        return bool(np.isfinite(self.distances_km).any())


def homes_of(library: Library) -> Homes:
    """The homes of each calendar year; those of all years together if none has one."""
    import numpy as np

    dated = np.flatnonzero(library.located[: len(library.days)])
    points = library.points[dated]
    weeks = (library.days[dated] + 3) // 7  # from Monday on
    years = years_of(library.days[dated])
    homes = {int(year): _homes(points[years == year], weeks[years == year]) for year in np.unique(years)}
    if not any(map(len, homes.values())):
        everywhere = _homes(points, weeks)
        homes = dict.fromkeys(homes, everywhere)
    distances = np.where(library.located, np.inf, np.nan)
    for year in homes:
        seen = [other for other in homes if len(homes[other])]
        reach = max(1, min((abs(other - year) for other in seen), default=1))
        near = [homes[other] for other in seen if abs(other - year) <= reach]
        if near:
            rows = dated[years == year]
            distances[rows] = _nearest(library.points[rows], np.concatenate(near))
    undated = np.flatnonzero(library.located[len(library.days) :]) + len(library.days)
    known = [found for found in homes.values() if len(found)]
    if len(undated) and known:
        distances[undated] = _nearest(library.points[undated], np.concatenate(known))
    return Homes(distances)


def _homes(points: Floats, weeks: Ints) -> Floats:
    """Shape (homes, 3): middles of places that were seen in enough of these weeks."""
    import numpy as np

    found: list[Floats] = []
    least = max(LEAST_WEEKS, LEAST_SHARE * len(np.unique(weeks)))
    cells = sphere.cells(points, AROUND_KM)
    numbers, cells = np.unique(cells, return_inverse=True)
    seen = np.unique(cells * _WEEKS + weeks % _WEEKS) // _WEEKS
    counts = np.bincount(seen, minlength=len(numbers))
    for cell in np.argsort(-counts, kind="stable")[:_CANDIDATES]:
        middle = points[cells == cell].mean(axis=0)
        middle /= np.linalg.norm(middle)
        apart = not found or sphere.distances_km(middle, np.stack(found)).min() > _APART_KM
        around = sphere.distances_km(points, middle) <= AROUND_KM
        if apart and len(np.unique(weeks[around])) >= least:
            found.append(middle)
    return np.stack(found) if found else np.empty((0, 3))


def _nearest(points: Floats, homes: Floats) -> Floats:
    import numpy as np

    nearest: Floats = np.min([sphere.distances_km(points, home) for home in homes], axis=0)
    return nearest
