"""What one user asks for must never stop the claims of all."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from worker.local.stack import StackInfo

pytestmark = pytest.mark.stack


class Asker:
    def __init__(self, stack: StackInfo, user: Any) -> None:
        self._headers = {
            "apikey": stack.publishable_key,
            "authorization": f"Bearer {user.access_token}",
            "content-type": "application/json",
        }
        self._url = f"{stack.url}/rest/v1"
        self.user_id = user.user_id
        self.asset_id = str(uuid.uuid4())
        row = f'{{"id": "{self.asset_id}", "path": "{user.user_id}/a.jpg"}}'
        httpx.post(f"{self._url}/assets", content=row, headers=self._headers, timeout=30).raise_for_status()

    def enqueue(self, arguments: str) -> httpx.Response:
        body = f'{{"p_kind": "optimize_image", "p_asset_id": "{self.asset_id}", {arguments}}}'
        return httpx.post(f"{self._url}/rpc/enqueue_job", content=body, headers=self._headers, timeout=30)

    def edit(self, body: dict[str, Any]) -> httpx.Response:
        url = f"{self._url}/assets?id=eq.{self.asset_id}"
        return httpx.patch(url, json=body, headers=self._headers, timeout=30)


@pytest.fixture
def asker(stack: StackInfo, make_user: Callable[[], Any]) -> Asker:
    return Asker(stack, make_user())


@pytest.mark.parametrize("when", ["infinity", "-infinity", "9999-12-31T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_a_job_is_due_between_now_and_in_a_year(asker: Asker, db: psycopg.Connection[Any], when: str) -> None:
    answer = asker.enqueue(f'"p_run_at": "{when}", "p_force": true, "p_params": {{"x": "{when}"}}')
    row = db.execute(
        "select run_at between clock_timestamp() - interval '1 minute'"
        " and clock_timestamp() + interval '1 year' from jobs where id = %s",
        [answer.raise_for_status().json()["id"]],
    ).fetchone()
    assert row == (True,)


@pytest.mark.parametrize(
    "params",
    [
        '{"x": ' + "[" * 40 + "]" * 40 + "}",
        '{"x": ' + "[" * 1500 + "]" * 1500 + "}",
        '{"x": ' + '{"x": ' * 40 + "1" + "}" * 41,
        '{"x": 1e5000}',
        '{"x": [-1e400]}',
    ],
)
def test_params_no_worker_can_read_are_refused(
    asker: Asker, db: psycopg.Connection[Any], params: str
) -> None:
    # Straight into the database: what a gateway makes of such JSON on the way is its own affair.
    db.execute("select set_config('request.jwt.claims', %s, false)", [f'{{"sub": "{asker.user_id}"}}'])
    with pytest.raises(psycopg.Error, match=r"bad_params|stack depth"):
        db.execute("select enqueue_job('optimize_image', %s, %s::jsonb)", [asker.asset_id, params])


@pytest.mark.parametrize("column", ["web_uri", "thumbnail", "location_name"])
def test_an_asset_carries_no_novel_into_every_claim(asker: Asker, column: str) -> None:
    refused = asker.edit({column: "x" * 5000})
    assert "texts_are_short" in refused.text or f"{column}_is_bounded" in refused.text, refused.text
    assert asker.edit({column: "x" * 100}).is_success
