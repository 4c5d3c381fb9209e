"""How tables of dates are written and read: a phrase, the day it is said on, what it asks for, what is left.

`2025-06-01 to 2025-08-31` has both days in it; `2020-01-01 on`, `up to 2021-02-28`; `months 6 7 8`,
`weekdays 6 7`, `hours 20-4`; `not` before what is excluded, `;` between several, and `nothing`.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from models.search.query import DatePart
from models.search.spans import Hemisphere
from models.search.understanding import understand


def cases(table: str) -> list[object]:
    """One per line that has `|` in it, named by its phrase and day."""
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if "|" in line]
    return [pytest.param(*row, *[""] * (4 - len(row)), id=f"{row[0]} ({row[1]})") for row in rows]


def read(phrase: str, today: str, language: str, hemisphere: Hemisphere = "north") -> tuple[str, str, str]:
    """The dates as the table writes them, what is left, and the language of the phrase."""
    understood = understand(phrase, today=date.fromisoformat(today), hemisphere=hemisphere, language=language)
    said = "; ".join(_written(part) for part in understood.parts if isinstance(part, DatePart))
    return said or "nothing", understood.semantic, understood.language


def _written(part: DatePart) -> str:
    conditions = []
    last = part.before - timedelta(days=1) if part.before else None
    if part.since and last:
        conditions.append(f"{part.since}" if part.since == last else f"{part.since} to {last}")
    elif part.since:
        conditions.append(f"{part.since} on")
    elif last:
        conditions.append(f"up to {last}")
    for name, numbers in (("months", part.months), ("weekdays", part.weekdays)):
        if numbers:
            conditions.append(f"{name} {' '.join(map(str, numbers))}")
    if part.hours:
        conditions.append(f"hours {part.hours[0]}-{part.hours[-1]}")
    return ("not " if part.negated else "") + ", ".join(conditions)
