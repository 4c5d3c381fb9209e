"""This machine's clock beside the project's: tokens signed here, and their ends, depend on it."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

from worker.commands.doctor.check import Check

TOLERATED_SECONDS = 30.0
"""PostgREST's own tolerance for tokens from its future."""
A_SECOND = 1.0
"""The header `Date` has whole seconds: the server's clock is there or up to one second on."""


def seconds_off(*, asked: float, answered: float, date: str) -> float:
    """How far this clock is ahead of the server's (negative: behind), at least.

    The server wrote `date` somewhere between `asked` and `answered`, by this clock; what that leaves open,
    and the rounding, is taken to be no fault.

    Raises:
        ValueError: `date` is no date.
    """
    written = parsedate_to_datetime(date)
    server = (written if written.tzinfo else written.replace(tzinfo=UTC)).timestamp()
    if answered < server:
        return answered - server
    return max(0.0, asked - (server + A_SECOND))


def check_clock(*, asked: float, answered: float, date: str) -> Check:
    """A finding about the clock."""
    try:
        off = seconds_off(asked=asked, answered=answered, date=date)
    except ValueError:
        return Check("clock", "warning", "the project's answer has no date to compare this clock with")
    if abs(off) > TOLERATED_SECONDS:
        direction = "ahead of" if off > 0 else "behind"
        return Check(
            "clock",
            "warning",
            f"{abs(off):.0f} s {direction} the project's: tokens are taken for expired or not yet valid;"
            " synchronise this machine's time (NTP)",
        )
    return Check("clock", "ok", "agrees with the project's")
