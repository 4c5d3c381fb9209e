"""Processes that outlive their caller, and are not taken for another of the same pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from worker.local.process import ProcessId, end, gone, launch, read_process_id, write_process_id


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_pid_of_another_time_is_not_ours(tmp_path: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        identity = write_process_id(tmp_path / "pid", bystander.pid)
        stale = ProcessId(identity.pid, identity.started - 100)
        assert stale.process() is None
        end(stale, grace_seconds=1)
        assert bystander.poll() is None
        end(identity, grace_seconds=5)
        assert bystander.wait(5) == -signal.SIGTERM
    finally:
        bystander.kill()
        bystander.wait()


def test_a_process_is_there_until_its_last_thread_has_ended(tmp_path: Path) -> None:
    """As a killed gateway may be for some milliseconds, with its port."""
    first_ends = (
        "import ctypes, threading, time; "
        "threading.Thread(target=time.sleep, args=(60,)).start(); "
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    half_dead = subprocess.Popen([sys.executable, "-c", first_ends])
    try:
        identity = write_process_id(tmp_path / "pid", half_dead.pid)
        eventually(lambda: psutil.Process(half_dead.pid).status() == psutil.STATUS_ZOMBIE)
        assert identity.process() is not None
        half_dead.kill()
        eventually(lambda: identity.process() is None)
    finally:
        half_dead.kill()
        half_dead.wait()


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["/bin/sh", "-c", 'trap "" TERM; echo ready; while :; do sleep 0.05; done']
    pid = launch(command, environment={"PATH": os.environ["PATH"]}, log=log, folder=tmp_path)
    identity = write_process_id(tmp_path / "pid", pid)
    deadline = time.monotonic() + 5
    while "ready" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    end(identity, grace_seconds=0.2)
    assert identity.process() is None


def test_what_was_written_down_is_read_again(tmp_path: Path) -> None:
    identity = write_process_id(tmp_path / "pid", os.getpid())
    assert read_process_id(tmp_path / "pid") == identity
    process = identity.process()
    assert process is not None
    assert process.pid == os.getpid()
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[1]", "1234", '{"pid": 1}', '{"pid": "x", "started": 1}', '{"pid": 1, "started": null}'],
)
def test_half_a_note_names_no_process(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "pid").write_text(text)
    assert read_process_id(tmp_path / "pid") is None


def test_a_process_that_has_ended_cannot_be_written_down(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with pytest.raises(psutil.NoSuchProcess):
        write_process_id(tmp_path / "pid", ended.pid)
    assert not (tmp_path / "pid").exists()


def test_who_waits_for_the_end_of_what_goes_on_is_told_in_time() -> None:
    me = ProcessId(os.getpid(), psutil.Process().create_time())
    begun = time.monotonic()
    assert not gone(me, within_seconds=0.05)
    assert time.monotonic() - begun < 1
