"""The model host: the process that models live in, started and ended by `models.serving.remote`.

Its memory comes back when it ends, whatever the libraries keep, and what kills it does not kill the worker.
It serves one worker over the socket it inherits, and ends when that closes, as it does when the worker dies.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, MutableMapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Final, NoReturn

import structlog

from models.errors import DeviceUnavailable, ModelError, ModelFailed
from models.frame import Frame
from models.machine import quiet
from models.serving.frames import HEADER, SIZE, Kind, no_frame, packed, unpacked
from models.serving.registry import Registry
from models.serving.slots import LINE
from models.settings import ModelSettings
from models.spec import Choice
from models.tasks import Task

VERBS: Final = frozenset({"submit", "identify", "drop", "pin", "measured"})
"""Methods of the registry that the worker may call."""
HUNG: Final = 70
"""Exit code of a host that gave up on a load or a call."""
DEAD: Final = 71
"""The same, where nothing is left that could load or call."""
NO_DEVICE: Final = 72
"""The same, where the device or its driver has failed: only a new process finds it again."""
DEVICE_LINGERS: Final = 6
"""From such a failure to that end, in times that a host lingers: a driver that is away fails every request,
and a start takes seconds."""


class ModelHost:
    """Reads requests in the main thread, answers from whichever thread has the answer."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending = Lock()
        self._frames: dict[int, Frame] = {}
        self._asked: dict[int, Future[Any]] = {}
        self._failed_since: float | None = None
        """When the device failed for the first time."""

    def serve(self) -> None:
        """Read and answer requests until the worker is gone."""
        with suppress(EOFError, ConnectionError):
            kind, _, length = self._header()
            assert kind is Kind.ASK
            self._prepare(**unpacked(self._exactly(length), {}))
            while True:
                self._handle(*self._header())

    def _prepare(
        self,
        *,
        settings: str,
        secrets: dict[str, str],
        catalog: str,
        weights: str,
        linger: float,
        patience: float,
        pins: list[tuple[str, Choice | None]],
    ) -> None:
        structlog.configure(processors=[structlog.processors.format_exc_info, self._tell])
        chosen = ModelSettings(_env_file=None, **{**json.loads(settings), **secrets})
        quiet.silence(chosen.model_cache_dir, threads=chosen.model_threads)
        store = _named(weights)(chosen)
        self._registry = Registry(_named(catalog)(), chosen, store)
        for task, choice in pins:
            with suppress(ModelError):  # said when it is asked for
                self._registry.pin(Task(task), choice=choice)
        Thread(target=self._watch, args=(linger, patience), name="watch", daemon=True).start()

    def _handle(self, kind: Kind, number: int, length: int) -> None:
        match kind:
            case Kind.ASK:
                self._ask(number, self._exactly(length))
            case Kind.CANCEL:
                asked = self._asked.get(number)
                if asked is not None:
                    asked.cancel()
            case Kind.FRAME:
                width, height = SIZE.unpack(self._exactly(SIZE.size))
                pixels = self._exactly(length - SIZE.size)
                self._frames[number] = Frame(width=width, height=height, data=pixels)
            case Kind.DROP:
                self._frames.pop(number, None)
            case _:
                raise ValueError(f"{kind.name} is not for the host")

    def _ask(self, number: int, body: bytes) -> None:
        future: Future[Any]
        try:
            verb, *arguments = unpacked(body, self._frames)
            if verb not in VERBS:
                raise ValueError(f"there is no verb {verb!r}")
            answer = getattr(self._registry, verb)(*arguments)
        except Exception as error:
            future = Future()
            future.set_exception(error)
        else:
            future = answer if isinstance(answer, Future) else _done(answer)
        self._asked[number] = future
        future.add_done_callback(partial(self._answer, number))

    def _answer(self, number: int, future: Future[Any]) -> None:
        self._asked.pop(number, None)
        if future.cancelled():
            self._send(Kind.CANCEL, number, b"")  # nobody waits for it, but nothing is owed any longer
            return
        error = future.exception()
        try:
            if error is None:
                self._send(Kind.ANSWER, number, packed(future.result(), no_frame))
                return
        except Exception as unpacked_error:
            error = ModelFailed(f"its answer cannot be sent: {unpacked_error}"[:LINE])
        if not isinstance(error, ModelError):
            error = ModelFailed(f"{type(error).__name__}: {error}"[:LINE])
        if isinstance(error, DeviceUnavailable) and self._failed_since is None:
            self._failed_since = time.monotonic()
        self._send(Kind.ERROR, number, packed(error, no_frame))

    def _tell(self, _logger: Any, level: str, event: MutableMapping[str, Any]) -> NoReturn:
        """Send a log event to the worker, which passes it on through its own log."""
        fields = {key: _plain(value) for key, value in event.items()}
        self._send(Kind.LOG, 0, packed((level, fields.pop("event", ""), fields), no_frame))
        raise structlog.DropEvent

    def _watch(self, linger: float, patience: float) -> NoReturn:
        """Offer to end when nothing was loaded for a while; end when the models' thread hangs or died."""
        idle_since: float | None = None
        while True:
            time.sleep(min(0.5, linger / 4))
            now = time.monotonic()
            busy_since = self._registry.busy_since
            if busy_since is not None and now - busy_since > patience:
                print(f"a model has been at it for {patience:.0f} seconds:", file=sys.stderr)  # noqa: T201
                faulthandler.dump_traceback()
                os._exit(HUNG)
            if self._registry.dead:
                print("the models' thread has died", file=sys.stderr)  # noqa: T201
                os._exit(DEAD)
            if self._failed_since is not None and now - self._failed_since > DEVICE_LINGERS * linger:
                print("the device failed: a new process looks for it", file=sys.stderr)  # noqa: T201
                os._exit(NO_DEVICE)
            if not self._registry.idle:
                idle_since = None
            elif idle_since is None:
                idle_since = now
            elif now - idle_since >= linger:
                self._send(Kind.IDLE, 0, packed(self._registry.measured(), no_frame))
                idle_since = now

    def _send(self, kind: Kind, number: int, body: bytes) -> None:
        with self._sending, suppress(OSError):  # a worker that is gone is noticed by the main thread
            self._sock.sendall(HEADER.pack(kind, number, len(body)) + body)

    def _header(self) -> tuple[Kind, int, int]:
        kind, number, length = HEADER.unpack(self._exactly(HEADER.size))
        return Kind(kind), number, length

    def _exactly(self, length: int) -> bytes:
        data = self._sock.recv(length, socket.MSG_WAITALL) if length else b""
        while len(data) < length:
            more = self._sock.recv(length - len(data), socket.MSG_WAITALL)
            if not more:
                raise EOFError
            data += more
        return data


def _named(name: str) -> Callable[..., Any]:
    """The function or class that `module:name` means."""
    module, _, attribute = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found


def _done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | bool | None) else str(value)[: 8 * LINE]


def main() -> None:
    faulthandler.enable()
    # The worker decides when to end: it drains on signals that a terminal or a supervisor sends to both.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):  # if memory runs out, lose the models rather than the worker
        Path("/proc/self/oom_score_adj").write_text("500")
    ModelHost(socket.socket(fileno=int(sys.argv[1]))).serve()
    os._exit(0)  # whatever the models are doing


if __name__ == "__main__":
    main()
