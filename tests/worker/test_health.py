import asyncio
import subprocess
import sys
from uuid import uuid4

import pytest

from worker.core.errors import StartupError
from worker.health import answering, ask, only_one, socket_path

PROJECT = "https://project.example"


async def test_a_running_worker_answers_with_its_status() -> None:
    name = f"test-{uuid4()}"
    async with answering(name, PROJECT, lambda: {"claimed": 3}):
        assert await ask(name, PROJECT) == {"claimed": 3}
    assert await ask(name, PROJECT) is None


async def test_a_second_worker_of_a_name_is_refused_and_the_first_still_answers() -> None:
    name = f"test-{uuid4()}"
    with only_one(name, PROJECT):
        async with answering(name, PROJECT, lambda: {"first": True}):
            with (
                pytest.raises(StartupError, match=f"{name} runs on this machine already"),
                only_one(name, PROJECT),
            ):
                pass
            assert await ask(name, PROJECT) == {"first": True}
    with only_one(name, PROJECT):
        pass


async def test_two_projects_may_have_workers_of_one_name() -> None:
    name, other = f"test-{uuid4()}", "https://other.example"
    with only_one(name, PROJECT), only_one(name, other):
        async with answering(name, PROJECT, lambda: {"of": 1}):
            async with answering(name, other, lambda: {"of": 2}):
                assert await ask(name, other) == {"of": 2}
            assert await ask(name, PROJECT) == {"of": 1}


KILLED = """
import asyncio, os, signal, sys
from worker.health import answering, only_one

async def serve():
    with only_one(*sys.argv[1:]) as life:
        print(life.claim_id(), flush=True)
        async with answering(*sys.argv[1:], dict):
            os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(serve())
"""


async def test_a_killed_worker_leaves_nothing_that_stops_its_successor() -> None:
    name = f"test-{uuid4()}"
    command = [sys.executable, "-c", KILLED, name, PROJECT]
    killed = await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True)
    assert socket_path(name, PROJECT).exists()
    assert await ask(name, PROJECT) is None
    with only_one(name, PROJECT) as life:
        assert str(life.before)[:18] == killed.stdout[:18]
        assert life.claim_id() != life.claim_id()
        assert str(life.claim_id())[:18] == str(life.claim_id())[:18] != killed.stdout[:18]
        async with answering(name, PROJECT, dict):
            assert await ask(name, PROJECT) == {}
    with only_one(name, PROJECT) as life:
        assert life.before is None, "the last one ended in good order"


def test_a_worker_that_was_refused_was_not_cut_short() -> None:
    name = f"test-{uuid4()}"
    with pytest.raises(StartupError), only_one(name, PROJECT):
        raise StartupError("a setting is wrong")
    with only_one(name, PROJECT) as life:
        assert life.before is None
