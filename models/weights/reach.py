"""Whether the servers of weights answer: asked rarely, as each of many commands would wait for it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from models.errors import WeightsMissing
from models.weights import digests
from models.weights.download import Transport, make_client
from models.weights.packages import is_package, locate

SECONDS: Final = 5.0
"""For an answer; a hub that takes longer is taken for unreachable."""
KEPT_SECONDS: Final = 600.0
"""How long an answer, or none, is believed."""
NOTE: Final = ".servers.json"
"""In the cache folder: {host, or kind of package: {"answers": …, "at": …}}."""


def answers(url: str, cache: Path, transport: Transport | None = None) -> bool:
    """Whether the server of `url` has, or lately had, what is there; only the first byte is asked for."""
    host, now = urlsplit(url).netloc or urlsplit(url).scheme, time.time()
    known = digests.read_note(cache / NOTE)
    match known.get(host):
        case {"answers": bool(said), "at": float(at)} if 0 <= now - at < KEPT_SECONDS:
            return said
    said = _ask(url, transport)
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        digests.write_note(cache / NOTE, {**known, host: {"answers": said, "at": now}})
    return said


def _ask(url: str, transport: Transport | None) -> bool:
    try:
        with make_client(transport) as client:
            client.timeout = httpx.Timeout(SECONDS)
            address = locate(url, client) if is_package(url) else url
            with client.stream("GET", address, headers={"Range": "bytes=0-0"}) as answer:
                return answer.status_code < 400
    except (httpx.HTTPError, httpx.InvalidURL, WeightsMissing):
        return False
