from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from models.pictures.moments import Moment, Precision, instant, read_mail_date, read_moment


def naive(*numbers: int) -> datetime:
    year, month, day, *time = numbers
    return datetime(year, month, day, *time)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("0000:00:00 00:00:00", "an empty clock"),
        ("0001:01:01 00:00:00", "a clock that was never set"),
        ("    :  :     :  :  ", "blanks"),
        ("", "nothing"),
        ("yesterday", "words"),
        ("2024:00:10 10:00:00", "month 0"),
        ("2024:06:00 10:00:00", "day 0"),
        ("2024:13:10 10:00:00", "month 13"),
        ("2023:02:29 10:00:00", "no leap year"),
        ("2024:01:01 24:00:00", "hour 24"),
        ("2024:01:01 10:60:00", "minute 60"),
        ("10:00:00", "a time without a date"),
        ("1799:01:01 00:00:00", "before photography"),
        ("2024:06:01 12:00:00 and more", "more than a date"),
        ("\u0662\u0660\u0662\u0664:06:01 12:00:00", "digits of another script"),
        ("2024:06:01 12:00:00." + "9" * 100, "longer than any date"),
    ],
)
def test_an_impossible_time_is_refused(written: str, why: str) -> None:
    assert read_moment(written) is None, why


@pytest.mark.parametrize(
    ("written", "at", "precision"),
    [
        ("2024:06:01 12:34:56", naive(2024, 6, 1, 12, 34, 56), Precision.SECOND),
        ("2024-06-01T12:34:56", naive(2024, 6, 1, 12, 34, 56), Precision.SECOND),
        ("2024/6/1 12:34:56", naive(2024, 6, 1, 12, 34, 56), Precision.SECOND),
        ("2024:06:01 12:34:56.25", naive(2024, 6, 1, 12, 34, 56, 250_000), Precision.SECOND),
        ("2024-06-01T12:34:56,25", naive(2024, 6, 1, 12, 34, 56, 250_000), Precision.SECOND),
        ("2024:06:01 12:34", naive(2024, 6, 1, 12, 34), Precision.MINUTE),
        ("2024-06-01T12:34Z", datetime(2024, 6, 1, 12, 34, tzinfo=UTC), Precision.MINUTE),
        ("2024:06:01 12:34:56Z", datetime(2024, 6, 1, 12, 34, 56, tzinfo=UTC), Precision.SECOND),
        ("2024:06:01 12:34:56+02:00", datetime(2024, 6, 1, 10, 34, 56, tzinfo=UTC), Precision.SECOND),
        ("2024-06-01T12:34:56+02", datetime(2024, 6, 1, 10, 34, 56, tzinfo=UTC), Precision.SECOND),
        ("2024:06:01 12:34:56 -0500", datetime(2024, 6, 1, 17, 34, 56, tzinfo=UTC), Precision.SECOND),
        ("9999:12:31 23:59:59", naive(9999, 12, 31, 23, 59, 59), Precision.SECOND),
        ("1840:01:01 00:00:00", naive(1840, 1, 1), Precision.SECOND),
        ("2024:06:01", naive(2024, 6, 1), Precision.DAY),
        ("2024:06:01   :  :  ", naive(2024, 6, 1), Precision.DAY),
        ("2024-06", naive(2024, 6, 1), Precision.MONTH),
        ("2024:06:00 00:00:00", naive(2024, 6, 1), Precision.MONTH),
        ("2024:06:     :  :  ", naive(2024, 6, 1), Precision.MONTH),
        ("2024", naive(2024, 1, 1), Precision.YEAR),
        ("2024:00:00 00:00:00", naive(2024, 1, 1), Precision.YEAR),
    ],
)
def test_as_much_of_a_time_is_read_as_is_written(written: str, at: datetime, precision: Precision) -> None:
    found = read_moment(written)
    assert found
    assert (found.at, found.precision) == (at, precision)


def test_a_zone_belongs_to_a_time_and_not_to_a_day() -> None:
    assert read_moment("2024:06:01", zone="+02:00") == Moment(at=naive(2024, 6, 1), precision=Precision.DAY)
    found = read_moment("2024:06:01 12:00:00", zone="+02:00")
    assert found == Moment(
        at=datetime(2024, 6, 1, 12, tzinfo=timezone(timedelta(hours=2))), offset_minutes=120
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Sat, 01 Jun 2024 12:00:00 +0200", (datetime(2024, 6, 1, 10, tzinfo=UTC), 120)),
        ("1 Jun 2024 12:00:00 GMT", (datetime(2024, 6, 1, 12, tzinfo=UTC), 0)),
        ("1 Jun 2024 12:00:00 -0000", (naive(2024, 6, 1, 12), None)),
        ("1 Jun 1024 12:00:00 GMT", None),
        ("99 Jun 2024 12:00:00 GMT", None),
        ("", None),
        ("x" * 1000, None),
    ],
)
def test_a_date_as_in_mail_is_read(written: str, expected: tuple[datetime, int | None] | None) -> None:
    found = read_mail_date(written)
    assert (found and (found.at, found.offset_minutes)) == expected


@pytest.mark.parametrize("seconds", [1e300, -1e300, float("nan"), float("inf"), -1e11])
def test_no_moment_lies_beyond_the_calendar(seconds: float) -> None:
    assert instant(seconds) is None


@pytest.mark.parametrize(
    ("finer", "coarser", "sharpens"),
    [
        ("2024-06-01T12:00:00", "2024-06-01", True),
        ("2024-06-01T12:00:00", "2024-06-01T12:00", True),
        ("2024-06-01T12:01:00", "2024-06-01T12:00", False),
        ("2024-06", "2024", True),
        ("2023-06", "2024", False),
        ("2024-06-01", "2024-06-01", False),
        ("2024-06", "2024-06-01", False),
    ],
)
def test_a_moment_sharpens_one_that_it_lies_in(finer: str, coarser: str, sharpens: bool) -> None:
    one, other = read_moment(finer), read_moment(coarser)
    assert one
    assert other
    assert one.sharpens(other) is sharpens
