from __future__ import annotations

import io

import pytest

from worker.core.errors import TooLarge
from worker.files.spool import IN_MEMORY, Spool


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
