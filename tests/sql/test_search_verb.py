"""One call that asks what words mean and finds what they are about: with a worker, and without one."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import acting
from tests.sql.library import MODEL, QUERY, Library

pytestmark = pytest.mark.stack

DAY = "2026-04-01"


@pytest.fixture
def ann(queue: Any) -> Any:
    queue.db.execute("set kizu.test_now = '2026-04-01 12:00+00'")
    queue.db.execute("delete from workers")
    queue.arrive("t_able", MODEL)
    yield Library(queue)
    queue.db.execute("reset kizu.test_now")
    queue.db.execute("delete from jobs where job_type = 'search'")


def search(queue: Any, user: str, text: str, **more: Any) -> Any:
    arguments = {"p_text": text, "p_today": DAY, **more}
    names = ", ".join(f"{name} => %s" for name in arguments)
    with queue.acting("authenticated", user):
        return queue.value(f"select search({names})", *arguments.values())


def answer(queue: Any, parts: Any = (), **columns: Any) -> Any:
    """As a worker does."""
    job = queue.take("search")
    text = job["params"]["text"]
    row = {
        "understood": {"text": text, "parts": list(parts), "semantic": text},
        "model_version": MODEL,
        "vector": QUERY,
        **columns,
    }
    assert queue.settle(job, writes=[{"table": "queries", "rows": [row]}])["answer"] == "settled"
    return job


def found(told: Any) -> list[str]:
    return [row["asset_id"] for row in told["results"]]


def test_a_worker_adds_what_pictures_show(queue: Any, ann: Library) -> None:
    shown, read, _ = ann.photo("shown"), ann.photo("read"), ann.photo("neither")
    ann.looks(shown, 0.9)
    ann.found("image_text", read, extracted_text="beware of the dog", model_version="1")

    first = search(queue, ann.user, "dog")

    assert (first["status"], first["job"]["status"]) == ("asked", "enqueued")
    assert first["left_out"] == ["picture", "understanding"]
    assert first["understood"]["semantic"] == "dog"
    assert found(first) == [read], "it was found without a worker"
    answer(queue)
    second = search(queue, ann.user, "dog")
    assert (second["status"], second["left_out"], second["job"]) == ("ready", [], None)
    assert set(found(second)) == {shown, read}
    [evidence] = [row["evidence"] for row in second["results"] if row["asset_id"] == shown]
    assert [one["source"] for one in evidence] == ["picture"]


def test_parts_that_a_worker_understood_narrow(queue: Any, ann: Library) -> None:
    old, _ = ann.photo("old", taken_at="2019-06-01T12:00:00Z"), ann.photo("new")
    search(queue, ann.user, "in 2019")
    date = {"kind": "date", "from": 0, "to": 7, "not": False, "since": "2019-01-01", "before": "2020-01-01"}
    understood = {"text": "in 2019", "parts": [date], "semantic": ""}
    answer(queue, understood=understood, vector=None, model_version=None)
    told = search(queue, ann.user, "in 2019")
    assert (told["status"], found(told)) == ("ready", [old])
    assert told["understood"]["parts"] == [date]


def test_what_was_understood_before_names_changed_is_used_until_a_worker_comes(
    queue: Any, ann: Library
) -> None:
    shown = ann.photo("shown")
    ann.looks(shown, 0.9)
    search(queue, ann.user, "dog")
    answer(queue)
    ann.insert("contacts", user_id=ann.user, display_name="Bob")
    told = search(queue, ann.user, "dog")
    assert (told["status"], told["left_out"], found(told)) == ("asked", [], [shown])


def test_what_a_worker_could_not_do_is_said(queue: Any, ann: Library) -> None:
    read = ann.photo("read")
    ann.found("image_text", read, extracted_text="beware of the dog", model_version="1")
    search(queue, ann.user, "dog")
    answer(queue, vector=None, lacks="weights_missing")
    told = search(queue, ann.user, "dog")
    assert (told["status"], told["lacks"], told["left_out"]) == ("ready", "weights_missing", ["picture"])
    assert found(told) == [read]
    search(queue, ann.user, "read")
    queue.settle(queue.take("search"), {"kind": "failed", "code": "timeout", "message": "slow"})
    told = search(queue, ann.user, "read")
    assert (told["status"], told["job"]["error_code"]) == ("failed", "timeout")
    assert found(told) == []


def test_whose_searches_all_wait_is_answered_without_a_worker(queue: Any, ann: Library) -> None:
    read = ann.photo("read")
    ann.found("image_text", read, extracted_text="beware of the dog", model_version="1")
    for number in range(20):
        search(queue, ann.user, f"cat {number}")
    told = search(queue, ann.user, "dog")
    assert (told["status"], found(told)) == ("refused", [read])


def test_nobody_finds_anothers_photos(queue: Any, ann: Library) -> None:
    eve = Library(queue)
    for one in (ann, eve):
        photo = one.photo("of a dog")
        one.looks(photo, 0.9)
        one.found("image_text", photo, extracted_text="dog", model_version="1")
    search(queue, ann.user, "dog")
    answer(queue)
    mine, hers = search(queue, ann.user, "dog"), search(queue, eve.user, "dog")
    assert len(found(mine)) == len(found(hers)) == 1
    assert found(mine) != found(hers)
    assert hers["status"] == "asked"
    with pytest.raises(psycopg.Error, match="not_found"):
        search(queue, eve.user, "dog", p_user=ann.user)
    with queue.acting("service_role"):
        told = queue.value("select search('dog', %s, p_user => %s)", DAY, ann.user)
    assert found(told) == found(mine)


def test_pages_follow_each_other(queue: Any, ann: Library) -> None:
    photos = [ann.photo(str(number)) for number in range(5)]
    for number, photo in enumerate(photos):
        ann.looks(photo, 0.9 - number / 10)
    search(queue, ann.user, "dog")
    answer(queue)
    first = search(queue, ann.user, "dog", p_limit=2)
    second = search(queue, ann.user, "dog", p_limit=2, p_after=psycopg.types.json.Jsonb(first["next"]))
    assert found(first) + found(second) == photos[:4]
    assert found(search(queue, ann.user, "dog", p_limit=2, p_offset=2)) == photos[2:4]


def test_filters_of_an_app_narrow_beside_what_the_words_say(queue: Any, ann: Library) -> None:
    both, dog = ann.photo("both", media_type="video/mp4"), ann.photo("dog")
    for photo in (both, dog):
        ann.looks(photo, 0.9)
    search(queue, ann.user, "dog")
    answer(queue)
    video = Jsonb([{"kind": "media", "media": "video"}])
    told = search(queue, ann.user, "dog", p_parts=video)
    assert (found(told), told["status"]) == ([both], "ready")
    assert told["understood"]["parts"] == [{"kind": "media", "media": "video"}]
    assert set(found(search(queue, ann.user, "dog", p_parts=None))) == {both, dog}
    for wrong in ("dog", 7, [7], {"kind": "media", "not": "perhaps"}):
        with pytest.raises(psycopg.Error, match="bad_params"):
            search(queue, ann.user, "dog", p_parts=Jsonb(wrong))


def test_a_few_searches_of_a_user_are_answered_at_a_time(queue: Any, ann: Library, connect: Any) -> None:
    """More are refused at once, rather than to keep a connection that somebody else could have."""
    search(queue, ann.user, "a dog")
    answer(queue)
    with ExitStack() as open_still:
        for _ in range(4):
            other = connect()
            other.execute("set kizu.test_now = '2026-04-01 12:00+00'")
            open_still.enter_context(acting(other, "authenticated", ann.user))
            other.execute("select public.search('a dog', %s)", (DAY,))
        with pytest.raises(psycopg.Error, match="too_many_jobs"):
            search(queue, ann.user, "a cat")
        assert search(queue, queue.user(), "a cat")["results"] == []
    assert search(queue, ann.user, "a cat")["results"] == []
