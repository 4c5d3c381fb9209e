"""What the doctor says of the device that models are asked to run on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from worker.commands import doctor
from worker.settings import Settings


@pytest.mark.parametrize(
    ("problem", "state"), [("", "ok"), ("MODEL_DEVICE=cuda, but torch sees no such device", "failed")]
)
async def test_a_device_that_is_asked_for_and_not_there_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str, state: str
) -> None:
    async def problem_of(_: Any) -> str:
        return problem

    monkeypatch.setattr(doctor, "problem_of", problem_of)
    checks = {
        check.subject: check for check in await doctor._machine(Settings(_env_file=None, kizu_home=tmp_path))
    }
    assert checks["GPU"].state == state
    assert problem in checks["GPU"].text
