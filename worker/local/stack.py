"""The embedded Supabase: a real Postgres and a Deno gateway on this machine's loopback, without Docker.

`LocalStack(home).up()` starts what is not running or out of date, heals what is half dead, applies new
migrations, and answers with everything a client needs. All state lies under `home`:

    config.json   ports and random secrets of this installation, mode 0600
    postgres/     the database
    storage/      uploaded files, each named by a digest of its bucket and key
    logs/         postgres.log, gateway.log

Nobody but the owner may open any of it, whatever the umask.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from worker.core.errors import StartupError
from worker.local import private
from worker.local.gateway import Gateway, serves
from worker.local.installation import (
    Installation,
    config_path,
    draw_installation,
    free_port,
    is_free,
    read_installation,
    write_installation,
)
from worker.local.migrations import apply_migrations
from worker.local.postgres import Postgres, answers
from worker.signing import SigningKey, new_signing_key, signed_token

PROJECT = Path(__file__).resolve().parents[2] / "supabase"
LOCK_SECONDS = 180
PORT_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StackInfo:
    """Addresses and keys that a client of the running stack needs; `database_url` is the superuser's."""

    url: str
    publishable_key: str
    secret_key: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    signing_key: SigningKey = field(repr=False)
    database_url: str = field(repr=False)
    home: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StackStatus:
    """Whether both halves of the stack answer, and what clients need, which is None before the first `up`."""

    running: bool
    database_running: bool
    gateway_running: bool
    database_pid: int | None
    gateway_pid: int | None
    info: StackInfo | None


class LocalStack:
    """The embedded Supabase under `home`; every method may be called at any time, from any process, twice."""

    def __init__(self, home: Path, *, project: Path = PROJECT, fsync: bool = True) -> None:
        """`project` holds `migrations/` and `local/`; without `fsync` a power cut may lose data."""
        self.home = home.expanduser().resolve()
        self._project = project.resolve()
        self._config = config_path(self.home)
        self._postgres = Postgres(self.home, fsync=fsync)
        self._gateway = Gateway(self.home, self._project)

    def up(self) -> StackInfo:
        """Start the stack and apply its migrations; raises `StartupError` with the reason when that fails."""
        with self._locked():
            installation = self._start_postgres(self._installation())
            installation = self._start_gateway(installation)
            apply_migrations(installation.database_url, self._project / "migrations")
            return self._info(installation)

    def down(self) -> None:
        """Stop both halves of the stack cleanly, and keep all data."""
        if self.home.exists():
            with self._locked():
                self._stop()

    def reset(self) -> StackInfo:
        """Wipe data and files, and start anew with the same ports and keys."""
        with self._locked():
            self._stop()
            for folder in ("postgres", "storage", "logs", "contact-sheet"):
                shutil.rmtree(self.home / folder, ignore_errors=True)
        return self.up()

    def status(self) -> StackStatus:
        """The state of both halves of the stack, which are asked and left as they are."""
        installation = read_installation(self._config)
        database = (
            installation is not None and self._postgres.is_running() and answers(installation.database_url)
        )
        gateway = installation is not None and self._gateway.is_running() and serves(installation)
        return StackStatus(
            running=database and gateway,
            database_running=database,
            gateway_running=gateway,
            database_pid=self._postgres.pid(),
            gateway_pid=self._gateway.pid(),
            info=None if installation is None else self._info(installation),
        )

    def _installation(self) -> Installation:
        found = read_installation(self._config)
        if found is None:
            if self._postgres.is_running():
                self._stop()
            found = draw_installation()
            self._forget_data_without_password()
            write_installation(self._config, found)
        elif not found.signing_keys:
            found = replace(found, signing_keys=(new_signing_key(),))
            write_installation(self._config, found)
        return found

    def _forget_data_without_password(self) -> None:
        """Set aside, without deleting it, a database whose password was lost with the configuration."""
        for name in ("postgres", "storage"):
            folder = self.home / name
            if folder.exists():
                folder.rename(self.home / f"{name}.lost-{time.time_ns()}")

    def _start_postgres(self, installation: Installation) -> Installation:
        if self._postgres.is_running():
            return installation
        for _ in range(PORT_TRIES):
            if not is_free(installation.database_port):
                installation = installation.on_ports(database_port=free_port())
                write_installation(self._config, installation)
                self._gateway.stop()
            try:
                self._postgres.start(installation)
            except StartupError:
                if is_free(installation.database_port):
                    raise
            else:
                return installation
        raise StartupError(f"No free port was found for Postgres in {PORT_TRIES} tries.")

    def _start_gateway(self, installation: Installation) -> Installation:
        if self._gateway.is_running() and self._gateway.is_current() and serves(installation):
            return installation
        self._gateway.stop()
        for _ in range(PORT_TRIES):
            if is_free(installation.api_port) and self._gateway.start(installation):
                return installation
            installation = installation.on_ports(api_port=free_port())
            write_installation(self._config, installation)
        raise StartupError(f"No free port was found for the gateway in {PORT_TRIES} tries.")

    def _stop(self) -> None:
        self._gateway.stop()
        self._postgres.stop()

    def _info(self, installation: Installation) -> StackInfo:
        return StackInfo(
            url=installation.url,
            publishable_key=installation.publishable_key,
            secret_key=installation.secret_key,
            jwt_secret=installation.jwt_secret,
            signing_key=next(iter(installation.signing_keys), {}),
            database_url=installation.database_url,
            home=self.home,
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold this home's lock: one `up`, `down` or `reset` at a time, across processes."""
        deadline = time.monotonic() + LOCK_SECONDS
        private.make_folder(self.home)
        with private.open_file(self.home / "lock") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise StartupError(
                            f"Another command has been working in {self.home} for too long."
                        ) from None
                    time.sleep(0.05)
            yield


def mint_token(info: StackInfo, *, role: str, sub: str | None = None, ttl: float = 3600) -> str:
    """A JWT that the stack accepts as `role` (and user `sub`) for `ttl` seconds; negative is expired."""
    return signed_token(info.signing_key, role=role, sub=sub, seconds=ttl)
