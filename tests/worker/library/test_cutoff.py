"""The cut-off of sentences that fit nothing: what one in a hundred of them reaches."""

from __future__ import annotations

import math
from random import Random
from statistics import fmean

import pytest

from worker.library.cutoff import GROWS, cutoff_of

BLOCKS = 8


def gumbel(random: Random, location: float, scale: float) -> float:
    return location - scale * math.log(-math.log(random.random()))


def background(sentences: int, location: float, scale: float, seed: int = 1) -> list[list[float]]:
    """The maxima of eight blocks, each of that distribution."""
    random = Random(seed)
    return [[gumbel(random, location, scale) for _ in range(BLOCKS)] for _ in range(sentences)]


@pytest.mark.parametrize("seed", range(5))
def test_one_in_a_hundred_reaches_it_when_the_library_has_grown(seed: int) -> None:
    cutoff = cutoff_of(background(2000, 0.1, 0.01, seed), measured=800, photos=800)
    # The maximum of four times eight blocks is Gumbel's again, moved by the logarithm of their number.
    location = 0.1 + 0.01 * math.log(BLOCKS * GROWS)
    expected = location - 0.01 * math.log(-math.log(0.99))
    assert cutoff == pytest.approx(expected, abs=0.003)


def test_of_a_larger_library_than_was_measured_it_is_higher() -> None:
    nearest = background(500, 0.1, 0.01)
    small, large = (cutoff_of(nearest, measured=800, photos=photos) for photos in (800, 80_000))
    assert large - small == pytest.approx(0.01 * math.log(100), rel=0.15)


def test_a_photo_near_to_everything_raises_it_by_no_more_than_sentences_differ() -> None:
    nearest = background(500, 0.1, 0.01)
    for blocks in nearest:
        blocks[3] = 0.6 + blocks[3] / 10
    cutoff = cutoff_of(nearest, measured=800, photos=800)
    assert fmean(max(blocks) for blocks in nearest) < cutoff <= max(map(max, nearest)) + 1e-6


def test_no_search_is_cut_off_above_what_every_unlike_sentence_stays_below() -> None:
    nearest = [[0.1 + 0.4 * (number % 2)] * BLOCKS for number in range(300)]
    assert cutoff_of(nearest, measured=200, photos=200) == 0.5


def test_it_is_a_cosine_rounded_up_whatever_was_measured() -> None:
    assert cutoff_of([[1.0] * BLOCKS] * 3, measured=20, photos=20) == 1.0
    assert cutoff_of([[-1.0] * BLOCKS] * 3, measured=20, photos=20) == -1.0
    assert cutoff_of([[0.1234567] * BLOCKS] * 3, measured=20, photos=20) == 0.123457
    assert cutoff_of([[0.9, 0.1]] * 2 + [[0.5, 0.1]], measured=20, photos=10**6) == 1.0
