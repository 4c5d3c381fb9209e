"""Moments are written with their photos and one notification, once, and follow what comes after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.moments import (
    NOON,
    Telling,
    clock,
    feed,
    give_vectors,
    members,
    notifications,
    occasion,
    photos,
    tell,
)

pytestmark = pytest.mark.stack

YESTERDAY = NOON - timedelta(days=1)


@pytest.fixture
def ann(queue: Any) -> str:
    clock(queue)
    return str(queue.user())


def test_an_event_goes_from_photos_to_the_feed(queue: Any, ann: str) -> None:
    taken = occasion(queue, ann, YESTERDAY, count=6)
    assert tell(queue, ann) == {"moments_generated": 1, "moments_created": 1}
    [moment] = feed(queue, ann)
    assert (moment["grouping_type"], moment["title"], moment["photos"]) == ("event", "Tuesday afternoon, July 14", 6)
    assert members(queue, moment["id"]) == taken
    assert set(moment["cover_asset_ids"]) <= set(taken)
    assert [cover["asset_id"] for cover in moment["covers"]] == moment["cover_asset_ids"]
    assert datetime.fromisoformat(moment["expires_at"]) == NOON + timedelta(days=7)
    [notice] = notifications(queue, ann)
    assert (notice["title"], notice["deep_link_type"], notice["deep_link_id"]) == (
        "New Moment Available",
        "moment",
        "feed",
    )
    [action] = queue.rows("select * from actions_log where user_id = %s", ann)
    assert (action["id"], action["action_type"], action["metadata"]) == (
        notice["action_log_id"],
        "moment_generated",
        {"count": 1},
    )
