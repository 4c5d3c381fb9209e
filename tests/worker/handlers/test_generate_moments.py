"""What the handler makes of what it reads: columns for the engine, rows for the database."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from models.moments.moment import Moment
from models.moments.photos import NO_OFFSET, NO_TIME, Flag
from worker.context import Context
from worker.core.errors import TooLarge
from worker.core.job import Done, Job, Replace, Staged
from worker.core.record import Record
from worker.handlers import generate_moments as module
from worker.handlers.generate_moments import HANDLER, NOTHING, chunks, page_of, rows_of, zone_of
from worker.settings import Settings
from worker.testing import MemoryRows, MemoryStaging

STATE = {
    "enabled": True,
    "zone": "Europe/Lisbon",
    "language": "en",
    "auto_delete_days": 7,
    **dict.fromkeys(("location", "people", "events", "on_this_day", "then_and_now"), True),
    **dict.fromkeys(("trips", "birthdays", "reviews", "named_people_only", "notify"), True),
    "moments_time": "09:00:00",
    "today": "2026-07-15",
    "last_story": 7,
    "model_version": "m",
}
NOON = int(datetime(2026, 7, 14, 12, tzinfo=UTC).timestamp())
HASH = -(2**63)
"""The signed number of the hash whose first bit alone is set."""


def columns(*photos: Mapping[str, Any], **faces: Any) -> dict[str, Any]:
    """A row of `moments_photos`."""
    usual = {
        **dict.fromkeys(
            ("offset", "latitude", "longitude", "place", "sharpness", "hash", "precision", "name")
        ),
        "time": NOON,
        "medium": "image",
    }
    full = [{**usual, **photo} for photo in photos]
    names = {
        "ids": "id",
        "times": "time",
        "offsets": "offset",
        "latitudes": "latitude",
        "longitudes": "longitude",
        "places": "place",
        "sharpness": "sharpness",
        "hashes": "hash",
        "media": "medium",
        "precisions": "precision",
        "names": "name",
    }
    return {
        **NOTHING,
        **{column: [photo[name] for photo in full] for column, name in names.items()},
        **faces,
    }


def vector(*numbers: float) -> str:
    """As halfvec_send has it."""
    return base64.b64encode(struct.pack(f">HH{len(numbers)}e", len(numbers), 0, *numbers)).decode()


class Told:
    """A job that ended: its outcome, the rows that it staged, and what it asked for."""

    def __init__(self, done: Done, staging: MemoryStaging, asked: list[Any], steps: list[int]) -> None:
        self.done, self.asked, self.steps = done, asked, steps
        self.rows: list[Any] = []
        if done.writes:
            [self.write] = done.writes
            assert isinstance(self.write, Replace)
            assert isinstance(self.write.rows, Staged)
            self.rows = staging.rows(self.write.rows)


Run = Callable[..., Any]


@pytest.fixture
def run() -> Run:
    async def run(*pages: Mapping[str, Any], **verbs: Any) -> Told:
        asked: list[Any] = []

        def vectors(args: Mapping[str, Any]) -> Sequence[Any]:
            asked.append(args["assets"])
            return verbs.get("vectors", ())

        told = {"state": [STATE], "people": (), "earlier": (), "photos": pages, **verbs}
        del told["photos"]
        readers = {f"moments_{name}": lambda _, rows=rows: rows for name, rows in told.items()}
        readers |= {"moments_photos": lambda _: pages, "moments_vectors": vectors}
        staging, steps = MemoryStaging(), list[int]()
        context: Any = Context(
            job=Job(table="t", id=UUID(int=1), kind=HANDLER.kind, user_id=UUID(int=2), epoch=1),
            rows=MemoryRows(readers),
            staging=staging,
            settings=Settings(supabase_url="http://127.0.0.1:1"),
            record=Record(),
            progress=lambda percent, _: steps.append(percent),
            **dict.fromkeys(("files", "models", "generations", "pixels", "pictures")),
        )
        return Told(await HANDLER.perform(context.job, context), staging, asked, steps)

    return run


def event(count: int = 6) -> dict[str, Any]:
    return columns(*({"id": f"p{number}", "time": NOON + 300 * number} for number in range(count)))


def test_columns_are_those_of_the_engine() -> None:
    read = columns(
        {"id": "a", "offset": 60, "latitude": 0, "longitude": 0, "place": "Lisbon", "sharpness": 3.5},
        {"id": "b", "time": None, "latitude": 1, "hash": HASH, "precision": "day", "medium": "video"},
        {"id": "document", "medium": None, "place": "Nowhere"},
        {"id": "c", "place": "Lisbon", "precision": "year", "name": "Screenshot_2026.png"},
        {"id": "seen"},
        face_photos=[3, 0, 2, 1],
        face_people=["ann", "ben", "ann", "stranger"],
        face_sizes=[0.25, None, 0.5, 0.5],
    )
    seen = {"seen"}
    page = page_of(read, {"ann": 0, "ben": 1}, seen)
    assert page.ids.tolist() == ["a", "b", "c"]
    assert page.times.tolist() == [NOON, NO_TIME, NOON]
    assert page.offsets.tolist() == [60, NO_OFFSET, NO_OFFSET]
    assert page.latitudes.tolist()[0] == 0
    assert np.isnan(page.latitudes[1:]).all(), "one coordinate alone is no place"
    assert [page.place_names[place] if place >= 0 else None for place in page.places] == [
        "Lisbon",
        None,
        "Lisbon",
    ]
    assert page.sharpness.tolist()[0] == 3.5
    assert np.isnan(page.sharpness[1])
    assert page.hashes.tolist() == [0, 2**63, 0]
    assert page.flags.tolist() == [0, Flag.DAY_ONLY | Flag.VIDEO, Flag.COARSE_TIME | Flag.SCREENSHOT]
    assert (page.faces.photos.tolist(), page.faces.people.tolist()) == ([2, 0], [0, 1])
    assert page.faces.sizes.tolist() == [0.25, 0]
    assert seen == {"seen", "a", "b", "c", "document"}


def test_moments_are_staged_in_rows_that_fit_a_page() -> None:
    moment = Moment(
        kind="on_this_day",
        key="k",
        title="t" * 600,
        subtitle="s",
        first=-1,
        last=None,
        place=None,
        people=(),
        photos=tuple(str(UUID(int=number)) for number in range(45)),
        candidates=(),
        covers=("c",),
        score=0.5,
        expires_on=datetime(2026, 1, 1, tzinfo=UTC).date(),
        criteria={"a": 1},
    )
    story, *pages = rows_of([moment])
    assert story == {
        "key": "k",
        "kind": "on_this_day",
        "title": "t" * 500,
        "subtitle": "s",
        "first_at": "1969-12-31T23:59:59+00:00",
        "last_at": None,
        "covers": ("c",),
        "criteria": {"a": 1},
        "score": 0.5,
        "updates": None,
        "cooldown_days": 7,
    }
    assert [len(page["members"]) for page in pages] == [20, 20, 5]
    assert tuple(one for page in pages for one in page["members"]) == moment.photos
    assert len(json.dumps([pages[0]] * 1000)) < 1_048_576


async def test_an_event_is_found_and_written(run: Run) -> None:
    told = await run(event())
    assert told.done.result == {"moments_generated": 1, "moments_created": 1}
    story, members = told.rows
    assert (story["kind"], story["updates"], members["of"]) == ("event", None, story["key"])
    assert list(members["members"]) == [f"p{number}" for number in range(6)]
    scope = told.write.scope
    assert (told.write.table, scope["last_story"], scope["today"]) == ("moments", 7, "2026-07-15")
    assert scope["notice"]["many"]["title"] == "New Moments Available"
    assert told.steps == sorted(told.steps), "progress never runs backwards"


async def test_vectors_are_read_of_candidates_alone(run: Run) -> None:
    rows = [{"asset_id": f"p{number}", "vector": vector(*np.eye(8)[number])} for number in range(8)]
    told = await run(event(8), columns({"id": "alone", "time": NOON - 10**7}), vectors=rows)
    assert [sorted(ids) for ids in told.asked] == [[f"p{number}" for number in range(8)]]
    [story] = [row for row in told.rows if "key" in row]
    assert len(set(story["covers"])) == 6


async def test_without_vectors_covers_are_spread_over_time(run: Run) -> None:
    told = await run(event(12))
    assert len(told.rows[0]["covers"]) == 6


async def test_pages_are_one_library(run: Run) -> None:
    told = await run(*(columns({"id": f"p{number}", "time": NOON + 300 * number}) for number in range(6)))
    assert told.done.result["moments_generated"] == 1


async def test_who_has_turned_moments_off_is_skipped(run: Run) -> None:
    told = await run(event(), state=[{**STATE, "enabled": False}])
    assert told.done == Done(result={"skipped": True, "reason": "moments_disabled"})


async def test_who_never_had_photos_has_no_moments(run: Run) -> None:
    told = await run(state=[])
    assert told.done == Done(result={"moments_generated": 0, "moments_created": 0})


@pytest.mark.parametrize(
    ("switch", "kind"),
    [
        ("events", "event"),
        ("people", "people"),
        ("on_this_day", "on_this_day"),
        ("then_and_now", "then_and_now"),
        ("birthdays", "birthday"),
    ],
)
async def test_a_switch_removes_its_type(run: Run, switch: str, kind: str) -> None:
    """Photos of somebody named, of today's day in other years, of their birthday, and of an event."""
    years = [datetime(year, 7, 15, 10, tzinfo=UTC) for year in (2018, 2021, 2024)]
    days = [*years, *(datetime(2026, 7, day, 12, tzinfo=UTC) for day in (3, 10, 14))]
    times = [int((day + timedelta(minutes=n)).timestamp()) for day in days for n in range(0, 50, 10)]
    photos = [{"id": f"p{number}", "time": time} for number, time in enumerate(times)]
    page = columns(
        *photos,
        face_photos=list(range(len(photos))),
        face_people=["ann"] * len(photos),
        face_sizes=[0.2] * len(photos),
    )
    ann = {"id": "ann", "contact_id": "ann", "cluster_id": None, "name": "Ann", "birth_date": "1990-07-15"}

    async def kinds(**settings: bool) -> set[str]:
        told = await run(page, people=[ann], state=[{**STATE, **settings}])
        return {row["kind"] for row in told.rows if "kind" in row}

    others = dict.fromkeys(("events", "people", "on_this_day", "then_and_now", "birthdays"), False)
    assert kind in await kinds(**{**others, switch: True})
    assert kind not in await kinds(**{switch: False})


async def test_what_was_told_is_told_again_as_an_update(run: Run) -> None:
    first = await run(event())
    story = first.rows[0]
    earlier = {
        "id": "moment",
        "key": story["key"],
        "kind": "event",
        "told_on": "2026-07-15",
        "is_live": True,
        "photos": [f"p{number}" for number in range(6)],
    }
    again = await run(event(), earlier=[earlier])
    assert again.done.result == {"moments_generated": 1, "moments_created": 0}
    assert again.rows[0]["updates"] == "moment"
    gone = await run(event(), earlier=[{**earlier, "is_live": False, "told_on": "2026-07-01"}])
    assert story["key"] not in [row.get("key") for row in gone.rows]


async def test_a_library_that_is_too_large_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PHOTOS", 5)
    with pytest.raises(TooLarge):
        await run(event())


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "/etc/localtime", ""])
def test_a_zone_that_is_not_here_is_utc(name: str) -> None:
    assert zone_of(name).key == "UTC"


def test_chunks_leave_nothing_out() -> None:
    assert list(chunks(["a", "b", "c"], 2)) == [["a", "b"], ["c"]]
    assert list(chunks([], 2)) == []
