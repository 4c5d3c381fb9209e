"""What the commands about generations share: they act as the project's service, and show how far they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from models.errors import ModelError
from worker.library.changing import check_service
from worker.output import CommandFailed
from worker.project.connection import Connection
from worker.settings import Settings

T = TypeVar("T")


def as_service(settings: Settings, act: Callable[[Connection], Awaitable[T]]) -> T:
    """Act as the project's service.

    Raises:
        PermissionDenied: the settings sign in as somebody else.
        CommandFailed: a model is not to be had here.
    """

    async def run() -> T:
        async with Connection(settings) as connection:
            check_service(connection)
            return await act(connection)

    try:
        return asyncio.run(run())
    except ModelError as error:
        raise CommandFailed(f"{error.code}: {error}") from None


class Bar:
    """One bar on standard error, of whatever is done now."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def show(self, what: str, done: int, of: int | None = None) -> None:
        self._progress.update(self._task, description=what, completed=done, total=of)


@contextmanager
def progress_bar() -> Iterator[Bar]:
    """A bar that is gone in the end; nothing where standard error is no terminal."""
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bar(progress)
