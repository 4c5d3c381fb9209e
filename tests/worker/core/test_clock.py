from __future__ import annotations

import pytest

from worker.core.clock import Moment


@pytest.mark.parametrize(
    ("later", "seconds", "why"),
    [
        (Moment(110, 1010), 10, "both clocks agree"),
        (Moment(110, 1130), 130, "the laptop slept, which only the wall clock noticed"),
        (Moment(110, 10), 10, "the wall clock was set back"),
        (Moment(100, 1000), 0, "no time has passed"),
    ],
)
def test_time_passes_by_the_clock_that_counted_more(later: Moment, seconds: float, why: str) -> None:
    assert Moment(100, 1000).until(later) == seconds, why
