"""Calls of Storage that are split, and tokens that are renewed; test_storage has what goes over the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from worker.core.errors import AuthFailed, StorageUnavailable
from worker.files.objects import StoredObjects

EXPIRED = {"statusCode": "403", "error": "Unauthorized", "message": "jwt expired"}


class Connection:
    """Answers requests with what a function makes of them; its token is renewed to `new`, once."""

    def __init__(self, answer: Callable[[Any], httpx.Response], *, renewal: bool | Exception = True) -> None:
        self.token = "old"
        self.requests: list[tuple[str, str, str, Any]] = []
        self._answer = answer
        self._renewal = renewal

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], content: bytes
    ) -> httpx.Response:
        body = json.loads(content)
        self.requests.append((method, path, self.token, body))
        return self._answer(body) if self.token == "new" else httpx.Response(400, json=EXPIRED)

    async def renew_token(self, stale: str) -> bool:
        assert stale == "old"
        if isinstance(self._renewal, Exception):
            raise self._renewal
        self.token = "new" if self._renewal else self.token
        return self._renewal


def all_gone(body: Any) -> httpx.Response:
    return httpx.Response(200, json=[{"name": key} for key in body["prefixes"]])


async def test_many_files_are_deleted_in_several_calls_and_counted() -> None:
    connection: Any = Connection(all_gone)
    keys = [f"someone/{number}.jpg" for number in range(201)]
    assert await StoredObjects(connection).delete("a bucket", keys) == 201
    sent = [body["prefixes"] for _, _, token, body in connection.requests if token == "new"]
    assert [len(part) for part in sent] == [100, 100, 1]
    assert [key for part in sent for key in part] == keys
    assert {request[:2] for request in connection.requests} == {("DELETE", "/storage/v1/object/a%20bucket")}


async def test_only_what_storage_says_is_gone_counts() -> None:
    connection: Any = Connection(lambda body: httpx.Response(200, json=[{"name": body["prefixes"][0]}]))
    assert await StoredObjects(connection).delete("assets", ["a", "b", "c"]) == 1


async def test_nothing_to_delete_asks_nobody() -> None:
    connection: Any = Connection(all_gone)
    assert await StoredObjects(connection).delete("assets", []) == 0
    assert connection.requests == []


async def test_a_refused_token_is_renewed_once_and_the_call_repeated() -> None:
    connection: Any = Connection(all_gone)
    assert await StoredObjects(connection).delete("assets", ["a"]) == 1
    assert [token for _, _, token, _ in connection.requests] == ["old", "new"]


@pytest.mark.parametrize(
    ("renewal", "says"),
    [
        (False, "Storage answered 403 Unauthorized jwt expired"),
        (AuthFailed("wrong password"), "Storage needs a fresh token: wrong password"),
    ],
)
async def test_a_token_that_cannot_be_renewed_fails_the_call(renewal: bool | Exception, says: str) -> None:
    connection: Any = Connection(all_gone, renewal=renewal)
    with pytest.raises(StorageUnavailable, match=says):
        await StoredObjects(connection).delete("assets", ["a"])
    assert len(connection.requests) == 1


async def test_a_token_that_is_refused_though_it_is_new_is_not_renewed_again() -> None:
    connection: Any = Connection(lambda body: httpx.Response(400, json=EXPIRED))
    with pytest.raises(StorageUnavailable, match="jwt expired"):
        await StoredObjects(connection).delete("assets", ["a"])
    assert len(connection.requests) == 2
