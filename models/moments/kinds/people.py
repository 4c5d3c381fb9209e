"""People: all of somebody, and somebody whose birthday it is."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from models.moments import clock
from models.moments.scene import Scene, Story, spread

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

LEAST: Final = 4
OLDEST: Final = 120
"""Years; who would be older was given a wrong birthday."""
BIRTHDAY_PHOTOS: Final = 40
"""The largest faces of each part of a life."""


def people(scene: Scene) -> list[Story]:
    """Who is in four photos at least."""
    stories = []
    for number, person in enumerate(scene.people):
        name = scene.name_of(number)
        found, _ = scene.library.rows_of_person(number)
        if name and len(found) >= LEAST:
            rows = scene.chosen(found)
            stories.append(
                Story(
                    kind="people",
                    key=f"people:{person.id}",
                    title=scene.words.with_person.format(name=name),
                    subtitle=scene.photos(rows),
                    rows=rows,
                    whole=found,
                    people=(number,),
                    criteria=_criteria(scene, number, name),
                )
            )
    return stories


def birthdays(scene: Scene) -> list[Story]:
    """Who was born on this day of a year before this one; on 29 February also where there is only a 28th."""
    words, stories = scene.words, []
    for number, person in enumerate(scene.people):
        name, age = scene.name_of(number), _age(person.birth_date, scene.today)
        if not name or not age:
            continue
        found, sizes = scene.library.rows_of_person(number)
        rows = spread(found, sizes, BIRTHDAY_PHOTOS)
        if len(rows) >= LEAST:
            old = words.counted(words.years_old, age)
            stories.append(
                Story(
                    kind="birthday",
                    key=f"birthday:{person.id}:{scene.today.year}",
                    title=words.birthday.format(name=name),
                    subtitle=f"{old} · {scene.photos(rows)}" if age <= OLDEST else scene.photos(rows),
                    rows=rows,
                    whole=rows,
                    people=(number,),
                    is_timely=True,
                    criteria={**_criteria(scene, number, name), "age": age},
                )
            )
    return stories


def _age(born: date | None, today: date) -> int:
    """How old somebody gets today; 0 if it is not their birthday."""
    age = today.year - born.year if born else 0
    return age if born and age > 0 and clock.years_before(born, -age) == today else 0


def _criteria(scene: Scene, number: int, name: str) -> dict[str, object]:
    person = scene.people[number]
    return {"cluster_id": person.cluster_id, "contact_id": person.contact_id, "person_name": name}
