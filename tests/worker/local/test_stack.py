"""The embedded stack's life: started, killed, healed, migrated, reset; several side by side."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import psutil
import psycopg
import pytest
from websockets.sync.client import connect

from worker.core.errors import StartupError
from worker.local.installation import draw_installation, read_installation, write_installation
from worker.local.postgres import OS_USER
from worker.local.stack import PROJECT, LocalStack, StackInfo, mint_token

NOTES = """
    create table public.notes (id int primary key, body text);
    grant all on public.notes to anon, authenticated, service_role;
    create table public.forgotten (id int primary key);
    create function public.forgotten_too() returns int language sql as 'select 1';
    alter publication supabase_realtime add table public.notes;
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of the tests' own: the real gateway, one small migration, one function."""
    project = tmp_path_factory.mktemp("project")
    (project / "local").symlink_to(PROJECT / "local")
    (project / "migrations").mkdir()
    (project / "migrations" / "20260101000000_notes.sql").write_text(NOTES)
    (project / "functions" / "hello").mkdir(parents=True)
    (project / "functions" / "hello" / "index.ts").write_text(
        'Deno.serve((request) => new Response(`hello ${Deno.env.get("SUPABASE_URL")} ${request.method}`));\n'
    )
    (project / "functions" / "broken").mkdir()
    (project / "functions" / "broken" / "index.ts").write_text('throw new Error("never starts");\n')
    (project / "config.toml").write_text("[functions.hello]\nverify_jwt = false\n")
    return project


@pytest.fixture
def make_stack(tmp_path: Path, program: Path) -> Iterator[Callable[[str], LocalStack]]:
    """Stacks in homes of their own, stopped afterwards."""
    made: list[LocalStack] = []

    def make(name: str = "home", project: Path = program) -> LocalStack:
        made.append(LocalStack(tmp_path / name, project=project, fsync=False))
        return made[-1]

    yield make
    for local in made:
        local.down()


def rest(info: StackInfo, path: str, **more: object) -> httpx.Response:
    headers = {"apikey": info.secret_key, "prefer": "return=representation"}
    method = "POST" if "json" in more else "GET"
    return httpx.request(method, f"{info.url}/rest/v1/{path}", headers=headers, timeout=30, **more)  # type: ignore[arg-type]


def legacy_token(info: StackInfo) -> dict[str, str]:
    """The header of a user whose token is signed with the shared secret."""
    claims = {"role": "authenticated", "exp": int(time.time()) + 600}
    return {"authorization": f"Bearer {jwt.encode(claims, info.jwt_secret, algorithm='HS256')}"}


def admin(info: StackInfo) -> dict[str, str]:
    return {"apikey": info.secret_key, "authorization": f"Bearer {info.secret_key}"}


def objects_of(local: LocalStack) -> list[Path]:
    """The files that Storage keeps."""
    return [path for path in (local.home / "storage").rglob("*") if path.is_file()]


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Listener:
    """A raw Realtime client that asks for every change of one table."""

    def __init__(self, info: StackInfo, table: str) -> None:
        address = info.url.replace("http", "ws", 1)
        self._socket = connect(f"{address}/realtime/v1/websocket?apikey={info.secret_key}&vsn=1.0.0")
        change = {"event": "*", "schema": "public", "table": table}
        payload = {"config": {"postgres_changes": [change]}}
        message = {
            "topic": "realtime:x",
            "event": "phx_join",
            "payload": payload,
            "ref": "1",
            "join_ref": "1",
        }
        self._socket.send(json.dumps(message))

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def receive(self, event: str) -> dict[str, Any]:
        while True:
            message = json.loads(self._socket.recv(timeout=15))
            if message["event"] == event:
                payload: dict[str, Any] = message["payload"]
                return payload

    def system(self) -> dict[str, Any]:
        return self.receive("system")


@pytest.mark.stack
class TestStack:
    """Each test has a stack of its own; one takes about two seconds to start."""

    def test_up_twice_is_up_once(self, make_stack: Callable[..., LocalStack]) -> None:
        local = make_stack()
        assert not local.status().running
        first = local.up()
        before = local.status()
        assert local.up() == first
        assert local.status() == before
        assert before.running
        local.down()
        local.down()
        after = local.status()
        assert (after.running, after.database_pid, after.gateway_pid) == (False, None, None)

    def test_what_no_migration_granted_nobody_has(self, make_stack: Callable[..., LocalStack]) -> None:
        """As in a project that was made today, so that a forgotten grant fails here and not there."""
        info = make_stack().up()
        assert rest(info, "notes").status_code == 200
        assert rest(info, "forgotten").json()["code"] == "42501"
        assert rest(info, "rpc/forgotten_too", json={}).json()["code"] == "42501"

    def test_data_survives_whatever_is_killed(self, make_stack: Callable[..., LocalStack]) -> None:
        local = make_stack()
        info = local.up()
        assert rest(info, "notes", json={"id": 1, "body": "kept"}).status_code == 201
        for victims in (["database_pid"], ["gateway_pid"], ["database_pid", "gateway_pid"]):
            status = local.status()
            for victim in victims:
                kill(getattr(status, victim))
            assert not local.status().running
            assert local.up() == info
            assert local.status().running
            assert rest(info, "notes").json() == [{"id": 1, "body": "kept"}]

    def test_the_gateway_outlives_a_restart_of_postgres(self, make_stack: Callable[..., LocalStack]) -> None:
        local = make_stack()
        info = local.up()
        gateway = local.status().gateway_pid
        kill(local.status().database_pid)
        assert rest(info, "notes").status_code >= 500
        local.up()
        assert local.status().gateway_pid == gateway
        eventually(lambda: rest(info, "notes").status_code == 200)
        with psycopg.connect(info.database_url, autocommit=True) as db:
            db.execute("create table public.later (id int primary key)")
            db.execute("grant select on public.later to service_role")
        eventually(lambda: rest(info, "later").status_code == 200)

    def test_requests_under_way_when_postgres_dies_are_answered(
        self, make_stack: Callable[..., LocalStack]
    ) -> None:
        """The library under the gateway would leave their connections mute for ever, or end the process."""
        local = make_stack()
        info = local.up()
        gateway = local.status().gateway_pid
        is_over = threading.Event()

        def ask() -> tuple[set[int], float]:
            """The statuses seen, and the longest wait in seconds."""
            seen, longest = set(), 0.0
            while not is_over.is_set():
                began = time.monotonic()
                seen.add(rest(info, "notes").status_code)
                longest = max(longest, time.monotonic() - began)
            return seen, longest

        with ThreadPoolExecutor(12) as threads:
            asking = [threads.submit(ask) for _ in range(12)]
            time.sleep(1)
            kill(local.status().database_pid)
            local.up()
            time.sleep(2)
            is_over.set()
        for seen, longest in (one.result() for one in asking):
            assert seen <= {200, 503}
            assert longest < 10
        assert local.status().gateway_pid == gateway

        def ask_until_answered(_: int) -> int:
            """A connection may still turn out to be dead: that is a 503, and the next try finds another."""
            for _ in range(5):
                if (code := rest(info, "notes").status_code) != 503:
                    break
                time.sleep(0.2)
            return code

        with ThreadPoolExecutor(32) as threads:
            assert set(threads.map(ask_until_answered, range(64))) == {200}

    def test_realtime_comes_back_after_a_restart_of_postgres(
        self, make_stack: Callable[..., LocalStack]
    ) -> None:
        local = make_stack()
        info = local.up()
        with Listener(info, "notes") as listener:
            assert listener.system()["status"] == "ok"
            kill(local.status().database_pid)
            assert listener.system()["status"] == "error"
            local.up()
            assert listener.system()["message"] == "Subscribed to PostgreSQL"
            rest(info, "notes", json={"id": 1, "body": "told"})
            data = listener.receive("postgres_changes")["data"]
            assert data["record"] == {"id": 1, "body": "told"}

    def test_a_change_is_told_when_it_can_be_seen(self, make_stack: Callable[..., LocalStack]) -> None:
        """A commit is in the log before others see it; one that waits for a replica shows for how long."""
        info = make_stack().up()

        held_back = threading.Event()

        def add() -> None:
            with psycopg.connect(info.database_url, autocommit=True) as db:
                db.execute("set synchronous_commit = on")
                for number in itertools.takewhile(lambda _: not held_back.is_set(), itertools.count()):
                    db.execute("insert into notes values (%s)", (number,))

        def release_file() -> None:
            with psycopg.connect(info.database_url, autocommit=True) as db:
                db.execute("alter system reset synchronous_standby_names")
                db.execute("select pg_reload_conf()")

        with (
            Listener(info, "notes") as listener,
            psycopg.connect(info.database_url, autocommit=True) as db,
            ThreadPoolExecutor(1) as threads,
        ):
            assert listener.system()["status"] == "ok"
            db.execute("alter system set synchronous_standby_names = 'nobody'")
            db.execute("select pg_reload_conf()")
            adding = threads.submit(add)
            waiting = "select from pg_stat_activity where wait_event = 'SyncRep'"
            eventually(lambda: db.execute(waiting).rowcount == 1)
            held_back.set()
            number = db.execute("select from notes").rowcount
            threading.Timer(0.3, release_file).start()
            while listener.receive("postgres_changes")["data"]["record"]["id"] != number:
                pass
            assert db.execute("select from notes where id = %s", (number,)).rowcount == 1
            adding.result(10)

    def test_no_news_waits_behind_a_sign_in(self, make_stack: Callable[..., LocalStack]) -> None:
        info = make_stack().up()
        account = {"email": "somebody@example.com", "password": "secret-enough"}

        def sign_in(_: int) -> int:
            address = f"{info.url}/auth/v1/token?grant_type=password"
            return httpx.post(
                address, headers={"apikey": info.publishable_key}, json=account, timeout=60
            ).status_code

        with (
            Listener(info, "notes") as listener,
            psycopg.connect(info.database_url, autocommit=True) as db,
            psycopg.connect(info.database_url) as locked,
            ThreadPoolExecutor(8) as threads,
        ):
            assert listener.system()["status"] == "ok"
            db.execute("insert into notes values (1)")
            listener.receive("postgres_changes")
            locked.execute("lock table auth.users")
            sign_ins = threads.map(sign_in, range(8))
            waiting = "select from pg_locks where not granted and relation = 'auth.users'::regclass"
            eventually(lambda: db.execute(waiting).rowcount >= 6)
            db.execute("insert into notes values (2)")
            try:
                assert listener.receive("postgres_changes")["data"]["record"]["id"] == 2
            finally:
                locked.rollback()
            assert set(sign_ins) == {400}

    def test_several_stand_side_by_side(self, make_stack: Callable[..., LocalStack]) -> None:
        one, two = make_stack("one"), make_stack("two")
        with ThreadPoolExecutor() as pool:
            first, second = pool.map(LocalStack.up, (one, two))
        assert first.url != second.url
        assert first.jwt_secret != second.jwt_secret
        rest(first, "notes", json={"id": 1, "body": "in the first"})
        assert rest(second, "notes").json() == []
        stranger = httpx.get(f"{second.url}/rest/v1/notes", headers={"apikey": first.secret_key})
        assert stranger.status_code == 401
        one.down()
        assert two.status().running

    def test_two_commands_at_once_start_one_stack(
        self, tmp_path: Path, make_stack: Callable[..., LocalStack], program: Path
    ) -> None:
        local = make_stack()
        code = (
            "import sys; from pathlib import Path; from worker.local.stack import LocalStack;"
            "print(LocalStack(Path(sys.argv[1]), project=Path(sys.argv[2]), fsync=False).up().url)"
        )
        command = [sys.executable, "-c", code, str(local.home), str(program)]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        urls = {process.communicate(timeout=60)[0].strip() for process in running}
        assert [process.returncode for process in running] == [0, 0, 0]
        assert urls == {local.up().url}

    def test_the_stack_outlives_the_command_that_started_it(
        self, make_stack: Callable[..., LocalStack], program: Path
    ) -> None:
        local = make_stack()
        code = (
            "import sys; from pathlib import Path; from worker.local.stack import LocalStack;"
            "LocalStack(Path(sys.argv[1]), project=Path(sys.argv[2]), fsync=False).up()"
        )
        subprocess.run([sys.executable, "-c", code, local.home, program], check=True, timeout=60)
        assert local.status().running

    def test_only_loopback_is_listened_on(self, make_stack: Callable[..., LocalStack]) -> None:
        local = make_stack()
        local.up()
        status = local.status()
        for pid in (status.database_pid, status.gateway_pid):
            listening = [one for one in psutil.Process(pid).net_connections() if one.status == "LISTEN"]
            assert [one.laddr.ip for one in listening] == ["127.0.0.1"]

    def test_secrets_are_the_owners_alone(self, make_stack: Callable[..., LocalStack]) -> None:
        local = make_stack()
        info = local.up()
        config = local.home / "config.json"
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        for secret in (info.secret_key, info.jwt_secret, info.database_url):
            assert secret not in repr(info)
            assert secret not in (local.home / "logs" / "gateway.log").read_text()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(info.database_url.replace("postgres:", "postgres:x", 1))

    def test_nobody_else_opens_anything_whatever_the_umask(
        self, make_stack: Callable[..., LocalStack]
    ) -> None:
        local = make_stack()
        (local.home / "logs").mkdir(mode=0o777, parents=True)
        for name in ("postgres.log", "gateway.log", "pg_ctl.out"):
            (local.home / "logs" / name).touch(0o666)  # as an older stack left them
        before = os.umask(0)
        try:
            info = local.up()
            with httpx.Client(base_url=f"{info.url}/storage/v1", headers=admin(info), timeout=30) as storage:
                storage.post("/bucket", json={"id": "b", "name": "b"}).raise_for_status()
                storage.post("/object/b/a.txt", content=b"x").raise_for_status()
        finally:
            os.umask(before)
        found = {path: stat.S_IMODE(path.stat().st_mode) for path in [local.home, *local.home.rglob("*")]}
        # Where root runs the server as another user, that one's group may walk to the data.
        walked = {local.home, local.home / "logs"} if os.geteuid() == 0 else set()
        others = {str(path): oct(mode) for path, mode in found.items() if mode & 0o077 and path not in walked}
        assert others == {}
        assert {found[path] for path in walked} <= {0o710}
        assert {path.group() for path in walked} <= {OS_USER}
        assert len(objects_of(local)) == 1

    def test_a_database_whose_password_is_lost_is_set_aside(
        self, make_stack: Callable[..., LocalStack]
    ) -> None:
        local = make_stack()
        info = local.up()
        rest(info, "notes", json={"id": 1, "body": "kept aside"})
        config = local.home / "config.json"
        config.write_text(config.read_text()[:40])
        again = local.up()
        assert again.jwt_secret != info.jwt_secret
        assert rest(again, "notes").json() == []
        assert [path.name.split(".")[0] for path in local.home.glob("*.lost-*")].count("postgres") == 1

    def test_a_cluster_that_was_cut_short_is_made_again(self, make_stack: Callable[..., LocalStack]) -> None:
        local = make_stack()
        (local.home / "postgres").mkdir(parents=True)
        write_installation(local.home / "config.json", draw_installation())
        (local.home / "postgres" / "half").write_text("a database that was never finished")
        assert rest(local.up(), "notes").json() == []

    def test_only_new_migrations_are_applied(
        self, tmp_path: Path, make_stack: Callable[..., LocalStack]
    ) -> None:
        project = tmp_path / "project"
        (project / "migrations").mkdir(parents=True)
        (project / "local").symlink_to(PROJECT / "local")
        (project / "migrations" / "20260101000000_notes.sql").write_text(NOTES)
        local = make_stack("home", project)
        info = local.up()
        rest(info, "notes", json={"id": 1, "body": "x"})
        added = project / "migrations" / "20260102000000_more.sql"
        added.write_text("alter table public.notes add more int default 7;\nselect 1 / 0;\n")
        with pytest.raises(StartupError, match="20260102000000_more"):
            local.up()
        added.write_text("alter table public.notes add more int default 7;\n")
        assert local.up() == info
        eventually(lambda: rest(info, "notes?select=more").json() == [{"more": 7}])
        with psycopg.connect(info.database_url) as db:
            ledger = db.execute("select version, name from supabase_migrations.schema_migrations order by 1")
            assert ledger.fetchall() == [("20260101000000", "notes"), ("20260102000000", "more")]

    def test_a_reset_forgets_everything_but_the_keys(self, make_stack: Callable[..., LocalStack]) -> None:
        local = make_stack()
        info = local.up()
        rest(info, "notes", json={"id": 1, "body": "gone"})
        headers = {"apikey": info.secret_key}
        bucket = {"id": "b", "name": "b"}
        httpx.post(f"{info.url}/storage/v1/bucket", headers=headers, json=bucket).raise_for_status()
        file = f"{info.url}/storage/v1/object/b/x.bin"
        httpx.post(file, headers=headers, content=b"x").raise_for_status()
        assert [path.read_bytes() for path in objects_of(local)] == [b"x"]
        sheet = local.home / "contact-sheet" / "1.jpg"  # which the demo makes of private photos
        sheet.parent.mkdir()
        sheet.touch()
        assert local.reset() == info
        assert rest(info, "notes").json() == []
        assert objects_of(local) == []
        assert not sheet.exists()

    def test_a_taken_port_is_left_to_its_owner(self, make_stack: Callable[..., LocalStack]) -> None:
        one, two = make_stack("one"), make_stack("two")
        info = one.up()
        one.down()
        installation = read_installation(one.home / "config.json")
        assert installation is not None
        two.home.mkdir()
        squatter = draw_installation().on_ports(
            api_port=installation.api_port, database_port=installation.database_port
        )
        write_installation(two.home / "config.json", squatter)
        assert two.up().url == info.url
        moved = one.up()
        assert moved.url != info.url
        assert moved.secret_key == info.secret_key
        assert one.status().running
        assert two.status().running

    def test_a_port_lost_while_the_cluster_is_made_is_left_to_its_owner(
        self, make_stack: Callable[..., LocalStack]
    ) -> None:
        local = make_stack()

        def squat() -> int | None:
            eventually((local.home / "postgres").exists)
            installation = read_installation(local.home / "config.json")
            assert installation is not None
            try:
                squatter.bind(("127.0.0.1", installation.database_port))
            except OSError:
                return None
            squatter.listen()
            return installation.database_port

        with socket.socket() as squatter, ThreadPoolExecutor(1) as threads:
            squatting = threads.submit(squat)
            info = local.up()
            if (squatted := squatting.result()) is None:
                pytest.skip("the cluster was made before its port could be taken")
            assert urlsplit(info.database_url).port != squatted
        assert local.status().running

    def test_functions_run_in_the_gateway(self, make_stack: Callable[..., LocalStack]) -> None:
        info = make_stack().up()
        answer = httpx.post(f"{info.url}/functions/v1/hello", headers={"apikey": info.publishable_key})
        assert answer.text == f"hello {info.url} POST"
        broken = f"{info.url}/functions/v1/broken"
        assert httpx.post(broken).status_code == 401
        assert httpx.post(broken, headers=legacy_token(info)).status_code == 503
        # As the platform's own check, which knows the legacy secret only.
        unknown = {"authorization": f"Bearer {mint_token(info, role='authenticated')}"}
        assert httpx.post(broken, headers=unknown).status_code == 401

    def test_a_changed_function_is_served_after_the_next_up(
        self, tmp_path: Path, make_stack: Callable[..., LocalStack]
    ) -> None:
        project = tmp_path / "project"
        (project / "migrations").mkdir(parents=True)
        (project / "local").symlink_to(PROJECT / "local")
        source = project / "functions" / "say" / "index.ts"
        source.parent.mkdir(parents=True)
        (project / "config.toml").write_text("[functions.say]\nverify_jwt = false\n")
        local = make_stack("home", project)
        for word in ("one", "two"):
            source.write_text(f'Deno.serve(() => new Response("{word}"));\n')
            info = local.up()
            assert httpx.post(f"{info.url}/functions/v1/say").text == word

    def test_the_gateway_reaches_nothing_but_its_own(
        self, tmp_path: Path, make_stack: Callable[..., LocalStack]
    ) -> None:
        project = tmp_path / "project"
        (project / "migrations").mkdir(parents=True)
        (project / "local").symlink_to(PROJECT / "local")
        (project / "functions" / "escape").mkdir(parents=True)
        (project / "functions" / "escape" / "index.ts").write_text("""
            const attempts: Record<string, () => Promise<unknown>> = {
              net: async () => await fetch("http://192.0.2.1/"),
              loopback: async () => await fetch("http://127.0.0.1:1025/"),
              read: async () => await Deno.readTextFile("/etc/passwd"),
              write: async () => await Deno.writeTextFile("/tmp/escaped", ""),
              run: async () => await new Deno.Command("id").output(),
            };
            Deno.serve(async () => {
              const found: Record<string, string> = {};
              for (const [name, attempt] of Object.entries(attempts)) {
                found[name] = await attempt().then(() => "done", (error) => error.name);
              }
              return Response.json(found);
            });
        """)
        info = make_stack("home", project).up()
        found = httpx.post(f"{info.url}/functions/v1/escape", headers=legacy_token(info)).json()
        assert found == dict.fromkeys(("net", "loopback", "read", "write", "run"), "NotCapable")
