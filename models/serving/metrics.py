"""Sums of what several model hosts counted, one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from models.serving.asking import ModelMetrics


def summed(
    past: Mapping[str, ModelMetrics], present: Mapping[str, ModelMetrics], *, loaded: bool = True
) -> dict[str, ModelMetrics]:
    """Metrics by version of hosts that have ended and of one that runs, or, without `loaded`, ends now."""
    return {
        version: _sum(past.get(version, ModelMetrics()), present.get(version, ModelMetrics()), loaded=loaded)
        for version in {**past, **present}
    }


def _sum(past: ModelMetrics, present: ModelMetrics, *, loaded: bool) -> ModelMetrics:
    return ModelMetrics(
        loads=past.loads + present.loads,
        load_seconds=past.load_seconds + present.load_seconds,
        batches=past.batches + present.batches,
        batch_sizes=dict(Counter(past.batch_sizes) + Counter(present.batch_sizes)),
        wait_seconds=past.wait_seconds + present.wait_seconds,
        run_seconds=past.run_seconds + present.run_seconds,
        megabytes=present.megabytes if loaded else 0,
    )
