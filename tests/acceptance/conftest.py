from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.acceptance.library import Library, personal
from tests.generations import forget_generations
from worker.local.stack import StackInfo
from worker.settings import Settings


@pytest.fixture
def join(
    stack: StackInfo, db: psycopg.Connection[Any], make_user: Callable[[], Any]
) -> Callable[[], Library]:
    """The library of somebody who has just signed up."""

    def joined() -> Library:
        user = make_user()
        return Library(
            user_id=user.user_id,
            email=user.email,
            password=user.password,
            token=user.access_token,
            stack=stack,
            db=db,
        )

    return joined


@pytest.fixture
def library(join: Callable[[], Library]) -> Library:
    return join()


@pytest.fixture
def shapes(library: Library, tmp_path: Path) -> Settings:
    """A worker of the library's owner, with the model that knows coloured shapes for CLIP."""
    for package in ("open_clip", "torch", "safetensors"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: scripts/install")
    from scripts.shapes_model.folder import write

    write(tmp_path / "shapes")
    return personal(
        library,
        lanes={"ai": 4, "interactive": 1},
        clip_pretrained=str(tmp_path / "shapes"),
        model_cache_dir=tmp_path / "cache",
        model_downloads=False,
    )


@pytest.fixture(autouse=True)
def _empty_queue(db: psycopg.Connection[Any]) -> None:
    """What earlier tests left pending would be found by this test's workers, and their models be asked.

    Workers that they killed would be waited for.
    """
    db.execute("delete from jobs")
    db.execute("delete from workers")
    forget_generations(db)


@pytest.fixture
def start_worker(stack: StackInfo, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `kizu worker` as a process of its own, or under `watch`; what still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(
        *arguments: str,
        program: tuple[str, ...] = ("-m", "worker"),
        watch: tuple[str, ...] = (),
        **environment: str,
    ) -> subprocess.Popen[bytes]:
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("SUPABASE", "KIZU"))
        }
        project = {"SUPABASE_URL": stack.url, "SUPABASE_SECRET_KEY": stack.secret_key}
        with (tmp_path / f"worker-{len(started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *watch,
                    sys.executable,
                    *program,
                    "worker",
                    "--worker-id",
                    f"w-{uuid.uuid4().hex[:8]}",
                    *arguments,
                ],
                env={**clean, **project, "LOG_FORMAT": "json", "LANES": "image=8", **environment},
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
