"""One call of a function; test_connection has what the network does to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from worker.core.errors import AuthFailed, DatabaseUnavailable, InternalError, ProjectUnreachable
from worker.project.rpc import call

EXPIRED = httpx.Response(401, json={"code": "PGRST303", "message": "JWT expired"})


class Sender:
    """Answers with these responses, or errors, one after the other; its token can be renewed so often."""

    def __init__(self, *answers: httpx.Response | Exception, renewals: int = 0) -> None:
        self.token = "token"
        self.sent: list[tuple[str, bytes, str]] = []
        self._answers = list(answers)
        self._renewals = renewals

    async def renew_token(self, stale: str) -> bool:
        assert stale == self.token
        if not self._renewals:
            return False
        self._renewals -= 1
        self.token += "+"
        return True

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str], content: bytes
    ) -> httpx.Response:
        assert (method, headers["Content-Type"]) == ("POST", "application/json")
        self.sent.append((path, content, self.token))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def answer_of(sender: Sender, params: Mapping[str, Any] | None = None, **how: Any) -> Any:
    return await call(sender, "f", params or {}, **{"within": 5.0, **how})


@pytest.mark.parametrize(
    ("params", "body"),
    [
        ({}, "{}"),
        ({"p_id": UUID(int=1)}, '{"p_id":"00000000-0000-0000-0000-000000000001"}'),
        ({"p_day": date(2026, 6, 1)}, '{"p_day":"2026-06-01"}'),
        ({"p_at": datetime(2026, 6, 1, 12, tzinfo=UTC)}, '{"p_at":"2026-06-01T12:00:00+00:00"}'),
        ({"p_list": (1, None, True)}, '{"p_list":[1,null,true]}'),
    ],
)
async def test_arguments_are_sent_as_json(params: dict[str, Any], body: str) -> None:
    sender = Sender(httpx.Response(200, json=1))
    assert await answer_of(sender, params) == 1
    assert sender.sent == [("/rest/v1/rpc/f", body.encode(), "token")]


def endless() -> list[Any]:
    inner: list[Any] = []
    for _ in range(100_000):
        inner = [inner]
    return inner


@pytest.mark.parametrize("value", [float("inf"), b"bytes", {1: object()}, endless()])
async def test_what_has_no_json_form_is_a_defect_and_not_sent(value: object) -> None:
    sender = Sender()
    with pytest.raises(InternalError, match=r"^The arguments of f are not JSON"):
        await answer_of(sender, {"p": value})
    assert sender.sent == []


@pytest.mark.parametrize(
    ("response", "value"),
    [
        (httpx.Response(204), None),
        (httpx.Response(200, content=b""), None),
        (httpx.Response(200, content=b"null"), None),
        (httpx.Response(200, json=[]), []),
        (httpx.Response(201, json={"a": 1}), {"a": 1}),
    ],
)
async def test_the_answer_is_the_functions_json(response: httpx.Response, value: Any) -> None:
    assert await answer_of(Sender(response)) == value


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b"\xff"])
async def test_an_answer_that_is_no_json_may_pass(body: bytes) -> None:
    sender = Sender(httpx.Response(200, content=body), httpx.Response(200, json="well"))
    assert await answer_of(sender) == "well"


async def test_a_token_that_was_refused_is_renewed_and_the_call_repeated_at_once() -> None:
    sender = Sender(EXPIRED, httpx.Response(200, json="well"), renewals=1)
    assert await answer_of(sender, {"a": 1}) == "well"
    assert [(body, token) for _, body, token in sender.sent] == [
        (b'{"a":1}', "token"),
        (b'{"a":1}', "token+"),
    ]


@pytest.mark.parametrize(("answers", "renewals"), [([EXPIRED], 0), ([EXPIRED, EXPIRED], 9)])
async def test_a_token_is_renewed_once_per_call_if_at_all(
    answers: list[httpx.Response], renewals: int
) -> None:
    sender = Sender(*answers, renewals=renewals)
    with pytest.raises(AuthFailed, match="JWT expired"):
        await answer_of(sender)
    assert len(sender.sent) == len(answers)


async def test_the_answer_to_the_new_token_counts() -> None:
    missing = httpx.Response(400, json={"code": "P0001", "message": "no", "details": None})
    with pytest.raises(InternalError, match="f was refused: P0001 no"):
        await answer_of(Sender(EXPIRED, missing, renewals=1))


def anothers() -> httpx.Response:
    return httpx.Response(404, content=b"<html>not a Supabase project</html>")


async def test_who_is_not_patient_hears_at_once_that_something_else_answers() -> None:
    sender = Sender(anothers(), httpx.Response(200, json="well"))
    with pytest.raises(ProjectUnreachable, match="f was answered with HTTP 404"):
        await answer_of(sender, patient=False)
    assert len(sender.sent) == 1


async def test_who_is_patient_asks_again() -> None:
    sender = Sender(anothers(), httpx.ConnectError("nobody there"), httpx.Response(200, json="well"))
    assert await answer_of(sender) == "well"
    assert len({body for _, body, _ in sender.sent}) == 1


async def test_when_time_is_up_the_last_failure_is_told() -> None:
    with pytest.raises(DatabaseUnavailable, match="f got no answer: ConnectError"):
        await answer_of(Sender(*[httpx.ConnectError("nobody there")] * 1000), within=0.05)
