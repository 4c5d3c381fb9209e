"""Models in a process of their own, for a worker that holds none.

The process is started by the first request and ended when the last model has been unloaded.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any, Final

import structlog
from pydantic import SecretStr

from models.errors import ModelError, ModelFailed
from models.machine import memory
from models.serving.asking import In, M, ModelAnswer, ModelMetrics, Out
from models.serving.channel import Channel, HostLost
from models.serving.company import Company
from models.serving.metrics import summed
from models.serving.process import log_output, reap, start_host
from models.settings import ModelSettings
from models.spec import Choice, ModelIdentity
from models.tasks import Task

log = structlog.get_logger()

LINGER_SECONDS: Final = 5.0
"""How long a host without models stays: long enough to serve the next job of a busy queue whose models are
missing, and to remember that they are."""
HUNG_SECONDS: Final = 600.0
"""A load or a call that takes longer, captions' own limit aside, will never end; the host then does."""
SILENT_SECONDS: Final = 60.0
"""A host that is silent for so long beyond that cannot even end itself, being stopped, or because a library
keeps Python's lock: it is killed. Within them weights are found, or refused, before a load begins."""


class RemoteModels:
    """`Models` in a child process, the model host. All use is from one event loop.

    What was under way when a host ended is asked again, each alone, so that a picture that ends the host
    fails without its neighbours.
    """

    def __init__(
        self,
        settings: ModelSettings,
        *,
        catalog: str = "models.catalog:discover",
        weights: str = "models.weights.store:Weights",
        linger: float = LINGER_SECONDS,
        patience: float = HUNG_SECONDS,
    ) -> None:
        """`catalog` names what returns the specs; `weights` what makes a `WeightStore` of the settings."""
        fields = set(ModelSettings.model_fields)  # a worker's settings know more, most of it secret
        self._patience = patience + 10 * settings.caption_seconds
        self._hello = {
            "settings": settings.model_dump_json(include=fields),
            # As JSON it would be stars; the socket is nobody else's.
            "secrets": {
                name: value.get_secret_value()
                for name in fields
                if isinstance(value := getattr(settings, name), SecretStr)
            },
            "catalog": catalog,
            "weights": weights,
            "linger": linger,
            "patience": self._patience,
        }
        self._pins: set[tuple[str, Choice | None]] = set()
        self._identities: dict[tuple[str, Choice | None], ModelIdentity] = {}
        self._past: dict[str, ModelMetrics] = {}
        self._host: RunningHost | None = None
        self._starting: asyncio.Task[RunningHost] | None = None
        self._ended: set[asyncio.Task[None]] = set()
        self._company = Company()
        self._closed = False

    async def run(
        self,
        task: Task[M],
        call: Callable[[M, Sequence[In]], Sequence[Out]],
        item: In,
        *,
        shape: Hashable = None,
        choice: Choice | None = None,
    ) -> ModelAnswer[Out]:
        request = ("submit", task.name, call.__name__, item, shape, choice)
        answer: ModelAnswer[Out]
        try:
            async with self._company.together():
                answer = await self._ask(*request)
        except HostLost:
            if self._closed:
                raise
            # Any of those under way may have ended it, or somebody outside: alone it is this one's doing.
            async with self._company.alone():
                answer = await self._ask(*request)
        self._identities[task.name, choice] = answer.model
        return answer

    async def identity(self, task: Task[Any], choice: Choice | None = None) -> ModelIdentity:
        key = (task.name, choice)
        if key not in self._identities:
            self._identities[key] = await self._ask("identify", *key)
        return self._identities[key]

    async def unload(self, task: Task[Any], choice: Choice | None = None) -> None:
        await self._ask_running("drop", task.name, choice)

    async def unload_all(self) -> None:
        await self._ask_running("drop", None)

    async def pin(self, task: Task[Any], pinned: bool = True, choice: Choice | None = None) -> None:
        """Once loaded, keep the model of `task`, idle or not, until it is unpinned."""
        (self._pins.add if pinned else self._pins.discard)((task.name, choice))
        await self._ask_running("pin", Task(task.name), pinned, choice)

    async def metrics(self) -> Mapping[str, ModelMetrics]:
        """Metrics of all hosts so far; what one counted that was killed is lost."""
        return summed(self._past, await self._ask_running("measured") or {})

    async def close(self) -> None:
        self._closed = True
        if self._starting is not None:
            with suppress(OSError, ModelError):
                await self._starting
        if self._host is not None:
            self._host.end("the models were closed")
        await asyncio.gather(*self._ended)

    async def __aenter__(self) -> RemoteModels:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def pid(self) -> int | None:
        """The host's pid; None while there is none."""
        return self._host.pid if self._host is not None and self._host.open else None

    async def _ask(self, verb: str, *arguments: Any) -> Any:
        """Ask the host, starting it first if need be."""
        host = await self._running()
        return await host.channel.ask(verb, *arguments)

    async def _ask_running(self, verb: str, *arguments: Any) -> Any:
        """Ask the host if it runs, and goes on running; without one there is nothing to do."""
        host = self._host if self.pid is not None else None
        if host is None:
            return None
        try:
            return await host.channel.ask(verb, *arguments)
        except ModelFailed:
            if host.open:
                raise
            return None

    async def _running(self) -> RunningHost:
        while self._host is None or not self._host.open:
            if self._closed:
                raise ModelFailed("the models are closed")
            if self._starting is None:
                self._starting = asyncio.create_task(self._start())
            await asyncio.shield(self._starting)
        return self._host

    async def _start(self) -> RunningHost:
        try:
            process, sock = await start_host()
            self._host = RunningHost(process, sock, self._on_idle, self._patience + SILENT_SECONDS)
            self._host.channel.greet({**self._hello, "pins": list(self._pins)})
            ended = asyncio.create_task(self._host.ended())
            self._ended.add(ended)
            ended.add_done_callback(self._ended.discard)
            return self._host
        except OSError as error:
            raise ModelFailed(f"the process that runs models did not start: {error}") from error
        finally:
            self._starting = None

    def _on_idle(self, metrics: Mapping[str, ModelMetrics]) -> None:
        self._past = summed(self._past, metrics, loaded=False)


class RunningHost:
    """One host process from its start to its end, and the channel to it."""

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
        self.silence = silence
        self.channel = Channel(sock, self._idle)
        self._process = process
        self._on_idle = on_idle
        self._reason = ""
        # In a context of its own: what it logs is of no job, least of all of the one that needed it first.
        self._life = asyncio.create_task(self._live(), context=Context())

    def end(self, reason: str) -> None:
        """End the process; requests under way fail for `reason`."""
        if self.open:
            self.open = False
            self._reason = reason
            self.channel.hang_up()

    async def ended(self) -> None:
        await asyncio.shield(self._life)

    def _idle(self, metrics: Mapping[str, ModelMetrics]) -> None:
        self._on_idle(metrics)
        self.end("no model was in use")

    async def _live(self) -> None:
        printing = asyncio.create_task(log_output(self._process))
        watching = asyncio.create_task(self._watch())
        try:
            await self.channel.serve()
        finally:
            self.open = False
            watching.cancel()
            how = await reap(self._process)
            await asyncio.wait([printing], timeout=1)  # a child of its own may hold its output open
            printing.cancel()
            if not self._reason:
                self._reason = f"the process that runs models ended: {how}"
                log.warning(
                    "model host lost", pid=self.pid, reason=self._reason, requests=self.channel.waiting
                )
            self.channel.fail(self._reason)
            await asyncio.to_thread(memory.return_memory)  # what the pictures took here

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self.silence / 4))
            if self.channel.silent_seconds > self.silence:
                requests = self.channel.waiting
                self.end(f"the process that runs models said nothing for {self.silence:.0f} seconds")
                log.warning("model host killed", pid=self.pid, reason=self._reason, requests=requests)
                with suppress(ProcessLookupError):
                    self._process.kill()
                return
