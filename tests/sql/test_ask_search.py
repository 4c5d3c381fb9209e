"""What a user's words mean: asked of a worker once, and kept for as long as it is true."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack

DAY = "2026-04-01"
VECTOR = "[" + ",".join(["0.5"] * 512) + "]"


@pytest.fixture
def ann(queue: Any) -> Any:
    queue.generation("m")
    return queue.user()


@pytest.fixture(autouse=True)
def _the_time_is_ours(queue: Any) -> Any:
    at(queue, "2026-04-01 12:00+00")
    queue.db.execute("delete from workers")
    queue.arrive("t_able", "m", "n")
    yield
    queue.db.execute("delete from jobs where job_type in ('search', 'understand')")
    queue.db.execute("reset kizu.test_now")


def at(queue: Any, moment: str) -> None:
    queue.db.execute("select set_config('kizu.test_now', %s, false)", (moment,))


def ask(queue: Any, user: str, text: str = "a dog", day: str | None = DAY, **more: Any) -> Any:
    arguments = {"p_text": text, "p_today": day, **more}
    names = ", ".join(f"{name} => %s" for name in arguments)
    with queue.acting("authenticated", user):
        return queue.value(f"select ask_search({names})", *arguments.values())


def answer(queue: Any, kind: str = "search", **columns: Any) -> Any:
    """As a worker does: claims a search and settles it with what it understood."""
    job = queue.take(kind)
    row = {
        "understood": {"text": job["params"]["text"], "parts": [], "semantic": job["params"]["text"]},
        "model_version": "m",
        "vector": VECTOR,
        **columns,
    }
    settled = queue.settle(job, writes=[{"table": "queries", "rows": [row]}])
    assert settled["answer"] == "settled", settled
    return job


def waiting(queue: Any, user: str) -> int:
    return int(
        queue.value(
            "select count(*) from jobs where job_type in ('search', 'understand') and status = 'pending'"
            " and user_id = %s",
            user,
        )
    )


def test_words_that_were_understood_need_no_worker_again(queue: Any, ann: str) -> None:
    first = ask(queue, ann)
    assert (first["status"], first["job"]["status"]) == ("asked", "enqueued")
    again = ask(queue, ann)["job"]
    assert again == {"id": first["job"]["id"], "status": "already_queued", "attended": True}
    job = answer(queue)
    assert (job["id"], job["user_id"], job["priority"]) == (first["job"]["id"], ann, 0)

    ready = ask(queue, ann, "  a \t dog ", p_zone="Europe/Berlin")

    assert ready == {
        "status": "ready",
        "understood": {
            "text": "a dog",
            "parts": [],
            "semantic": "a dog",
            "zone": "Europe/Berlin",
            "today": DAY,
        },
        "version": "m",
        "lacks": None,
    }
    assert waiting(queue, ann) == 0


def test_another_user_learns_nothing_of_it(queue: Any, ann: str) -> None:
    ask(queue, ann)
    answer(queue)
    other = queue.user()
    assert ask(queue, other)["status"] == "asked"
    with pytest.raises(psycopg.Error, match="not_found"):
        ask(queue, other, p_user=ann)
    with queue.acting("service_role"):
        told = queue.value("select ask_search('a dog', %s, p_user => %s)", DAY, ann)
        assert told["status"] == "ready"
    with queue.acting("service_role"), pytest.raises(psycopg.Error, match="bad_params"):
        queue.value("select ask_search('a dog')")


@pytest.mark.parametrize(
    "more",
    [{"p_language": "de"}, {"p_hemisphere": "south"}, {"p_without": [0]}, {"text": "A dog"}],
    ids=str,
)
def test_what_may_mean_something_else_is_asked_anew(queue: Any, ann: str, more: dict[str, Any]) -> None:
    ask(queue, ann)
    answer(queue)
    assert ask(queue, ann, **more)["status"] == "asked"
    answer(queue)
    assert ask(queue, ann, **more)["status"] == "ready"
    assert ask(queue, ann)["status"] == "ready"


def test_dates_are_of_the_day_on_which_they_were_understood(queue: Any, ann: str) -> None:
    ask(queue, ann, "a dog")
    answer(queue)
    ask(queue, ann, "yesterday")
    answer(queue, today=DAY)
    assert ask(queue, ann, "a dog", "2026-04-02")["status"] == "ready"
    assert ask(queue, ann, "yesterday")["status"] == "ready"
    assert ask(queue, ann, "yesterday", "2026-04-02")["status"] == "asked"


def test_today_is_that_of_the_persons_zone(queue: Any, ann: str) -> None:
    at(queue, "2026-04-01 23:30+00")
    queue.arrive("t_able", "m")
    ask(queue, ann, day=None, p_zone="Asia/Tokyo")
    assert queue.take("search")["params"]["today"] == "2026-04-02"


@pytest.mark.parametrize(
    "change",
    [
        "insert into contacts (user_id, display_name) values (%s, 'Bob')",
        "update contacts set display_name = 'Anne' where user_id = %s",
        "delete from contacts where user_id = %s",
        "insert into assets (user_id, media_type, location_name) values (%s, 'document', 'Oslo')",
        "update assets set location_name = 'Rome' where user_id = %s",
    ],
)
def test_names_that_change_are_understood_anew(queue: Any, ann: str, change: str) -> None:
    for user in (ann, queue.user()):
        queue.db.execute("insert into contacts (user_id, display_name) values (%s, 'Ann')", (user,))
        queue.db.execute(
            "insert into assets (user_id, media_type, location_name) values (%s, 'document', 'Paris')",
            (user,),
        )
    ask(queue, ann)
    answer(queue)
    queue.db.execute(change, (user,))
    assert ask(queue, ann)["status"] == "ready", "that was somebody else's"
    queue.db.execute(change, (ann,))
    assert ask(queue, ann)["status"] == "asked"


def test_names_that_change_while_a_worker_is_at_it_are_understood_anew(queue: Any, ann: str) -> None:
    ask(queue, ann)
    job = queue.take("search")
    queue.db.execute("insert into contacts (user_id, display_name) values (%s, 'Bob')", (ann,))
    row = {"understood": {}, "model_version": "m", "vector": VECTOR}
    queue.settle(job, writes=[{"table": "queries", "rows": [row]}])
    assert ask(queue, ann)["job"]["status"] == "enqueued"


def test_another_generation_needs_another_vector(queue: Any, ann: str) -> None:
    ask(queue, ann)
    answer(queue)
    new = queue.generation("n")
    assert ask(queue, ann)["status"] == "ready", "it does not answer yet"
    queue.value("select flip_generation(%s, true)", new)
    assert ask(queue, ann)["status"] == "asked"


def test_without_a_vector_an_answer_is_good_for_a_minute(queue: Any, ann: str) -> None:
    ask(queue, ann)
    answer(queue, vector=None, lacks="weights_missing")
    ready = ask(queue, ann)
    assert (ready["status"], ready["lacks"]) == ("ready", "weights_missing")
    at(queue, "2026-04-01 12:01:01+00")
    assert ask(queue, ann)["status"] == "asked"


def asked(queue: Any, user: str, text: str = "a dog") -> tuple[str, bool]:
    """The kind of the job that is asked to say what words mean, and whether somebody is there for it."""
    job = ask(queue, user, text)["job"]
    return queue.row(job["id"])["job_type"], job["attended"]


def test_a_search_is_for_workers_that_have_the_model(queue: Any, ann: str) -> None:
    queue.arrive("t_lacking")
    assert asked(queue, ann) == ("search", True)
    queue.arrive("t_able", "m", stopped=True)
    assert asked(queue, ann) == ("understand", True), "what it waits for has gone"
    queue.arrive("t_lacking", stopped=True)
    assert asked(queue, ann, "a cat") == ("understand", False), "whoever comes first may answer"


@pytest.mark.parametrize(
    ("info", "kind", "attended"),
    [
        ({"sentences": ["another"]}, "understand", True),
        ({"sentences": "m"}, "understand", True),
        ({"slots": {"ai": 2}}, "understand", False),
        ({"slots": None}, "understand", False),
        ({"kinds": {"image_ai": "1"}}, "understand", False),
    ],
    ids=str,
)
def test_a_worker_answers_by_what_it_says_of_itself(
    queue: Any, ann: str, info: dict[str, Any], kind: str, attended: bool
) -> None:
    queue.arrive("t_able", **info)
    assert asked(queue, ann) == (kind, attended)


def test_a_worker_of_before_takes_every_search(queue: Any, ann: str) -> None:
    said = Jsonb({"slots": {"interactive": 1}, "kinds": {"search": "1"}})
    queue.db.execute("select announce_worker('t_able', %s)", (said,))
    assert asked(queue, ann) == ("search", True)


def test_a_worker_that_was_not_heard_of_for_long_is_waited_for_by_nobody(queue: Any, ann: str) -> None:
    at(queue, "2026-04-01 12:01:29+00")
    assert asked(queue, ann) == ("search", True)
    at(queue, "2026-04-01 12:01:31+00")
    assert asked(queue, ann) == ("understand", False)


def test_anothers_own_worker_answers_nobody_else(queue: Any, ann: str) -> None:
    eve = queue.user()
    queue.arrive("t_able", stopped=True)
    queue.arrive("t_own", "m", owner=eve)
    queue.arrive("t_lacking")
    assert asked(queue, eve) == ("search", True)
    assert asked(queue, ann) == ("understand", True)


def test_without_a_vector_an_answer_ends_when_somebody_comes_who_has_the_model(queue: Any, ann: str) -> None:
    queue.arrive("t_able")
    ask(queue, ann)
    answer(queue, "understand", vector=None, lacks="weights_missing")
    assert ask(queue, ann)["lacks"] == "weights_missing"
    queue.arrive("t_able", "m")
    assert asked(queue, ann) == ("search", True)
    answer(queue)
    assert ask(queue, ann)["lacks"] is None


def test_searches_that_wait_count_whoever_is_asked(queue: Any, ann: str) -> None:
    for number in range(20):
        queue.arrive("t_able", *(["m"] if number % 2 else []))
        ask(queue, ann, f"dog {number}")
    with pytest.raises(psycopg.Error, match="too_many_jobs"):
        ask(queue, ann, "one more")
    at(queue, "2026-04-01 12:01:01+00")
    ask(queue, ann, "one more")
    assert waiting(queue, ann) == 1, "nobody waits for the others any more"


def test_words_that_need_no_vector_are_kept_without_one(queue: Any, ann: str) -> None:
    ask(queue, ann)
    answer(queue, vector=None, model_version=None)
    at(queue, "2026-04-01 13:00+00")
    assert ask(queue, ann)["status"] == "ready"


def test_a_user_has_so_many_searches_waiting_and_no_more(queue: Any, ann: str) -> None:
    for number in range(20):
        ask(queue, ann, f"dog {number}")
    with pytest.raises(psycopg.Error, match="too_many_jobs"):
        ask(queue, ann, "one more")
    assert ask(queue, ann, "dog 7")["job"]["status"] == "already_queued"
    assert ask(queue, queue.user())["status"] == "asked", "others may"
    at(queue, "2026-04-01 12:01:01+00")
    assert ask(queue, ann, "one more")["status"] == "asked"
    assert waiting(queue, ann) == 1, "nobody waits for the others any more"


def test_many_searches_of_a_user_do_not_delay_anothers(queue: Any, ann: str) -> None:
    queue.db.execute(
        "insert into ai_processing_jobs (user_id, job_type, priority, params)"
        " select %s, 'search', 0, '{}' from generate_series(1, 1000)",
        (ann,),
    )
    other = queue.user()
    ask(queue, other)
    (first, second) = queue.claim("search", 2)["jobs"]
    assert {first["user_id"], second["user_id"]} == {ann, other}


def test_of_a_thousand_searches_and_anothers_every_second_claim_is_the_others(queue: Any, ann: str) -> None:
    """By the order of claims of a single slot: whoever asks comes next, each time, and never all at once."""
    queue.db.execute(
        "insert into ai_processing_jobs (user_id, job_type, priority, params)"
        " select %s, 'search', 0, '{}' from generate_series(1, 1000)",
        (ann,),
    )
    other = queue.user()
    served = []
    for number in range(6):
        at(queue, f"2026-04-01 12:00:{2 * number:02}+00")
        ask(queue, other, f"dog {number}")
        for turn in range(2):
            at(queue, f"2026-04-01 12:00:{2 * number + turn:02}+00")
            job = queue.take("search")
            served.append(job["user_id"])
            queue.settle(job, {"kind": "failed", "code": "timeout", "message": "slow"})
    rounds = [set(served[start : start + 2]) for start in range(0, len(served), 2)]
    assert rounds == [{ann, other}] * 6


def test_who_asks_on_waits_for_no_other_search_of_the_user(queue: Any, ann: str, connect: Any) -> None:
    for number in range(20):
        ask(queue, ann, f"dog {number}")
    busy = connect()
    with busy.transaction():
        busy.execute(
            "select pg_advisory_xact_lock(hashtextextended(concat('searches of ', %s::uuid), 0))", (ann,)
        )
        queue.db.execute("set lock_timeout = '2s'")
        try:
            assert ask(queue, ann, "dog 7")["job"]["status"] == "already_queued"
            with pytest.raises(psycopg.Error, match="too_many_jobs"):
                ask(queue, ann, "one more")
        finally:
            queue.db.execute("reset lock_timeout")


def test_a_search_overtakes_what_waits_in_its_lane(queue: Any, ann: str) -> None:
    kind = queue.kind(priority=0)
    for _ in range(3):
        queue.enqueue(kind, ann)
    queue.db.execute("update jobs set priority = 5 where job_type = %s", (kind,))
    ask(queue, ann)
    (job,) = queue.claim(["search", kind])["jobs"]
    assert job["kind"] == "search"


def test_what_failed_is_not_asked_again_for_a_minute(queue: Any, ann: str) -> None:
    first = ask(queue, ann)
    queue.settle(queue.take("search"), {"kind": "failed", "code": "timeout", "message": "slow"})
    told = ask(queue, ann)
    assert told == {
        "status": "failed",
        "job": {"id": first["job"]["id"], "status": "failed", "error_code": "timeout"},
    }
    at(queue, "2026-04-01 12:01:01+00")
    assert ask(queue, ann)["job"]["status"] == "enqueued"


def test_an_hour_later_nothing_tells_what_was_searched_for(queue: Any, ann: str) -> None:
    first = ask(queue, ann)
    answer(queue)
    at(queue, "2026-04-01 13:00:01+00")
    ask(queue, ann, "a cat")
    old = first["job"]["id"]
    assert queue.value("select count(*) from jobs where id = %s", old) == 0
    assert queue.value("select count(*) from runs where job_id = %s", old) == 0
    assert queue.value("select count(*) from job_events where job_id = %s", old) == 0


def test_the_newest_searches_are_kept(queue: Any, ann: str) -> None:
    queue.db.execute("update queue_settings set value = 3 where name = 'kept_searches_per_user'")
    try:
        for number in range(5):
            at(queue, f"2026-04-01 12:00:0{number}+00")
            ask(queue, ann, f"dog {number}")
            answer(queue)
    finally:
        queue.db.execute("update queue_settings set value = 200 where name = 'kept_searches_per_user'")
    texts = queue.rows("select text from public.queries where user_id = %s order by text", ann)
    assert [row["text"] for row in texts] == ["dog 2", "dog 3", "dog 4"]


def test_no_other_kind_of_job_writes_what_words_mean(queue: Any, ann: str) -> None:
    kind = queue.kind()
    queue.enqueue(kind, ann, p_params=Jsonb({"text": "a dog", "words": ""}))
    row = {"understood": {}, "model_version": "m", "vector": VECTOR}
    settled = queue.settle(queue.take(kind), writes=[{"table": "queries", "rows": [row]}])
    assert settled["answer"] == "refused"
    assert "only a search" in settled["error"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"p_text": ""}, "p_text"),
        ({"p_text": None}, "p_text"),
        ({"p_text": " \n"}, "p_text"),
        ({"p_text": "x" * 501}, "p_text"),
        ({"p_text": "x" * 1_000_000}, "p_text"),
        ({"p_text": "x", "p_zone": "Mars/Olympus"}, "p_zone"),
        ({"p_text": "x", "p_zone": "x" * 1_000_000}, "p_zone"),
        ({"p_text": "x", "p_language": "klingon"}, "p_language"),
        ({"p_text": "x", "p_hemisphere": "east"}, "p_hemisphere"),
        ({"p_text": "x", "p_today": "infinity"}, "p_today"),
        ({"p_text": "x", "p_today": "1815-06-18"}, "p_today"),
        ({"p_text": "x", "p_without": [-1]}, "p_without"),
        ({"p_text": "x", "p_without": [None]}, "p_without"),
        ({"p_text": "x", "p_without": list(range(21))}, "p_without"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_asked_is_refused_with_a_word(
    queue: Any, ann: str, arguments: dict[str, Any], word: str
) -> None:
    names = ", ".join(f"{name} => %s" for name in arguments)
    with queue.acting("authenticated", ann), pytest.raises(psycopg.Error, match="bad_params") as refused:
        queue.value(f"select ask_search({names})", *arguments.values())
    assert (refused.value.diag.message_detail or "").startswith(word)


def words(queue: Any, job: Any, limit: int = 1000) -> list[Any]:
    """Every page of the read verb."""
    found: list[Any] = []
    args: dict[str, Any] = {"limit": limit}
    while True:
        page = queue.value(
            "select read_for_job('w1', 'ai_processing_jobs', %s, %s, 'search_words', %s)",
            job["id"],
            job["epoch"],
            Jsonb(args),
        )
        found += [(row["kind"], row["name"]) for row in page["rows"]]
        if page["next"] is None:
            return found
        args["after"] = page["next"]


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_a_job_reads_the_names_of_its_own_user(queue: Any, ann: str, limit: int) -> None:
    for user, names, places, cameras in (
        (
            ann,
            ["Bob", "Ann", "Ann", "", "x" * 201],
            ["Rome", "Oslo", "Rome", "y" * 300],
            ["Pixel 7", "EOS R5", "Pixel 7"],
        ),
        (queue.user(), ["Eve"], ["Paris"], ["iPhone 12"]),
    ):
        for camera in cameras:
            queue.db.execute(
                "insert into assets (user_id, media_type, camera) values (%s, 'document', %s)", (user, camera)
            )
        for name in names:
            queue.db.execute("insert into contacts (user_id, display_name) values (%s, %s)", (user, name))
        for place in places:
            queue.db.execute(
                "insert into assets (user_id, media_type, location_name) values (%s, 'document', %s)",
                (user, place),
            )
    ask(queue, ann)
    assert words(queue, queue.take("search"), limit) == [
        ("person", "Ann"),
        ("person", "Ann"),
        ("person", "Bob"),
        ("camera", "EOS R5"),
        ("camera", "Pixel 7"),
        ("place", "Oslo"),
        ("place", "Rome"),
        ("place", "y" * 200),
    ]
