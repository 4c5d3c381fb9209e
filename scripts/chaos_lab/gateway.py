"""The way from the workers to the project: a request may be lost before or after it has taken effect."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import httpx

from scripts.chaos_lab.plan import Mischief
from scripts.chaos_lab.tunnel import SocketFate, Tunnel
from scripts.chaos_lab.wire import Head, head_bytes, read_head
from worker.core.errors import AuthFailed
from worker.project.caller import claims_of

HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding")
YOUNG_SECONDS = 2
"""A token is not expired before this age: a renewed one that is refused as well would be a wrong password."""

CUT_OFF_LEASES = 1.2
"""How long a worker that is cut off stays so."""


class Fate(StrEnum):
    """What becomes of a request."""

    FORWARD = "forward"
    DROP_RESPONSE = "drop_response"
    DROP_REQUEST = "drop_request"
    UNAVAILABLE = "unavailable"
    SLOW = "slow"
    LATE = "late"
    TWICE = "twice"
    CUT_OFF = "cut_off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghost:
    """A settlement that was sent in time and has not arrived."""

    head: Head
    worker: str
    settlement: Mapping[str, Any]


class ChaosGateway:
    """Listens on a free port of loopback while used as a context; `url` is what workers are given."""

    def __init__(
        self, upstream: str, mischief: Mischief, *, lease: float, token_life: int, dice: random.Random
    ) -> None:
        self.upstream = upstream
        self.calm = False
        """From now on forward everything."""
        self.happened: Counter[str] = Counter()
        self._mischief = mischief
        self._lease = lease
        self._token_life = token_life
        self._dice = dice
        self._http = httpx.AsyncClient(
            trust_env=False,
            timeout=60,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=40),
        )
        self._expired: set[str] = set()
        self._cut_off: dict[str, float] = {}
        """Workers that reach nobody, and until when."""
        self._ghosts: dict[str, Ghost] = {}
        """By job: settlements that wait until somebody else has it."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> ChaosGateway:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def settled(self, *, within: float) -> None:
        """Wait for requests that are still on their way after everybody has hung up."""
        if self._tasks:
            _, unanswered = await asyncio.wait(self._tasks, timeout=within)
            self.happened["never answered"] += len(unanswered)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._start(self._converse(reader, writer))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (head := await read_head(reader)) is not None:
                if head.get("upgrade").lower() == "websocket":
                    await self._tunnel(head, reader, writer)
                    return
                body = await reader.readexactly(int(head.get("content-length") or 0))
                if not await self._answer(head, body, writer):
                    return
        except (OSError, asyncio.IncompleteReadError, httpx.TransportError):
            self.happened["connections lost"] += 1
        finally:
            writer.transport.abort()

    async def _answer(self, head: Head, body: bytes, writer: asyncio.StreamWriter) -> bool:
        """Deal with one request; answers whether its connection is kept."""
        self.happened["requests"] += 1
        if self._is_expired(head):
            self.happened["expired"] += 1
            await self._send(writer, 401, {"code": "PGRST303", "message": "JWT expired"})
            return True
        worker = _worker_of(head, body)
        if time.monotonic() < self._cut_off.get(worker, 0) and not self.calm:
            self.happened["out of reach"] += 1
            return False
        fate = self._draw(head)
        self.happened[fate] += 1
        match fate:
            case Fate.DROP_REQUEST:
                return False
            case Fate.LATE:
                self._start(self._forward_late(head, body))
                return False
            case Fate.CUT_OFF:
                self._cut_off[worker] = time.monotonic() + CUT_OFF_LEASES * self._lease
                for item in json.loads(body)["p_settlements"]:
                    self._ghosts[item["id"]] = Ghost(head=head, worker=worker, settlement=item)
                return False
            case Fate.UNAVAILABLE:
                await self._send(writer, 503, {"code": "PGRST002", "message": "chaos"})
                return True
            case Fate.SLOW:
                await asyncio.sleep(self._dice.uniform(0, self._lease))
                answer = await self._forward(head, body)
            case Fate.TWICE:
                answer, _ = await asyncio.gather(self._forward(head, body), self._forward(head, body))
            case Fate.FORWARD | Fate.DROP_RESPONSE:
                answer = await self._forward(head, body)
        if fate is Fate.DROP_RESPONSE:
            if answer.is_success and _settles(head):
                self.happened["settled and dropped"] += 1
            return False
        await self._pass_on(answer, writer)
        return True

    def _draw(self, head: Head) -> Fate:
        if self.calm:
            return Fate.FORWARD
        good = {Fate.FORWARD} if _settles(head) else {Fate.FORWARD, Fate.CUT_OFF}
        bad = [fate for fate in Fate if fate not in good]
        chances: dict[Fate, float] = {fate: getattr(self._mischief, fate) for fate in bad}
        chances[Fate.FORWARD] = 1 - sum(chances.values())
        return self._dice.choices(list(chances), list(chances.values()))[0]

    async def _forward(self, head: Head, body: bytes) -> httpx.Response:
        headers = [*head.without("host", "accept-encoding", *HOP_BY_HOP), ("accept-encoding", "identity")]
        answer = await self._http.request(
            head.method, self.upstream + head.target, headers=headers, content=body
        )
        if head.target.endswith("/rpc/claim_jobs") and answer.is_success:
            self._wake_ghosts(answer.json()["jobs"])
        if head.target.startswith("/auth/v1/token") and answer.is_success:
            session = {**answer.json(), "expires_in": self._token_life}
            return httpx.Response(answer.status_code, headers=answer.headers, json=session)
        return answer

    async def _forward_late(self, head: Head, body: bytes) -> None:
        await asyncio.sleep(self._dice.uniform(0, 2 * self._lease))
        with suppress(httpx.TransportError):
            await self._forward(head, body)

    def _wake_ghosts(self, claimed: Sequence[Mapping[str, Any]]) -> None:
        """Deliver what earlier holders of these jobs had to say, now that others have them."""
        for job in claimed:
            if (ghost := self._ghosts.get(job["id"])) and ghost.settlement["epoch"] < job["epoch"]:
                self._start(self._haunt(self._ghosts.pop(job["id"])))

    async def _haunt(self, ghost: Ghost) -> None:
        body = {"p_worker": ghost.worker, "p_settlements": [ghost.settlement]}
        with suppress(httpx.TransportError):
            answer = await self._forward(ghost.head, json.dumps(body).encode())
            if answer.is_success:
                self.happened[f"ghosts {answer.json()[0]['answer']}"] += 1

    async def _pass_on(self, answer: httpx.Response, writer: asyncio.StreamWriter) -> None:
        headers = [(name, value) for name, value in answer.headers.items() if name not in HOP_BY_HOP]
        headers.append(("content-length", str(len(answer.content))))
        writer.write(head_bytes(f"HTTP/1.1 {answer.status_code} Chaos", headers) + answer.content)
        await writer.drain()

    async def _send(self, writer: asyncio.StreamWriter, status: int, body: dict[str, str]) -> None:
        await self._pass_on(httpx.Response(status, json=body), writer)

    def _is_expired(self, head: Head) -> bool:
        """Whether a user's own token, and no other, is refused; Auth itself asks for no token."""
        if head.target.startswith("/auth/v1/"):
            return False
        token = head.get("authorization").removeprefix("Bearer ")
        if token in self._expired:
            return True
        try:
            claims = claims_of(token, origin="the request")
        except AuthFailed:
            return False
        is_old = claims.get("role") == "authenticated" and time.time() - claims["iat"] > YOUNG_SECONDS
        if not self.calm and is_old and self._dice.random() < self._mischief.expire:
            self._expired.add(token)
            return True
        return False

    async def _tunnel(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fate = self._dice.choice(list(SocketFate))
        after = float("inf") if self.calm else self._dice.uniform(0.2, 3.0)
        tunnel = Tunnel(reader, writer, fate=fate, after=after)
        parts = urlsplit(self.upstream)
        try:
            await tunnel.carry(head, parts.hostname or "127.0.0.1", parts.port or 80)
        finally:
            self.happened["sockets"] += 1
            if tunnel.suffered:
                self.happened[f"realtime {fate}"] += 1


def _settles(head: Head) -> bool:
    return head.target.endswith("/rpc/settle_jobs")


def _worker_of(head: Head, body: bytes) -> str:
    """The worker that calls one of the queue's verbs; empty for everything else."""
    if "/rpc/" not in head.target:
        return ""
    return str(json.loads(body).get("p_worker", ""))
