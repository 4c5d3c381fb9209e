"""Generated albums, whose stories are known: none is missed, none of the first ten is false."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations

import numpy as np
import pytest

from models.moments.finding import find_moments
from models.moments.moment import Earlier, Moment
from scripts.album_lab.album import album
from scripts.album_lab.judging import judge
from tests.models.moments.shots import told


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_every_story_is_found_and_none_is_false(seed: int) -> None:
    verdict = judge(album(seed))

    assert verdict.stories >= 46
    assert not verdict.missed
    assert not verdict.wrong
    assert not verdict.bad
    # Photos of one occasion taken by chance are as near as 0.00 to 0.2.
    assert verdict.closest > 0.15


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_month_of_daily_runs_repeats_nothing_and_a_second_run_changes_nothing(seed: int) -> None:
    written = album(seed)
    history: list[Earlier] = []
    stories: list[frozenset[str]] = []
    for back in range(30, 0, -1):
        today = written.today - timedelta(days=back)
        history = [replace(story, is_live=(today - story.made_on).days < 7) for story in history]

        def run(earlier: list[Earlier], today: date = today) -> list[Moment]:
            return find_moments(
                written.photos, written.people, earlier=earlier, today=today, zone=written.zone
            )

        found = run(history)
        new = [moment for moment in found if not moment.updates]
        updated = {moment.updates: moment for moment in found if moment.updates}
        history = [
            replace(story, key=updated[story.id].key, photos=updated[story.id].photos)
            if story.id in updated
            else story
            for story in history
        ] + told(new, str(today))
        again = run(history)

        assert [replace(moment, updates=None) for moment in again] == [
            replace(moment, updates=None) for moment in found
        ]
        assert all(moment.updates for moment in again)
        stories += [frozenset(moment.photos) for moment in new]

    assert len(stories) > 60
    assert max(len(one & other) / len(one | other) for one, other in combinations(stories, 2)) <= 0.6


def test_an_album_is_what_it_says() -> None:
    one, again, other = album(4), album(4), album(5)

    assert np.array_equal(one.photos.times, again.photos.times)
    assert np.array_equal(one.vectors, again.vectors)
    assert not np.array_equal(one.photos.times[:100], other.photos.times[:100])
    assert len(one.bad) > 100
    assert {story.kind for story in one.planted} == {"trip", "location", "event", "on_this_day"}


def test_a_verdict_says_what_is_missed_and_what_is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    written = album(1)
    everything = find_moments(written.photos, written.people, today=written.today, zone=written.zone)
    trip = next(moment for moment in everything if moment.kind == "trip")
    monkeypatch.setattr("scripts.album_lab.judging.find_moments", lambda *_, **__: [trip])

    assert len(judge(written).missed) == judge(written).stories - 1

    bad = tuple(sorted(written.bad))
    worst = replace(trip, photos=bad)
    monkeypatch.setattr("scripts.album_lab.judging.find_moments", lambda *_, **__: [worst])

    assert (len(judge(written).wrong), len(judge(written).bad)) == (1, len(bad))
