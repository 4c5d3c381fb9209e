"""Understands what a person searches for while nobody is known to have the model that makes a vector of it.

A machine that does have it makes the vector all the same.
"""

from __future__ import annotations

from worker.core.handler import Handler
from worker.library.understanding import Question, answer

HANDLER = Handler(
    kind="understand",
    version="1",
    lane="interactive",
    params=Question,
    run=answer,
    about_asset=False,
    needs=frozenset(),
    timeout_seconds=60.0,
)
