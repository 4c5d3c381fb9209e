"""Generated albums, whose stories are known: none is missed, none of the first ten is false."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.moments.finding import find_moments
from scripts.album_lab.album import album
from scripts.album_lab.judging import judge


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
