"""One decoding of a picture, at which everybody looks who asks before it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import IO, Any, TypeVar

from models.machine.memory import MEGABYTE
from models.pictures.demand import Demand
from models.pictures.detail import Detail
from models.pictures.orientation import valid_orientation
from models.pictures.picture import Picture, open_picture
from worker.core.errors import MemoryShort
from worker.model_errors import named_errors
from worker.pixels import LOOKED_FOR, PixelThreads, fulfil

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a picture is opened for, as `open_picture` takes it."""

    short_side: int | None = None
    long_side: int | None = None
    strip_side: int | None = None
    orientation: int | None = None

    @classmethod
    def of(cls, *, short_side: int | None = None, long_side: int | None, orientation: object = None) -> Need:
        return cls(short_side=short_side, long_side=long_side, orientation=valid_orientation(orientation))

    @classmethod
    def for_details(cls, details: Iterable[Detail]) -> Need:
        """What serves to look at a picture in all of `details`."""
        needs = [cls(long_side=one.long_side, strip_side=one.strip_side or None) for one in details]
        return cls.for_all(needs)

    @classmethod
    def for_all(cls, needs: Iterable[Need]) -> Need:
        """What serves all of `needs`, which are of one orientation."""
        first, *rest = needs
        for need in rest:
            first = first._with(need)
        return first

    def serves(self, other: Need) -> bool:
        return self._with(other) == self

    def _with(self, other: Need) -> Need:
        if self._is_all or other._is_all:
            return Need(orientation=self.orientation)
        return Need(
            short_side=max(self.short_side or 0, other.short_side or 0) or None,
            long_side=max(self.long_side or 0, other.long_side or 0) or None,
            strip_side=max(self.strip_side or 0, other.strip_side or 0) or None,
            orientation=self.orientation,
        )

    @property
    def _is_all(self) -> bool:
        return not self.short_side and not self.long_side


class Decode:
    """Work for the threads for pixels: to open a picture and let one after the other look."""

    def __init__(
        self, file: IO[bytes], need: Need, demand: Demand, *, max_pixels: int, is_whole: bool
    ) -> None:
        """`is_whole` says that the picture is decoded in full, whatever `need` says."""
        self._file = file
        self._need = need
        self._demand = demand
        self._max_pixels = max_pixels
        self._is_whole = is_whole
        self._lock = Lock()
        self._waiting: list[tuple[Future[Any], Callable[[Picture, IO[bytes]], Any]]] = []
        self._has_ended = False
        self._turn: Future[None] | None = None

    def start(self, threads: PixelThreads, *, lane: str, urgent: bool) -> None:
        """Wait for a turn. Raises what `PixelThreads.submit` raises."""
        self._turn = threads.submit(self._perform, lane=lane, demand=self._demand, urgent=urgent)
        self._turn.add_done_callback(self._end)

    def join(self, need: Need, look: Callable[[Picture, IO[bytes]], T]) -> Future[T] | None:
        """What `look` will make of the picture; None where that is not fine enough, or gone."""
        with self._lock:
            if self._has_ended or not (self._is_whole or self._need.serves(need)):
                return None
            seen: Future[T] = Future()
            self._waiting.append((seen, look))
            return seen

    def forgo(self) -> None:
        """End, if it has not begun and nobody waits for it any more."""
        with self._lock:
            if not all(seen.cancelled() for seen, _ in self._waiting):
                return
            self._has_ended = True
        if self._turn is not None:
            self._turn.cancel()

    def _perform(self) -> None:
        with self._file as file, self._errors():
            picture = open_picture(
                file,
                max_pixels=self._max_pixels,
                short_side=self._need.short_side,
                long_side=self._need.long_side,
                strip_side=self._need.strip_side,
                orientation=self._need.orientation,
            )
            for seen, look in self._in_turn():
                file.seek(0)
                fulfil(seen, partial(self._look, look, picture, file))

    def _look(self, look: Callable[[Picture, IO[bytes]], T], picture: Picture, file: IO[bytes]) -> T:
        with self._errors():
            return look(picture, file)

    def _in_turn(self) -> Iterator[tuple[Future[Any], Callable[[Picture, IO[bytes]], Any]]]:
        """Those who wait; when there are none any more, it has ended."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._has_ended = True
                    return
                seen, look = self._waiting.pop(0)
            if seen.set_running_or_notify_cancel():
                yield seen, look

    def _end(self, turn: Future[None]) -> None:
        """Tell those who still wait why there is nothing to see."""
        with self._lock:
            self._has_ended = True
            waiting, self._waiting = self._waiting, []
        self._file.close()
        for seen, _ in waiting:
            if turn.cancelled():
                seen.cancel()
            elif seen.set_running_or_notify_cancel():
                seen.set_exception(turn.exception())

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with named_errors():
                yield
        except MemoryError as error:
            if self._demand.bytes < LOOKED_FOR:
                raise
            raise MemoryShort(self._demand.bytes // MEGABYTE) from error
