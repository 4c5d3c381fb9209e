"""Finds the moments of a user's photos that are worth telling today, and tells them.

The photos are read page by page, as columns. Vectors are read last, of the photos that may be covers alone.
The database writes moments, their photos and one notification together, and nothing where other stories were
told since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict

from models.moments.moment import COOLDOWN_BY_KIND, COOLDOWN_DAYS, Earlier, Moment, Settings
from models.moments.photos import NO_OFFSET, NO_TIME, Faces, Flag, Person, Photos
from worker.context import Context
from worker.core.errors import TooLarge
from worker.core.handler import Handler
from worker.core.job import Done, Replace
from worker.core.rows import Row
from worker.halves import halves_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST_PHOTOS: Final = 1_000_000
"""Of one user; their columns are 200 MB."""
VECTORS_AT_ONCE: Final = 500
"""Photos of one request, the most that the database answers."""
MEMBERS_OF_A_ROW: Final = 20
"""So that a thousand staged rows are less than a megabyte."""
LONGEST_TEXT: Final = 500
"""Characters of a title or a subtitle."""
LONGEST_PLACE: Final = 200
SCREENSHOTS: Final = ("screenshot", "screen shot", "bildschirmfoto", "bildschirmaufnahme", "screen recording")
"""How the names of what no camera saw begin, on phones and computers."""
PRECISIONS: Final[Mapping[str | None, Flag]] = {
    "day": Flag.DAY_ONLY,
    "month": Flag.COARSE_TIME,
    "year": Flag.COARSE_TIME,
}


class Params(BaseModel):
    """The params of a `generate_moments` job: there are none."""

    model_config = ConfigDict(extra="ignore")


async def generate_moments(params: Params, context: Context) -> Done:
    context.progress(5, "reading")
    await asyncio.to_thread(import_module, "models.moments.finding")  # takes a moment, the first time
    with context.record.stage("read"):
        states = (await context.rows.call("moments_state", {})).rows
        if not states:
            return _told(context, 0, [])
        state = states[0]
        if not state["enabled"]:
            return Done(result={"skipped": True, "reason": "moments_disabled"})
        people = await people_of(context)
        photos = await photos_of(context, people)
        earlier = await earlier_of(context)
    context.progress(60, "finding")
    with context.record.stage("find"):
        moments = await asyncio.to_thread(find, photos, list(people.values()), earlier, state)
    context.progress(75, "choosing covers")
    with context.record.stage("cover"):
        moments = await covered(context, moments)
    context.progress(90, "writing")
    if not moments:
        return _told(context, len(photos), [])
    with context.record.stage("write"):
        staged = await context.staging.keep("moments", rows_of(moments))
    scope = {
        "last_story": state["last_story"],
        "today": state["today"],
        "notice": notice_in(state["language"]),
    }
    return _told(context, len(photos), moments, Replace(table="moments", scope=scope, rows=staged))


def notice_in(language: str) -> dict[str, dict[str, str]]:
    """What a user is told of `one` new moment, or of `many`, whose `{count}` the database knows."""
    from models.moments.languages import words_of

    words = words_of(language)
    (one, many), (one_waits, many_wait) = words.new_moments, words.moments_wait
    return {"one": {"title": one, "body": one_waits}, "many": {"title": many, "body": many_wait}}


def _told(context: Context, photos: int, moments: Sequence[Moment], *writes: Replace) -> Done:
    new = sum(moment.updates is None for moment in moments)
    context.record.count("photos", photos)
    context.record.count("moments", len(moments))
    return Done(result={"moments_generated": len(moments), "moments_created": new}, writes=writes)


async def people_of(context: Context) -> dict[str, Person]:
    """Who may be in the photos, by the id that faces have of them."""
    people: dict[str, Person] = {}
    async for page in context.rows.pages("moments_people", {}):
        for row in page:
            born = row["birth_date"]
            people[row["id"]] = Person(
                cluster_id=row["cluster_id"],
                contact_id=row["contact_id"],
                name=row["name"],
                birth_date=date.fromisoformat(born) if born else None,
            )
    return people


async def photos_of(context: Context, people: Mapping[str, Person]) -> Photos:
    """All photos and videos of the job's user; one whose time changed, and came twice, counts once.

    Raises:
        TooLarge: there are more than moments are found in.
    """
    numbers = {person: number for number, person in enumerate(people)}
    seen = set[str]()
    pages, count = [await asyncio.to_thread(page_of, NOTHING, numbers, seen)], 0
    async for rows in context.rows.pages("moments_photos", {}):
        for columns in rows:
            pages.append(await asyncio.to_thread(page_of, columns, numbers, seen))
            count += len(pages[-1])
        if count > MOST_PHOTOS:
            raise TooLarge(
                f"the library has more than {MOST_PHOTOS} photos, the most that moments are found in"
            )
        context.progress(5 + min(50, 50 * count // 100_000), "reading")
    return await asyncio.to_thread(Photos.joined, pages)


NOTHING: Final[Row] = {
    name: []
    for name in (
        *("ids", "times", "offsets", "latitudes", "longitudes", "places", "sharpness", "hashes", "media"),
        *("precisions", "names", "face_photos", "face_people", "face_sizes"),
    )
}
"""Columns of no photos."""


def page_of(columns: Row, numbers: Mapping[str, int], seen: set[str]) -> Photos:
    """The photos and videos of a row of `moments_photos`, without those that were `seen`.

    `numbers` are those of people, by id.
    """
    import numpy as np

    ids, media = columns["ids"], columns["media"]
    kept = np.array([medium and one not in seen for one, medium in zip(ids, media, strict=True)], bool)
    seen.update(ids)
    names = {name: None for name in columns["places"] if name}
    places = {name: place for place, name in enumerate(names)}
    latitudes = np.array(columns["latitudes"], np.float64)[kept]
    longitudes = np.array(columns["longitudes"], np.float64)[kept]
    unknown = np.isnan(latitudes) | np.isnan(longitudes)
    latitudes[unknown] = longitudes[unknown] = np.nan
    return Photos(
        ids=np.array(ids, np.str_)[kept],
        times=np.array([NO_TIME if time is None else time for time in columns["times"]], np.int64)[kept],
        offsets=np.array(
            [NO_OFFSET if offset is None else offset for offset in columns["offsets"]], np.int16
        )[kept],
        latitudes=latitudes,
        longitudes=longitudes,
        places=np.array([places.get(name, -1) for name in columns["places"]], np.int32)[kept],
        place_names=[name[:LONGEST_PLACE] for name in names],
        sharpness=np.array(columns["sharpness"], np.float32)[kept],
        hashes=np.array([found or 0 for found in columns["hashes"]], np.int64)[kept].view(np.uint64),
        flags=np.array(
            [
                _flags(*one)
                for one in zip(columns["media"], columns["precisions"], columns["names"], strict=True)
            ],
            np.uint8,
        )[kept],
        faces=_faces(columns, numbers, kept),
    )


def _flags(medium: str | None, precision: str | None, name: str | None) -> int:
    flags = PRECISIONS.get(precision, Flag(0))
    if medium == "video":
        flags |= Flag.VIDEO
    if name and name.lower().startswith(SCREENSHOTS):
        flags |= Flag.SCREENSHOT
    return int(flags)


def _faces(columns: Row, numbers: Mapping[str, int], kept: npt.NDArray[np.bool_]) -> Faces:
    """Faces of people who are known, in photos that are kept."""
    import numpy as np

    places = np.cumsum(kept) - 1
    photos = np.array(columns["face_photos"], np.int64)
    people = np.array([numbers.get(person, -1) for person in columns["face_people"]], np.int32)
    sizes = np.clip(np.nan_to_num(np.array(columns["face_sizes"], np.float32)), 0, 1)
    there = (people >= 0) & kept[photos] if len(photos) else np.zeros(0, bool)
    return Faces(photos=places[photos[there]], people=people[there], sizes=sizes[there])


async def earlier_of(context: Context) -> list[Earlier]:
    """What was told to the user within a season, and what is in the feed."""
    return [
        Earlier(
            id=row["id"],
            key=row["key"],
            kind=row["kind"],
            made_on=date.fromisoformat(row["told_on"]),
            is_live=row["is_live"],
            photos=row["photos"],
        )
        async for page in context.rows.pages("moments_earlier", {})
        for row in page
    ]


def find(
    photos: Photos, people: Sequence[Person], earlier: Sequence[Earlier], state: Mapping[str, Any]
) -> list[Moment]:
    """The moments of the day that the state says, as its settings want them."""
    from models.moments.finding import find_moments

    wanted = {one.name for one in fields(Settings)} & state.keys()
    return find_moments(
        photos,
        people,
        earlier=earlier,
        today=date.fromisoformat(state["today"]),
        zone=zone_of(state["zone"]),
        language=state["language"],
        settings=Settings(**{name: state[name] for name in wanted}),
    )


def zone_of(name: str) -> ZoneInfo:
    """UTC where this machine's time zones lack one that the database has."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


async def covered(context: Context, moments: Sequence[Moment]) -> list[Moment]:
    """The moments with covers that differ, as far as their photos' vectors are known."""
    import numpy as np

    from models.moments.covers import candidates_of, with_covers

    ids: list[str] = []
    vectors: list[npt.NDArray[np.float16]] = []
    for some in chunks(candidates_of(moments), VECTORS_AT_ONCE):
        for row in (await context.rows.call("moments_vectors", {"assets": some})).rows:
            ids.append(row["asset_id"])
            vectors.append(halves_of(row["vector"]))
    if not ids:
        return list(moments)
    return await asyncio.to_thread(lambda: with_covers(moments, ids, np.stack(vectors)))


def rows_of(moments: Iterable[Moment]) -> Iterator[dict[str, Any]]:
    """Moments and their photos as kizu.tell_moments takes them."""
    for moment in moments:
        yield {
            "key": moment.key,
            "kind": moment.kind,
            "title": moment.title[:LONGEST_TEXT],
            "subtitle": moment.subtitle[:LONGEST_TEXT],
            "first_at": _iso(moment.first),
            "last_at": _iso(moment.last),
            "covers": moment.covers,
            "criteria": moment.criteria,
            "score": moment.score,
            "updates": moment.updates,
            "cooldown_days": COOLDOWN_BY_KIND.get(moment.kind, COOLDOWN_DAYS),
        }
        for members in chunks(moment.photos, MEMBERS_OF_A_ROW):
            yield {"of": moment.key, "members": members}


def chunks(ids: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """The ids in order, at most so many at once."""
    return (ids[first : first + most] for first in range(0, len(ids), most))


def _iso(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()


HANDLER = Handler(
    kind="generate_moments",
    version="1",
    lane="ai",
    params=Params,
    run=generate_moments,
    about_asset=False,
    needs=frozenset(),
    timeout_seconds=900.0,
)
