"""What was photographed about this day, years ago."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from models.moments import clock
from models.moments.scene import Scene, Story, short

if TYPE_CHECKING:
    from datetime import date

    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

WINDOW_DAYS: Final = 3
"""Before and after the day."""
LEAST: Final = 3
"""Photos of one year."""
_MOSTLY: Final = 0.5


def on_this_day(scene: Scene) -> list[Story]:
    """Each year that has enough photos within three days of today's day of it.

    Days are counted from that day of that year, so that those about New Year are a year apart, and photos are
    never younger than a year less three days. Where there is no 29 February it is the 28th.
    """
    import numpy as np

    days = scene.library.days
    if not len(days):
        return []
    order = np.argsort(days, kind="stable")
    ordered, stories = days[order], []
    for years, day in clock.anniversaries(scene.today, clock.day_of(ordered[0] - WINDOW_DAYS)):
        middle = clock.day_number(day)
        first, last = np.searchsorted(ordered, [middle - WINDOW_DAYS, middle + WINDOW_DAYS + 1])
        if last - first >= LEAST:
            stories.append(_story(scene, np.sort(order[first:last]), years, day))
    return stories


def _story(scene: Scene, found: Ints, years: int, day: date) -> Story:
    words, rows = scene.words, scene.chosen(found)
    middle = clock.day_number(day)
    is_today = bool((scene.library.days[found] == middle).all())
    place, photos = scene.place(found, least=_MOSTLY), scene.photos(rows)
    return Story(
        kind="on_this_day",
        key=f"on_this_day:{day.year}",
        title=words.counted(words.years_ago_today if is_today else words.years_ago_this_week, years),
        subtitle=words.in_place.format(photos=photos, place=short(place)) if place else photos,
        rows=rows,
        whole=found,
        place=place,
        is_timely=True,
        criteria={
            "year": day.year,
            "month": day.month,
            "day": day.day,
            "years_ago": years,
            "window_start": f"{clock.day_of(middle - WINDOW_DAYS):%m-%d}",
            "window_end": f"{clock.day_of(middle + WINDOW_DAYS):%m-%d}",
            "window_days": WINDOW_DAYS,
        },
    )
