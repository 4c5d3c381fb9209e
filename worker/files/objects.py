"""Objects of the project's own Storage over HTTPS: downloaded, uploaded, deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from worker.core.errors import AuthFailed, DatabaseUnavailable, NotFound, StorageUnavailable
from worker.files.errors import StorageRefusal, download_error, upload_error
from worker.files.sources import ASSETS_BUCKET, StoredObject
from worker.files.spool import PLAIN, Spool, version_of
from worker.project.connection import Connection

A = TypeVar("A")
MAX_TRIES = 3
"""Calls per object before giving up; the job's own retry comes on top, much later."""
DELETED_AT_ONCE = 100
"""Files per call; Storage takes at most 1,000."""
ANSWER_SECONDS = 10.0
"""Within which Storage answers a question that costs it nothing, unless it is down."""
NOBODY = UUID(int=0)
ERROR_BODY = 64 * 1024
"""Bytes read of an answer that is not the file."""
JSON = {"Content-Type": "application/json"}
A_YEAR = "max-age=31536000"
"""What an epoch path holds never changes."""


class StoredObjects:
    """Storage as the signed-in caller may use it; a refused token is renewed once per call."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def download(self, source: StoredObject, spool: Spool) -> None:
        """Fill `spool` with the object.

        Raises:
            NotFound: there is no such object, or none that the caller may see.
            TooLarge: more bytes than the spool takes.
            StorageUnavailable: refused, or no answer after a few tries.
        """
        path = _read_path(source)
        async for attempt in _tries():
            with attempt:
                refusal = await self._with_a_good_token(lambda: self._download_once(path, spool))
                if refusal:
                    raise download_error(refusal, source.bucket)

    async def version(self, source: StoredObject) -> str | None:
        """The version of the object that Storage would send now; None if it does not say."""
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self._connection.stream("HEAD", _read_path(source), headers=PLAIN) as response,
            ):
                return version_of(response) if response.status_code == httpx.codes.OK else None
        except (TimeoutError, httpx.TransportError):
            return None

    async def answers(self) -> bool:
        """Whether Storage itself answers: only it knows that it has no file of a name made up just now."""
        path = f"/storage/v1/object/authenticated/{ASSETS_BUCKET}/{NOBODY}/{uuid4()}"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                refusal = await self._with_a_good_token(lambda: self._refusal_of(path))
        except (TimeoutError, httpx.TransportError, StorageUnavailable):
            return False
        return refusal is not None and isinstance(download_error(refusal, ASSETS_BUCKET), NotFound)

    async def upload(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Store `data` in one request, in place of what was there.

        Raises:
            TooLarge: the bucket does not take that many bytes.
            StorageUnavailable: refused, or no answer after a few tries.
        """
        headers = {"Content-Type": content_type, "x-upsert": "true", "Cache-Control": A_YEAR}
        async for attempt in _tries():
            with attempt:
                answer = await self._send("POST", f"/storage/v1/object/{_path(bucket, key)}", headers, data)
                if not isinstance(_json(answer), dict):
                    raise StorageUnavailable("Something else than Storage took the file")

    async def delete(self, bucket: str, keys: Sequence[str]) -> int:
        """Delete what is there of `keys` and is the caller's to delete; answers how many that were.

        Raises:
            StorageUnavailable: refused, or no answer; some may be gone.
        """
        gone = 0
        for start in range(0, len(keys), DELETED_AT_ONCE):
            body = json.dumps({"prefixes": list(keys[start : start + DELETED_AT_ONCE])}).encode()
            answer = await self._send("DELETE", f"/storage/v1/object/{quote(bucket)}", JSON, body)
            deleted = _json(answer)
            if not isinstance(deleted, list):
                raise StorageUnavailable("Something else than Storage was asked to delete")
            gone += len(deleted)
        return gone

    async def _download_once(self, path: str, spool: Spool) -> StorageRefusal | None:
        try:
            async with self._connection.stream("GET", path, headers=PLAIN) as response:
                if response.status_code != httpx.codes.OK:
                    return StorageRefusal.read(response.status_code, await _start_of(response))
                if _is_a_page(response) and not await self.answers():
                    raise StorageUnavailable("A web page came in place of the file")
                await spool.fill(response)
        except httpx.TransportError as error:
            raise StorageUnavailable(f"Storage gave no answer: {type(error).__name__}") from error
        return None

    async def _refusal_of(self, path: str) -> StorageRefusal | None:
        async with self._connection.stream("GET", path, headers=PLAIN) as response:
            if response.status_code == httpx.codes.OK:
                return None
            return StorageRefusal.read(response.status_code, await _start_of(response))

    async def _send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        answer = await self._with_a_good_token(lambda: self._send_once(method, path, headers, body))
        if isinstance(answer, StorageRefusal):
            raise upload_error(answer)
        return answer

    async def _send_once(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> httpx.Response | StorageRefusal:
        try:
            response = await self._connection.request(method, path, headers=headers, content=body)
        except httpx.TransportError as error:
            raise StorageUnavailable(f"Storage gave no answer: {type(error).__name__}") from error
        return (
            response if response.is_success else StorageRefusal.read(response.status_code, response.content)
        )

    async def _with_a_good_token(self, ask: Callable[[], Awaitable[A]]) -> A:
        """What `ask` answers; asked once more with a new token if that is why it was refused."""
        token = self._connection.token
        answer = await ask()
        if isinstance(answer, StorageRefusal) and answer.is_about_the_token and await self._renewed(token):
            return await ask()
        return answer

    async def _renewed(self, stale: str) -> bool:
        try:
            return await self._connection.renew_token(stale)
        except (AuthFailed, DatabaseUnavailable) as error:
            raise StorageUnavailable(f"Storage needs a fresh token: {error}") from error


def _json(response: httpx.Response) -> Any:
    """What Storage answered; None if that is not JSON, and so not its answer."""
    try:
        return response.json()
    except ValueError:
        return None


def _is_a_page(response: httpx.Response) -> bool:
    """Whether a proxy or a captive portal may have answered, whose page would pass for a broken picture."""
    kind: str = response.headers.get("content-type", "")
    return kind.lower().startswith(("text/html", "application/xhtml"))


async def _start_of(response: httpx.Response) -> bytes:
    """Enough of an error's body to read its code."""
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > ERROR_BODY:
            break
    return body


def _read_path(source: StoredObject) -> str:
    return f"/storage/v1/object/authenticated/{_path(source.bucket, source.key)}"


def _path(bucket: str, key: str) -> str:
    return f"{quote(bucket, safe='')}/{quote(key, safe='/')}"


def _tries() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(StorageUnavailable),
        wait=wait_random_exponential(multiplier=0.2, max=5.0),
        stop=stop_after_attempt(MAX_TRIES),
        reraise=True,
    )
