"""Where coordinates are: the name of the place, as far as it is known, and the time zone of its clocks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Final

from models import sphere
from models.places.naming import language_of, name_of
from models.places.towns import Towns, load_towns
from models.places.zones import countries_of, zones_at

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PACKAGES: Final = ("babel", "scipy.spatial", "tzdata", "tzfpy")
"""Imported to answer; `towns.PACKAGE` is read, and never imported."""
NEAR_KM: Final = 25.0
"""A place is named after a town no further away than that."""
REGION_KM: Final = 150.0
"""In the wilderness, the region of the nearest three towns within that distance, if it is the same."""
_TOWNS_OF_A_REGION: Final = 3
COAST_KM: Final = 370.4
"""200 nautical miles: nearer than that to a town, a ship keeps its time; further out, its own."""
RULES: Final = "1"
"""Of how names are made; another one where the same data gives other names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """What is known of one point on Earth; texts are empty where nothing is."""

    city: str = ""
    region: str = ""
    country: str = ""
    """A code of two letters."""
    zone: str = ""
    """Of the time zone database; empty far out at sea, where no clock is at home."""

    def name(self, language: str) -> str:
        """In a language by its tag; empty where there is none."""
        return name_of(self.city, self.region, self.country, language_of(language)) if self.country else ""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Answers where points are. Can be asked from several threads."""

    towns: Towns

    @property
    def version(self) -> str:
        """Of the data and of the rules by which names are made."""
        return f"geonames-{self.towns.version}-{RULES}"

    @classmethod
    def load(cls) -> Places:
        """Read the data, which takes a second and 70 MB.

        Raises:
            ModuleNotFoundError: a package of the extra `places` is not installed.
        """
        for package in PACKAGES:
            import_module(package)
        return cls(load_towns())

    def at(self, points: Sequence[tuple[float, float]]) -> list[Spot]:
        """What is at each of these degrees north, -90 to 90, and east, -180 to 180.

        The country is the one whose clocks run there, by its borders; a town is of that country.

        Raises:
            ValueError: a point is not on Earth.
        """
        import numpy as np

        for latitude, longitude in points:
            if not (math.isfinite(latitude) and abs(latitude) <= 90 and abs(longitude) <= 180):
                raise ValueError(f"expected degrees north and east, found {latitude} and {longitude}")
        degrees = np.array(points, np.float64).reshape(-1, 2)
        vectors = sphere.points(degrees[:, 0], degrees[:, 1])
        spots = [Spot()] * len(points)
        alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, (latitude, longitude) in enumerate(points):
            alike[zones_at(latitude, longitude)].append(number)
        for zones, numbers in alike.items():
            found = self._ashore(vectors[numbers], zones) if zones else self._at_sea(vectors[numbers])
            for number, spot in zip(numbers, found, strict=True):
                spots[number] = spot
        return spots

    def _ashore(self, vectors: npt.NDArray[np.float64], zones: tuple[str, ...]) -> list[Spot]:
        """What is at unit vectors of shape (n, 3) that all lie in these zones."""
        import numpy as np

        countries = countries_of(zones)
        numbers, distances = self.towns.nearest(
            vectors, countries, count=_TOWNS_OF_A_REGION, radius_km=REGION_KM
        )
        heads = self.towns.heads[numbers[:, 0]]
        to_head = np.where(numbers[:, 0] >= 0, self.towns.distances(vectors, heads), np.inf)
        spots: list[Spot] = []
        for row in range(len(vectors)):
            near = [town for town in numbers[row].tolist() if town >= 0]
            wild = Spot(country=self._country(near, countries), zone=zones[0])
            if near and distances[row, 0] <= NEAR_KM:
                spots.append(self._town(int(heads[row]) if to_head[row] <= NEAR_KM else near[0], zones[0]))
            elif len({(self.towns.countries[town], self.towns.regions[town]) for town in near}) == 1:
                spots.append(replace(self._town(near[0], zones[0]), city=""))
            else:
                spots.append(wild)
        return spots

    def _at_sea(self, vectors: npt.NDArray[np.float64]) -> list[Spot]:
        """What is at unit vectors of shape (n, 3) that lie in no country; a town that is near names it."""
        numbers, distances = self.towns.nearest(vectors, None, count=1, radius_km=COAST_KM)
        spots: list[Spot] = []
        for town, far in zip(numbers[:, 0].tolist(), distances[:, 0].tolist(), strict=True):
            zone = self._zone_of(town) if town >= 0 else ""
            spots.append(self._town(town, zone) if far <= NEAR_KM else Spot(zone=zone))
        return spots

    def _town(self, town: int, zone: str) -> Spot:
        return Spot(
            city=self.towns.names[town],
            region=self.towns.regions[town],
            country=self.towns.countries[town],
            zone=zone,
        )

    def _country(self, near: Sequence[int], countries: tuple[str, ...]) -> str:
        """The one country, or of several the one of the nearest town."""
        return self.towns.countries[near[0]] if len(countries) > 1 and near else (*countries, "")[0]

    def _zone_of(self, town: int) -> str:
        north, east = self.towns.degrees(town)
        return (*zones_at(north, east), "")[0]
