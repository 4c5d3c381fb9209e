from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from worker.core.errors import TooLarge
from worker.files.spool import IN_MEMORY, Folder, Spool, remove_leftovers


async def test_small_file_stays_in_memory() -> None:
    spool = Spool(IN_MEMORY)
    for piece in (b"a", b"", b"bc"):
        await spool.write(piece)

    with await spool.take() as file:
        assert isinstance(file, io.BytesIO)
        assert file.read() == b"abc"


async def test_large_file_is_on_disk_whole_and_in_order() -> None:
    pieces = [bytes([number]) * (IN_MEMORY // 4) for number in range(11)]
    spool = Spool(len(pieces) * IN_MEMORY)
    for piece in pieces:
        await spool.write(piece)

    with await spool.take() as file:
        assert not isinstance(file, io.BytesIO)
        assert file.read() == b"".join(pieces)


async def test_what_goes_beyond_the_limit_is_refused() -> None:
    spool = Spool(3)
    await spool.write(b"abc")

    with pytest.raises(TooLarge):
        await spool.write(b"d")

    spool.close()


async def test_closed_spool_is_empty_and_may_be_filled_again() -> None:
    spool = Spool(3)
    await spool.write(b"abc")
    spool.close()
    await spool.write(b"def")

    with await spool.take() as file:
        assert file.read() == b"def"


async def test_spool_with_a_path_writes_even_a_small_or_empty_file_there(tmp_path: Path) -> None:
    for content in (b"abc", b""):
        spool = Spool(3, path=tmp_path / "file")
        await spool.write(content)

        with await spool.take() as file:
            assert file.read() == content
        assert (tmp_path / "file").read_bytes() == content


async def test_spool_with_a_path_filled_again_keeps_nothing_of_the_first_try(tmp_path: Path) -> None:
    spool = Spool(2 * IN_MEMORY, path=tmp_path / "file")
    await spool.write(b"x" * IN_MEMORY)
    await spool.write(b"y" * IN_MEMORY)
    spool.close()
    await spool.write(b"abc")

    (await spool.take()).close()
    assert (tmp_path / "file").read_bytes() == b"abc"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folder_is_private_and_gone_when_removed_even_twice(temporary: Path) -> None:
    folder = Folder()
    (folder.path / "file").write_bytes(b"x")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    folder.remove()
    folder.remove()
    assert list(temporary.iterdir()) == []


def test_leftovers_of_killed_processes_are_removed_and_what_is_in_use_stays(temporary: Path) -> None:
    script = (
        "import os; from worker.files.spool import Folder; print(Folder().path, flush=True); os.read(0, 1)"
    )
    others = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        for _ in range(2)
    ]
    killed, alive = [Path(other.stdout.readline().strip()) for other in others if other.stdout]
    (killed / "file").write_bytes(b"x")
    others[0].kill()
    others[0].communicate()
    foreign = temporary / "kizu-spool-notes"
    foreign.mkdir()
    ours = Folder()

    remove_leftovers()

    assert set(temporary.iterdir()) == {ours.path, foreign, alive}
    others[1].communicate("x")
    ours.remove()
