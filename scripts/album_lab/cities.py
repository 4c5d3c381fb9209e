"""Towns with their zones: on both sides of the equator and of 180°, and in the far north."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

DEGREE_KM: Final = 111.2
"""Of latitude."""


@dataclass(frozen=True, slots=True)
class City:
    name: str
    """As `location_name` has it."""
    latitude: float
    longitude: float
    zone: str

    def near(self, name: str, *, north_km: float = 0, east_km: float = 0) -> City:
        """A place of the same country so far away."""
        return City(
            f"{name}, {self.name.split(', ')[-1]}",
            self.latitude + north_km / DEGREE_KM,
            self.longitude + east_km / DEGREE_KM / math.cos(math.radians(self.latitude)),
            self.zone,
        )


HOMES: Final = (
    City("Berlin, Germany", 52.52, 13.405, "Europe/Berlin"),
    City("New York, United States", 40.713, -74.006, "America/New_York"),
    City("Tokyo, Japan", 35.677, 139.65, "Asia/Tokyo"),
    City("Sydney, Australia", -33.869, 151.209, "Australia/Sydney"),
    City("Tromsø, Norway", 69.649, 18.955, "Europe/Oslo"),
    City("Suva, Fiji", -18.142, 178.442, "Pacific/Fiji"),
    City("Accra, Ghana", 5.603, -0.187, "Africa/Accra"),
)
AWAY: Final = (
    City("Lisbon, Portugal", 38.722, -9.139, "Europe/Lisbon"),
    City("Porto, Portugal", 41.158, -8.629, "Europe/Lisbon"),
    City("Rome, Italy", 41.903, 12.496, "Europe/Rome"),
    City("Florence, Italy", 43.77, 11.256, "Europe/Rome"),
    City("Taveuni, Fiji", -16.99, 179.99, "Pacific/Fiji"),
    City("Apia, Samoa", -13.85, -171.75, "Pacific/Apia"),
    City("Reykjavík, Iceland", 64.147, -21.94, "Atlantic/Reykjavik"),
    City("Longyearbyen, Norway", 78.223, 15.627, "Arctic/Longyearbyen"),
    City("Quito, Ecuador", -0.181, -78.468, "America/Guayaquil"),
    City("São Tomé, São Tomé and Príncipe", 0.337, 6.727, "Africa/Sao_Tome"),
    City("Kathmandu, Nepal", 27.717, 85.324, "Asia/Kathmandu"),
    City("Auckland, New Zealand", -36.848, 174.763, "Pacific/Auckland"),
    City("Vancouver, Canada", 49.283, -123.121, "America/Vancouver"),
    City("Ushuaia, Argentina", -54.807, -68.307, "America/Argentina/Ushuaia"),
)
