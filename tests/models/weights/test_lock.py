from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from models.errors import WeightsMissing
from models.weights import lock
from models.weights.lock import alone


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LOOK_SECONDS", 0.01)


def test_the_second_waits_for_the_first_and_says_so_once(tmp_path: Path) -> None:
    order: list[str] = []
    inside, enough = threading.Event(), threading.Event()

    def first() -> None:
        with alone(tmp_path, "model.bin"):
            inside.set()
            assert enough.wait(10)
            order.append("first")

    holder = threading.Thread(target=first)
    holder.start()
    assert inside.wait(10)
    threading.Timer(0.05, enough.set).start()
    with capture_logs() as logs, alone(tmp_path, "model.bin"):
        order.append("second")
    holder.join()
    assert order == ["first", "second"]
    assert [(entry["event"], entry["file"]) for entry in logs] == [
        ("weights download waiting for another process", "model.bin")
    ]


def test_another_file_is_not_waited_for(tmp_path: Path) -> None:
    with alone(tmp_path, "a.bin"), alone(tmp_path, "b.bin"), capture_logs() as logs:
        assert logs == []


def test_a_failure_gives_the_lock_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), alone(tmp_path, "model.bin"):
        raise ValueError("no")
    with capture_logs() as logs, alone(tmp_path, "model.bin"):
        assert logs == []


def test_lock_that_is_never_given_back_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LOCK_SECONDS", 0.05)
    with (tmp_path / ".model.bin.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with (
            pytest.raises(WeightsMissing, match=r"another process .* holds .*/\.model\.bin\.lock"),
            alone(tmp_path, "model.bin"),
        ):
            pytest.fail("it was not alone")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(WeightsMissing, match=r"weights cannot be kept in .*/file/clip: Not a directory"),
        alone(tmp_path / "file" / "clip", "model.bin"),
    ):
        pytest.fail("there is no lock")
