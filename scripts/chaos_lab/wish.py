"""What is asked of the queue: each wish is one job, with the trouble it will make on the way."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from scripts.chaos_lab.schema import KINDS

T = TypeVar("T")


class Fault(StrEnum):
    """What one attempt runs into."""

    NONE = "none"
    TRANSIENT = "transient"
    """The handler raises an error that is worth another try."""
    DEFECT = "defect"
    """The handler raises something nobody has thought of."""
    STALL = "stall"
    """It takes longer than the lease, while heartbeats go on."""
    FREEZE = "freeze"
    """The whole worker stands still for longer than the lease, then goes on as if nothing had happened."""
    EXIT = "exit"
    """The process is gone in the middle of the handler."""


COMPLETED = "completed"
UNREADABLE = "unreadable"
REFUSED = "result_refused"

ENDINGS = {COMPLETED: 0.90, UNREADABLE: 0.05, REFUSED: 0.05}
FAULTS = {
    Fault.NONE: 0.74,
    Fault.TRANSIENT: 0.12,
    Fault.DEFECT: 0.04,
    Fault.STALL: 0.05,
    Fault.FREEZE: 0.03,
    Fault.EXIT: 0.02,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """`expected` is `completed` or the error code; `faults` are those of the first attempts, in order."""

    kind: str
    user_id: UUID
    asset_id: UUID
    slot: int
    rows: int
    expected: str
    faults: tuple[Fault, ...]
    seconds: float

    @property
    def asked(self) -> dict[str, Any]:
        return {
            "p_kind": self.kind,
            "p_asset_id": str(self.asset_id),
            "p_user_id": str(self.user_id),
            "p_params": self.params,
        }

    @property
    def params(self) -> dict[str, Any]:
        """What the handler will read as `ChaosParams`."""
        return {
            "slot": self.slot,
            "rows": self.rows,
            "expected": self.expected,
            "faults": list(self.faults),
            "seconds": self.seconds,
        }


def make_wishes(count: int, assets: Sequence[tuple[UUID, UUID]], dice: random.Random) -> list[Wish]:
    """`assets` are (user, asset); a slot belongs to one wish only, several slots share an asset."""
    wishes = []
    for number in range(count):
        user_id, asset_id = assets[number % len(assets)]
        wishes.append(
            Wish(
                kind=dice.choice(KINDS),
                user_id=user_id,
                asset_id=asset_id,
                slot=number // len(assets),
                rows=dice.randint(2, 6),
                expected=_draw(ENDINGS, dice),
                faults=tuple(_draw(FAULTS, dice) for _ in range(2)),
                seconds=dice.uniform(0.02, 0.2),
            )
        )
    dice.shuffle(wishes)
    return wishes


def _draw(chances: dict[T, float], dice: random.Random) -> T:
    return dice.choices(list(chances), list(chances.values()))[0]
