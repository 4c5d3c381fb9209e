"""Signing in three ways, staying signed in, and calls that survive what the network does to them."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.worker.loopback import Reply, Request, Server, serving
from worker.core.errors import (
    AuthFailed,
    DatabaseUnavailable,
    InternalError,
    NotFound,
    PermissionDenied,
    ProjectUnreachable,
    SchemaMissing,
    StartupError,
)
from worker.project import account
from worker.project.caller import Caller
from worker.project.connection import Connection
from worker.settings import Settings

USER = UUID("11111111-2222-4333-8444-555555555555")
PUBLISHABLE = "sb_publishable_for_tests"
SECRET = "sb_secret_for_tests"
PASSWORD = "correct horse"


def jwt(**claims: object) -> str:
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)
    )
    return ".".join([*parts, uuid4().hex])


WORKER_TOKEN = jwt(role="kizu_worker")


@dataclass
class Project:
    """Auth and one function of a project, with what can go wrong with them as fields."""

    lifetime: float = 3600
    role: str = "authenticated"
    password: str = PASSWORD
    auth_outage: int = 0
    """This many requests to Auth are answered with 503."""
    refuse_refresh: bool = False
    accepts: set[str] = field(default_factory=lambda: {SECRET, WORKER_TOKEN})
    """Bearer tokens that the function takes."""
    answers: list[Callable[[Request, Reply], Any]] = field(default_factory=list)
    """Consumed one per call of the function, before the usual echo."""
    sign_ins: int = 0
    refreshes: int = 0

    async def __call__(self, request: Request, reply: Reply) -> None:
        if request.path == "/auth/v1/token":
            await self._token(request, reply)
        elif request.path.startswith("/rest/v1/rpc/"):
            await self._rpc(request, reply)
        else:
            await reply.send(404, "<html>nothing here</html>")

    async def _token(self, request: Request, reply: Reply) -> None:
        if self.auth_outage:
            self.auth_outage -= 1
            return await reply.send(503, "<html>down</html>")
        if "grant_type=password" in request.target:
            self.sign_ins += 1
            if request.json["password"] != self.password:
                return await reply.json(
                    400, {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid"}
                )
        else:
            self.refreshes += 1
            if self.refuse_refresh:
                return await reply.json(
                    400,
                    {"code": 400, "error_code": "refresh_token_not_found", "msg": "Invalid Refresh Token"},
                )
        return await reply.json(200, self._session())

    def _session(self) -> dict[str, Any]:
        token = jwt(role=self.role, sub=str(USER))
        self.accepts = {SECRET, WORKER_TOKEN, token}
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": self.lifetime,
            "expires_at": int(time.time() + self.lifetime),
            "refresh_token": uuid4().hex,
            "user": {
                "id": str(USER),
                "aud": "authenticated",
                "role": "authenticated",
                "email": "ann@example.test",
                "app_metadata": {},
                "user_metadata": {},
                "created_at": "2026-11-20T11:03:43.341Z",
            },
        }

    async def _rpc(self, request: Request, reply: Reply) -> None:
        if self.answers:
            await self.answers.pop(0)(request, reply)
        elif request.headers["authorization"].removeprefix("Bearer ") not in self.accepts:
            await reply.json(
                401, {"code": "PGRST303", "message": "JWT expired", "details": None, "hint": None}
            )
        else:
            await reply.json(200, {"echo": request.json})


def settings(server: Server, **fields: Any) -> Settings:
    return Settings(_env_file=None, supabase_url=server.url, **fields)  # type: ignore[call-arg]


SERVICE: dict[str, Any] = {"supabase_secret_key": SECRET}
WORKER: dict[str, Any] = {"supabase_publishable_key": PUBLISHABLE, "kizu_worker_token": WORKER_TOKEN}
ACCOUNT: dict[str, Any] = {
    "supabase_publishable_key": PUBLISHABLE,
    "kizu_email": "ann@example.test",
    "kizu_password": PASSWORD,
}


@asynccontextmanager
async def connected(
    project: Project, patience: float = 5, **fields: Any
) -> AsyncIterator[tuple[Connection, Server]]:
    async with (
        serving(project) as server,
        Connection(settings(server, **fields), patience=patience) as connection,
    ):
        yield connection, server


async def test_secret_key_serves_everyone() -> None:
    async with connected(Project(), **SERVICE) as (connection, server):
        assert connection.caller == Caller("service")
        assert await connection.rpc("f", {"a": 1}) == {"echo": {"a": 1}}
        (request,) = server.requests
        assert (request.method, request.path) == ("POST", "/rest/v1/rpc/f")
        assert request.headers["apikey"] == SECRET
        assert request.headers["authorization"] == f"Bearer {SECRET}"


async def test_worker_token_goes_beside_the_publishable_key() -> None:
    async with connected(Project(), **WORKER) as (connection, server):
        assert connection.caller == Caller("worker")
        await connection.rpc("f")
        assert server.requests[0].headers["apikey"] == PUBLISHABLE
        assert server.requests[0].headers["authorization"] == f"Bearer {WORKER_TOKEN}"


async def test_account_is_signed_in_and_named() -> None:
    async with connected(Project(), **ACCOUNT) as (connection, server):
        assert connection.caller == Caller("user", USER)
        await connection.rpc("f")
        assert server.requests[-1].headers["authorization"] == f"Bearer {connection.token}"


async def test_account_of_a_machine_may_carry_the_workers_role() -> None:
    async with connected(Project(role="kizu_worker"), **ACCOUNT) as (connection, _):
        assert connection.caller == Caller("worker")


@pytest.mark.parametrize(
    ("first", "then"), [("kizu_worker", "authenticated"), ("authenticated", "kizu_worker")]
)
async def test_account_whose_role_changes_keeps_the_token_it_began_with(first: str, then: str) -> None:
    """A worker that was dismissed must not claim on as somebody else, nor a user's one serve everybody."""
    project = Project(role=first)
    async with connected(project, **ACCOUNT) as (connection, _):
        token, caller = connection.token, connection.caller
        project.role = then
        with pytest.raises(AuthFailed, match="start the worker anew"):
            await connection.renew_token(token)
        assert (connection.token, connection.caller) == (token, caller)


async def test_narrowest_way_wins() -> None:
    async with connected(Project(), **SERVICE, **WORKER) as (connection, _):
        assert connection.caller.kind == "worker"
    async with connected(Project(), **SERVICE, **{**WORKER, **ACCOUNT}) as (connection, _):
        assert connection.caller.kind == "user"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, StartupError),
        ({"supabase_publishable_key": PUBLISHABLE}, StartupError),
        ({"supabase_secret_key": PUBLISHABLE}, AuthFailed),
        ({"supabase_secret_key": "sb_secret_…"}, AuthFailed),
        ({"supabase_secret_key": "sb_secret_a b"}, AuthFailed),
        (
            {
                "supabase_publishable_key": PUBLISHABLE,
                "kizu_worker_token": jwt(role="authenticated", sub=str(USER)),
            },
            AuthFailed,
        ),
        ({"supabase_publishable_key": PUBLISHABLE, "kizu_worker_token": "nonsense"}, AuthFailed),
    ],
)
async def test_way_that_cannot_work_is_refused_before_anything_is_sent(
    fields: dict[str, Any], error: type[Exception]
) -> None:
    async with serving(Project()) as server:
        with pytest.raises(error):
            async with Connection(settings(server, **fields)):
                pass
        assert server.requests == []


async def test_wrong_password_is_final() -> None:
    project = Project(password="another")
    with pytest.raises(AuthFailed) as refusal:
        async with connected(project, **ACCOUNT):
            pass
    assert project.sign_ins == 1
    assert PASSWORD not in str(refusal.value)


async def test_account_without_a_fitting_role_is_final() -> None:
    with pytest.raises(AuthFailed, match="role"):
        async with connected(Project(role="aal0"), **ACCOUNT):
            pass


@pytest.mark.parametrize("status", [301, 403, 404])
@pytest.mark.parametrize("account", [True, False])
async def test_command_hears_at_once_that_something_else_answers(status: int, account: bool) -> None:
    async def shop(request: Request, reply: Reply) -> None:
        await reply.send(status, "<html>buy shoes</html>")

    async with serving(shop) as server:
        with pytest.raises(ProjectUnreachable, match="SUPABASE_URL"):
            async with Connection(settings(server, **(ACCOUNT if account else SERVICE))) as connection:
                await connection.rpc("f")
        assert len(server.requests) == 1


@pytest.mark.parametrize("account", [True, False])
async def test_worker_waits_while_something_else_answers(account: bool) -> None:
    project = Project(answers=[refusing(403, "", "")] * 3)
    refused = 0

    async def answer(request: Request, reply: Reply) -> None:
        nonlocal refused
        if account and refused < 3:
            refused += 1
            await reply.send(403, "<html>blocked</html>")
        else:
            await project(request, reply)

    async with (
        serving(answer) as server,
        Connection(settings(server, **(ACCOUNT if account else SERVICE)), patience=math.inf) as connection,
    ):
        await connection.rpc("f")


async def test_server_that_is_down_at_the_start_is_waited_for() -> None:
    async with serving(Project()) as gone:
        port = gone.port
    waiting = asyncio.create_task(_caller_soon(Server(port)))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    async with serving(Project(auth_outage=1), port):
        assert await waiting == Caller("user", USER)


async def _caller_soon(server: Server) -> Caller:
    async with Connection(settings(server, **ACCOUNT), patience=30) as connection:
        return connection.caller


async def test_waiting_ends_with_patience() -> None:
    async with serving(Project()) as gone:
        pass
    with pytest.raises(DatabaseUnavailable):
        async with Connection(settings(gone, **ACCOUNT), patience=0.2):
            pass


async def test_token_is_renewed_before_it_expires() -> None:
    project = Project(lifetime=1)
    async with connected(project, **ACCOUNT) as (connection, _):
        first = connection.token
        await _until(lambda: project.refreshes >= 2)
        assert connection.token != first
        assert project.sign_ins == 1
        await connection.rpc("f")
        query = connection.client.table("t").select("*")
        assert query.request.headers["authorization"] == f"Bearer {connection.token}"


async def test_revoked_refresh_token_is_answered_with_the_password() -> None:
    project = Project(lifetime=1, refuse_refresh=True)
    async with connected(project, **ACCOUNT) as (connection, _):
        await _until(lambda: project.sign_ins >= 2)
        await connection.rpc("f")


async def test_renewing_survives_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "LONGEST_BACKOFF", 0.05)
    project = Project(lifetime=1)
    async with connected(project, **ACCOUNT):
        project.auth_outage = 5
        await _until(lambda: project.refreshes >= 1)


async def test_renewing_survives_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone changed the password and changed it back; the worker must not have given up in between."""
    monkeypatch.setattr(account, "LONGEST_BACKOFF", 0.05)
    project = Project(lifetime=1)
    async with connected(project, **ACCOUNT) as (connection, _):
        project.refuse_refresh, project.password = True, "changed"
        await _until(lambda: project.sign_ins >= 4)
        project.password = PASSWORD
        await _until(lambda: connection.token in project.accepts)
        await connection.rpc("f")


async def test_token_refused_by_the_server_is_renewed_at_once() -> None:
    """The clocks disagree, the laptop slept, the secret was rotated: the server is right."""
    project = Project()
    async with connected(project, **ACCOUNT) as (connection, server):
        project.accepts = set()
        assert await connection.rpc("f", {"a": 1}) == {"echo": {"a": 1}}
        assert project.refreshes == 1
        assert len([request for request in server.requests if "/rpc/" in request.path]) == 2


async def test_many_calls_with_a_stale_token_renew_it_once() -> None:
    project = Project()
    async with connected(project, **ACCOUNT) as (connection, _):
        project.accepts = set()
        await asyncio.gather(*(connection.rpc("f") for _ in range(20)))
        assert project.refreshes == 1


async def test_fixed_token_that_is_refused_is_final() -> None:
    project = Project(accepts=set())
    async with connected(project, **WORKER) as (connection, server):
        with pytest.raises(AuthFailed):
            await connection.rpc("f")
        assert len(server.requests) == 1


async def test_due_token_is_renewed_on_demand() -> None:
    project = Project()
    async with connected(project, **ACCOUNT) as (connection, _):
        await connection.ensure_fresh_token()
        assert project.refreshes == 0
        assert connection._account is not None
        connection._account._lifetime = account.Lifetime(monotonic_due=0, wall_due=time.time() + 1000)
        await connection.ensure_fresh_token()
        assert project.refreshes == 1


async def hang_up(request: Request, reply: Reply) -> None:
    reply.hang_up()


async def break_off(request: Request, reply: Reply) -> None:
    await reply.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[")
    reply.hang_up()


async def gibberish(request: Request, reply: Reply) -> None:
    await reply.raw(b"SMTP ready\r\n\r\n")
    reply.hang_up()


async def portal(request: Request, reply: Reply) -> None:
    await reply.send(200, "<html>please log in to the hotel's network</html>")


async def busy(request: Request, reply: Reply) -> None:
    await reply.json(503, {"code": "PGRST002", "message": "schema cache"})


async def gateway(request: Request, reply: Reply) -> None:
    await reply.json(503, {"message": "name resolution failed"})


async def deadlock(request: Request, reply: Reply) -> None:
    await reply.json(500, {"code": "40P01", "message": "deadlock detected"})


@pytest.mark.parametrize("fault", [hang_up, break_off, gibberish, portal, busy, gateway, deadlock])
async def test_passing_fault_is_tried_again(fault: Callable[[Request, Reply], Any]) -> None:
    project = Project(answers=[fault, fault])
    async with connected(project, **SERVICE) as (connection, server):
        assert await connection.rpc("f", {"a": 1}) == {"echo": {"a": 1}}
        assert [request.json for request in server.requests] == [{"a": 1}] * 3
        assert connection.requests == 3


async def test_trying_ends_in_time_with_the_last_fault() -> None:
    project = Project(answers=[deadlock] * 1000)
    async with connected(project, **SERVICE) as (connection, _):
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="40P01"):
            await connection.rpc("f", within=0.5)
        assert time.monotonic() - began < 2


async def test_answer_that_never_comes_ends_in_time() -> None:
    async def never(request: Request, reply: Reply) -> None:
        await asyncio.sleep(30)

    async with connected(Project(answers=[never]), **SERVICE) as (connection, _):
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            await connection.rpc("f", within=0.3)
        assert time.monotonic() - began < 2


async def test_server_that_is_gone_is_unavailable() -> None:
    async with connected(Project(), **SERVICE) as (connection, _):
        pass
    async with serving(Project()) as gone:
        pass
    async with Connection(settings(gone, **SERVICE)) as connection:
        with pytest.raises(DatabaseUnavailable, match="ConnectError"):
            await connection.rpc("f", within=0.2)


def refusing(status: int, code: str, message: str) -> Callable[[Request, Reply], Any]:
    async def refuse(request: Request, reply: Reply) -> None:
        await reply.json(status, {"code": code, "message": message, "details": None, "hint": None})

    return refuse


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusing(404, "PGRST202", "no function"), SchemaMissing),
        (refusing(403, "42501", "permission denied"), PermissionDenied),
        (refusing(404, "PT404", "not_found"), NotFound),
        (refusing(400, "P0001", "no"), InternalError),
    ],
)
async def test_refusal_is_final(answer: Callable[[Request, Reply], Any], error: type[Exception]) -> None:
    async with connected(Project(answers=[answer]), **SERVICE) as (connection, server):
        with pytest.raises(error):
            await connection.rpc("f")
        assert len(server.requests) == 1


async def test_void_is_none() -> None:
    async def nothing(request: Request, reply: Reply) -> None:
        await reply.send(204)

    async with connected(Project(answers=[nothing]), **SERVICE) as (connection, _):
        assert await connection.rpc("f") is None


async def test_arguments_that_are_not_json_are_not_sent() -> None:
    async with connected(Project(), **SERVICE) as (connection, server):
        for value in (float("nan"), object(), {1, 2}):
            with pytest.raises(InternalError):
                await connection.rpc("f", {"a": value})
        assert server.requests == []
        assert await connection.rpc("f", {"a": USER}) == {"echo": {"a": str(USER)}}


async def test_calls_share_few_connections() -> None:
    ports: set[Any] = set()

    async def note(request: Request, reply: Reply) -> None:
        ports.add(reply.writer.get_extra_info("peername"))
        await reply.json(200, 1)

    async with connected(Project(answers=[note] * 50), **SERVICE) as (connection, _):
        for _ in range(50):
            await connection.rpc("f")
    assert len(ports) == 1


async def test_everything_sent_is_counted() -> None:
    async with connected(Project(), **ACCOUNT) as (connection, server):
        await connection.rpc("f")
        await connection.request("GET", "/elsewhere")
        async with connection.stream("GET", "/elsewhere"):
            pass
        assert connection.requests == len(server.requests) == 4


async def test_nothing_is_left_running() -> None:
    before = asyncio.all_tasks()
    async with connected(Project(lifetime=1), **ACCOUNT) as (connection, _):
        await connection.rpc("f")
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == before


async def test_secrets_are_never_said(capsys: pytest.CaptureFixture[str]) -> None:
    project = Project(lifetime=1)
    async with connected(project, **ACCOUNT) as (connection, _):
        project.refuse_refresh, project.password, project.accepts = True, "changed", set()
        with pytest.raises(AuthFailed) as refusal:
            await connection.rpc("f")
        await _until(lambda: project.sign_ins >= 4)
        said = capsys.readouterr().out + str(refusal.value) + repr(connection)
        assert "token not renewed" in said
        for secret in (PASSWORD, PUBLISHABLE, connection.token):
            assert secret not in said


async def _until(holds: Callable[[], bool], seconds: float = 8) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for is state of another program
            await asyncio.sleep(0.01)
