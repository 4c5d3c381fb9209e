"""Moments over the embedded stack: from uploads to the feed, and through the death of a worker."""

from __future__ import annotations

import asyncio
import io
import json
import random
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.acceptance.library import Library, personal, wait_for
from tests.sql.conftest import Queue
from tests.sql.moments import members, notifications, photos
from worker.app import run_worker
from worker.cli import kizu
from worker.handlers import generate_moments, optimize_image
from worker.local.stack import StackInfo

pytestmark = [pytest.mark.stack, pytest.mark.slow]

Start = Callable[..., subprocess.Popen[bytes]]
DETAILS, TAKEN, OFFSET = 0x8769, 0x9003, 0x9011
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).replace(hour=14, minute=0, second=0, microsecond=0)


@pytest.fixture
def queue(db: Any) -> Any:
    queue = Queue(db)
    yield queue
    queue.close()


@pytest.fixture
def as_user(library: Library, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`kizu` with the account of the library's owner."""

    def run(*arguments: str) -> Result:
        environment = {
            "SUPABASE_URL": library.stack.url,
            "SUPABASE_PUBLISHABLE_KEY": library.stack.publishable_key,
            "KIZU_EMAIL": library.email,
            "KIZU_PASSWORD": library.password,
        }
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            return CliRunner().invoke(kizu, arguments)

    return run


def picture(seed: int, at: datetime) -> bytes:
    """A photo that its camera says was taken then, in UTC."""
    image = Image.frombytes("RGB", (64, 48), random.Random(seed).randbytes(64 * 48 * 3)).resize((640, 480))
    exif = Image.Exif()
    exif.get_ifd(DETAILS)[TAKEN] = f"{at:%Y:%m:%d %H:%M:%S}"
    exif.get_ifd(DETAILS)[OFFSET] = "+00:00"
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_photos_that_are_uploaded_become_a_moment_in_the_feed(
    library: Library, queue: Queue, as_user: Callable[..., Result]
) -> None:
    uploaded = [
        library.add(picture(number, YESTERDAY + timedelta(minutes=3 * number))) for number in range(5)
    ]
    handlers = {one.kind: one for one in (optimize_image.HANDLER, generate_moments.HANDLER)}
    settings = personal(library, lanes={"image": 4, "ai": 1})
    asyncio.run(run_worker(settings, drain=True, handlers=handlers))
    asked = json.loads(as_user("moments", "generate", "--json").stdout)
    assert asked["status"] == "enqueued"

    asyncio.run(run_worker(settings, drain=True, handlers=handlers))

    [result] = queue.rows("select status, result from jobs where id = %s", asked["id"])
    assert result == {"status": "completed", "result": {"moments_generated": 1, "moments_created": 1}}
    [moment] = json.loads(as_user("moments", "list", "--json").stdout)["moments"]
    assert (moment["grouping_type"], moment["photos"]) == ("event", 5)
    assert all(cover["thumbnail"] for cover in moment["covers"])
    shown = json.loads(as_user("moments", "show", moment["id"], "--json").stdout)
    assert [photo["asset_id"] for photo in shown["photos"]] == uploaded
    assert len(notifications(queue, library.user_id)) == 1
    assert as_user("moments", "save", moment["id"]).exit_code == 0
    assert (
        json.loads(as_user("moments", "list", "--saved", "--json").stdout)["moments"][0]["id"] == moment["id"]
    )
    assert as_user("moments", "dismiss", moment["id"]).exit_code == 0
    assert json.loads(as_user("moments", "list", "--json").stdout)["moments"] == []


DYING_WORKER = """
import os, signal
from worker.cli import main
from worker.project.connection import Connection

rpc, calls = Connection.rpc, []

async def rpc_and_die(self, function, *args, **more):
    calls.append(function)
    due = (function, calls.count(function)) == ({function!r}, {count})
    if due and {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    answer = await rpc(self, function, *args, **more)
    if due:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

Connection.rpc = rpc_and_die
main()
"""


@pytest.mark.parametrize(
    ("function", "count", "before", "is_told"),
    [
        ("read_for_job", 3, False, False),
        ("stage_for_job", 1, False, False),
        ("settle_jobs", 1, True, False),
        ("settle_jobs", 1, False, True),  # and the answer is lost
    ],
)
def test_a_worker_that_is_killed_has_told_all_or_nothing(
    library: Library,
    queue: Queue,
    start_worker: Start,
    function: str,
    count: int,
    before: bool,
    is_told: bool,
) -> None:
    user = library.user_id
    photos(queue, user, (YESTERDAY + timedelta(minutes=3 * number) for number in range(5)))
    job_id = queue.value("select generate_moments(%s) ->> 'id'", user)
    lane = {
        "LANES": "ai=1",
        "MODEL_PROFILE": "tiny",
        "LEASE_SECONDS": "30",
        "WAKE": "off",
        "POLL_INTERVAL": "1",
    }
    program = DYING_WORKER.format(function=function, count=count, before=before)
    victim = start_worker(program=("-c", program), **lane)
    assert victim.wait(timeout=60) == -9

    assert told(queue, user) == ((1, 5, 1) if is_told else (0, 0, 0))
    if not is_told:
        queue.expire({"id": job_id})
    start_worker(**lane)
    wait_for(lambda: queue.row(job_id)["status"] == "completed", "the other worker")
    assert told(queue, user) == (1, 5, 1)


def told(queue: Queue, user: str) -> tuple[int, int, int]:
    """How many moments, photos in them, and notifications there are."""
    moments = queue.rows("select id from moments where user_id = %s", user)
    return (
        len(moments),
        sum(len(members(queue, moment["id"])) for moment in moments),
        len(notifications(queue, user)),
    )


async def test_a_worker_without_pg_cron_sees_to_it_that_moments_come_every_day(
    library: Library, queue: Queue, stack: StackInfo
) -> None:
    """A worker that drains does chores before its first claim, and so finds the job that they ask for."""
    photos(queue, library.user_id, (YESTERDAY + timedelta(minutes=3 * number) for number in range(5)))
    queue.db.execute(
        "update kizu.moment_settings set next_at = kizu.now() - interval '1 minute' where user_id = %s",
        (library.user_id,),
    )
    queue.db.execute("update kizu.chores set due_at = '-infinity'")
    handlers = {"generate_moments": generate_moments.HANDLER}
    for _ in range(2):
        await run_worker(personal(library, lanes={"ai": 1}), drain=True, handlers=handlers)
        queue.db.execute("update kizu.chores set due_at = '-infinity'")
    assert told(queue, library.user_id) == (1, 5, 1)
    jobs = "select from jobs where user_id = %s and job_type = 'generate_moments'"
    assert len(queue.rows(jobs, library.user_id)) == 1
