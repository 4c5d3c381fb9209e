"""Models in a process of their own, for a worker that holds none.

It is started by the first request and ended when the last model has been unloaded.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
import time
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from itertools import count
from pathlib import Path
from typing import Any, Final

import structlog

from models.errors import ModelError, ModelFailed
from models.frame import Frame
from models.machine import memory
from models.serving.asking import In, M, ModelAnswer, ModelMetrics, Out
from models.serving.frames import HEADER, SIZE, Kind, packed, unpacked
from models.settings import ModelSettings
from models.spec import ModelIdentity
from models.tasks import Task

log = structlog.get_logger()

LINGER_SECONDS: Final = 5.0
"""How long a host without models stays: long enough to serve the next job of a busy queue whose models are
missing, and to remember that they are."""
HUNG_SECONDS: Final = 600.0
"""A load or a call that takes longer, captions' own limit aside, will never end; the host then does."""
SILENT_SECONDS: Final = 60.0
"""Longer than that the host is silent only if it cannot even end itself: it is stopped, or a library keeps
Python's lock. It is then killed. Within them weights are found, or refused, before a load begins."""
END_SECONDS: Final = 5.0
"""How long a host may take to end before it is killed."""
LINE: Final = 500
"""Characters kept of a line that a library printed."""
SECRET: Final = re.compile(r"(^|_)(KEY|SECRET|TOKEN|PASSWORD|DSN|(DB|DATABASE)_URL)(_|$)", re.IGNORECASE)
"""Names of variables that are no business of the models' libraries."""


class RemoteModels:
    """`Models` in a child process, the host. All use is from one event loop."""

    def __init__(
        self,
        settings: ModelSettings,
        *,
        catalog: str = "models.catalog:discover",
        weights: str = "models.weights.store:Weights",
        linger: float = LINGER_SECONDS,
        patience: float = HUNG_SECONDS,
    ) -> None:
        """`catalog` names what answers the specs; `weights` what makes a `WeightStore` of the settings."""
        fields = set(ModelSettings.model_fields)  # a worker's settings know more, some of it secret
        self._patience = patience + 10 * settings.caption_seconds
        self._hello = {
            "settings": settings.model_dump_json(include=fields),
            "catalog": catalog,
            "weights": weights,
            "linger": linger,
            "patience": self._patience,
        }
        self._pins: set[str] = set()
        self._identities: dict[str, ModelIdentity] = {}
        self._past: dict[str, ModelMetrics] = {}
        self._host: _Host | None = None
        self._starting: asyncio.Task[_Host] | None = None
        self._ended: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(
        self,
        task: Task[M],
        call: Callable[[M, Sequence[In]], Sequence[Out]],
        item: In,
        *,
        shape: Hashable = None,
    ) -> ModelAnswer[Out]:
        answer: ModelAnswer[Out] = await self._ask("run", task.name, call.__name__, item, shape)
        self._identities[task.name] = answer.model
        return answer

    async def identity(self, task: Task[Any]) -> ModelIdentity:
        if task.name not in self._identities:
            self._identities[task.name] = await self._ask("identity", task.name)
        return self._identities[task.name]

    async def unload(self, task: Task[Any]) -> None:
        if self.pid is not None:
            await self._ask("unload", task.name)

    async def unload_all(self) -> None:
        if self.pid is not None:
            await self._ask("unload", None)

    async def pin(self, task: Task[Any], pinned: bool = True) -> None:
        """Once loaded, keep the model of `task`, idle or not, until it is unpinned or unloaded."""
        (self._pins.add if pinned else self._pins.discard)(task.name)
        if self.pid is not None:
            await self._ask("pin", task.name, pinned)

    async def metrics(self) -> Mapping[str, ModelMetrics]:
        """Of all hosts so far; what one counted that was killed is lost."""
        if self.pid is None:
            return self._past
        return _summed(self._past, await self._ask("metrics"))

    async def close(self) -> None:
        self._closed = True
        if self._starting is not None:
            with suppress(OSError, ModelError):
                await self._starting
        if self._host is not None:
            self._host.end("the models were closed")
        await asyncio.gather(*self._ended)

    @property
    def pid(self) -> int | None:
        """Of the host; None while there is none."""
        return self._host.pid if self._host is not None and self._host.open else None

    async def _ask(self, verb: str, *arguments: Any) -> Any:
        host = await self._running()
        return await host.ask(verb, *arguments)

    async def _running(self) -> _Host:
        while self._host is None or not self._host.open:
            if self._closed:
                raise ModelFailed("the models are closed")
            if self._starting is None:
                self._starting = asyncio.create_task(self._start())
            await asyncio.shield(self._starting)
        return self._host

    async def _start(self) -> _Host:
        try:
            hello = {**self._hello, "pins": sorted(self._pins)}
            self._host = await _Host.start(hello, self._on_idle, self._patience + SILENT_SECONDS)
            ended = asyncio.create_task(self._host.ended())
            self._ended.add(ended)
            ended.add_done_callback(self._ended.discard)
            return self._host
        except OSError as error:
            raise ModelFailed(f"the process that runs models did not start: {error}") from error
        finally:
            self._starting = None

    def _on_idle(self, metrics: Mapping[str, ModelMetrics]) -> None:
        self._past = _summed(self._past, metrics, loaded=False)


class _Host:
    """One host process and the worker's end of its socket."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        sock: socket.socket,
        on_idle: Callable[[Mapping[str, ModelMetrics]], None],
        silence: float,
    ) -> None:
        """`silence`: seconds without a word while it owes an answer, after which it is killed."""
        self.pid = process.pid
        self.open = True
        self._process = process
        self._sock = sock
        self._on_idle = on_idle
        self._silence = silence
        self._heard = time.monotonic()
        """When the host last said something, or began to owe an answer."""
        self._owed: set[int] = set()
        """Requests that were sent and not answered, whether or not somebody still waits for them."""
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._frames: dict[int, tuple[weakref.ref[Frame], int]] = {}
        """What the host holds, by `id`: to look for equal ones would be to read all their pixels."""
        self._unsent: list[tuple[int, Frame]] = []
        self._outbox: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._reason = ""
        # In a context of its own: what it logs is of no job, least of all of the one that needed it first.
        self._life = asyncio.create_task(self._live(), context=Context())

    @classmethod
    async def start(
        cls,
        hello: Mapping[str, Any],
        on_idle: Callable[[Mapping[str, ModelMetrics]], None],
        silence: float,
    ) -> _Host:
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "models.serving.host", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                env=_environment(),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        host = cls(process, ours, on_idle, silence)
        host._post(host._send_pickled, Kind.ASK, 0, hello)
        return host

    async def ask(self, verb: str, *arguments: Any) -> Any:
        number = next(self._numbers)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._asked[number] = future
        self._post(self._send_request, number, (verb, *arguments))
        try:
            return await future
        except asyncio.CancelledError:
            if self._asked.pop(number, None) is not None:
                self._post(self._send, Kind.CANCEL, number)
            raise

    def end(self, reason: str) -> None:
        """Requests under way fail for `reason`."""
        if self.open:
            self.open = False
            self._reason = reason
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    async def ended(self) -> None:
        await asyncio.shield(self._life)

    async def _live(self) -> None:
        """Everything from the start of the process to its end."""
        sending = asyncio.create_task(self._send_posted())
        printing = asyncio.create_task(self._print())
        watching = asyncio.create_task(self._watch())
        try:
            while True:
                await self._receive()
        except (EOFError, OSError):
            pass
        except Exception:
            log.exception("model host not understood")
        finally:
            self.open = False
            watching.cancel()
            sending.cancel()
            await asyncio.wait([sending])
            self._sock.close()
            code = await self._reap()
            await asyncio.wait([printing], timeout=1)  # a child of its own may hold its output open
            printing.cancel()
            if not self._reason:
                self._reason = f"the process that runs models ended: {_in_words(code)}"
                log.warning("model host lost", pid=self.pid, reason=self._reason, requests=len(self._asked))
            for future in self._asked.values():
                if not future.done():
                    future.set_exception(ModelFailed(self._reason))
            self._asked.clear()
            self._frames.clear()
            await asyncio.to_thread(memory.give_back)  # what the pictures took here

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._silence / 4))
            if self._owed and time.monotonic() - self._heard > self._silence:
                self.end(f"the process that runs models said nothing for {self._silence:.0f} seconds")
                log.warning("model host killed", pid=self.pid, reason=self._reason, requests=len(self._asked))
                with suppress(ProcessLookupError):
                    self._process.kill()
                return

    async def _reap(self) -> int:
        try:
            return await asyncio.wait_for(self._process.wait(), END_SECONDS)
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()

    # To the host: one message after the other, so that a caller who leaves cuts none in two.

    def _post(self, send: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        self._outbox.put_nowait(lambda: send(*arguments))

    async def _send_posted(self) -> None:
        with suppress(OSError):  # noticed where it is read from
            while True:
                send = await self._outbox.get()
                await send()
                del send

    async def _send_request(self, number: int, request: tuple[Any, ...]) -> None:
        future = self._asked.get(number)
        if future is None:
            return  # taken back meanwhile
        try:
            body = packed(request, self._number_of)
        except Exception as error:
            self._asked.pop(number, None)
            if not future.done():
                future.set_exception(error)
            return
        if not self._owed:
            self._heard = time.monotonic()
        self._owed.add(number)
        while self._unsent:
            frame_number, frame = self._unsent.pop()
            size = SIZE.pack(frame.width, frame.height)
            await self._send(Kind.FRAME, frame_number, size, frame.data)
        await self._send(Kind.ASK, number, body)

    async def _send_pickled(self, kind: Kind, number: int, value: Any) -> None:
        await self._send(kind, number, packed(value, self._number_of))

    async def _send(self, kind: Kind, number: int, *parts: bytes) -> None:
        head = HEADER.pack(kind, number, sum(map(len, parts)))
        if len(parts) > 1:
            *small, large = parts
            await self._loop.sock_sendall(self._sock, b"".join([head, *small]))
            await self._loop.sock_sendall(self._sock, large)
        else:
            await self._loop.sock_sendall(self._sock, b"".join([head, *parts]))

    def _number_of(self, frame: Frame) -> int:
        """A frame goes to the host with the first request about it; when nobody here holds it, it is
        forgotten there."""
        key = id(frame)
        known = self._frames.get(key)
        if known is not None and known[0]() is frame:
            return known[1]
        number = next(self._numbers)
        self._frames[key] = (weakref.ref(frame, lambda _: self._forget(key, number)), number)
        self._unsent.append((number, frame))
        return number

    def _forget(self, key: int, number: int) -> None:
        """In whichever thread let go of the frame."""
        self._frames.pop(key, None)
        if self.open:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._post, self._send, Kind.DROP, number)

    # From the host.

    async def _receive(self) -> None:
        kind, number, length = HEADER.unpack(await self._exactly(HEADER.size))
        body = await self._exactly(length)
        match Kind(kind):
            case Kind.ANSWER | Kind.ERROR:
                self._owed.discard(number)
                self._settle(Kind(kind), self._asked.pop(number, None), body)
            case Kind.CANCEL:
                self._owed.discard(number)
            case Kind.LOG:
                level, event, fields = unpacked(body, {})
                getattr(log, level, log.info)(event, **fields)
            case Kind.IDLE:
                if not self._asked and self._outbox.empty():
                    self._on_idle(unpacked(body, {}))
                    self.end("no model was in use")
            case other:
                raise EOFError(f"{other.name} is not for the worker")

    def _settle(self, kind: Kind, future: asyncio.Future[Any] | None, body: bytes) -> None:
        if future is None or future.done():
            return
        try:
            value = unpacked(body, {})
        except Exception as error:
            future.set_exception(ModelFailed(f"its answer cannot be read: {error}"[:LINE]))
            return
        if kind is Kind.ANSWER:
            future.set_result(value)
        else:
            future.set_exception(value)

    async def _exactly(self, length: int) -> bytes:
        parts = []
        while length:
            part = await self._loop.sock_recv(self._sock, min(length, 2**20))
            if not part:
                raise EOFError
            self._heard = time.monotonic()
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    async def _print(self) -> None:
        """What libraries print goes to our log, a line at a time, without what is no text."""
        assert self._process.stdout is not None
        rest = b""
        while chunk := await self._process.stdout.read(2**16):
            *lines, rest = re.split(rb"[\r\n]+", rest + chunk)
            for line in [*lines, *([rest] if len(rest) > 8 * LINE else [])]:
                _log_line(line)
            rest = rest if len(rest) <= 8 * LINE else b""
        _log_line(rest)


def _log_line(line: bytes) -> None:
    text = "".join(letter for letter in line.decode(errors="replace") if letter.isprintable()).strip()
    if text:
        log.info("model host printed", line=text[:LINE])


def _environment() -> dict[str, str]:
    """Ours without secrets; the host finds this package whatever the current folder holds."""
    ours = {name: value for name, value in os.environ.items() if not SECRET.search(name)}
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, ours.get("PYTHONPATH")]))
    return {**ours, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}; its log lines say why"
    name = signal.Signals(-code).name
    if name == "SIGKILL":
        return f"{name}, perhaps because memory ran out"
    return name


def _summed(
    past: Mapping[str, ModelMetrics], present: Mapping[str, ModelMetrics], *, loaded: bool = True
) -> dict[str, ModelMetrics]:
    return {
        version: _sum(past.get(version, ModelMetrics()), present.get(version, ModelMetrics()), loaded=loaded)
        for version in {**past, **present}
    }


def _sum(past: ModelMetrics, present: ModelMetrics, *, loaded: bool) -> ModelMetrics:
    return ModelMetrics(
        loads=past.loads + present.loads,
        load_seconds=past.load_seconds + present.load_seconds,
        batches=past.batches + present.batches,
        batch_sizes=dict(Counter(past.batch_sizes) + Counter(present.batch_sizes)),
        wait_seconds=past.wait_seconds + present.wait_seconds,
        run_seconds=past.run_seconds + present.run_seconds,
        megabytes=present.megabytes if loaded else 0,
    )
