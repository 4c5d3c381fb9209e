"""What is asked of the queue about each photo: first everything, by its upload, and then some of it again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args
from uuid import UUID

from models.results import Level
from worker.handlers.image_ai import HANDLER, OPERATIONS

KIND = HANDLER.kind
UPLOAD = 0
"""The slot of the wish that comes with the upload: everything, at the usual level."""
USUAL_LEVEL: Level = "medium"
ALL = tuple(OPERATIONS)
AGAIN = 0.3
"""Share of the requests that ask for everything anew, whether it is being looked at just now or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Some operations on a photo. A slot is one job, unless it is asked for `again`."""

    user_id: UUID
    asset_id: UUID
    slot: int
    operations: Sequence[str]
    level: Level
    again: bool = False

    @property
    def asked(self) -> dict[str, Any]:
        own = {"operations": list(self.operations), "detail_level": self.level, "slot": self.slot}
        return {
            "p_kind": KIND,
            "p_asset_id": str(self.asset_id),
            "p_user_id": str(self.user_id),
            "p_params": {} if self.slot == UPLOAD else own,  # those of the upload are the kind's own
            "p_force": self.again,
        }


def uploads(photos: Sequence[tuple[UUID, UUID]]) -> list[Wish]:
    """What the photos, as (user, asset), ask for by being there."""
    return [
        Wish(user_id=user, asset_id=asset, slot=UPLOAD, operations=ALL, level=USUAL_LEVEL)
        for user, asset in photos
    ]


def make_wishes(count: int, photos: Sequence[tuple[UUID, UUID]], dice: random.Random) -> list[Wish]:
    """What else is asked for, spread over the photos; several slots share one."""
    wishes = []
    for number in range(count):
        user, asset = photos[number % len(photos)]
        if dice.random() < AGAIN:
            wish = Wish(
                user_id=user, asset_id=asset, slot=UPLOAD, operations=ALL, level=USUAL_LEVEL, again=True
            )
        else:
            wish = Wish(
                user_id=user,
                asset_id=asset,
                slot=1 + number // len(photos),
                operations=sorted(dice.sample(ALL, dice.randint(1, 3))),
                level=dice.choice(get_args(Level)),
            )
        wishes.append(wish)
    dice.shuffle(wishes)
    return wishes
