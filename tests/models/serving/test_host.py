"""Models in a process of their own: what crosses, what ends whom, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs

from models.errors import BadWeights, DeviceUnavailable, ModelFailed, OutOfMemory, UnknownModel
from models.frame import Frame
from models.results import Face
from models.serving.asking import ModelMetrics
from models.serving.remote import RemoteModels
from models.settings import ModelSettings
from models.spec import Choice
from models.tasks import Task
from tests.models.fakes import (
    BROKEN,
    FACES,
    PARROT,
    PRINTER,
    WATCHER,
    WEIGHER,
    WITNESS,
    Parrot,
    Printer,
    Watcher,
    Weigher,
    Witness,
)


@asynccontextmanager
async def opened(tmp_path: Path, **options: Any) -> AsyncIterator[RemoteModels]:
    """With a host of fake models, of which nothing is left afterwards."""
    changes = options.pop("settings", {})
    given = {"model_cache_dir": tmp_path, "model_device": "cpu", "model_batch_delay": 0, **changes}
    settings = ModelSettings(_env_file=None, **given)
    before = set(psutil.Process().children(recursive=True))
    models = RemoteModels(
        settings,
        **{
            "catalog": "tests.models.fakes:discover",
            "weights": "tests.models.fakes:Stores",
            "linger": 0.2,
            **options,
        },
    )
    try:
        yield models
    finally:
        await models.close()
    assert set(psutil.Process().children(recursive=True)) <= before


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(3000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


def pid_of(models: RemoteModels) -> int:
    assert models.pid is not None
    return models.pid


def picture(width: int = 64, height: int = 48, fill: int = 7) -> Frame:
    return Frame(width=width, height=height, data=bytes([fill]) * (width * height * 3))


# Asking


async def test_the_host_answers_as_a_registry_here_would(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        assert models.pid is None, "nothing is started before it is needed"
        assert (await models.identity(PARROT)).backend == ""
        answers = await asyncio.gather(*(models.run(PARROT, Parrot.say, str(n)) for n in range(50)))
        assert [answer.value for answer in answers] == [str(n) for n in range(50)]
        identity = answers[0].model
        assert (identity.version, identity.backend, identity.device) == ("parrot-1", "fake", "cpu")
        assert await models.identity(PARROT) == identity
        assert (await models.metrics())["parrot-1"].batches == 50
        faces = (await models.run(WATCHER, Watcher.face, picture())).value
        assert isinstance(faces[0], Face)


async def test_one_host_has_several_models_of_a_task(tmp_path: Path) -> None:
    def pack(name: str) -> Choice:
        return Choice.of({"faces_model": "packs", "face_pack": name})

    async with opened(tmp_path, settings={"face_pack": "owl"}) as models:
        known = [await models.identity(FACES, choice) for choice in (None, pack("robin"), pack("owl"))]
        assert [one.version for one in known] == ["pack-owl", "pack-robin", "pack-owl"]
        assert [one.scale.same for one in known if one.scale] == [0.3, 0.5, 0.3]
        asked = [
            models.run(FACES, Witness.setting, "face_pack", choice=choice)
            for choice in (None, pack("robin"), pack("owl")) * 5
        ]
        answers = await asyncio.gather(*asked)
        assert [answer.value for answer in answers] == ["owl", "robin", "owl"] * 5
        assert [answer.model.version for answer in answers[:2]] == ["pack-owl", "pack-robin"]
        metrics = await models.metrics()
        assert {version: (one.loads, one.batches) for version, one in metrics.items()} == {
            "pack-owl": (1, 10),
            "pack-robin": (1, 5),
        }
        assert await models.identity(FACES) == answers[0].model
        assert await models.identity(FACES, pack("robin")) == answers[1].model

        hostile = Choice.of({**pack("owl").as_json(), "model_cache_dir": "/"})
        with pytest.raises(UnknownModel, match="may not say 'model_cache_dir'"):
            await models.run(FACES, Witness.setting, "face_pack", choice=hostile)
        await models.unload(FACES, pack("robin"))
        metrics = await models.metrics()
        assert [metrics[f"pack-{name}"].megabytes > 0 for name in ("owl", "robin")] == [True, False]


async def test_a_pinned_choice_keeps_its_host_and_that_of_the_settings_does_not(tmp_path: Path) -> None:
    choice = Choice.of({"faces_model": "packs", "face_pack": "robin"})
    async with opened(tmp_path, settings={"model_ttl": 0, "face_pack": "owl"}) as models:
        await models.pin(FACES, choice=choice)
        await models.run(FACES, Witness.setting, "face_pack")
        await until(lambda: models.pid is None)
        await models.run(FACES, Witness.setting, "face_pack", choice=choice)
        pid = models.pid
        await asyncio.sleep(1)
        assert models.pid == pid, "a host that started later knows too"
        await models.pin(FACES, False, choice)
        await until(lambda: models.pid is None)


@pytest.mark.parametrize(
    ("word", "error", "says"),
    [
        ("memory", OutOfMemory, "no room for it"),
        ("fail", ModelFailed, "ValueError: a parrot does not say that"),
    ],
)
async def test_errors_travel_as_themselves(
    tmp_path: Path, word: str, error: type[Exception], says: str
) -> None:
    async with opened(tmp_path) as models:
        with pytest.raises(error, match=says) as caught:
            await models.run(PARROT, Parrot.say, word)
        assert type(caught.value) is error
        if word == "fail":
            assert "in _said" in caught.value.__notes__[0]


async def test_a_model_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        with pytest.raises(BadWeights, match="half of it is missing"):
            await models.run(BROKEN, Parrot.say, "x")
        nobody: Task[Parrot] = Task("nobody")
        with pytest.raises(UnknownModel):
            await models.run(nobody, Parrot.say, "x")
        with pytest.raises(UnknownModel):
            await models.identity(nobody)


async def test_what_belongs_to_a_library_stays_in_the_host(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        with pytest.raises(ModelFailed, match=r"pathlib.* may not pass between processes"):
            await models.run(WITNESS, Witness.leak, None)
        assert (await models.run(WITNESS, Witness.setting, "model_device")).value == "cpu"


async def test_settings_travel_and_secrets_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "sb_secret_123456789")
    monkeypatch.setenv("KIZU_PASSWORD", "secret")
    monkeypatch.setenv("SUPABASE_DB_URL", "postgres://me:secret@host/db")
    monkeypatch.setenv("SOME_TOKEN", "secret")
    monkeypatch.setenv("HARMLESS", "yes")
    monkeypatch.setenv("MODEL_TTL", "99")
    settings = {"model_ttl": 41.5, "ocr_languages": ("de", "en"), "clip_model": "RN50"}
    async with opened(tmp_path, settings=settings) as models:

        async def told(name: str) -> str:
            return (await models.run(WITNESS, Witness.setting, name)).value

        assert await told("model_ttl") == "41.5"
        assert await told("ocr_languages") == "('de', 'en')"
        assert await told("clip_model") == "RN50"
        assert await told("model_cache_dir") == str(tmp_path)
        variables = {
            "SUPABASE_SECRET_KEY": None,
            "KIZU_PASSWORD": None,
            "SUPABASE_DB_URL": None,
            "SOME_TOKEN": None,
            "HARMLESS": "yes",
            "ORT_DISABLE_TELEMETRY": "1",
        }
        for name, value in variables.items():
            assert (await models.run(WITNESS, Witness.variable, name)).value == value


class Private(ModelSettings):
    """As a worker's settings are: models' and others."""

    worker_secret: str = "sb_secret_123456789"


async def test_only_what_concerns_models_travels(tmp_path: Path) -> None:
    private = Private(_env_file=None, model_cache_dir=tmp_path, model_device="cpu")
    models = RemoteModels(private, catalog="tests.models.fakes:discover", weights="tests.models.fakes:Stores")
    with pytest.raises(ModelFailed, match="worker_secret"):
        await models.run(WITNESS, Witness.setting, "worker_secret")
    await models.close()


async def test_who_stops_waiting_hurts_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        await models.run(WATCHER, Watcher.look, picture())
        large = picture(4000, 3000)
        tasks = [asyncio.create_task(models.run(WATCHER, Watcher.look, large)) for _ in range(10)]
        for turns, task in enumerate(tasks[:9]):  # before, while and after its 36 MB are sent
            for _ in range(turns * 3):
                await asyncio.sleep(0)
            task.cancel()
        assert (await tasks[9]).value[1:] == (36_000_000, 700, 4000)
        assert all(task.cancelled() for task in tasks[:9])


async def test_the_event_loop_goes_on_while_a_picture_is_sent(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        await models.run(PARROT, Parrot.say, "so the host is up")
        running = asyncio.create_task(models.run(WATCHER, Watcher.look, picture(4000, 3000)))
        turns = 0
        while not running.done():
            await asyncio.sleep(0)
            turns += 1
        assert running.result().value[1] == 36_000_000
        assert turns > 20


# Frames


async def test_a_frame_crosses_once_and_leaves_with_its_last_holder(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        first, equal = picture(), picture()
        looks = [(await models.run(WATCHER, Watcher.look, first)).value for _ in range(3)]
        other = (await models.run(WATCHER, Watcher.look, equal)).value
        assert len({look[0] for look in looks}) == 1, "it is one object over there too"
        assert other[0] != looks[0][0]
        assert looks[0][1:] == other[1:] == (64 * 48 * 3, 700, 64)
        assert (await models.run(WATCHER, Watcher.held, None)).value == 2
        del first
        gc.collect()
        await asyncio.sleep(0)
        assert (await models.run(WATCHER, Watcher.held, None)).value == 1


async def test_a_frame_let_go_in_another_thread_leaves_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        frames = [picture()]
        await models.run(WATCHER, Watcher.look, frames[0])
        thread = threading.Thread(target=frames.clear)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert (await models.run(WATCHER, Watcher.held, None)).value == 0


async def test_a_frame_is_sent_again_to_the_next_host(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        frame = picture()
        for _ in range(2):
            assert (await models.run(WATCHER, Watcher.look, frame)).value[1] == 64 * 48 * 3
            os.kill(pid_of(models), signal.SIGKILL)
            await until(lambda: models.pid is None)


# The end of a host


async def test_the_host_ends_with_its_last_model_and_memory_is_back(tmp_path: Path) -> None:
    def everything() -> int:
        """Megabytes of this process and its children."""
        mine = psutil.Process()
        total = 0
        for process in [mine, *mine.children(recursive=True)]:
            total += process.memory_info().rss
        return total // 2**20

    async with opened(tmp_path, settings={"model_ttl": 0.3}) as models:
        gc.collect()
        before = everything()
        await models.run(WEIGHER, Weigher.weigh, 1)
        first = psutil.Process(pid_of(models))
        assert everything() > before + 300
        await until(lambda: models.pid is None and not first.is_running())
        assert everything() < before + 20

        await models.run(WEIGHER, Weigher.weigh, 1)
        assert pid_of(models) != first.pid
        metrics = (await models.metrics())["weigher-1"]
        assert (metrics.loads, metrics.batches) == (2, 2)
        assert metrics.megabytes >= 290
        await models.unload_all()
        await until(lambda: models.pid is None)
        metrics = (await models.metrics())["weigher-1"]
        assert (metrics.loads, metrics.megabytes) == (2, 0)


async def test_a_pinned_model_keeps_its_host(tmp_path: Path) -> None:
    async with opened(tmp_path, settings={"model_ttl": 0}) as models:
        await models.pin(PARROT)
        await models.run(PARROT, Parrot.say, "x")
        first = pid_of(models)
        await asyncio.sleep(1)
        assert models.pid == first
        os.kill(first, signal.SIGKILL)
        await until(lambda: models.pid is None)

        await models.run(PARROT, Parrot.say, "x")
        second = models.pid
        await asyncio.sleep(1)
        assert models.pid == second, "the next host knows too"
        await models.pin(PARROT, False)
        await until(lambda: models.pid is None)


@pytest.mark.slow
async def test_requests_that_come_while_a_host_ends_are_answered(tmp_path: Path) -> None:
    hosts = set()
    async with opened(tmp_path, settings={"model_ttl": 0}, linger=0.004) as models:
        for pause in range(0, 40, 2):
            assert (await models.run(PARROT, Parrot.say, "x")).value == "x"
            hosts.add(models.pid)
            await asyncio.sleep(0.001 * pause)
    assert len(hosts) > 1


async def test_what_a_host_was_asked_that_somebody_killed_is_answered_by_the_next(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        await models.run(PARROT, Parrot.say, "x")
        first = pid_of(models)
        os.kill(first, signal.SIGSTOP)
        asked = [asyncio.create_task(models.run(PARROT, Parrot.say, one)) for one in "abc"]
        await asyncio.sleep(0.2)
        os.kill(first, signal.SIGKILL)
        assert [answer.value for answer in await asyncio.gather(*asked)] == ["a", "b", "c"]
        assert models.pid != first


@pytest.mark.parametrize(
    ("word", "says"), [("kill", "SIGKILL, perhaps because memory ran out"), ("crash", "SIGABRT")]
)
async def test_what_ends_the_host_fails_without_its_neighbours(tmp_path: Path, word: str, says: str) -> None:
    async with opened(tmp_path) as models:
        await models.run(PARROT, Parrot.say, "x")
        first = pid_of(models)
        os.kill(first, signal.SIGSTOP)
        words = ("a", word, "b", "c")
        asked = [asyncio.create_task(models.run(PARROT, Parrot.say, one)) for one in words]
        await asyncio.sleep(0.2)
        os.kill(first, signal.SIGCONT)
        ends = await asyncio.gather(*asked, return_exceptions=True)
        said = [None if isinstance(end, BaseException) else end.value for end in ends]
        assert said == ["a", None, "b", "c"]
        assert isinstance(ends[1], ModelFailed)
        assert says in str(ends[1])
        assert (await models.run(PARROT, Parrot.say, "z")).value == "z"
        assert models.pid != first


async def test_nobody_is_troubled_who_asked_a_host_that_died_to_forget_or_to_count(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        await models.run(PARROT, Parrot.say, "x")
        os.kill(pid_of(models), signal.SIGSTOP)
        asked = [asyncio.create_task(one) for one in (models.unload(PARROT), models.metrics())]
        await asyncio.sleep(0.1)
        os.kill(pid_of(models), signal.SIGKILL)
        assert await asyncio.gather(*asked) == [None, {}]


async def test_a_host_that_stands_still_is_killed_and_the_next_one_answers(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        await models.run(PARROT, Parrot.say, "x")
        first = pid_of(models)
        assert models._host is not None
        models._host.silence = 0.3
        os.kill(first, signal.SIGSTOP)
        left = asyncio.create_task(models.run(PARROT, Parrot.say, "nobody waits for it"))
        await asyncio.sleep(0.1)
        left.cancel()
        await asyncio.sleep(0.1)
        with capture_logs() as logs:
            assert (await asyncio.wait_for(models.run(PARROT, Parrot.say, "y"), 10)).value == "y"
        assert any("said nothing for" in str(entry.get("reason")) for entry in logs)
        assert models.pid != first


async def test_a_host_that_stands_still_is_killed_though_everybody_has_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        await models.run(PARROT, Parrot.say, "x")
        assert models._host is not None
        models._host.silence = 0.3
        os.kill(pid_of(models), signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(models.run(PARROT, Parrot.say, "y"), 0.1)
        await asyncio.wait_for(until(lambda: models.pid is None), 10)


async def test_a_host_that_owes_nothing_may_be_silent(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        await models.run(PARROT, Parrot.say, "x")
        host = models._host
        assert host is not None
        os.kill(host.pid, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(models.run(PARROT, Parrot.say, "y"), 0.1)
        os.kill(host.pid, signal.SIGCONT)
        await until(lambda: not host.channel._owed)
        host.silence = 0.1
        await asyncio.sleep(1.2)
        assert models.pid == host.pid


@pytest.mark.slow
async def test_hosts_that_are_killed_again_and_again_leave_every_request_with_an_end(tmp_path: Path) -> None:
    frame = picture(640, 480)
    ends: list[bool] = []

    async with opened(tmp_path) as models:
        stop = False

        async def ask(number: int) -> None:
            while not stop:
                try:
                    answer = await models.run(WATCHER, Watcher.look, frame if number % 2 else picture())
                except ModelFailed:
                    ends.append(False)
                else:
                    ends.append(answer.value[1] == (640 * 480 * 3 if number % 2 else 64 * 48 * 3))

        def is_other(pid: int) -> bool:
            return models.pid != pid

        asking = [asyncio.create_task(ask(number)) for number in range(8)]
        try:
            for kill in range(6):
                await until(lambda: models.pid is not None)
                victim = pid_of(models)
                if kill % 2:  # every other one has no time to answer
                    ends.clear()
                    await until(lambda: True in ends)
                os.kill(victim, signal.SIGKILL)
                await until(partial(is_other, victim))
        finally:
            stop = True
        await asyncio.gather(*asking)
    assert True in ends


async def test_a_call_that_hangs_is_ended_with_its_host(tmp_path: Path) -> None:
    async with opened(tmp_path, settings={"caption_seconds": 0.05}, patience=0.5) as models:
        with capture_logs() as logs, pytest.raises(ModelFailed, match="exit code 70"):
            await models.run(PARROT, Parrot.say, "sleep")
        assert any("fakes.py" in entry.get("line", "") for entry in logs), "where it hung is in the log"
        assert (await models.run(PARROT, Parrot.say, "z")).value == "z"


async def test_signals_meant_for_the_worker_do_not_end_its_models(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        await models.run(PARROT, Parrot.say, "x")
        first = pid_of(models)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(first, number)
        assert (await models.run(PARROT, Parrot.say, "x")).value == "x"
        assert models.pid == first


async def test_closing_ends_a_host_in_the_middle_of_a_call(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        running = asyncio.create_task(models.run(PARROT, Parrot.say, "sleep"))
        await asyncio.sleep(0)
        starting = asyncio.create_task(models.run(PARROT, Parrot.say, "x"))
        await until(lambda: models.pid is not None)
        await asyncio.sleep(0.5)
        host = psutil.Process(pid_of(models))
        await models.close()
        for one in (running, starting):
            with pytest.raises(ModelFailed, match="closed"):
                await one
        assert not host.is_running()
        with pytest.raises(ModelFailed, match="closed"):
            await models.run(PARROT, Parrot.say, "x")


async def test_closing_while_a_host_starts_leaves_none(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        starting = asyncio.create_task(models.run(PARROT, Parrot.say, "x"))
        await asyncio.sleep(0)
        await models.close()
        with pytest.raises(ModelFailed, match="closed"):
            await starting


WORKER = """
import asyncio
import sys
from pathlib import Path

import structlog

from models.serving.remote import RemoteModels
from models.frame import Frame
from models.settings import ModelSettings
from tests.models.fakes import PARROT, WATCHER, Parrot, Watcher

structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))

async def main():
    models = RemoteModels(
        ModelSettings(_env_file=None, model_cache_dir=Path({cache!r}), model_device="cpu"),
        catalog="tests.models.fakes:discover", weights="tests.models.fakes:Stores",
    )
    frame = Frame(width=640, height=480, data=bytes(640 * 480 * 3))
    await models.run(WATCHER, Watcher.look, frame)
    {then}

asyncio.run(main())
"""


def worker(tmp_path: Path, then: str) -> subprocess.Popen[str]:
    """Another process that uses models, and then does something."""
    text = WORKER.format(cache=str(tmp_path), then=textwrap.indent(then, "    ").strip())
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("call", ["say", "sleep"])
def test_the_host_ends_when_its_worker_is_killed(tmp_path: Path, call: str) -> None:
    then = f"""\
print(models.pid, flush=True)
await models.run(PARROT, Parrot.say, {call!r})
await asyncio.sleep(60)
"""
    with worker(tmp_path, then) as process:
        assert process.stdout is not None
        host = psutil.Process(int(process.stdout.readline()))
        time.sleep(0.3)
        assert host.is_running()
        process.kill()
        psutil.wait_procs([host], timeout=30)
        assert not host.is_running()


def test_the_worker_stays_without_what_models_need(tmp_path: Path) -> None:
    then = """\
print(*[name for name in ("numpy", "torch", "onnxruntime", "PIL.Image") if name in sys.modules])
await models.close()
"""
    with worker(tmp_path, then) as process:
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out.split()) == (0, ["PIL.Image"])


# What it says


async def test_what_libraries_print_reaches_the_log_line_by_line(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        with capture_logs() as logs:
            await models.run(PRINTER, Printer.print, b"one\n\ntwo: 10%\rtwo: 20%\r\nthr")
            await models.run(PRINTER, Printer.complain, b"ee\n\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\n")
            await models.run(PRINTER, Printer.print, b"x" * 100_000 + b"\nlast\nno end")
            await models.unload_all()
            await until(lambda: models.pid is None)
            await models.close()
    lines = [entry["line"] for entry in logs if entry["event"] == "model host printed"]
    assert lines[:5] == ["one", "two: 10%", "two: 20%", "three", "\N{REPLACEMENT CHARACTER}" * 4 + "JFIF"]
    assert lines[-2:] == ["last", "no end"]
    assert all(len(line) <= 500 for line in lines)
    events = [entry["event"] for entry in logs if entry["event"] != "model host printed"]
    assert events == ["model loaded", "model unloaded"], "and its own events arrive as events"
    assert logs[0]["model"] == "printer-1"


async def test_a_host_that_cannot_start_says_so_and_is_tried_again(tmp_path: Path) -> None:
    async with opened(tmp_path, catalog="tests.models.fakes:fail_to_discover") as models:
        for _ in range(2):
            with capture_logs() as logs, pytest.raises(ModelFailed, match="exit code 1"):
                await models.run(PARROT, Parrot.say, "x")
            assert "the catalog is broken" in [entry.get("line") for entry in logs]
            assert "RuntimeError: no catalog" in [entry.get("line") for entry in logs]


async def test_a_host_whose_models_thread_died_ends(tmp_path: Path) -> None:
    async with opened(tmp_path, catalog="tests.models.fakes:discover_and_doom") as models:
        with pytest.raises(ModelFailed, match="exit code 71"):
            await asyncio.wait_for(models.run(PARROT, Parrot.say, "x"), 10)


async def test_metrics_start_empty(tmp_path: Path) -> None:
    async with opened(tmp_path) as models:
        assert await models.metrics() == {}
        await models.identity(PARROT)
        assert await models.metrics() == {"parrot-1": ModelMetrics()}


# The device


@pytest.mark.parametrize(("wanted", "said"), [("auto", 1), ("cpu", 0)])
async def test_the_device_that_auto_chose_is_said_once(tmp_path: Path, wanted: str, said: int) -> None:
    async with opened(tmp_path, settings={"model_device": wanted}) as models:
        with capture_logs() as logs:
            await models.run(PARROT, Parrot.say, "x")
            await models.run(WITNESS, Witness.thread, None)
            await models.close()
    assert [entry["event"] for entry in logs].count("device chosen") == said


async def test_a_driver_that_failed_is_not_the_inputs_fault_and_a_new_process_finds_it_again(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as models:
        assert (await models.run(PARROT, Parrot.say, "hello")).value == "hello"
        first = models.pid
        with pytest.raises(DeviceUnavailable, match="unspecified launch failure"):
            await models.run(PARROT, Parrot.say, "driver")
        assert (await models.run(PARROT, Parrot.say, "again")).value == "again"
        await until(lambda: models.pid is None)
        assert (await models.run(PARROT, Parrot.say, "back")).value == "back"
        assert models.pid != first
