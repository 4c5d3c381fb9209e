"""Fetches a large file over HTTPS, goes on where an earlier try ended, and unpacks what is wanted of it.

What has arrived lies beside the target as `.NAME.part`, with a note of what the server said of it. It
outlives the process, and is gone when the file is whole, or wrong, or when the disk is full.
"""

from __future__ import annotations

import errno
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urljoin, urlsplit, urlunsplit

import httpx
import structlog

from models.errors import BadWeights, WeightsMissing
from models.weights.placing import LARGEST, Wanted, check_room, put, unpack, wrong_digest

log = structlog.get_logger()

Transport: TypeAlias = httpx.BaseTransport
Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes that have arrived, and how many there are, if the server says so."""

CONNECT_SECONDS: Final = 5.0
"""A hub that takes longer is taken for unreachable; whoever waits for the model wants to know soon."""
SILENCE_SECONDS: Final = 15.0
"""Before the first byte, and between two."""
TRIES: Final = 5
"""In a row without a single byte; of a server that has sent nothing at all, COLD_TRIES."""
COLD_TRIES: Final = 2
PAUSE_SECONDS: Final = 1.0
"""After the first failed try; twice as long after each further one."""
REDIRECTS: Final = 10
FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Again(Exception):
    """One try failed in a way that the next one may not."""


class _Silent(_Again):
    """No server answered."""


def fetch(
    url: str,
    files: list[Wanted],
    progress: Progress,
    *,
    client: httpx.Client,
    pause: float = PAUSE_SECONDS,
) -> dict[Path, str]:
    """Put `files`, all of one URL, where they belong, whole or not at all; answers their digests.

    Raises:
        WeightsMissing: the server cannot be reached or does not have it, or there is no room for it.
        BadWeights: what came is not what was expected.
    """
    folder = files[0].target.parent
    part = folder / f".{_name(url)}.part"
    with _tell_full_disk(folder, part):
        folder.mkdir(parents=True, exist_ok=True)
        resumed = part.exists()
        try:
            return _fetch(url, part, files, progress, client, pause)
        except BadWeights as error:
            if not resumed:
                raise
            log.warning("download restarted", file=_name(url), reason=str(error))
            return _fetch(url, part, files, progress, client, pause)


def _fetch(
    url: str, part: Path, files: list[Wanted], progress: Progress, client: httpx.Client, pause: float
) -> dict[Path, str]:
    file = files[0]
    _download(url, part, file, progress, client, pause)
    try:
        digest = _digest_of(part) if file.member is None or file.whole is not None else ""
        if file.whole is not None and digest != file.whole:
            name = file.target.name if file.member is None else _name(url)
            raise wrong_digest(name, bare(url), file.whole, digest)
        if file.member is not None:
            return {file.target: unpack(part, file) for file in files}
        put(part, file.target)
        return {file.target: digest}
    finally:
        _forget(part)


def _download(
    url: str, part: Path, file: Wanted, progress: Progress, client: httpx.Client, pause: float
) -> None:
    """Download what is at `url` into `part`, going on where an earlier try ended."""
    tries, arrived = 0, False
    while True:
        before = _length(part)
        try:
            _try(url, part, file, progress, client)
            return
        except _Again as error:
            if _length(part) > before:
                tries, arrived = 0, True
            tries += 1
            if tries >= (TRIES if arrived else COLD_TRIES) or (isinstance(error, _Silent) and not arrived):
                raise WeightsMissing(
                    f"{_name(url)} could not be fetched from {_host(url)}: {error}"
                ) from error
            log.warning("download interrupted", file=_name(url), arrived=_length(part), reason=str(error))
            time.sleep(pause * 2 ** (tries - 1))


def _try(url: str, part: Path, file: Wanted, progress: Progress, client: httpx.Client) -> None:
    start, validator = _resumable(url, part, trusting=file.whole is not None)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    try:
        with get(url, headers, client) as answer:
            if answer.status_code == 416:
                if _total(answer) == start:
                    return
                _forget(part)
                raise _Again("the server has less than has arrived")
            start = _check_status(answer, url, start)
            total = _expected(answer, start)
            if file.member is None and file.size is not None and total not in (None, file.size):
                _forget(part)
                what = f"{file.target.name} at {bare(url)} has {total} bytes"
                raise BadWeights(f"{what}, expected {file.size}; nothing was kept")
            check_room(part.parent, (total or 0) - start)
            if not start:
                _note(part, url, answer)
            _receive(answer, part, start, total, progress, _name(url))
    except httpx.TimeoutException as error:
        raise _Silent("no answer in time") from error
    except (httpx.ConnectError, httpx.ProxyError) as error:
        raise _Silent(f"no connection ({error})") from error
    except httpx.TransportError as error:
        raise _Again(str(error) or type(error).__name__) from error
    except (httpx.InvalidURL, ValueError) as error:
        raise WeightsMissing(f"{_name(url)} is not to be had: {_host(url)} redirects to nowhere") from error


@contextmanager
def get(url: str, headers: dict[str, str], client: httpx.Client) -> Iterator[httpx.Response]:
    """Request a file, following redirects to HTTPS only: elsewhere it could be changed on the way."""
    address = url
    check_address(address, first=True)
    for _ in range(REDIRECTS):
        with client.stream("GET", address, headers=headers) as answer:
            if not answer.has_redirect_location:
                yield answer
                return
            address = urljoin(address, answer.headers["location"])
        check_address(address, first=False)
    raise WeightsMissing(f"{_name(url)}: {_host(url)} redirects without end")


def check_address(address: str, *, first: bool) -> None:
    """Refuse addresses other than HTTPS, except a server on this very machine that was asked first."""
    parts = urlsplit(address)
    if parts.scheme == "https":
        return
    if first and parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"):
        return
    raise WeightsMissing(
        f"{parts.scheme}://{parts.hostname or ''} is refused: weights are fetched over HTTPS"
    )


def _check_status(answer: httpx.Response, url: str, start: int) -> int:
    """The byte from which on the server answers."""
    if answer.status_code == 200:
        return 0
    if answer.status_code == 206 and answer.headers.get("content-range", "").startswith(f"bytes {start}-"):
        return start
    if answer.status_code == 206 or answer.status_code == 429 or answer.status_code >= 500:
        raise _Again(f"the server answered {answer.status_code}")
    raise WeightsMissing(f"{_name(url)} is not to be had: {_host(url)} answered {answer.status_code}")


def _expected(answer: httpx.Response, start: int) -> int | None:
    """The size of the whole file in bytes, where the server tells it."""
    if answer.status_code == 206:
        return _total(answer)
    length = answer.headers.get("content-length", "")
    return start + int(length) if length.isdigit() else None


def _total(answer: httpx.Response) -> int | None:
    total = answer.headers.get("content-range", "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


def _receive(
    answer: httpx.Response, part: Path, start: int, total: int | None, progress: Progress, name: str
) -> None:
    limit = LARGEST if total is None else total
    with part.open("r+b" if start else "wb") as file:
        arrived = file.seek(start)
        file.truncate()
        progress(name, arrived, total)
        for piece in answer.iter_raw():
            arrived += len(piece)
            if arrived > limit:
                raise WeightsMissing(f"{name} is longer than the {limit} bytes announced")
            file.write(piece)
            progress(name, arrived, total)
    if total is not None and arrived < total:
        raise _Again(f"the connection ended after {arrived} of {total} bytes")


def _resumable(url: str, part: Path, *, trusting: bool) -> tuple[int, str | None]:
    """How many bytes of a partial file can stay, and the validator by which the server checks that.

    Without a word of the server's, only if the digest of the whole will tell anyway.
    """
    try:
        note = json.loads(_notes(part).read_text(encoding="utf-8"))
        validator = note["validator"] if note["url"] == bare(url) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return 0, None
    if validator is None and trusting:
        return _length(part), None
    return (_length(part), validator) if validator else (0, None)


def _note(part: Path, url: str, answer: httpx.Response) -> None:
    """Keep a strong validator (RFC 9110, section 8.8): a weak one does not promise the same bytes."""
    tag = answer.headers.get("etag")
    if tag is None or tag.startswith("W/"):
        tag = answer.headers.get("last-modified")
    _notes(part).write_text(json.dumps({"url": bare(url), "validator": tag}), encoding="utf-8")


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


@contextmanager
def _tell_full_disk(folder: Path, part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise WeightsMissing(f"weights cannot be kept in {folder}: {error.strerror or error}") from error
        _forget(part)
        raise WeightsMissing(f"there is no room for weights in {folder}: {error.strerror}") from error


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2] or "weights"


def _host(url: str) -> str:
    return urlsplit(bare(url)).netloc


def bare(url: str) -> str:
    """An address without the name and password that it may hold: these are neither shown nor kept."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def make_client(transport: Transport | None = None) -> httpx.Client:
    """An HTTP client that respects proxies and certificates of the environment."""
    timeout: Any = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
    return httpx.Client(timeout=timeout, follow_redirects=False, transport=transport)
