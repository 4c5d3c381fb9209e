"""Which facts workers say that they can find out, told to those they work for."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack


def test_facts_that_workers_announced_are_told_to_those_they_work_for(queue: Any) -> None:
    user, another = queue.user(), queue.user()
    named = f"v{user}"

    def announce(worker: str, version: str) -> None:
        info = Jsonb({"facts": {"faces": version, "ocr": "1"}})
        queue.value("select announce_worker(%s, %s)", worker, info)

    def known(as_user: str | None) -> list[str]:
        with queue.acting("authenticated" if as_user else "service_role", as_user):
            return [one for one in queue.value("select announced_facts()").get("faces", []) if user in one]

    with queue.acting("authenticated", user):
        announce("mine", named)
        queue.value("select announce_worker('odd', %s)", Jsonb({"facts": "none"}))
    with queue.acting("service_role"):
        announce(named, f"{named}-of-all")
    assert known(user) == [named, f"{named}-of-all"]
    assert known(another) == [f"{named}-of-all"]
    assert known(None) == [f"{named}-of-all"], "a user's worker serves that user alone"
    queue.db.execute(
        "update workers set last_seen = last_seen - interval '31 days' where owner = %s", (user,)
    )
    assert known(user) == [f"{named}-of-all"]
    queue.db.execute("delete from workers where worker_id = %s", (named,))
