"""What the worker does about the process of its models; the process itself is in test_host."""

from __future__ import annotations

import asyncio
import signal
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from models.serving import process as module
from models.serving.process import SECRET, log_output, reap
from models.serving.slots import LINE


async def logged(*chunks: bytes) -> list[str]:
    """The lines that are logged of what a process prints, in these pieces."""
    output = asyncio.StreamReader()
    pieces = list(chunks)

    async def read(_most: int) -> bytes:
        return pieces.pop(0) if pieces else b""

    output.read = read  # type: ignore[method-assign, assignment]
    process: Any = SimpleNamespace(stdout=output)
    with capture_logs() as logs:
        await log_output(process)
    return [entry["line"] for entry in logs]


@pytest.mark.parametrize(
    ("chunks", "lines", "why"),
    [
        ([b"one\ntwo\n"], ["one", "two"], "a line each"),
        ([b"one\r\n\n  \n\ttwo"], ["one", "two"], "nothing of blank lines, the last one without an end"),
        ([b"10%\r20%\r"], ["10%", "20%"], "a progress bar"),
        ([b"o", b"ne\r", b"\ntwo"], ["one", "two"], "in pieces"),
        ([b"\x1b[31mred\x1b[0m\x07\n"], ["[31mred[0m"], "nothing that moves a cursor"),
        ([b"caf\xc3", b"\xa9\n"], ["café"], "a letter in two pieces"),
        ([b"\xff\xfe\n"], ["��"], "no text at all"),
        ([], [], "nothing"),
    ],
)
async def test_what_is_printed_is_logged_line_by_line(
    chunks: list[bytes], lines: list[str], why: str
) -> None:
    assert await logged(*chunks) == lines, why


async def test_a_line_without_an_end_is_cut_and_not_kept() -> None:
    lines = await logged(*[b"x" * 1000] * 9, b"y\nlast")
    assert lines == ["x" * LINE, "x" * LINE, "last"], "once when it grew too long, and its rest"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("SUPABASE_SECRET_KEY", True),
        ("SUPABASE_ANON_KEY", True),
        ("KIZU_WORKER_TOKEN", True),
        ("kizu_password", True),
        ("DATABASE_URL", True),
        ("SUPABASE_DB_URL", True),
        ("SENTRY_DSN", True),
        ("KEY", True),
        ("HF_TOKEN_PATH", True),
        ("SUPABASE_URL", False),
        ("KEYBOARD", False),
        ("MONKEY", False),
        ("MODEL_CACHE_DIR", False),
        ("TOKENIZERS_PARALLELISM", False),
    ],
)
def test_variables_that_hold_secrets_are_known_by_their_names(name: str, secret: bool) -> None:
    assert bool(SECRET.search(name)) is secret


class Ended:
    """A process that ends with a code, at once or only when it is killed."""

    def __init__(self, code: int, *, by_itself: bool = True) -> None:
        self._code = code
        self._ended = asyncio.Event()
        if by_itself:
            self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        return self._code

    def kill(self) -> None:
        self._code = -signal.SIGKILL
        self._ended.set()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, "exit code 0; its log lines say why"),
        (3, "exit code 3; its log lines say why"),
        (-signal.SIGSEGV, "SIGSEGV"),
        (-signal.SIGKILL, "SIGKILL, perhaps because memory ran out"),
    ],
)
async def test_how_a_host_ended_is_said_in_words(code: int, said: str) -> None:
    process: Any = Ended(code)
    assert await reap(process) == said


async def test_a_host_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "END_SECONDS", 0.01)
    process: Any = Ended(0, by_itself=False)
    assert (await reap(process)).startswith("SIGKILL")
