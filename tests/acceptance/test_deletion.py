"""A photo or an account is deleted, and no file of it is left; `kizu storage check` says what else is."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from click.testing import CliRunner, Result

from tests.acceptance.library import Library, drain, jpeg, personal, service
from worker.app import run_worker
from worker.cli import kizu
from worker.context import files_for
from worker.core import daemon
from worker.core.errors import StorageUnavailable
from worker.files.trash import empty_trash
from worker.local.stack import StackInfo, mint_token
from worker.project.connection import Connection
from worker.settings import Settings, read_settings

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def _no_files_of_other_tests(db: psycopg.Connection[Any]) -> Iterator[None]:
    db.execute("delete from storage.objects")
    db.execute("delete from kizu.trash")
    yield
    db.execute("delete from storage.objects")


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers do their chores ten times a second."""
    monkeypatch.setattr(daemon, "TIDY_SECONDS", 0.1)
    monkeypatch.setattr(daemon, "TIDY_ON_SECONDS", 0.1)


def narrow(stack: StackInfo) -> Settings:
    """Settings of a worker with a token of the narrow role."""
    return read_settings(
        _env_file=None,
        supabase_url=stack.url,
        supabase_publishable_key=stack.publishable_key,
        kizu_worker_token=mint_token(stack, role="kizu_worker"),
        lanes={"image": 8},
    )


def files_of(library: Library) -> set[str]:
    rows = library.db.execute(
        "select bucket_id || '/' || name from storage.objects where starts_with(name, %s)", [library.user_id]
    )
    return {name for (name,) in rows}


def upload(library: Library, key: str, *, upsert: bool = False) -> str:
    httpx.post(
        f"{library.stack.url}/storage/v1/object/assets/{key}",
        content=jpeg(),
        headers={**headers(library), "content-type": "image/jpeg", "x-upsert": str(upsert).lower()},
        timeout=30,
    ).raise_for_status()
    return key


def headers(library: Library) -> dict[str, str]:
    return {"apikey": library.stack.publishable_key, "authorization": f"Bearer {library.token}"}


def delete_photo(library: Library, asset_id: str) -> None:
    """As its owner's app does."""
    httpx.delete(
        f"{library.stack.url}/rest/v1/assets?id=eq.{asset_id}", headers=headers(library), timeout=30
    ).raise_for_status()


def delete_account(library: Library) -> None:
    key = library.stack.secret_key
    httpx.delete(
        f"{library.stack.url}/auth/v1/admin/users/{library.user_id}",
        headers={"apikey": key, "authorization": f"Bearer {key}"},
        timeout=30,
    ).raise_for_status()


async def work_until(settings: Settings, condition: Callable[[], bool], *, seconds: float = 30) -> None:
    """Run a worker until the condition holds."""
    worker = asyncio.create_task(run_worker(settings))
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                assert not worker.done(), worker.result()
                await asyncio.sleep(0.05)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


@pytest.mark.parametrize("way", ["service", "narrow", "personal"])
def test_a_deleted_photo_leaves_no_file(library: Library, way: str) -> None:
    settings = {
        "service": lambda: service(library.stack),
        "narrow": lambda: narrow(library.stack),
        "personal": lambda: personal(library),
    }[way]()
    kept, asset = library.add(jpeg()), library.add(jpeg(colour="red"), file_name="IMG_1.jpg")
    film = upload(library, f"{library.user_id}/IMG_1.MOV")
    httpx.post(
        f"{library.stack.url}/rest/v1/asset_parts",
        headers=headers(library),
        json={"asset_id": asset, "kind": "live", "path": film},
        timeout=30,
    ).raise_for_status()
    asyncio.run(drain(service(library.stack)))
    crop = upload(library, f"{library.user_id}/processed/{asset}/{uuid.uuid4()}.1/face-0.jpg")
    before = files_of(library)
    of_the_photo = {name for name in before if asset in name} | {f"assets/{film}"}
    assert f"assets/{crop}" in of_the_photo
    assert len(of_the_photo) >= 4, "original, film, crop, and at least a thumbnail"

    delete_photo(library, asset)
    asyncio.run(work_until(settings, lambda: not files_of(library) & of_the_photo))

    assert files_of(library) == before - of_the_photo
    assert library.made(kept, "thumbnail").width > 0


def test_a_deleted_account_leaves_no_file(library: Library, join: Callable[[], Library]) -> None:
    other = join()
    for one in (library, other):
        one.add(jpeg())
        upload(one, f"{one.user_id}/not a row's.jpg")
    asyncio.run(drain(service(library.stack)))
    theirs = files_of(other)
    assert len(files_of(library)) >= 3

    delete_account(library)
    asyncio.run(work_until(narrow(library.stack), lambda: not files_of(library)))

    assert files_of(other) == theirs
    left = library.db.execute("select count(*) from auth.users where id = %s", [library.user_id]).fetchone()
    assert left == (0,)


def test_what_storage_refuses_is_asked_for_again(library: Library) -> None:
    asset = library.add(jpeg())
    delete_photo(library, asset)

    class Broken:
        async def delete(self, bucket: str, keys: list[str]) -> int:
            raise StorageUnavailable("Storage is away")

    async def empty(*, broken: bool = False) -> tuple[int, bool]:
        settings = service(library.stack)
        async with Connection(settings) as connection, files_for(connection, settings) as files:
            return await empty_trash(connection, Broken() if broken else files)  # type: ignore[arg-type]

    with pytest.raises(StorageUnavailable):
        asyncio.run(empty(broken=True))
    assert len(files_of(library)) == 1
    assert asyncio.run(empty()) == (0, False), "not yet"
    library.db.execute("update kizu.trash set due_at = now() where tries > 0")
    assert asyncio.run(empty())[0] == 1
    assert files_of(library) == set()


def test_two_workers_at_once_delete_everything_once(library: Library) -> None:
    assets = [library.add(jpeg()) for _ in range(30)]
    kept = library.add(jpeg())
    for asset in assets:
        delete_photo(library, asset)

    async def empty(settings: Settings) -> int:
        async with Connection(settings) as connection, files_for(connection, settings) as files:
            return (await empty_trash(connection, files))[0]

    async def both() -> list[int]:
        ways = [service(library.stack), narrow(library.stack), personal(library)]
        return await asyncio.gather(*map(empty, ways))

    assert sum(asyncio.run(both())) == 30
    assert files_of(library) == {f"assets/{library.asset(kept)['path']}"}


@pytest.mark.parametrize("row_first", [True, False])
def test_a_photo_uploaded_again_right_after_is_not_deleted(library: Library, row_first: bool) -> None:
    asset, other = library.add(jpeg()), library.add(jpeg())
    path = library.asset(asset)["path"]

    def insert() -> None:
        row = {"path": path, "media_type": "photo"}
        httpx.post(
            f"{library.stack.url}/rest/v1/assets", headers=headers(library), json=row, timeout=30
        ).raise_for_status()

    gone = library.asset(other)["path"]
    delete_photo(library, asset)
    if row_first:
        insert()
    upload(library, path, upsert=True)
    delete_photo(library, other)
    asyncio.run(work_until(service(library.stack), lambda: f"assets/{gone}" not in files_of(library)))
    if not row_first:
        insert()
    assert f"assets/{path}" in files_of(library)


@pytest.fixture
def check(library: Library, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`kizu storage check`, as the library's owner or as the operator."""

    def run(*arguments: str, operator: bool = False) -> Result:
        stack = library.stack
        names = (
            {"SUPABASE_SECRET_KEY": stack.secret_key}
            if operator
            else {
                "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
                "KIZU_EMAIL": library.email,
                "KIZU_PASSWORD": library.password,
            }
        )
        for name in ("SUPABASE_SECRET_KEY", "SUPABASE_PUBLISHABLE_KEY", "KIZU_EMAIL", "KIZU_PASSWORD"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"SUPABASE_URL": stack.url, **names}.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(kizu, ["storage", "check", *arguments])

    return run


def test_rows_and_files_are_held_against_each_other(
    library: Library, join: Callable[[], Library], check: Callable[..., Result], db: psycopg.Connection[Any]
) -> None:
    other = join()
    asset = library.add(jpeg())
    asyncio.run(drain(service(library.stack)))
    good = check("--older-than", "0")
    assert good.exit_code == 0, good.output
    assert good.output.splitlines()[0] == "0 rows name a file that is not in Storage"

    lost = library.add(jpeg())
    db.execute("delete from storage.objects where name = %s", [library.asset(lost)["path"]])
    loose = [upload(one, f"{one.user_id}/loose.jpg") for one in (library, other)]

    told = check("--json", "--older-than", "0")
    assert told.exit_code == 1
    found = json.loads(told.stdout)
    assert [(row["table"], row["id"]) for row in found["missing"]] == [("assets", lost)]
    assert [file["key"] for file in found["unnamed"]] == [loose[0]]
    assert (found["trash"]["waiting"], found["removed"]) == (0, 0)
    assert json.loads(check("--json").stdout)["unnamed"] == [], "it is young"
    everybody = json.loads(check("--json", "--older-than", "0", operator=True).stdout)
    assert sorted(file["key"] for file in everybody["unnamed"]) == sorted(loose)

    before = files_of(library)
    assert json.loads(check("--json", "--older-than", "0", "--delete").stdout)["removed"] == 1
    assert files_of(library) == before - {f"assets/{loose[0]}"}
    assert files_of(other) == {f"assets/{loose[1]}"}
    assert library.made(asset, "thumbnail").width > 0
    said = check("--older-than", "0").output
    assert f"missing: assets/{library.asset(lost)['path']} (assets {lost})" in said
