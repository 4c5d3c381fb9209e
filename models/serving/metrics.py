"""Sums of what several models, or model hosts one after the other, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from models.serving.asking import ModelMetrics


def summed(
    past: Mapping[str, ModelMetrics], present: Mapping[str, ModelMetrics], *, loaded: bool = True
) -> dict[str, ModelMetrics]:
    """Metrics by version of hosts that have ended and of one that runs, or, without `loaded`, ends now."""
    sums = {}
    for version in {**past, **present}:
        now = present.get(version, ModelMetrics())
        both = added(past.get(version, ModelMetrics()), now)
        sums[version] = replace(both, megabytes=now.megabytes if loaded else 0)
    return sums


def added(one: ModelMetrics, other: ModelMetrics) -> ModelMetrics:
    """The metrics of two models together."""
    return ModelMetrics(
        loads=one.loads + other.loads,
        load_seconds=one.load_seconds + other.load_seconds,
        batches=one.batches + other.batches,
        batch_sizes=dict(Counter(one.batch_sizes) + Counter(other.batch_sizes)),
        wait_seconds=one.wait_seconds + other.wait_seconds,
        run_seconds=one.run_seconds + other.run_seconds,
        megabytes=one.megabytes + other.megabytes,
    )
