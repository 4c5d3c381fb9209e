"""Understands what a person searches for, and makes a vector of what it shows."""

from __future__ import annotations

from worker.core.handler import Handler
from worker.library.understanding import Question, answer

HANDLER = Handler(
    kind="search",
    version="1",
    lane="interactive",
    params=Question,
    run=answer,
    about_asset=False,
    sentences_of="pictures",
    needs=frozenset(),
    timeout_seconds=60.0,
)
