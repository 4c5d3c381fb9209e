"""The embedded stack's gateway: one Deno process that serves REST, Auth, Storage, Realtime and functions."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import deno
import httpx

from worker.core.errors import StartupError
from worker.local import private
from worker.local.installation import Installation
from worker.local.process import end, launch, read_process_id, write_process_id

START_SECONDS = 60
STOP_SECONDS = 5


class Gateway:
    """The gateway of one home. `start` and `stop` may be repeated."""

    def __init__(self, home: Path, project: Path) -> None:
        self.log = home / "logs" / "gateway.log"
        self._pid = home / "gateway.pid"
        self._version = home / "gateway.version"
        self._config = home / "config.json"
        self._storage = home / "storage"
        self._program = project / "local"
        self._project = project

    def is_running(self) -> bool:
        return self.pid() is not None

    def pid(self) -> int | None:
        identity = read_process_id(self._pid)
        process = None if identity is None else identity.process()
        return None if process is None else process.pid

    def is_current(self) -> bool:
        """Whether the running gateway was started from the program and functions as they are now."""
        return self._version.exists() and self._version.read_text() == self._program_version()

    def start(self, installation: Installation) -> bool:
        """Start the gateway and wait until it serves; False when another program holds its port."""
        self.stop()
        install_packages(self._program)
        private.make_folder(self._storage)
        private.make_folder(self.log.parent)
        private.open_file(self.log, "a").close()
        pid = launch(
            self._command(installation),
            environment=_environment(),
            log=self.log,
            folder=self._program,
        )
        identity = write_process_id(self._pid, pid)
        private.write_file(self._version, self._program_version())
        deadline = time.monotonic() + START_SECONDS
        while not serves(installation):
            if identity.process() is None:
                if "AddrInUse" in _tail(self.log):
                    return False
                raise StartupError(f"The gateway ended; its log {self.log} ends with:\n{_tail(self.log)}")
            if time.monotonic() > deadline:
                self.stop()
                raise StartupError(
                    f"The gateway did not answer; its log {self.log} ends with:\n{_tail(self.log)}"
                )
            time.sleep(0.02)
        return True

    def stop(self) -> None:
        identity = read_process_id(self._pid)
        if identity is not None:
            end(identity, grace_seconds=STOP_SECONDS)
            self._pid.unlink(missing_ok=True)

    def _program_version(self) -> str:
        digest = hashlib.sha256()
        own = [path for path in self._program.iterdir() if path.name != "node_modules"]
        for root in sorted([self._project / "config.toml", self._project / "functions", *own]):
            for path in sorted([root, *root.rglob("*")]):
                if not path.is_file():
                    continue
                digest.update(f"{path.name}\0".encode() + path.read_bytes())
        return digest.hexdigest()

    def _command(self, installation: Installation) -> list[str]:
        """The command of a gateway that may read the project, write objects, and talk to loopback only."""
        reads = [self._config, self._project, self._storage]
        return [
            deno.find_deno_bin(),
            "run",
            "--no-prompt",
            "--cached-only",
            "--no-remote",
            "--node-modules-dir=manual",  # as `install_packages` left it, also when it is another user's
            f"--config={self._program / 'deno.json'}",
            "--frozen",
            f"--allow-net=127.0.0.1:{installation.api_port},127.0.0.1:{installation.database_port}",
            f"--allow-read={','.join(map(str, reads))}",
            f"--allow-write={self._storage}",
            "--allow-env",
            "--allow-sys",
            str(self._program / "gateway.ts"),
            str(self._config),
            str(self._project),
            str(self._storage),
        ]


def serves(installation: Installation) -> bool:
    """Whether this installation's gateway answers on its port, with its database behind it."""
    try:
        answer = httpx.get(f"{installation.url}/health", timeout=5, trust_env=False)
        found = answer.json()
    except (httpx.HTTPError, ValueError):
        return False
    return answer.status_code == 200 and found.get("instance") == installation.instance


def install_packages(program: Path) -> None:
    """Install the gateway's packages as `deno.lock` pins them, unless they are there; safe to race."""
    wanted = hashlib.sha256((program / "deno.lock").read_bytes()).hexdigest()
    stamp = program / "node_modules" / ".kizu-installed"
    with _locked(program / "deno.lock"):
        if stamp.exists() and stamp.read_text() == wanted:
            return
        installed = subprocess.run(
            [deno.find_deno_bin(), "install", "--frozen", "--quiet"],
            cwd=program,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if installed.returncode != 0:
            raise StartupError(f"The gateway's packages could not be installed: {installed.stderr.strip()}")
        stamp.write_text(wanted)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _environment() -> dict[str, str]:
    """The gateway's environment: only what Deno needs, so that no other project's keys reach it."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME")
        if name in os.environ
    }
    return {**kept, "EXPERIMENTAL_STORAGE": "1", "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1", "TZ": "UTC"}


def _tail(path: Path, lines: int = 20) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
