"""Models that need no libraries, for what runs models; also the catalog of host processes under test."""

from __future__ import annotations

import gc
import mmap
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from models.errors import BadWeights, OutOfMemory, UnknownModel
from models.frame import Frame
from models.people.scale import Scale
from models.results import Box, Face
from models.serving.thread import ModelsThread
from models.settings import ModelSettings
from models.spec import AnySpec, Device, Licence, Loading, ModelSpec, Profile, Variant
from models.tasks import Model, Task

FREE: Final = Licence(name="Apache-2.0", use="free")


class Parrot(Model):
    """Answers what it is told, and does what some words mean."""

    backend = "fake"
    precision = "fp32"

    def say(self, words: Sequence[str]) -> Sequence[str]:
        return [self._said(word) for word in words]

    def shout(self, words: Sequence[str]) -> Sequence[str]:
        return [word.upper() for word in words]

    def _said(self, word: str) -> str:
        match word:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "crash":
                os.abort()
            case "driver":  # as torch says it
                raise RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be …")
            case "memory":
                raise OutOfMemory("no room for it")
            case "fail":
                raise ValueError("a parrot does not say that")
            case "sleep":
                time.sleep(60)
        return word


PARROT: Final[Task[Parrot]] = Task("parrot")


def taken(megabytes: int) -> mmap.mmap:
    """Resident memory, which closing gives back whatever the allocator does."""
    memory = mmap.mmap(-1, megabytes * 2**20)
    memory[:: mmap.PAGESIZE] = b"\1" * (len(memory) // mmap.PAGESIZE)
    return memory


class Weigher(Model):
    """Takes memory, and says how many models of its kind there are."""

    def __init__(self, megabytes: int) -> None:
        self._taken = taken(megabytes) if megabytes else None

    def close(self) -> None:
        if self._taken is not None:
            self._taken.close()

    def weigh(self, items: Sequence[int]) -> Sequence[int]:
        return items


WEIGHER: Final[Task[Weigher]] = Task("weigher")


class Watcher(Model):
    """Tells one frame from another, and how many there are in its process."""

    def __init__(self) -> None:
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()
        self._known: list[weakref.ref[Frame]] = []

    def look(self, frames: Sequence[Frame]) -> Sequence[tuple[int, int, int, int]]:
        """Which object it is, how many are held, its size in bytes and the sum of its first ones."""
        answers = []
        for frame in frames:
            if not any(known() is frame for known in self._known):
                self._known.append(weakref.ref(frame))
            answers.append((id(frame), len(frame.data), sum(frame.data[:100]), frame.width))
        return answers

    def held(self, _items: Sequence[None]) -> Sequence[int]:
        gc.collect()
        return [sum(known() is not None for known in self._known)]

    def face(self, frames: Sequence[Frame]) -> Sequence[tuple[Face, ...]]:
        box = Box(x=0.0, y=0.0, width=0.5, height=1.0)
        return [(Face(box=box, score=0.9, landmarks=((0.1, 0.2),), embedding=(1.0, 0.0)),) for _ in frames]


WATCHER: Final[Task[Watcher]] = Task("watcher")


class Printer(Model):
    def print(self, texts: Sequence[bytes]) -> Sequence[None]:
        for text in texts:
            os.write(1, text)
        return [None for _ in texts]

    def complain(self, texts: Sequence[bytes]) -> Sequence[None]:
        for text in texts:
            os.write(2, text)
        return [None for _ in texts]


PRINTER: Final[Task[Printer]] = Task("printer")


class Witness(Model):
    """Says what its process knows."""

    def __init__(self, loading: Loading) -> None:
        self._loading = loading

    def setting(self, names: Sequence[str]) -> Sequence[str]:
        return [str(getattr(self._loading.settings, name)) for name in names]

    def variable(self, names: Sequence[str]) -> Sequence[str | None]:
        return [os.environ.get(name) for name in names]

    def leak(self, _items: Sequence[None]) -> Sequence[Any]:
        """What belongs to a library and must not leave."""
        return [Path("/")]

    def thread(self, _items: Sequence[None]) -> Sequence[str]:
        return [threading.current_thread().name]


WITNESS: Final[Task[Witness]] = Task("witness")
FACES: Final[Task[Witness]] = Task("faces")


class Stores:
    """Weights that are always at hand."""

    def __init__(self, settings: ModelSettings | None = None) -> None:
        self.looked = 0

    def paths(self, variant: Variant) -> Mapping[str, Path]:
        self.looked += 1
        return {file.path: Path("/dev/null") for file in variant.files}

    def digest(self, variant: Variant) -> str | None:
        return "d" * 64


def spec_of(
    task: Task[Any],
    load: Callable[[Loading], Model],
    *,
    name: str = "",
    batch: int = 1,
    profile: Profile = "any",
    **variant: Any,
) -> AnySpec:
    """A model of `task` whose calls take `batch` inputs."""
    batches: dict[Device, int] = {"cpu": batch}
    chosen = Variant(
        **{"version": f"{name or task.name}-1", "licence": FREE, "largest_batch": batches, **variant}
    )
    return ModelSpec(task=task, name=name or task.name, profile=profile, select=lambda _: chosen, load=load)


def packs_of(task: Task[Any], load: Callable[[Loading], Model], **variant: Any) -> AnySpec:
    """A model of `task` of whatever size FACE_PACK says; the longer its name, the larger `scale.same`."""

    def select(settings: ModelSettings) -> Variant:
        if not settings.face_pack.isalpha():
            raise UnknownModel(f"FACE_PACK={settings.face_pack} is none")
        version, same = f"pack-{settings.face_pack}", len(settings.face_pack) / 10
        scale = Scale(same=same, maybe=0.1, margin=0.05)
        return Variant(**{"version": version, "licence": FREE, "scale": scale, **variant})

    return ModelSpec(task=task, name="packs", sized_by=("face_pack",), select=select, load=load)


def _broken(_loading: Loading) -> Model:
    raise BadWeights("half of it is missing")


BROKEN: Final[Task[Parrot]] = Task("broken")


def discover() -> tuple[AnySpec, ...]:
    return (
        spec_of(PARROT, lambda _: Parrot()),
        spec_of(WEIGHER, lambda _: Weigher(300)),
        spec_of(WATCHER, lambda _: Watcher()),
        spec_of(PRINTER, lambda _: Printer()),
        spec_of(WITNESS, Witness),
        packs_of(FACES, Witness),
        spec_of(BROKEN, _broken),
    )


def discover_and_doom() -> tuple[AnySpec, ...]:
    """The models' thread will die of a fault of its own."""

    def stumble(_: ModelsThread) -> None:
        raise OverflowError("timestamp out of range")

    setattr(ModelsThread, "_step", stumble)  # noqa: B010
    return discover()


def fail_to_discover() -> tuple[AnySpec, ...]:
    print("the catalog is broken", file=sys.stderr)  # noqa: T201
    raise RuntimeError("no catalog")
