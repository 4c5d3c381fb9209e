"""The one connection to the Supabase project: who the worker is, one pool, and calls that may be repeated."""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

import httpcore
import httpx
from pydantic import SecretStr

from worker.core.errors import AuthFailed, StartupError
from worker.project.caller import Caller, caller_of_key, caller_of_token
from worker.project.rpc import call
from worker.settings import Settings

if TYPE_CHECKING:
    from supabase import AsyncClient

    from worker.project.account import Account

# HTTP/1.1 on purpose: with HTTP/2 one GOAWAY of the gateway fails every request in flight, large downloads
# wait for small flow-control windows, and framing costs the event loop what decoding needs.
LIMITS = httpx.Limits(max_connections=40, max_keepalive_connections=20, keepalive_expiry=30.0)
# As much as asyncio takes from a socket at once; with httpcore's own 64 KiB receiving a photo takes half as
# much processor time again.
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = 256 * 1024
TIMEOUT = httpx.Timeout(connect=10.0, read=30.0, write=30.0, pool=30.0)


class Connection:
    """Signs in one of three ways (design section 8) and speaks for the worker until it is closed.

    If several are configured, an account goes before a worker token, and that before the secret key.
    `patience` is how many seconds signing in may wait for an unreachable server; a daemon waits for ever.

    Raises, on entering:
        AuthFailed: key, token or password is missing, malformed, expired or refused.
        DatabaseUnavailable: an account could not be signed in within `patience`.
    """

    def __init__(self, settings: Settings, *, patience: float = 30.0) -> None:
        self.url = settings.url
        self.public_url = settings.public_url
        self.api_key, self._fixed_token, self._fixed_caller = _credentials_of(settings)
        self._patience = patience
        self._requests = 0
        self._http = httpx.AsyncClient(
            limits=LIMITS,
            timeout=TIMEOUT,
            # On plain HTTP the certificate authorities are not read, which takes as long as a request.
            verify=self.url.startswith("https:"),
            trust_env=not _is_loopback(self.url),  # a proxy cannot reach this machine's loopback
            event_hooks={"request": [self._count]},
        )
        self._account = self._account_of(settings)
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Connection:
        try:
            if self._account:
                await self._account.sign_in(within=self._patience)
                self._keeper = asyncio.create_task(self._account.keep_fresh(), name="token keeper")
        except BaseException:
            await self._http.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._http.aclose()

    @cached_property
    def client(self) -> AsyncClient:
        """The official client, on the same pool and always with the current token; for queries on tables."""
        # Imported when it is used: half of what a command takes that needs one RPC.
        from supabase import AsyncClient, AsyncClientOptions

        return AsyncClient(
            self.url,
            self.api_key,
            AsyncClientOptions(
                httpx_client=self._http,
                auto_refresh_token=False,  # its timer gives up after a few failures; Account does not
                persist_session=False,
                # Reads of tables are asked for again by the library, three times at most (503, 520, a lost
                # connection), and by nothing of ours; what we try again ourselves goes past it.
                postgrest_client_retry=True,
                headers={"Authorization": f"Bearer {self._fixed_token or self.api_key}"},
            ),
        )

    @property
    def caller(self) -> Caller:
        return self._account.caller if self._account else self._fixed_caller

    @property
    def has_account(self) -> bool:
        """Whether the token comes from Auth, and is renewed there."""
        return self._account is not None

    @property
    def token(self) -> str:
        """The token for the header `Authorization` right now; never to be logged."""
        return self._account.token if self._account else self._fixed_token or self.api_key

    @property
    def requests(self) -> int:
        """HTTP requests sent so far, retries and redirects included."""
        return self._requests

    async def ensure_fresh_token(self) -> None:
        """Renew the token now if its time has come, for callers that are about to rely on it.

        Raises:
            AuthFailed, DatabaseUnavailable: as `renew_token`.
        """
        if self._account and self._account.is_due:
            await self._account.renew(self._account.token)

    async def renew_token(self, stale: str) -> bool:
        """Replace the token `stale`, which the server refused; answers whether there is another one now.

        Raises:
            AuthFailed: the account is no longer accepted.
            DatabaseUnavailable: the server could not be asked.
        """
        if self._account is None:
            return False
        await self._account.renew(stale)
        return True

    async def rpc(
        self, function: str, params: Mapping[str, Any] | None = None, *, within: float = 30.0
    ) -> Any:
        """Call a function of the database and answer its JSON (None for `void`).

        A lost answer, an overload or a restart is tried again with capped full jitter for at most `within`
        seconds in all; that is safe because every function of ours may be repeated.

        Raises:
            DatabaseUnavailable: still no answer after `within` seconds.
            AuthFailed, PermissionDenied, SchemaMissing: will not heal by trying again.
            NotFound, BadParams, UnknownJobType: the function said so.
            InternalError: any other refusal, or params that are not JSON.
        """
        return await call(self, function, params or {}, within=within, patient=math.isinf(self._patience))

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """One request to the project, with the worker's credentials; httpx's errors are the caller's."""
        return await self._http.request(
            method, self.url + path, headers={**self._credentials(), **(headers or {})}, content=content
        )

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Send a request like `request` and leave the body to be read by the caller."""
        async with self._http.stream(
            method, self.url + path, headers={**self._credentials(), **(headers or {})}
        ) as response:
            yield response

    def _account_of(self, settings: Settings) -> Account | None:
        if settings.kizu_email is None or settings.kizu_password is None:
            return None
        from worker.project.account import Account

        password = settings.kizu_password.get_secret_value()
        return Account(self.client.auth, email=settings.kizu_email, password=password)

    def _credentials(self) -> dict[str, str]:
        return {"apikey": self.api_key, "Authorization": f"Bearer {self.token}"}

    async def _count(self, request: httpx.Request) -> None:
        self._requests += 1


def _credentials_of(settings: Settings) -> tuple[str, str | None, Caller]:
    """The `apikey` header, a fixed token beside it or None, and the caller they stand for until sign-in."""
    publishable = _secret(settings.supabase_publishable_key, "SUPABASE_PUBLISHABLE_KEY")
    token = _secret(settings.kizu_worker_token, "KIZU_WORKER_TOKEN")
    secret = _secret(settings.supabase_secret_key, "SUPABASE_SECRET_KEY")
    if publishable and settings.kizu_email:
        return publishable, None, Caller("user")
    if publishable and token:
        caller = caller_of_token(token, origin="KIZU_WORKER_TOKEN")
        if caller.kind != "worker":
            raise AuthFailed("KIZU_WORKER_TOKEN has another role: expected kizu_worker")
        return publishable, token, caller
    if secret:
        return secret, None, caller_of_key(secret)
    raise StartupError(
        "No way to sign in: set SUPABASE_SECRET_KEY, or SUPABASE_PUBLISHABLE_KEY with KIZU_WORKER_TOKEN"
        " or with KIZU_EMAIL and KIZU_PASSWORD"
    )


def _secret(value: SecretStr | None, name: str) -> str | None:
    text = value.get_secret_value().strip() if value else ""
    if not all("!" <= character <= "~" for character in text):
        raise AuthFailed(f"{name} has characters no key has: expected printable ASCII without spaces")
    return text or None


def _is_loopback(url: str) -> bool:
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
