"""`kizu storage sweep`: what nobody refers to goes, and nothing else."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from tests.acceptance.library import Library, drain, jpeg, service
from worker.cli import kizu
from worker.local.stack import mint_token

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def _no_files_of_other_tests(db: psycopg.Connection[Any]) -> None:
    db.execute("delete from storage.objects")


@pytest.fixture(params=["service", "worker", "user"])
def sweep(
    request: pytest.FixtureRequest, library: Library, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """`kizu storage sweep` signed in each way; answers its JSON."""
    stack = library.stack
    ways = {
        "service": {"SUPABASE_SECRET_KEY": stack.secret_key},
        "worker": {
            "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
            "KIZU_WORKER_TOKEN": mint_token(stack, role="kizu_worker"),
        },
        "user": {
            "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
            "KIZU_EMAIL": library.email,
            "KIZU_PASSWORD": library.password,
        },
    }
    for name, value in {"SUPABASE_URL": stack.url, **ways[request.param]}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(kizu, ["storage", "sweep", "--json", *arguments])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


def leave_behind(library: Library) -> str:
    """A file of an attempt that has been lost."""
    key = f"{library.user_id}/processed/{uuid.uuid4()}/{uuid.uuid4()}.1/web.jpg"
    headers = {"apikey": library.stack.secret_key, "content-type": "image/jpeg"}
    httpx.post(
        f"{library.stack.url}/storage/v1/object/assets/{key}", content=jpeg(), headers=headers, timeout=30
    ).raise_for_status()
    return key


def exists(library: Library, key: str) -> bool:
    headers = {"apikey": library.stack.secret_key}
    url = f"{library.stack.url}/storage/v1/object/authenticated/assets/{key}"
    return httpx.get(url, headers=headers, timeout=30).is_success


def test_an_orphan_goes_and_the_photo_and_its_thumbnail_stay(
    library: Library, sweep: Callable[..., Any]
) -> None:
    asset_id = library.add(jpeg())
    asyncio.run(drain(service(library.stack)))
    orphan = leave_behind(library)

    assert sweep() == {"dry_run": False, "orphans": 0, "removed": 0}, "it is young"
    assert sweep("--older-than", "0", "--dry-run") == {"dry_run": True, "orphans": 1, "removed": 0}
    assert exists(library, orphan)
    assert sweep("--older-than", "0") == {"dry_run": False, "orphans": 1, "removed": 1}
    assert not exists(library, orphan)
    assert exists(library, library.asset(asset_id)["path"])
    assert library.made(asset_id, "thumbnail").width > 0


@pytest.mark.parametrize("sweep", ["user"], indirect=True)
def test_a_user_removes_no_others_files(
    library: Library, join: Callable[[], Library], sweep: Callable[..., Any]
) -> None:
    other = join()
    mine, theirs = leave_behind(library), leave_behind(other)
    assert sweep("--older-than", "0")["removed"] == 1
    assert [exists(library, mine), exists(other, theirs)] == [False, True]
