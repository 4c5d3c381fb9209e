from __future__ import annotations

import time

import pytest

from models.spec import ModelIdentity
from worker.core.record import Record


def test_stages_add_up() -> None:
    record = Record()
    for _ in range(2):
        with record.stage("decode"):
            time.sleep(0.01)
    record.count("faces", 2)
    run = record.run("test", "1")
    assert run.timings["decode"] >= 0.02
    assert run.counts == {"faces": 2}
    assert run.seconds >= run.timings["decode"]
    assert (run.handler, run.handler_version) == ("test", "1")


def test_a_stage_that_failed_took_its_time_too() -> None:
    record = Record()
    with pytest.raises(ValueError, match="no"), record.stage("decode"):
        raise ValueError("no")
    assert list(record.timings) == ["decode"]


def test_counts_add_up() -> None:
    record = Record()
    record.count("requests")
    record.count("requests")
    record.count("faces", 0)
    assert record.run("test", "1").counts == {"requests": 2, "faces": 0}


def test_a_run_is_not_changed_by_what_is_noted_later() -> None:
    record = Record()
    identity = ModelIdentity(
        task="ocr", name="rapidocr", version="1", digest=None, backend="", precision="", device="cpu"
    )
    record.model(identity)
    run = record.run("test", "1")
    record.model(identity)
    record.count("faces")
    assert [model["version"] for model in run.models] == ["1"]
    assert run.counts == {}
