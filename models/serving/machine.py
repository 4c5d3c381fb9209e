"""Whether this machine has what the settings ask for, found out without importing torch into this process."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from typing import Final

from models.serving.process import environment
from models.settings import ModelSettings

LOOK_SECONDS: Final = 120.0
"""The most that importing torch and ONNX Runtime takes on a slow disk."""


async def problem_of(settings: ModelSettings, *, seconds: float = LOOK_SECONDS) -> str:
    """What MODEL_DEVICE or MODEL_BACKEND ask for and this machine lacks; empty where it lacks nothing.

    `auto` asks for nothing, nor does the processor: then nothing is started.
    """
    device, backend = settings.model_device, settings.model_backend
    if device in ("auto", "cpu") and backend == "auto":
        return ""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "models.machine.report"),
        *(str(settings.model_cache_dir), device, backend),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(),
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
        return str(json.loads(said.splitlines()[-1])["problem"])
    except (TimeoutError, ValueError, LookupError, TypeError):
        # A driver that hangs, or ends whoever asks for it, is not there either.
        return (
            f"MODEL_DEVICE={device}, MODEL_BACKEND={backend}: looking for them in a process of its own failed"
        )
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
