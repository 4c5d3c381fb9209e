"""Which offset from UTC a camera's clock ran at, as far as satellites and the longitude prove it."""

from datetime import UTC, datetime, timedelta
from typing import Final

SAME_SHOT: Final = timedelta(minutes=2)
"""How far the camera's clock and the satellites' may disagree and still speak of the same moment."""
_QUARTER: Final = timedelta(minutes=15)

# Hours and minutes that clocks have run at since satellites told cameras the time: every offset of the time
# zone database (2026) from 1995 on.
_REAL: Final = frozenset(
    (
        *range(-12 * 60, 15 * 60, 60),
        *(-(60 * hours + 30) for hours in (2, 3, 4, 8, 9)),  # Newfoundland, Venezuela, Pitcairn, Marquesas
        *(60 * hours + 30 for hours in (3, 4, 5, 6, 8, 9, 10, 11)),  # Iran to Norfolk Island
        345,  # Nepal
        525,  # Eucla,
        585,  # and in summer
        765,  # the Chatham Islands,
        825,  # and in summer
    )
)

# How many hours the clocks of a place are ahead of the sun's, which gains an hour every 15 degrees. Of the
# places in the time zone database (2026), from 2000 on, Iqaluit was furthest behind in 2000 (-1.4) and Nome,
# but for stations in Antarctica, is furthest ahead, in summer (3.0). The far west of China has 3.1, Galicia
# in summer 2.6, the east of India -1.0, and Kiribati's Line Islands, a day ahead of their neighbours, 0.5.
_BEHIND_THE_SUN: Final = -1.5
_AHEAD_OF_THE_SUN: Final = 3.5


def proven_offset(wall: datetime, satellites: datetime, longitude: float) -> int | None:
    """Minutes east of UTC at which a clock showed `wall` (naive) at the instant that satellites told.

    None unless the two differ by an offset that exists, and that clocks at this longitude could run at: a
    camera that travels with its clock at home's time proves nothing.
    """
    difference = wall - satellites.astimezone(UTC).replace(tzinfo=None)
    offset = round(difference / _QUARTER) * _QUARTER
    minutes = round(offset / timedelta(minutes=1))
    if abs(difference - offset) > SAME_SHOT or minutes not in _REAL:
        return None
    # A day more or less is the date line's doing.
    ahead = (minutes / 60 - longitude / 15 + 12) % 24 - 12
    return minutes if _BEHIND_THE_SUN <= ahead <= _AHEAD_OF_THE_SUN else None
