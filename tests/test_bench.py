"""The benchmark program runs; how fast anything is, is its business and not a test's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.stack
@pytest.mark.slow
def test_two_quick_sections_answer_as_one_json_object() -> None:
    ended = subprocess.run(
        [str(ROOT / "scripts" / "bench"), "--quick", "noop", "fairness", "--json"],
        env={**os.environ, "KIZU_SKIP_INSTALL": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["quick"] is True
    assert set(found["sections"]) == {"noop", "fairness"}
    assert found["sections"]["noop"]["requests_per_job"] > 0
    assert set(found["goals"]) >= {"fairness.claims_before_with_one_slot", "noop.requests_per_job"}
