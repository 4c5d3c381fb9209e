"""A season, and a year, when they are over."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from models.moments import clock
from models.moments.scene import Scene, Story
from models.search.spans import months_from, season_months

if TYPE_CHECKING:
    from models.search.spans import Hemisphere, Span

SEASON_DAYS: Final = 14
"""After its end, in which a season is told."""
YEAR_FROM: Final = (12, 26)
"""Month and day since when the year is told, and until `YEAR_UNTIL` of the next."""
YEAR_UNTIL: Final = (1, 14)
LEAST: Final = 12
"""Photos, on `LEAST_DAYS` days at least; fewer are no season."""
LEAST_DAYS: Final = 4


def reviews(scene: Scene) -> list[Story]:
    """The season that has ended lately, and the year that ends or has ended lately."""
    today, words = scene.today, scene.words
    found: list[Story | None] = []
    for season, title in words.seasons.items():
        span = _ended(season, _hemisphere(scene), today)
        if span:
            first, year = span[0], span[0].year
            shown = (
                f"{year}/{(year + 1) % 100:02}" if (span[1] - timedelta(days=1)).year > year else str(year)
            )
            found.append(
                _story(scene, "season", f"season:{season}:{first.year}", title.format(year=shown), span)
            )
    told = today if (today.month, today.day) >= YEAR_FROM else clock.years_before(today, 1)
    if (today.month, today.day) >= YEAR_FROM or (today.month, today.day) <= YEAR_UNTIL:
        span = (date(told.year, 1, 1), date(told.year + 1, 1, 1))
        title = words.year_in_review.format(year=told.year)
        found.append(_story(scene, "year_in_review", f"year_in_review:{told.year}", title, span))
    return [story for story in found if story]


def _ended(season: str, hemisphere: Hemisphere, today: date) -> Span | None:
    """The days of a season that was over `SEASON_DAYS` ago at most."""
    month = season_months(season, hemisphere)[0]
    for year in (today.year, today.year - 1):
        span = months_from(year, month, 3)
        if span[1] <= today < span[1] + timedelta(days=SEASON_DAYS):
            return span
    return None


def _hemisphere(scene: Scene) -> Hemisphere:
    """That of most photos with a place; without any, the one where more people live."""
    import numpy as np

    south = scene.library.points[scene.library.located, 2] < 0
    return "south" if len(south) and np.mean(south) > 0.5 else "north"


def _story(scene: Scene, kind: str, key: str, title: str, span: Span) -> Story | None:
    import numpy as np

    days = scene.library.days
    first, last = (clock.day_number(day) for day in span)
    found = np.flatnonzero((days >= first) & (days < last))
    if len(found) < LEAST or len(np.unique(days[found])) < LEAST_DAYS:
        return None
    rows = scene.chosen(found)
    return Story(
        kind=kind,
        key=key,
        title=title,
        subtitle=scene.photos(rows),
        rows=rows,
        whole=found,
        is_timely=True,
        criteria={"first_day": str(span[0]), "last_day": str(span[1] - timedelta(days=1))},
    )
