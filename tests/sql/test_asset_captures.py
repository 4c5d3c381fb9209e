"""When and where a photo was taken: what files say, what people say, and who goes before whom."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack

TOLD = ("taken_at", "taken_at_offset_minutes", "taken_at_precision", "taken_at_source")
PLACED = ("latitude", "longitude", "place_source")
OLD, NEW = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(2024, 6, 1, 10, tzinfo=UTC)


def time(at: datetime, source: str = "original", **more: Any) -> dict[str, Any]:
    return {"taken_at": at.isoformat(), "taken_at_precision": "second", "taken_at_source": source, **more}


def place(latitude: float, longitude: float, source: str = "file") -> dict[str, Any]:
    return {"latitude": latitude, "longitude": longitude, "place_source": source}


class Photo:
    """One asset, at which jobs look and which its owner corrects."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.user = queue.user()
        self.id = queue.asset(self.user)

    def look(self, *rows: Mapping[str, Any], role: str = "service_role") -> str:
        """What settling answers to a worker of this role that has read this of the file."""
        kind = self.queue.kind()
        self.queue.enqueue(kind, self.user, self.id)
        with self.queue.acting(role, self.user):
            answer = self.queue.settle(
                self.queue.take(kind), writes=[{"table": "asset_captures", "rows": list(rows)}]
            )
        return str(answer["answer"])

    def edit(self, role: str = "authenticated", **columns: Any) -> None:
        """As the owner's app does through REST."""
        names = ", ".join(f"{name} = %s" for name in columns)
        with self.queue.acting(role, self.user):
            self.queue.db.execute(f"update assets set {names} where id = %s", (*columns.values(), self.id))

    def from_before(self, **columns: Any) -> None:
        """As the row was before sources were kept."""
        names = ", ".join(f"{name} = %s" for name in columns)
        self.queue.db.execute(f"update assets set {names} where id = %s", (*columns.values(), self.id))

    def columns(self, *names: str) -> tuple[Any, ...]:
        (row,) = self.queue.rows(f"select {', '.join(names)} from assets where id = %s", self.id)
        return tuple(row.values())


@pytest.fixture
def photo(queue: Any) -> Photo:
    return Photo(queue)


@pytest.mark.parametrize("role", ["authenticated", "kizu_worker", "service_role"])
def test_the_first_time_and_the_first_place_count(photo: Photo, role: str) -> None:
    answer = photo.look(
        time(NEW, taken_at_offset_minutes=120),
        time(OLD, "modified"),
        place(43.5, 11),
        place(1, 2, "sidecar"),
        role=role,
    )

    assert answer == "settled"
    assert photo.columns(*TOLD) == (NEW, 120, "second", "original")
    assert photo.columns(*PLACED) == (43.5, 11.0, "file")


def test_a_time_to_come_by_the_databases_clock_is_passed_over(photo: Photo) -> None:
    now = photo.queue.value("select kizu.now()")
    photo.look(time(now + timedelta(days=2)), time(now + timedelta(hours=14), "digitised"))
    assert photo.columns("taken_at_source") == ("digitised",)

    with photo.queue.db.transaction():
        photo.queue.db.execute("select set_config('kizu.test_now', '2010-01-01T00:00:00Z', true)")
        photo.queue.db.execute(
            "select kizu.write_capture(%s, %s, %s, null)",
            (
                Jsonb(
                    [
                        time(datetime(2010, 1, 3, tzinfo=UTC)),
                        time(datetime(2009, 12, 1, tzinfo=UTC), "modified"),
                    ]
                ),
                photo.user,
                photo.id,
            ),
        )
    assert photo.columns("taken_at", "taken_at_source") == (datetime(2009, 12, 1, tzinfo=UTC), "modified")


@pytest.mark.parametrize("role", ["authenticated", "service_role"])
def test_what_a_person_corrected_stays(photo: Photo, role: str) -> None:
    photo.look(time(OLD, taken_at_precision="day"), place(43.5, 11))
    photo.edit(role, taken_at=NEW)
    assert photo.columns(*TOLD) == (NEW, None, None, "person")
    assert photo.columns("place_source") == ("file",)
    photo.edit(role, latitude=48.1, longitude=11.5)

    photo.look(time(OLD), place(1, 2))
    photo.look()

    assert photo.columns(*TOLD) == (NEW, None, None, "person")
    assert photo.columns(*PLACED) == (48.1, 11.5, "person")


def test_a_person_may_say_how_much_is_known(photo: Photo) -> None:
    photo.look(time(OLD))
    photo.edit(taken_at=NEW, taken_at_precision="month")
    assert photo.columns(*TOLD) == (NEW, None, "month", "person")


def test_saying_the_same_again_corrects_nothing(photo: Photo) -> None:
    photo.look(time(OLD), place(43.5, 11))
    photo.edit(taken_at=OLD, latitude=43.5, longitude=11, location_name="Arezzo")
    assert photo.columns("taken_at_source", "place_source") == ("original", "file")


def test_an_app_may_say_where_it_has_a_time_from(photo: Photo) -> None:
    photo.edit(taken_at=OLD, taken_at_source="sidecar", latitude=1, longitude=2, place_source="sidecar")
    assert photo.columns("taken_at_source", "place_source") == ("sidecar", "sidecar")
    photo.look(time(NEW))
    assert photo.columns("taken_at", "latitude") == (NEW, None)


def test_what_a_person_takes_away_is_read_again(photo: Photo) -> None:
    photo.edit(taken_at=OLD, latitude=1, longitude=2)
    photo.edit(taken_at=None, latitude=None, longitude=None)
    assert photo.columns("taken_at_source", "place_source") == (None, None)
    photo.look(time(NEW), place(43.5, 11))
    assert photo.columns("taken_at", "latitude") == (NEW, 43.5)


def test_what_comes_with_a_new_asset_was_said_by_a_person(queue: Any, photo: Photo) -> None:
    with queue.acting("authenticated", photo.user):
        asset = queue.value(
            "insert into assets (path, media_type, taken_at, latitude, longitude)"
            " values (%s, 'document', %s, 1, 2) returning id",
            f"{photo.user}/new.jpg",
            OLD,
        )
        bare = queue.value(
            "insert into assets (path, media_type) values (%s, 'document') returning id",
            f"{photo.user}/bare.jpg",
        )
    sources = "select taken_at_source, place_source from assets where id = %s"
    assert queue.rows(sources, asset) == [{"taken_at_source": "person", "place_source": "person"}]
    assert queue.rows(sources, bare) == [{"taken_at_source": None, "place_source": None}]


def test_better_rules_replace_what_earlier_ones_read(photo: Photo) -> None:
    photo.look(time(OLD, "modified", taken_at_offset_minutes=60), place(1, 2))
    photo.look(time(NEW, "digitised"), place(43.5, 11, "sidecar"))
    assert photo.columns(*TOLD) == (NEW, None, "second", "digitised")
    assert photo.columns(*PLACED) == (43.5, 11.0, "sidecar")

    photo.look()
    assert photo.columns(*TOLD, *PLACED) == (None,) * 7


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([time(NEW), time(OLD, "modified")], "it is the last change of the file"),
        ([time(NEW), time(OLD + timedelta(hours=2), "digitised")], "it is no time in the file"),
        ([time(NEW)], "the file has another time"),
        ([], "the file has none"),
    ],
)
def test_a_time_from_before_is_replaced_if_the_file_says_it(
    photo: Photo, told: list[dict[str, Any]], why: str
) -> None:
    photo.from_before(taken_at=OLD)
    photo.look(*told)
    is_machine_made = any(row["taken_at"] == OLD.isoformat() for row in told)
    expected = (NEW, "original") if is_machine_made else (OLD, None)
    assert photo.columns("taken_at", "taken_at_source") == expected, why


def test_a_time_from_before_is_known_by_what_the_clock_showed(photo: Photo) -> None:
    """The satellites were once believed without a look at the longitude: 04:05 was read as 02:05 in UTC."""
    photo.from_before(taken_at=OLD - timedelta(hours=2), taken_at_offset_minutes=120)
    photo.look(time(OLD))
    assert photo.columns(*TOLD) == (OLD, None, "second", "original")


def test_a_place_from_before_stays_unless_it_is_the_same(photo: Photo) -> None:
    photo.from_before(latitude=48.1, longitude=11.5)
    photo.look(place(1, 2))
    assert photo.columns(*PLACED) == (48.1, 11.5, None)
    photo.look(place(48.1, 11.5))
    assert photo.columns(*PLACED) == (48.1, 11.5, "file")
    photo.look(place(1, 2))
    assert photo.columns(*PLACED) == (1.0, 2.0, "file")


def test_an_asset_whose_capture_is_deleted_is_still_there(photo: Photo) -> None:
    photo.look(time(OLD), place(43.5, 11))
    photo.queue.db.execute("delete from asset_captures where asset_id = %s", (photo.id,))
    assert photo.columns(*TOLD, *PLACED) == (None,) * 7

    photo.edit(taken_at=NEW, latitude=1, longitude=2)
    photo.queue.db.execute("delete from asset_captures where asset_id = %s", (photo.id,))
    assert photo.columns("taken_at", "latitude") == (NEW, 1.0)


def test_other_bytes_end_what_the_old_ones_said(photo: Photo) -> None:
    photo.look(time(OLD), place(43.5, 11))
    photo.edit(taken_at=NEW)
    photo.queue.db.execute("select kizu.renew(%s, 'other bytes')", (photo.id,))
    assert photo.columns("taken_at", "taken_at_source", *PLACED) == (NEW, "person", None, None, None)


def test_an_older_worker_still_fills_what_is_empty(photo: Photo) -> None:
    kind = photo.queue.kind()
    photo.queue.enqueue(kind, photo.user, photo.id)
    fill = {"taken_at": OLD.isoformat(), "latitude": 1, "longitude": 2}
    with photo.queue.acting("service_role"):
        photo.queue.settle(photo.queue.take(kind), writes=[{"table": "assets", "fill": fill}])
    assert photo.columns("taken_at", "taken_at_source", "place_source") == (OLD, None, None)


@pytest.mark.parametrize("how", ["set", "fill"])
@pytest.mark.parametrize(
    "column", [{"taken_at": NEW.isoformat()}, {"latitude": 7}, {"taken_at_source": "person"}], ids=str
)
def test_no_job_writes_over_what_a_person_said(photo: Photo, how: str, column: dict[str, Any]) -> None:
    """Not even with a stolen token of the narrow role, past the table that is meant for it."""
    photo.edit(taken_at=OLD, latitude=1, longitude=2)
    said = photo.columns(*TOLD, "latitude", "longitude", "place_source")
    kind = photo.queue.kind()
    photo.queue.enqueue(kind, photo.user, photo.id)
    with photo.queue.acting("kizu_worker"):
        photo.queue.settle(photo.queue.take(kind), writes=[{"table": "assets", how: column}])
    assert photo.columns(*TOLD, "latitude", "longitude", "place_source") == said


def test_no_job_says_that_a_person_said_something(photo: Photo) -> None:
    kind = photo.queue.kind()
    photo.queue.enqueue(kind, photo.user, photo.id)
    with photo.queue.acting("kizu_worker"):
        fill = {"taken_at": OLD.isoformat(), "taken_at_source": "person"}
        photo.queue.settle(photo.queue.take(kind), writes=[{"table": "assets", "fill": fill}])
    assert photo.columns("taken_at_source") == (None,)


def test_a_job_writes_the_photo_of_its_own_user(photo: Photo) -> None:
    other = Photo(photo.queue)
    assert photo.look({**time(OLD), "asset_id": other.id, "user_id": other.user}) == "settled"
    assert photo.columns("taken_at") == (OLD,)
    assert other.columns("taken_at") == (None,)
    assert photo.look(time(OLD, "hearsay")) == "refused"
    assert photo.look(time(OLD, "person")) == "refused"


def test_a_claim_tells_what_is_known_of_the_file_beside_its_bytes(queue: Any, photo: Photo) -> None:
    queue.db.execute(
        "update assets set file_name = 'IMG-20240601-WA0001.jpg', file_modified_at = %s where id = %s",
        (NEW, photo.id),
    )
    for number in range(6):
        queue.db.execute(
            "insert into asset_parts (user_id, asset_id, kind, path, created_at) values (%s, %s, %s, %s, %s)",
            (
                photo.user,
                photo.id,
                "sidecar" if number else "raw",
                f"{photo.user}/{number}",
                NEW + timedelta(seconds=number),
            ),
        )
    kind = queue.kind()
    queue.enqueue(kind, photo.user, photo.id)
    known = queue.take(kind)["asset"]
    assert known["file_name"] == "IMG-20240601-WA0001.jpg"
    assert known["file_modified_at"] == "2024-06-01T10:00:00+00:00"
    assert known["sidecars"] == [f"{photo.user}/{number}" for number in (1, 2, 3, 4)]


def test_the_camera_is_what_the_last_look_says(photo: Photo, queue: Any) -> None:
    assert photo.look(time(NEW), {"camera": "Google Pixel 7"}) == "settled"
    assert photo.columns("camera", "taken_at") == ("Google Pixel 7", NEW)
    assert photo.look(time(NEW), {"camera": "Canon EOS R5"}) == "settled"
    assert photo.columns("camera") == ("Canon EOS R5",)
    assert photo.look(time(NEW)) == "settled"
    assert photo.columns("camera", "taken_at") == (None, NEW)
    photo.look({"camera": "Canon EOS R5"})
    queue.db.execute("delete from asset_captures where asset_id = %s", [photo.id])
    assert photo.columns("camera") == (None,)


@pytest.mark.parametrize("camera", ["x" * 101, "x" * 100_000])
def test_a_camera_with_too_long_a_name_is_refused(photo: Photo, camera: str) -> None:
    assert photo.look({"camera": camera}) != "settled"
    assert photo.columns("camera") == (None,)
