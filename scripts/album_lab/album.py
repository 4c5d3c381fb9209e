"""A library of some years with what happened in it: a home, a move, trips, days out, parties and people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from models.moments.clock import years_before
from models.moments.photos import Flag, Person, Photos
from models.sphere import distances_km, points
from scripts.album_lab.cities import AWAY, HOMES, City
from scripts.album_lab.shots import BLURRED, Shot, columns, spoilt, vectors

YEARS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A story that is in the album: its photos that are worth showing."""

    kind: str
    name: str
    photos: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Album:
    photos: Photos
    people: Sequence[Person]
    vectors: npt.NDArray[np.float32]
    """Of each photo, as a model would have it: alike within an occasion, nearly equal in a burst."""
    today: date
    zone: ZoneInfo
    planted: Sequence[Planted]
    about: frozenset[tuple[str, str]]
    """Kinds of stories there must be, and the person each is about, if it is about one."""
    bad: frozenset[str]
    """Photos that are no photo worth showing: screenshots, documents, blurred ones."""


def album(seed: int, *, daily: float = 1.0) -> Album:
    """The album of a seed; `daily` times as many photos of everyday life."""
    return _Author(seed, daily).write()


class _Author:
    def __init__(self, seed: int, daily: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._daily = daily
        self._shots: list[Shot] = []
        self._planted: list[tuple[str, str, list[Shot]]] = []
        self._occasions = 0
        home = HOMES[seed % len(HOMES)]
        self._homes = (home, home.near("Newtown", north_km=25)) if seed % 3 == 0 else (home, home)
        # About a new year, a leap day, the end of a season, and any day.
        days = (date(2026, 1, 2), date(2024, 2, 29), date(2025, 6, 5), date(2025, 10, 18))
        self._today = days[seed % 4]
        self._reviews = (["year_in_review"], [], ["season"], [])[seed % 4]
        self._born = self._today.replace(year=self._today.year - 8 - 4 * (seed % 2))
        self._people = (
            Person(contact_id="anna", cluster_id="c0", name="Anna", birth_date=self._born),
            Person(contact_id="ben", cluster_id="c1", name="Ben", birth_date=date(1988, 8, 8)),
            Person(contact_id="carla", cluster_id="c2", name="Carla"),
            Person(cluster_id="c3"),
            Person(contact_id="d", cluster_id="c4", name=" "),
        )

    def write(self) -> Album:
        self._everyday_life()
        self._trips()
        self._days_out()
        self._parties()
        self._this_day()
        shots = [*spoilt(self._shots, self._rng), *self._no_memories()]
        shots = [shots[at] for at in self._rng.permutation(len(shots))]
        names = {id(shot): f"{at:06}" for at, shot in enumerate(shots)}
        bad = {
            names[id(shot)]
            for shot in shots
            if shot.flags & (Flag.SCREENSHOT | Flag.DOCUMENT) or shot.sharpness == BLURRED
        }
        return Album(
            photos=columns(shots, self._rng),
            people=self._people,
            vectors=vectors(shots, self._rng),
            today=self._today,
            zone=ZoneInfo(self._homes[1].zone),
            planted=[
                Planted(kind=kind, name=name, photos=frozenset(names[id(shot)] for shot in found) - bad)
                for kind, name, found in self._planted
            ],
            about=frozenset(
                [("birthday", "anna"), ("then_and_now", "anna")]
                + [("people", name) for name in ("anna", "ben", "carla")]
                + [(kind, "") for kind in self._reviews]
            ),
            bad=frozenset(bad),
        )

    def _home(self, day: date) -> City:
        return self._homes[day >= self._today - timedelta(days=365 * 3)]

    def _day(self, days_ago: int) -> date:
        return self._today - timedelta(days=days_ago)

    def _take(
        self, day: date, city: City, count: int, *, hours: tuple[float, float], spread_km: float = 1.0
    ) -> list[Shot]:
        """So many photos of one occasion, evenly spaced, now and then of a person."""
        self._occasions += 1
        taken = []
        for share in (np.arange(count) + self._rng.uniform(0.1, 0.9, count)) / count:
            begun = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(city.zone))
            at = begun + timedelta(hours=float(hours[0] + share * (hours[1] - hours[0])))
            who = tuple(
                int(person) for person in np.flatnonzero(self._rng.random(5) < (0.2, 0.15, 0.1, 0.15, 0.1))
            )
            size = float(self._rng.uniform(0.01, 0.2))
            taken.append(
                Shot(at=at, city=city, occasion=self._occasions, spread_km=spread_km, who=who, size=size)
            )
        self._shots += taken
        return taken

    def _everyday_life(self) -> None:
        """Up to three photos on most days, hours apart."""
        busy = {self._today - timedelta(days=back) for back in range(4)}
        for back in range(4, 365 * YEARS):
            day = self._day(back)
            if day not in busy and self._rng.random() < 0.35 * min(1, self._daily):
                count = max(1, round(self._daily))
                for hour in self._rng.permutation((8.0, 13.0, 18.5))[: self._rng.integers(1, 4)]:
                    self._take(day, self._home(day), count, hours=(hour, hour + 0.3), spread_km=2)

    def _trips(self) -> None:
        """Two a year, of two to nine nights, in up to three towns; nothing is taken at home meanwhile."""
        for year in range(YEARS):
            for half in (140, 250):
                back = 365 * year + half + int(self._rng.integers(0, 40))
                nights = int(self._rng.integers(2, 10))
                home = self._home(self._day(back))
                far = [city for city in AWAY if _km(city, home) > 300]
                cities = [
                    far[at] for at in self._rng.choice(len(far), int(self._rng.integers(1, 4)), replace=False)
                ]
                self._clear(back - nights, back)
                taken = []
                for night in range(nights + 1):
                    city = cities[night * len(cities) // (nights + 1)]
                    taken += self._take(
                        self._day(back - night), city, int(self._rng.integers(5, 20)), hours=(8, 21)
                    )
                self._planted.append(("trip", f"trip to {cities[0].name}", taken))

    def _days_out(self) -> None:
        """Four a year, in a town 30 km away, in a few hours."""
        for year in range(YEARS):
            for quarter in (20, 110, 200, 320):
                back = 365 * year + quarter + int(self._rng.integers(0, 15))
                day = self._day(back)
                self._clear(back, back)
                town = self._home(day).near("Lakeside", east_km=30)
                taken = self._take(day, town, int(self._rng.integers(6, 16)), hours=(11, 16))
                self._planted.append(("location", f"day out on {day}", taken))

    def _parties(self) -> None:
        """Three in the last 90 days, at home, of people."""
        for back in (9, 40, 75):
            day = self._day(back)
            self._clear(back - 1, back)
            taken = self._take(
                day, self._home(day), int(self._rng.integers(10, 25)), hours=(18, 23), spread_km=0.1
            )
            for shot in taken:
                shot.who = (*shot.who, *({0, 1} - set(shot.who)))
            self._planted.append(("event", f"party on {day}", taken))

    def _this_day(self) -> None:
        """Anna, on this day four years ago and lately, and a walk two years ago."""
        for years, count in ((2, 5), (4, 4)):
            day = years_before(self._today, years)
            back = (self._today - day).days
            self._clear(back - 3, back + 3)
            taken = self._take(day, self._home(day), count, hours=(10, 17))
            for shot in taken[:2] if years == 4 else ():
                shot.who, shot.size = (0,), 0.4
            window = [shot for shot in self._shots if shot.at and abs((shot.at.date() - day).days) <= 3]
            self._planted.append(("on_this_day", f"this day {years} years ago", window))
        day = self._day(5)
        for shot in self._take(day, self._home(day), 2, hours=(9, 18)):
            shot.who, shot.size = (0,), 0.4

    def _clear(self, until: int, since: int) -> None:
        """Take out everyday life of these days, counted back from today."""
        first, last = self._day(since), self._day(until)
        story = {id(shot) for _, _, found in self._planted for shot in found}
        self._shots = [
            shot
            for shot in self._shots
            if id(shot) in story or not (shot.at and first <= shot.at.date() <= last)
        ]

    def _no_memories(self) -> list[Shot]:
        """Screenshots and documents, photos of which nobody knows when, and of a clock that is ahead."""
        rng, home = self._rng, self._homes[0]
        found = []
        for back in rng.integers(0, 365 * YEARS, len(self._shots) // 8).tolist():
            at = datetime.combine(self._day(back), time(int(rng.integers(24))), UTC)
            found.append(
                Shot(at=at, city=None, occasion=0, flags=int(rng.choice((Flag.SCREENSHOT, Flag.DOCUMENT))))
            )
        ahead = datetime.combine(self._day(-400), time(), UTC)
        return found + [Shot(at=at, city=home, occasion=0) for at in (None, None, None, *[ahead] * 4)]


def _km(one: City, other: City) -> float:
    ends = points(np.array([one.latitude, other.latitude]), np.array([one.longitude, other.longitude]))
    return float(distances_km(ends[0], ends[1]))
