"""Which files nobody will ask for any more, and who is told of whose."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.stack


class Bucket:
    """Files as rows of Storage, written some hours ago."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue

    def put(self, key: str, *, hours: float = 48) -> str:
        self.queue.db.execute(
            "insert into storage.objects (bucket_id, name, created_at, updated_at)"
            " select 'assets', %s, at, at from (select now() - make_interval(secs => %s)) as t (at)",
            [key, hours * 3600],
        )
        return key

    def orphan(self, user: str, *, hours: float = 48) -> str:
        """A file of a job that is long gone."""
        return self.put(attempt(user, str(uuid.uuid4()), 1), hours=hours)

    def refer_to(self, key: str, user: str, asset: str) -> None:
        self.queue.db.execute(
            "insert into derived_assets (user_id, asset_id, kind, bucket, key, bytes, mime_type)"
            " values (%s, %s, 'web', 'assets', %s, 1, 'image/jpeg')",
            [user, asset, key],
        )

    def orphans(self, *arguments: Any) -> list[str]:
        """All pages of the answer, of three files each."""
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            page = self.queue.value("select list_orphans(%s, %s, 3)", *(arguments or ("24 hours",)), after)
            found += page["orphans"]
            after = page["next"]
        return found


def attempt(user: str, job: str, epoch: int, name: str = "web.jpg") -> str:
    return f"{user}/processed/{uuid.uuid4()}/{job}.{epoch}/{name}"


@pytest.fixture
def bucket(queue: Any) -> Iterator[Bucket]:
    queue.db.execute("delete from storage.objects")
    yield Bucket(queue)
    queue.db.execute("delete from storage.objects")


def test_only_an_old_file_that_no_row_refers_to_is_an_orphan(queue: Any, bucket: Bucket) -> None:
    user = queue.user()
    orphan = bucket.orphan(user)
    bucket.orphan(user, hours=23)
    bucket.refer_to(bucket.orphan(user), user, queue.asset(user))
    for key in ("originals/a.jpg", "processed/a.jpg", f"processed/a/{uuid.uuid4()}/web.jpg"):
        bucket.put(f"{user}/{key}")
    assert bucket.orphans() == [orphan]
    assert bucket.orphans("100 hours") == []


def test_a_running_attempt_keeps_its_files_and_no_earlier_ones(queue: Any, bucket: Bucket) -> None:
    user, kind = queue.user(), queue.kind()
    queue.enqueue(kind, user, queue.asset(user))
    job = queue.take(kind)
    running = bucket.put(attempt(user, job["id"], job["epoch"]))
    earlier = bucket.put(attempt(user, job["id"], job["epoch"] - 1))
    assert bucket.orphans() == [earlier]
    queue.db.execute("select release_jobs('w1')")
    assert sorted(bucket.orphans()) == sorted([earlier, running])


def test_every_page_goes_on_where_the_last_one_ended(queue: Any, bucket: Bucket) -> None:
    users = [queue.user() for _ in range(2)]
    orphans = {bucket.orphan(user) for user in users for _ in range(5)}
    for user in users:
        bucket.put(f"{user}/originals/a.jpg")
    found = bucket.orphans()
    assert len(found) == 10
    assert set(found) == orphans


def test_a_user_is_told_of_no_others_files(queue: Any, bucket: Bucket) -> None:
    users = [queue.user() for _ in range(3)]
    orphans = {user: [bucket.orphan(user) for _ in range(4)] for user in users}
    for user in users:
        with queue.acting("authenticated", user):
            assert sorted(bucket.orphans()) == sorted(orphans[user])
    with queue.acting("kizu_worker"):
        assert len(bucket.orphans()) == 12
