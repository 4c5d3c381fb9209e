"""What one installation of the embedded Supabase has drawn for itself: ports, keys and secrets.

Kept in `<home>/config.json`, readable by its owner only. A file that was cut short by a crash is set aside
and drawn anew, except that the database's data can then no longer be opened; so it is written to a
temporary name, synced, and renamed.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from worker.signing import SigningKey, new_signing_key

API_PORT = 54321  # the Supabase CLI's own ports, taken when they are free
DATABASE_PORT = 54322


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Ports on 127.0.0.1 and the random secrets of one home."""

    instance: str
    api_port: int
    database_port: int
    database_password: str = field(repr=False)
    authenticator_password: str = field(repr=False)
    publishable_key: str
    secret_key: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    signing_keys: tuple[SigningKey, ...] = field(default=(), repr=False)
    """The first one signs, the others only verify; an installation of an older version has none yet."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def database_url(self) -> str:
        """The database's address for its superuser, who also applies migrations."""
        return f"postgresql://postgres:{self.database_password}@127.0.0.1:{self.database_port}/postgres"

    def on_ports(self, *, api_port: int | None = None, database_port: int | None = None) -> Installation:
        return replace(
            self,
            api_port=api_port or self.api_port,
            database_port=database_port or self.database_port,
        )


def draw_installation() -> Installation:
    """A new installation on free ports, with fresh secrets."""
    api_port = free_port(API_PORT)
    return Installation(
        instance=secrets.token_hex(8),
        api_port=api_port,
        database_port=free_port(DATABASE_PORT, taken={api_port}),
        database_password=secrets.token_hex(24),
        authenticator_password=secrets.token_hex(24),
        publishable_key=f"sb_publishable_{secrets.token_urlsafe(24)}",
        secret_key=f"sb_secret_{secrets.token_urlsafe(24)}",
        jwt_secret=secrets.token_hex(32),
        signing_keys=(new_signing_key(),),
    )


def config_path(home: Path) -> Path:
    """Where the installation below `home` is written down."""
    return home.expanduser().resolve() / "config.json"


def read_installation(path: Path) -> Installation | None:
    """The installation that the file describes; None when there is no file, or only half of one."""
    try:
        found = json.loads(path.read_text())
        keys = tuple(found.pop("signing_keys", ()))
        return Installation(**found, signing_keys=keys)
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return None


def write_installation(path: Path, installation: Installation) -> None:
    """Write the installation's file whole or not at all, with mode 0600."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(installation), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def free_port(wanted: int | None = None, *, taken: frozenset[int] | set[int] = frozenset()) -> int:
    """The port `wanted` if nothing listens there, else a free port of the loopback interface.

    Drawn below the ports that systems give to outgoing connections, one of which could else have taken it
    when we come back after a restart.
    """
    if wanted is not None and wanted not in taken and is_free(wanted):
        return wanted
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        if port not in taken and is_free(port):
            return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
