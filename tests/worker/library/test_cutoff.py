from __future__ import annotations

from random import Random

import pytest

from worker.library.cutoff import LEAST_PAIRS, cosine, cutoff_of, unit


@pytest.mark.parametrize("pairs", [100, 101, 199, 200, 380, 4000])
def test_one_in_a_hundred_reaches_it_and_not_one_more(pairs: int) -> None:
    random = Random(pairs)
    cosines = [random.gauss(0.1, 0.05) for _ in range(pairs)]
    cutoff = cutoff_of(cosines)
    assert cutoff is not None
    assert sum(cosine >= cutoff for cosine in cosines) == pairs // 100


def test_pairs_that_are_all_alike_do_not_reach_it() -> None:
    cutoff = cutoff_of([0.25] * 500)
    assert cutoff is not None
    assert 0.25 < cutoff <= 0.250001


def test_where_many_tie_at_the_place_none_of_them_reaches_it() -> None:
    cutoff = cutoff_of([0.9, 0.8] + [0.3] * 40 + [0.1] * 558)  # 1 % is 6 pairs, and 42 reach 0.3
    assert cutoff is not None
    assert 0.3 < cutoff < 0.31


def test_a_cosine_below_zero_is_rounded_up_too() -> None:
    cutoff = cutoff_of([-0.5 - number / 1e7 for number in range(200)])
    assert cutoff is not None
    assert -0.5000002 < cutoff <= -0.5


def test_it_is_a_cosine_even_where_everything_is_the_same() -> None:
    assert cutoff_of([1.0] * 200) == 1.0


def test_with_few_pairs_there_is_none() -> None:
    assert cutoff_of([0.1] * (LEAST_PAIRS - 1)) is None
    assert cutoff_of([]) is None


def test_the_order_of_pairs_does_not_matter() -> None:
    cosines = [number / 1000 for number in range(300)]
    assert cutoff_of(cosines) == cutoff_of(reversed(cosines)) == 0.296001


def test_a_vector_with_zeros_at_its_end_has_the_same_cosines() -> None:
    one, other = unit([3.0, 4.0]), unit([4.0, 3.0, 0.0, 0.0])
    assert cosine(one, other) == pytest.approx(0.96)
    assert cosine(unit([3.0, 4.0, 0.0, 0.0]), other) == pytest.approx(0.96)
