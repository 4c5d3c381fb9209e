"""The daemon as a process: woken, drained, killed, and cut off from its server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.library import Library, jpeg, wait_for

pytestmark = [pytest.mark.stack, pytest.mark.slow]

Start = Callable[..., subprocess.Popen[bytes]]


def test_a_new_job_rings_at_once(library: Library, start_worker: Start) -> None:
    start_worker(POLL_INTERVAL="60", POLL_INTERVAL_REALTIME="60")
    first = library.add(jpeg())
    wait_for(lambda: library.job(first)["status"] == "completed", "the worker to be up")
    time.sleep(1)  # the backlog is gone, the worker is idle and subscribed
    asset_id = library.add(jpeg())
    wait_for(lambda: library.job(asset_id)["status"] == "completed", "a ring", seconds=20)


def test_without_realtime_the_poll_finds_the_job(library: Library, start_worker: Start) -> None:
    start_worker(WAKE="off", POLL_INTERVAL="1")
    time.sleep(2)
    asset_id = library.add(jpeg())
    wait_for(lambda: library.job(asset_id)["status"] == "completed", "a poll", seconds=20)


def test_sigterm_ends_an_idle_worker_with_zero(library: Library, start_worker: Start) -> None:
    process = start_worker()
    asset_id = library.add(jpeg())
    wait_for(lambda: library.job(asset_id)["status"] == "completed", "the worker to be up")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0


STUCK_WORKER = """
import time
from worker.cli import main
from worker.handlers import optimize_image

optimize_image.render = lambda *_: time.sleep(120)
main()
"""


def test_a_second_sigterm_ends_a_worker_whose_decoder_does_not(library: Library, start_worker: Start) -> None:
    process = start_worker(program=("-c", STUCK_WORKER), GRACE_SECONDS="120")
    asset_id = library.add(jpeg())
    wait_for(lambda: _is_decoding(library, asset_id), "the decoder to be busy")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 3
    assert (library.job(asset_id)["status"], library.job(asset_id)["attempts"]) == ("pending", 0)


def _is_decoding(library: Library, asset_id: str) -> bool:
    row = library.db.execute(
        "select progress from image_processing_jobs where asset_id = %s", [asset_id]
    ).fetchone()
    return row is not None and row[0] == 20


def test_a_killed_workers_job_is_finished_by_another(library: Library, start_worker: Start) -> None:
    assets = [library.add(jpeg(4000, 3000)) for _ in range(12)]
    victim = start_worker(LEASE_SECONDS="2", LANES="image=8")
    wait_for(lambda: any(library.job(asset_id)["status"] == "processing" for asset_id in assets), "a claim")
    victim.kill()
    start_worker(LEASE_SECONDS="2", POLL_INTERVAL="1", POLL_INTERVAL_REALTIME="1")
    wait_for(lambda: {library.job(one)["status"] for one in assets} == {"completed"}, "the other worker")
    doubled = library.db.execute(
        "select job_id from runs where outcome = 'done' and user_id = %s group by job_id having count(*) > 1",
        [library.user_id],
    ).fetchall()
    assert doubled == []


def test_worker_that_was_killed_goes_on_where_it_was_when_it_is_back(
    library: Library, start_worker: Start
) -> None:
    """And not in an hour, when the leases of its first life would be over."""
    assets = [library.add(jpeg(4000, 3000)) for _ in range(8)]
    settings = {"LEASE_SECONDS": "3600", "LANES": "image=4"}
    victim = start_worker("--worker-id", "back-again", **settings)
    wait_for(lambda: any(library.job(asset_id)["status"] == "processing" for asset_id in assets), "a claim")
    victim.kill()
    victim.wait()
    start_worker("--worker-id", "back-again", **settings)
    wait_for(lambda: {library.job(one)["status"] for one in assets} == {"completed"}, "its second life")


def test_a_wrong_key_is_said_in_one_line(start_worker: Start, tmp_path: Any) -> None:
    process = start_worker(SUPABASE_SECRET_KEY="sb_secret_wrong")
    assert process.wait(timeout=30) == 2
    said = (tmp_path / "worker-0.log").read_text()
    assert "auth_failed" in said
    assert "sb_secret_wrong" not in said
    assert "Traceback" not in said


def test_no_key_reaches_the_log(library: Library, start_worker: Start, tmp_path: Any) -> None:
    process = start_worker("--debug", "--drain")
    library.add(jpeg())
    assert process.wait(timeout=30) == 0
    said = (tmp_path / "worker-0.log").read_text()
    assert library.stack.secret_key not in said
    assert all(json.loads(line)["event"] for line in said.splitlines() if line.startswith("{"))


def test_a_second_worker_of_the_same_name_is_refused(
    library: Library, start_worker: Start, tmp_path: Any
) -> None:
    first = start_worker("--worker-id", "twin")
    asset_id = library.add(jpeg())
    wait_for(lambda: library.job(asset_id)["status"] == "completed", "the worker to be up")
    second = start_worker("--worker-id", "twin")
    assert second.wait(timeout=30) == 2
    assert "a worker named twin runs on this machine already" in (tmp_path / "worker-1.log").read_text()
    assert first.poll() is None


def test_a_worker_whose_device_is_not_there_ends_before_it_claims(
    library: Library, start_worker: Start, tmp_path: Path
) -> None:
    asset_id = library.add(jpeg())
    device = "cuda" if sys.platform == "darwin" else "mps"
    process = start_worker(LANES="image=8,ai=1", MODEL_DEVICE=device, MODEL_CACHE_DIR=str(tmp_path))
    assert process.wait(timeout=120) == 2
    assert f"MODEL_DEVICE={device}, but torch" in (tmp_path / "worker-0.log").read_text()
    assert library.job(asset_id)["status"] == "pending"
