"""Names and zones of places where photos were taken: who said them, what may replace them, and who asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import acting

pytestmark = pytest.mark.stack

NAMED = ("location_name", "location_source", "located_by")
TIMED = ("taken_at", "taken_at_offset_minutes", "taken_at_zone")
WALL = datetime(2024, 6, 1, 20, tzinfo=UTC)
"""What a camera's clock showed, as if it were UTC."""
ROME = {
    "latitude": 41.9,
    "longitude": 12.5,
    "place_source": "file",
    "location_name": "Rome, Lazio, Italy",
    "located_by": "data-1/en",
}
PARIS = ROME | {"latitude": 48.9, "longitude": 2.3, "location_name": "Paris, Île-de-France, France"}


def in_rome(wall: datetime = WALL) -> dict[str, Any]:
    """The time by a clock in Rome in summer."""
    return {
        "taken_at": (wall - timedelta(hours=2)).isoformat(),
        "taken_at_offset_minutes": 120,
        "taken_at_zone": "Europe/Rome",
        "taken_at_precision": "second",
        "taken_at_source": "original",
    }


class Library:
    """One user's photos: what jobs find, and what their owner says."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.user = queue.user()
        self.id = queue.asset(self.user)
        queue.db.execute("delete from jobs where job_type = 'locate_photos'")

    def look(self, *rows: dict[str, Any], asset: str | None = None) -> None:
        """As a worker of the narrow role settles what it has read of the file."""
        kind = self.queue.kind()
        self.queue.enqueue(kind, self.user, asset or self.id)
        with self.queue.acting("kizu_worker"):
            write = {"table": "asset_captures", "rows": list(rows)}
            assert self.queue.settle(self.queue.take(kind), writes=[write])["answer"] == "settled"

    def edit(self, role: str = "authenticated", **columns: Any) -> None:
        names = ", ".join(f"{name} = %s" for name in columns)
        with self.queue.acting(role, self.user):
            self.queue.db.execute(f"update assets set {names} where id = %s", (*columns.values(), self.id))

    def columns(self, *names: str, asset: str | None = None) -> tuple[Any, ...]:
        (row,) = self.queue.rows(f"select {', '.join(names)} from assets where id = %s", asset or self.id)
        return tuple(row.values())

    def asked(self) -> list[tuple[str, Any, bool]]:
        return [
            (row["status"], row["params"], row["later"])
            for row in self.queue.rows(
                "select status, params, run_at > kizu.now() as later from jobs"
                " where job_type = 'locate_photos' and user_id = %s order by created_at, id",
                self.user,
            )
        ]

    def take(self) -> Any:
        self.queue.db.execute("set kizu.test_now = '2100-01-01'")
        job = self.queue.take("locate_photos")
        self.queue.db.execute("reset kizu.test_now")
        return job

    def read(self, job: Any, **args: Any) -> list[dict[str, Any]]:
        """Every page of the verb."""
        found: list[dict[str, Any]] = []
        while True:
            with self.queue.acting("kizu_worker"):
                page = self.queue.value(
                    "select read_for_job('w1', 'ai_processing_jobs', %s, %s, 'places', %s)",
                    job["id"],
                    job["epoch"],
                    Jsonb(args),
                )
            found += page["rows"]
            if page["next"] is None:
                return found
            args["after"] = page["next"]

    def settle(self, job: Any, rows: Iterable[dict[str, Any]]) -> str:
        with self.queue.acting("kizu_worker"):
            write = {"table": "asset_places", "rows": list(rows)}
            return str(self.queue.settle(job, writes=[write])["answer"])

    def locate(self, *, again: bool = False, **found: Any) -> None:
        """Asks, and answers each photo that is to be looked up with this."""
        with self.queue.acting("authenticated", self.user):
            self.queue.value("select locate_photos(p_again => %s)", again)
        job = self.take()
        rows = self.read(job, again=again, version=found.get("located_by"))
        given = [{name: row[name] for name in ("asset_id", "latitude", "longitude", "was")} for row in rows]
        assert self.settle(job, [{**row, **found} for row in given]) == "settled"


@pytest.fixture
def library(queue: Any) -> Library:
    return Library(queue)


def test_a_place_without_a_name_gets_one_with_the_look_at_its_file(library: Library) -> None:
    library.look(in_rome(), ROME)
    assert library.columns(*NAMED) == ("Rome, Lazio, Italy", "map", "data-1/en")
    assert library.columns(*TIMED) == (WALL - timedelta(hours=2), 120, "Europe/Rome")
    assert library.asked() == [], "no other job is needed"


@pytest.mark.parametrize("role", ["authenticated", "service_role"])
def test_a_persons_name_for_a_place_stays(library: Library, role: str) -> None:
    library.look(ROME)
    library.edit(role, location_name="Nonna's kitchen")
    library.look(ROME | {"location_name": "Roma", "located_by": "data-2/en"})
    assert library.columns(*NAMED) == ("Nonna's kitchen", "person", "data-2/en")
    library.locate(again=True, location_name="Rome", located_by="data-3/en")
    assert library.columns(*NAMED) == ("Nonna's kitchen", "person", "data-3/en")


def test_a_name_from_before_may_be_a_persons_and_stays(library: Library) -> None:
    library.queue.db.execute("update assets set location_name = 'Home' where id = %s", [library.id])
    library.look(ROME)
    assert library.columns(*NAMED) == ("Home", None, "data-1/en")


def test_better_data_replaces_what_earlier_data_said(library: Library) -> None:
    library.look(in_rome(), ROME)
    library.locate(location_name="never", located_by="data-2/en")
    assert library.columns(*NAMED) == ("Rome, Lazio, Italy", "map", "data-1/en"), "it was looked up"
    library.locate(again=True, location_name="Rom, Latium, Italien", located_by="data-1/de")
    assert library.columns(*NAMED) == ("Rom, Latium, Italien", "map", "data-1/de")
    library.locate(again=True, location_name="never", located_by="data-1/de")
    assert library.columns(*NAMED) == ("Rom, Latium, Italien", "map", "data-1/de"), "it is in that data"


def test_a_name_that_a_person_takes_away_may_be_looked_up_again(library: Library) -> None:
    library.edit(location_name="Home", latitude=41.9, longitude=12.5)
    assert library.columns(*NAMED) == ("Home", "person", None)
    library.edit(location_name=None)
    assert library.columns(*NAMED) == (None, None, None)
    library.locate(location_name="Rome", located_by="data-1/en")
    assert library.columns(*NAMED) == ("Rome", "map", "data-1/en")


def test_a_place_at_sea_is_looked_up_once(library: Library) -> None:
    library.look(ROME | {"location_name": ""})
    assert library.columns(*NAMED) == (None, None, "data-1/en")
    library.locate(location_name="never", located_by="data-2/en")
    assert library.columns("location_name") == (None,)


def test_a_file_that_says_another_place_by_now_takes_the_old_name_along(library: Library) -> None:
    library.look(ROME)
    library.look(PARIS)
    assert library.columns("location_name") == ("Paris, Île-de-France, France",)
    library.look()
    assert library.columns("latitude", *NAMED) == (None, None, None, None)


def test_a_worker_without_data_leaves_the_name_of_the_same_place_to_others(library: Library) -> None:
    library.look(in_rome(), ROME)
    bare = {name: ROME[name] for name in ("latitude", "longitude", "place_source")}
    library.look(
        {**in_rome(WALL + timedelta(hours=2)), "taken_at_offset_minutes": None, "taken_at_zone": None}, bare
    )
    assert library.columns(*NAMED) == ("Rome, Lazio, Italy", "map", None)
    assert library.columns(*TIMED) == (WALL, None, None)
    library.locate(location_name="Rome", located_by="data-1/en")
    assert library.columns(*NAMED) == ("Rome", "map", "data-1/en")


def test_other_bytes_end_the_name_and_the_zone(library: Library) -> None:
    library.look(in_rome(), ROME)
    library.queue.db.execute("select kizu.renew(%s, 'other bytes')", (library.id,))
    assert library.columns(*NAMED, *TIMED) == (None,) * 6


def test_what_apps_bring_is_asked_about_once(library: Library) -> None:
    with library.queue.acting("authenticated", library.user):
        library.queue.db.execute(
            "insert into assets (path, media_type, latitude, longitude)"
            " select %s || n, 'document', case when n < 40 then n end, n from generate_series(1, 50) as n",
            [f"{library.user}/"],
        )
    assert library.asked() == [("pending", {}, True)]
    job = library.take()
    assert [row["latitude"] for row in library.read(job, limit=7)] == sorted(
        [float(n) for n in range(1, 40)], key=lambda n: library.queue.value(
            "select id from assets where user_id = %s and latitude = %s", library.user, n
        )
    )  # fmt: skip


def test_what_comes_while_a_request_is_claimed_is_looked_up(
    library: Library, connect: Callable[[], psycopg.Connection]
) -> None:
    library.edit(latitude=1, longitude=2)
    library.queue.db.execute("update jobs set run_at = kizu.now() where job_type = 'locate_photos'")
    other = connect()
    with acting(other, "authenticated", library.user):
        other.execute(
            "insert into assets (path, media_type, latitude, longitude) values (%s, 'document', 3, 4)",
            [f"{library.user}/x"],
        )
        for job in library.queue.claim("locate_photos")["jobs"]:
            assert [row["latitude"] for row in library.read(job)] == [1]
    assert "pending" in [asked[0] for asked in library.asked()]


def test_what_has_no_place_asks_for_nothing(library: Library) -> None:
    with library.queue.acting("authenticated", library.user):
        library.queue.db.execute(
            "insert into assets (path, media_type) values (%s, 'document')", [f"{library.user}/x"]
        )
    library.edit(location_name="Home")
    library.edit(taken_at=WALL)
    assert library.asked() == []


def test_a_corrected_place_loses_its_name_and_is_looked_up(library: Library) -> None:
    library.look(in_rome(), ROME)
    library.edit(latitude=40.7, longitude=-74.0)
    assert library.columns(*NAMED) == (None, None, None)
    assert library.asked() == [("pending", {}, True)]
    job = library.take()
    (row,) = library.read(job)
    assert (row["wall"], row["taken_at"]) == ("2024-06-01 20:00:00", None)
    new_york = {
        "location_name": "New York City, United States",
        "located_by": "data-1/en",
        "taken_at": (WALL + timedelta(hours=4)).isoformat(),
        "taken_at_offset_minutes": -240,
        "taken_at_zone": "America/New_York",
    }
    given = {name: row[name] for name in ("asset_id", "latitude", "longitude", "was")}
    assert library.settle(job, [given | new_york]) == "settled"
    assert library.columns(*NAMED) == ("New York City, United States", "map", "data-1/en")
    assert library.columns(*TIMED) == (WALL + timedelta(hours=4), -240, "America/New_York")
    assert library.columns("taken_at_source", "place_source") == ("original", "person")

    library.look(in_rome(), ROME)
    assert library.columns("latitude", *NAMED[:2]) == (40.7, "New York City, United States", "map")
    assert [asked[0] for asked in library.asked()] == ["completed", "pending"], "its zone is that of the file"


@pytest.mark.parametrize("role", ["authenticated", "service_role"])
def test_many_places_that_are_corrected_together_are_asked_about_once(
    queue: Any, library: Library, role: str
) -> None:
    other = queue.user()
    for owner in (library.user, library.user, other):
        queue.db.execute("update assets set latitude = 1, longitude = 2 where id = %s", (queue.asset(owner),))
    with queue.acting(role, library.user):
        plan = queue.value(
            "explain (analyze, format json)"
            " update assets set latitude = 3, longitude = 4 where user_id = any (%s)",
            [library.user, other],
        )
    calls = {trigger["Trigger Name"]: trigger["Calls"] for trigger in plan[0]["Triggers"]}
    assert calls["other_places_are_noted"] == 1
    assert library.asked() == [("pending", {}, True)]
    assert queue.rows(
        "select user_id::text from jobs where job_type = 'locate_photos' and user_id = %s", other
    ) == ([] if role == "authenticated" else [{"user_id": other}])


@pytest.mark.parametrize("source", ["original", "satellite"])
@pytest.mark.parametrize(
    "taken_at", ["infinity", "-infinity", "0044-03-15 BC", "12000-01-01", "0001-01-01", "9999-12-31 23:59"]
)
def test_a_time_that_no_calendar_has_keeps_no_photo_from_its_place(
    library: Library, taken_at: str, source: str
) -> None:
    library.edit(
        latitude=35.7,
        longitude=139.7,
        taken_at=taken_at,
        taken_at_source=source,
        taken_at_precision="second",
    )
    (row,) = library.read(library.take())
    assert (row["latitude"], row["wall"], row["taken_at"]) == (35.7, None, None)


def test_what_changes_while_it_is_looked_up_stays_as_it_is(library: Library) -> None:
    library.edit(latitude=41.9, longitude=12.5)
    job = library.take()
    (row,) = library.read(job)
    library.edit(latitude=48.9, longitude=2.3, taken_at=WALL)
    stale = {name: row[name] for name in ("asset_id", "latitude", "longitude", "was")}
    library.settle(job, [{**stale, "location_name": "Rome", "located_by": "data-1/en"}])
    assert library.columns("latitude", *NAMED) == (48.9, None, None, None)
    assert [asked[0] for asked in library.asked()] == ["completed", "pending"]


@pytest.mark.parametrize(
    ("source", "precision", "offset", "wall", "instant"),
    [
        ("original", "second", None, True, False),
        ("digitised", "minute", None, True, False),
        ("modified", "second", None, True, False),
        ("satellite", "second", None, False, True),
        ("file_time", "second", None, False, True),
        ("sidecar", "second", None, False, False),
        ("file_name", "second", None, False, False),
        ("original", "day", None, False, False),
        ("original", "second", 60, False, False),
        ("original", "second", 0, False, False),
        ("person", "second", None, False, False),
        (None, "second", None, False, False),
    ],
)
def test_only_times_without_an_offset_get_one_from_the_place(
    library: Library, source: str | None, precision: str, offset: int | None, wall: bool, instant: bool
) -> None:
    library.queue.db.execute(
        "update assets set taken_at = %s, taken_at_source = %s, taken_at_precision = %s,"
        " taken_at_offset_minutes = %s, latitude = 41.9, longitude = 12.5 where id = %s",
        (WALL, source, precision, offset, library.id),
    )
    with library.queue.acting("authenticated", library.user):
        library.queue.value("select locate_photos()")
    job = library.take()
    (row,) = library.read(job)
    assert (row["wall"] is not None, row["taken_at"] is not None) == (wall, instant)
    if offset is not None or source == "person":
        forged = {"asset_id": library.id, "latitude": 41.9, "longitude": 12.5, "was": row["was"]}
        zone = {
            "taken_at": "2001-01-01T00:00:00Z",
            "taken_at_offset_minutes": 1,
            "taken_at_zone": "Europe/Rome",
        }
        library.settle(job, [forged | zone | {"located_by": "data-1/en"}] if offset is not None else [])
        assert library.columns("taken_at", "taken_at_offset_minutes") == (WALL, offset)


def test_a_persons_time_has_no_zone_of_the_place(library: Library) -> None:
    library.look(in_rome(), ROME)
    library.edit(taken_at=WALL)
    assert library.columns("taken_at_source", "taken_at_zone") == ("person", None)


def test_nobody_looks_up_somebody_elses_photos(queue: Any, library: Library) -> None:
    other = Library(queue)
    other.edit(latitude=41.9, longitude=12.5)
    library.edit(latitude=41.9, longitude=12.5)
    queue.db.execute("delete from jobs where job_type = 'locate_photos' and user_id = %s", [other.user])
    job = library.take()
    assert [row["asset_id"] for row in library.read(job)] == [library.id]
    forged = {"asset_id": other.id, "user_id": other.user, "latitude": 41.9, "longitude": 12.5}
    library.settle(job, [{**forged, "location_name": "mine", "located_by": "data-1/en"}])
    assert other.columns(*NAMED) == (None, None, None)


def test_users_ask_for_themselves_and_the_service_for_anybody(queue: Any, library: Library) -> None:
    ben = queue.user()
    with queue.acting("authenticated", ben), pytest.raises(psycopg.DatabaseError, match="not_found"):
        queue.value("select locate_photos(%s)", library.user)
    with queue.acting("service_role"), pytest.raises(psycopg.DatabaseError, match="bad_params"):
        queue.value("select locate_photos()")
    with queue.acting("service_role"):
        first = queue.value("select locate_photos(%s)", library.user)
        assert first["status"] == "enqueued"
    with queue.acting("authenticated", library.user):
        assert queue.value("select locate_photos()") == {"id": first["id"], "status": "already_queued"}
        assert queue.value("select locate_photos(p_again => true)")["status"] == "enqueued"
    assert library.asked() == [("pending", {}, False), ("pending", {"again": True}, False)]
    library.take()
    library.take()
    with queue.acting("authenticated", library.user):
        assert queue.value("select locate_photos()")["status"] == "enqueued", "what runs may have passed by"
        assert queue.value("select locate_photos()")["status"] == "already_queued"


def test_a_claim_tells_the_language_of_names(queue: Any, library: Library) -> None:
    kind = queue.kind()
    queue.enqueue(kind, library.user, library.id)
    assert queue.take(kind)["asset"]["language"] == "en"


def test_names_are_looked_up_anew_in_another_language(queue: Any, library: Library) -> None:
    def says(**settings: str) -> int:
        with queue.acting("authenticated", library.user):
            queue.value("select set_moment_settings(%s)", Jsonb(settings))
        again = (
            "select count(*) from jobs where user_id = %s and job_type = 'locate_photos' and params ? 'again'"
        )
        return int(queue.value(again, library.user))

    assert says(language="de") == 0, "there is no place"
    library.look(ROME)
    assert says(language="de") == 0
    assert says(language="en") == 1
    kind = queue.kind()
    assert says(language="de") == 1
    queue.enqueue(kind, library.user, library.id)
    assert queue.take(kind)["asset"]["language"] == "de"


def test_a_photo_is_found_by_its_place(queue: Any, library: Library) -> None:
    library.look(ROME)
    part = {"kind": "place", "name": "Rome"}
    assert queue.value("select kizu.assets_at(%s, %s)", library.user, Jsonb(part)) != []
    with queue.acting("authenticated", library.user):
        places = queue.rows("select location_name from assets where location_name is not null")
    assert places == [{"location_name": "Rome, Lazio, Italy"}]
    names = queue.rows("select name from kizu.known_words(%s, 10) where kind = 'place'", library.user)
    assert names == [{"name": "Rome, Lazio, Italy"}]


@pytest.mark.parametrize("again", [False, True])
def test_a_page_of_places_reads_the_photos_on_it(queue: Any, library: Library, again: bool) -> None:
    queue.db.execute(
        "insert into assets (user_id, path, media_type, latitude, longitude)"
        " select %s, %s || n, 'document', 41.9, 12.5 from generate_series(1, 3000) as n",
        (library.user, f"{library.user}/"),
    )
    queue.db.execute("analyze assets")
    reads = (
        "select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::int"
        " from pg_stat_xact_user_tables where relname = 'assets'"
    )
    with queue.db.transaction():
        before = queue.value(reads)
        args = {"limit": 50, "again": again, "version": "data-1/en"}
        page = queue.value("select kizu.read_places(%s, %s)", library.user, Jsonb(args))
        assert len(page["rows"]) == 50
        assert queue.value(reads) - before <= 3 * 50


def resolve(library: Library, **others: Any) -> None:
    """The library's photo is kept, and another one of it, with these columns, removed."""
    removed = library.queue.asset(library.user)
    names = ", ".join(f"{name} = %s" for name in others)
    with library.queue.acting("authenticated", library.user):
        library.queue.db.execute(f"update assets set {names} where id = %s", (*others.values(), removed))
        library.queue.value("select resolve_duplicates(%s, %s::uuid[])", library.id, [removed])


def test_a_place_that_comes_from_a_duplicate_has_its_own_name(library: Library) -> None:
    library.look(in_rome(), ROME)
    resolve(library, latitude=48.9, longitude=2.3)
    assert library.columns("latitude", "place_source", *NAMED) == (48.9, "person", None, None, None)
    assert ("pending", {}, True) in library.asked()


def test_a_place_that_comes_from_a_duplicate_brings_its_name(library: Library) -> None:
    library.look(in_rome(), ROME)
    resolve(library, latitude=48.8, longitude=2.2, location_name="Versailles")
    assert library.columns("latitude", *NAMED) == (48.8, "Versailles", "person", None)


def test_a_name_that_a_person_said_stays_when_a_place_comes_from_a_duplicate(library: Library) -> None:
    library.look(in_rome(), ROME)
    library.edit(location_name="Nonna's")
    resolve(library, latitude=48.9, longitude=2.3)
    assert library.columns("latitude", *NAMED) == (48.9, "Nonna's", "person", None)


def test_a_name_from_a_duplicate_is_what_it_was_there(library: Library) -> None:
    other = library.queue.asset(library.user)
    library.look(ROME, asset=other)
    library.queue.value("select resolve_duplicates(%s, %s::uuid[], %s)", library.id, [other], library.user)
    assert library.columns("latitude", *NAMED) == (41.9, "Rome, Lazio, Italy", "map", None)


def test_a_persons_time_from_a_duplicate_has_no_zone_of_the_place(library: Library) -> None:
    library.look(in_rome(), ROME)
    resolve(library, taken_at=WALL, taken_at_offset_minutes=-300, taken_at_precision="second")
    assert library.columns(*TIMED, "taken_at_source") == (WALL, -300, None, "person")
    with library.queue.acting("authenticated", library.user):
        library.queue.value("select locate_photos(p_again => true)")
    (row,) = library.read(library.take(), again=True)
    assert row["wall"] is None
