"""A person's words go to a worker that is somewhere else, and come back understood and as a vector."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from psycopg.types.json import Jsonb

from models.serving.remote import RemoteModels
from models.tasks import EMBED, Embedder
from tests.acceptance.library import Library, drain, service, wait_for
from tests.paths import ROOT
from worker.app import run_worker
from worker.local.stack import StackInfo
from worker.settings import Settings
from worker.testing import FakeModels

pytestmark = [pytest.mark.stack, pytest.mark.slow]

VERSION = "conse-tiny"
TEXT = "two dogs with Anna in Lisbon last summer"
DAY = "2026-04-01"


@pytest.fixture
def settings(stack: StackInfo, tiny_models: Path) -> Settings:
    """A worker of everybody's that has a model."""
    return service(
        stack,
        lanes={"ai": 2, "interactive": 2},
        model_profile="tiny",
        embed_model="conse",
        model_cache_dir=tiny_models,
        model_downloads=False,
    )


def ask(library: Library, text: str = TEXT, **more: Any) -> dict[str, Any]:
    """As the user's app asks."""
    headers = {"apikey": library.stack.publishable_key, "authorization": f"Bearer {library.token}"}
    arguments = {"p_text": text, "p_today": DAY, **more}
    answer = httpx.post(
        f"{library.stack.url}/rest/v1/rpc/ask_search", json=arguments, headers=headers, timeout=30
    )
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


def meet(library: Library, name: str, place: str) -> str:
    """Somebody in the user's library, and a photo from somewhere; answers the contact's id."""
    row = library.db.execute(
        "insert into contacts (user_id, display_name) values (%s, %s) returning id::text",
        [library.user_id, name],
    ).fetchone()
    library.db.execute(
        "insert into assets (user_id, path, media_type, location_name) values (%s, %s, 'document', %s)",
        [library.user_id, f"{library.user_id}/{place}.jpg", place],
    )
    assert row
    return str(row[0])


def see_a_photo(library: Library) -> None:
    """A photo with a job for its vector alone, by which the library gets its model."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "JPEG")
    asset_id = library.add(file.getvalue())
    library.db.execute("delete from jobs where asset_id = %s", [asset_id])
    library.db.execute("select enqueue_job('image_ai', %s, '{\"operations\": [\"embedding\"]}')", [asset_id])


async def embedded(settings: Settings, text: str) -> list[float]:
    models = RemoteModels(settings)
    try:
        return list((await models.run(EMBED, Embedder.embed_texts, text)).value)
    finally:
        await models.close()


def kept(library: Library, text: str = TEXT) -> list[Any]:
    query = "select vector::text, model_version, lacks from queries where user_id = %s and text = %s"
    return library.db.execute(query, [library.user_id, text]).fetchall()


def test_words_are_understood_and_embedded_by_a_worker_and_kept(
    library: Library, join: Any, settings: Settings
) -> None:
    other = join()
    anna, theirs = meet(library, "Anna", "Lisbon, Portugal"), meet(other, "Anna", "Oslo, Norway")
    see_a_photo(library)
    asyncio.run(drain(settings, within=120))
    first = ask(library)
    assert (first["status"], first["job"]["status"]) == ("asked", "enqueued")
    again = ask(library)["job"]
    assert again == {"id": first["job"]["id"], "status": "already_queued", "attended": False}

    asyncio.run(drain(settings, within=120))

    ready = ask(library)
    assert (ready["status"], ready["version"], ready["lacks"]) == ("ready", VERSION, None)
    understood = ready["understood"]
    parts = {part["kind"]: part for part in understood["parts"]}
    assert parts["person"]["ids"] == [anna]
    assert parts["place"]["name"] == "Lisbon"
    assert (parts["things"]["class"], parts["things"]["least"]) == ("dog", 2)
    assert (parts["date"]["since"], parts["date"]["before"]) == ("2025-06-01", "2025-09-01")
    assert (understood["text"], understood["zone"], understood["today"]) == (TEXT, "UTC", DAY)
    [(vector, version, lacks)] = kept(library)
    assert (version, lacks) == (VERSION, None)
    wanted = asyncio.run(embedded(settings, understood["semantic"]))
    assert json.loads(vector) == pytest.approx(wanted, abs=1e-5)

    of_the_other = ask(other)
    assert of_the_other["status"] == "asked", "what is kept is one user's"
    asyncio.run(drain(settings, within=120))
    parts_of_the_other = ask(other)["understood"]["parts"]
    assert [part["ids"] for part in parts_of_the_other if part["kind"] == "person"] == [[theirs]]
    assert [part for part in parts_of_the_other if part["kind"] == "place"] == [], "it does not know Lisbon"
    assert library.db.execute("select count(*) from jobs where job_type = 'understand'").fetchone() == (2,)


def test_a_worker_without_the_model_leaves_searches_to_one_that_has_it(
    library: Library, settings: Settings, tmp_path: Path
) -> None:
    see_a_photo(library)
    asyncio.run(drain(settings, within=120))
    lacking = settings.model_copy(update={"model_cache_dir": tmp_path, "worker_id": "lacking"})
    elsewhere = {
        "slots": {"interactive": 1},
        "kinds": {"search": "1", "understand": "1"},
        "sentences": [VERSION],
    }
    library.db.execute("select announce_worker('elsewhere', %s)", [Jsonb(elsewhere)])

    assert ask(library)["status"] == "asked"
    asyncio.run(drain(lacking, within=50))
    assert ask(library)["job"]["status"] == "already_queued"
    asyncio.run(drain(settings, within=120))
    assert (ask(library)["status"], ask(library)["lacks"]) == ("ready", None)

    library.db.execute("delete from workers where worker_id = 'elsewhere'")
    assert ask(library, "something blue")["status"] == "asked"
    asyncio.run(drain(lacking, within=50))
    told = ask(library, "something blue")
    assert (told["status"], told["lacks"]) == ("ready", "weights_missing")


class StuckModels(FakeModels):
    """Never answers, as a host does not that writes a long caption."""

    async def run(self, task: Any, call: Any, item: Any, **_: Any) -> Any:
        self.asked.append((task.name, call.__name__))
        await asyncio.Event().wait()


async def test_a_search_waits_for_no_picture(library: Library, settings: Settings) -> None:
    see_a_photo(library)  # the first, by which the library gets its model
    await drain(settings, within=120)
    see_a_photo(library)
    stuck, ready = StuckModels(), RemoteModels(settings)
    worker = asyncio.create_task(run_worker(settings, models=stuck, interactive_models=ready))
    try:
        async with asyncio.timeout(120):
            while ("embed", "embed_images") not in stuck.asked:
                assert not worker.done()
                await asyncio.sleep(0.05)
            await asyncio.to_thread(wait_for, lambda: ask(library)["status"] == "ready", "an answer")
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    [(vector, version, lacks)] = kept(library)
    assert (version, lacks) == (VERSION, None)
    assert vector is not None


SEARCH_AND_TELL = """
import sys
from worker.cli import kizu
kizu(["search", *sys.argv[1:]], standalone_mode=False)
print(sorted({"torch", "numpy", "onnxruntime", "PIL"} & set(sys.modules)), file=sys.stderr)
"""


def test_an_app_and_a_command_search_by_a_worker_that_only_calls_out(
    library: Library, settings: Settings, start_worker: Any
) -> None:
    see_a_photo(library)
    asyncio.run(drain(settings, within=120))
    start_worker(
        LANES="interactive=1",
        MODEL_PROFILE="tiny",
        EMBED_MODEL="conse",
        MODEL_CACHE_DIR=str(settings.model_cache_dir),
        MODEL_DOWNLOADS="false",
    )
    headers = {"apikey": library.stack.publishable_key, "authorization": f"Bearer {library.token}"}

    def search() -> Any:
        answer = httpx.post(
            f"{library.stack.url}/functions/v1/search",
            json={"text": "something red", "today": DAY, "wait_ms": 10_000},
            headers=headers,
            timeout=30,
        )
        told = answer.raise_for_status().json()
        return told if told["status"] == "ready" else None

    told = wait_for(search, "a worker that understands", seconds=120)
    assert (told["version"], told["lacks"], told["timed_out"]) == (VERSION, None, False)
    [result] = told["results"]
    assert [one["source"] for one in result["evidence"]] == ["picture"]

    command = [sys.executable, "-c", SEARCH_AND_TELL, "something red", "--today", DAY]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SUPABASE", "KIZU"))},
        "SUPABASE_URL": library.stack.url,
        "SUPABASE_PUBLISHABLE_KEY": library.stack.publishable_key,
        "KIZU_EMAIL": library.email,
        "KIZU_PASSWORD": library.password,
    }
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    assert result["path"] in ran.stdout
    assert ran.stderr.strip() == "[]", "nothing heavy was imported"
