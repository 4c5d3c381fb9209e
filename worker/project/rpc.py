"""Functions of the database called over PostgREST, again and again until they answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol
from uuid import UUID

import httpx
from tenacity import AsyncRetrying, retry_if_exception, stop_before_delay, wait_random_exponential

from worker.core.errors import DatabaseUnavailable, InternalError
from worker.project.json import storable
from worker.project.rpc_errors import Refusal, error_of
from worker.project.waiting import Waiting, may_pass

JSON = {"Content-Type": "application/json"}


class Sender(Protocol):
    """What a call needs of a `Connection`."""

    @property
    def token(self) -> str: ...

    async def renew_token(self, stale: str) -> bool: ...

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], content: bytes
    ) -> httpx.Response: ...


async def call(
    sender: Sender, function: str, params: Mapping[str, Any], *, within: float, patient: bool = True
) -> Any:
    """The function's JSON, as `Connection.rpc` describes.

    Who is not `patient` is told at once when something else than the project answers.
    """
    body = _to_json(params, function)
    failure = DatabaseUnavailable(f"{function} was not answered within {within:g} s")
    try:
        async with asyncio.timeout(within):
            async for attempt in AsyncRetrying(
                retry=retry_if_exception(lambda error: may_pass(error, patient=patient)),
                wait=wait_random_exponential(multiplier=0.1, max=10.0),
                stop=stop_before_delay(within),
                before_sleep=Waiting(function, within).tell,
                reraise=True,
            ):
                with attempt:
                    try:
                        return await _call_once(sender, function, body)
                    except DatabaseUnavailable as error:
                        failure = error
                        raise
    except TimeoutError:
        raise failure from None


async def _call_once(sender: Sender, function: str, body: bytes) -> Any:
    """One try, and a second one with a new token where the server refuses the old one."""
    token = sender.token
    response = await _post(sender, function, body)
    if response.is_success:
        return _from_json(response, function)
    refusal = Refusal.read(response.status_code, response.content)
    if refusal.is_about_the_token and await sender.renew_token(token):
        response = await _post(sender, function, body)
        if response.is_success:
            return _from_json(response, function)
        refusal = Refusal.read(response.status_code, response.content)
    raise error_of(refusal, function=function)


async def _post(sender: Sender, function: str, body: bytes) -> httpx.Response:
    # Not through postgrest-py: its APIError keeps no HTTP status, so a gateway's 503 with a JSON body would
    # pass for a refusal.
    try:
        return await sender.request("POST", f"/rest/v1/rpc/{function}", headers=JSON, content=body)
    except httpx.RequestError as error:
        raise DatabaseUnavailable(f"{function} got no answer: {type(error).__name__}") from error


def _to_json(params: Mapping[str, Any], function: str) -> bytes:
    try:
        return json.dumps(storable(params), default=plain, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InternalError(f"The arguments of {function} are not JSON: {error}") from error


def plain(value: object) -> str:
    """What JSON has no form for, as a text that Postgres reads; TypeError where there is none."""
    match value:
        case UUID():
            return str(value)
        case date():
            return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _from_json(response: httpx.Response, function: str) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        raise DatabaseUnavailable(f"{function} was answered with something else than JSON") from error
