"""Duplicates by their hashes, among which blank pictures have only the digest of their bytes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.conftest import Queue

pytestmark = pytest.mark.stack

LOOKS = "0110" * 16
NEARLY = "0111" + "0110" * 15


def hashed(queue: Queue, user: str, digit: str, looks: str | None) -> str:
    asset, kind = queue.asset(user), queue.kind()
    queue.enqueue(kind, user, asset)
    row = {"sha256": digit * 64, "perceptual_hash": looks}
    answer = queue.settle(queue.take(kind), "done", writes=[{"table": "asset_hashes", "rows": [row]}])
    assert answer["answer"] == "settled", answer
    return asset


@pytest.mark.parametrize("indexed", [True, False])
def test_blank_pictures_are_near_nothing(queue: Queue, indexed: bool) -> None:
    user = queue.user()
    scene, copy = hashed(queue, user, "a", LOOKS), hashed(queue, user, "b", NEARLY)
    blank, other, same = (hashed(queue, user, digit, None) for digit in "cdc")

    pairs = queue.rows(
        "select one.asset_id::text as one, two.asset_id::text as two"
        "  from asset_hashes one join asset_hashes two"
        "    on one.asset_id < two.asset_id and one.user_id = two.user_id"
        " where one.user_id = %s and one.perceptual_hash OPERATOR(extensions.<~>) two.perceptual_hash <= 8",
        user,
    )
    assert [{pair["one"], pair["two"]} for pair in pairs] == [{scene, copy}]

    with queue.db.transaction(force_rollback=True):
        queue.db.execute(f"set local enable_seqscan = {'off' if indexed else 'on'}")
        nearest: list[dict[str, Any]] = queue.rows(
            "select asset_id::text from asset_hashes where user_id = %s and perceptual_hash is not null"
            " order by perceptual_hash OPERATOR(extensions.<~>) %s::bit(64) limit 5",
            user,
            LOOKS,
        )
    assert [row["asset_id"] for row in nearest] == [scene, copy]

    by_bytes = queue.rows(
        "select array_agg(asset_id::text) as assets from asset_hashes where user_id = %s"
        " group by sha256 having count(*) > 1",
        user,
    )
    assert [set(row["assets"]) for row in by_bytes] == [{blank, same}]
    assert other not in by_bytes[0]["assets"]
