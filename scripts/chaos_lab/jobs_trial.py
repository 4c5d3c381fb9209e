"""Jobs of an invented kind, which bring their own trouble along."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.chaos_lab.crowd import Request, User, give_assets, note_wishes
from scripts.chaos_lab.plan import Plan
from scripts.chaos_lab.schema import KINDS, SCHEMA
from scripts.chaos_lab.trial import Scene, Trial
from scripts.chaos_lab.verdict import JOB_CHECKS
from scripts.chaos_lab.wish import make_wishes
from scripts.chaos_lab.worker_process import serve_invented


def populate(scene: Scene, users: Sequence[User], plan: Plan, dice: random.Random) -> Sequence[Request]:
    assets = give_assets(scene.db, users, plan.assets_per_user)
    wishes = make_wishes(plan.jobs, assets, dice)
    note_wishes(scene.db, wishes)
    return wishes


def settings(plan: Plan) -> Mapping[str, Any]:
    return {"lanes": dict.fromkeys(KINDS, plan.slots)}


def witness(scene: Scene) -> None:
    """The database knows everything."""


TRIAL = Trial(
    kinds=KINDS,
    schema=SCHEMA,
    populate=populate,
    settings=settings,
    serve=serve_invented,
    witness=witness,
    checks=JOB_CHECKS,
)
