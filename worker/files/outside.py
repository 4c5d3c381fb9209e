"""Files on hosts that are not ours: reached at the address that was checked, and nowhere else."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx

from worker.core.errors import ForbiddenUrl, NotFound, SourceRefused, SourceUnavailable, StorageUnavailable
from worker.files.guard import Resolver, public_addresses
from worker.files.sources import ExternalFile
from worker.files.spool import PLAIN, Spool

MAX_ADDRESSES = 4
"""Addresses of one host that are tried before giving up."""
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""For one step; the caller bounds the whole."""
ANSWER_SECONDS = 10.0
GONE = frozenset({404, 410})
LATER = frozenset({408, 425, 429})
"""Asking again later may help (RFC 9110, 8470, 6585). Other refusals may be of a proxy or a firewall on the
way, or of a signed address that has run out: they are tried again, too, but as the job's own failure."""


class OutsideHosts:
    """A bare transport: no credentials, cookies, proxies or redirects of its own.

    Connections are pinned to checked addresses, so none is kept: the next host may share the address but not
    the certificate.
    """

    def __init__(self, *, resolve: Resolver, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._resolve = resolve
        self._transport = transport or httpx.AsyncHTTPTransport(
            trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def get(self, source: ExternalFile, spool: Spool) -> str | None:
        """Fill `spool`, or answer where the server redirects to; the caller decides whether to go there.

        Raises:
            ForbiddenUrl, NotFound, TooLarge, StorageUnavailable: as `Files.fetch`.
        """
        addresses = await public_addresses(source.host, source.port, resolve=self._resolve)
        failure: Exception | None = None
        for address in addresses[:MAX_ADDRESSES]:
            request = httpx.Request(
                "GET",
                source.url.copy_with(host=address),
                headers={**PLAIN, "Host": source.url.netloc.decode("ascii"), "User-Agent": "kizu-worker"},
                extensions={"sni_hostname": source.host, "timeout": TIMEOUT.as_dict()},
            )
            try:
                response = await self._transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
                continue
            except httpx.TransportError as error:
                raise _unavailable(source, f"The server gave no answer: {type(error).__name__}") from error
            try:
                return await _take(response, source, spool)
            except httpx.TransportError as error:
                raise _unavailable(source, f"The server broke off: {type(error).__name__}") from error
            finally:
                await response.aclose()
        raise _unavailable(source, "The server could not be reached") from failure

    async def answers(self, host: str, port: int) -> bool:
        """Whether somebody takes a connection at one of the addresses of `host`."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                addresses = await public_addresses(host, port, resolve=self._resolve)
                for address in addresses[:MAX_ADDRESSES]:
                    with suppress(OSError):
                        _, writer = await asyncio.open_connection(address, port)
                        writer.close()
                        return True
        except (TimeoutError, StorageUnavailable):
            return False
        except ForbiddenUrl:
            return True  # which is no outage
        return False


def _unavailable(source: ExternalFile, message: str) -> SourceUnavailable:
    return SourceUnavailable(message, f"{source.host}:{source.port}")


async def _take(response: httpx.Response, source: ExternalFile, spool: Spool) -> str | None:
    status = response.status_code
    if status == httpx.codes.OK:
        await spool.fill(response)
        return None
    if response.has_redirect_location:
        try:
            return str(source.url.join(response.headers["location"]))
        except httpx.InvalidURL:
            raise ForbiddenUrl("The server redirects to something that is no URL") from None
    if status in GONE:
        raise NotFound(f"The server has no such file: it answered {status}")
    if 400 <= status < 500 and status not in LATER:
        raise SourceRefused(f"The server does not give the file to this worker: it answered {status}")
    raise _unavailable(source, f"The server answered {status}")
