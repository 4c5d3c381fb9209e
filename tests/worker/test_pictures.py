"""Jobs that come together to one file share its download and its decoding, and nothing else does."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any
from uuid import UUID

import pytest
from PIL import Image

from models.pictures import picture as pictures_of_models
from models.pictures.picture import Picture
from worker import decoding, pictures
from worker.core.errors import MemoryShort, NotFound, StorageUnavailable, Unreadable
from worker.decoding import Need
from worker.files.sources import StoredObject, read_source
from worker.files.spool import IN_MEMORY
from worker.pictures import Pictures
from worker.pixels import PixelThreads

USER, OTHER = UUID(int=1), UUID(int=2)
KEY = f"{USER}/photo.jpg"
THUMBNAIL = Need.of(short_side=300, long_side=None)
MODELS = Need.of(long_side=1280)
BOUND = 20.0


def photo(colour: str = "red", size: tuple[int, int] = (4000, 3000), kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


class Files:
    """Storage with one object, which takes as long to arrive as `gate` is closed."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.tag = 1
        self.downloads = 0
        self.questions = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self.tells = True
        self.opened: list[IO[bytes]] = []

    def stored_object(self, source: str, user_id: UUID) -> StoredObject | None:
        asked = read_source(source, user_id=user_id, own_urls=(), allowed_hosts=frozenset({"x.example"}))
        return asked if isinstance(asked, StoredObject) else None

    async def fetch_version(self, source: str, user_id: UUID) -> tuple[IO[bytes], str | None]:
        self.downloads += 1
        data, tag = self.data, self.tag
        await self.gate.wait()
        if self.failure:
            raise self.failure
        self.opened.append(io.BytesIO(data))
        return self.opened[-1], str(tag) if self.tells else None

    async def version(self, stored: StoredObject) -> str | None:
        self.questions += 1
        return str(self.tag) if self.tells else None


@pytest.fixture
def threads() -> Iterator[PixelThreads]:
    threads = PixelThreads(2, machine=16_000)
    yield threads
    threads.close()


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | None, int | None]]:
    """The short and long sides of each decoding that was begun."""
    begun = []

    def opened(source: Any, **options: Any) -> Picture:
        begun.append((options["short_side"], options["long_side"]))
        return pictures_of_models.open_picture(source, **options)

    monkeypatch.setattr(decoding, "open_picture", opened)
    return begun


class World:
    def __init__(self, threads: PixelThreads, data: bytes) -> None:
        self.files = Files(data)
        files: Any = self.files
        self.pictures = Pictures(files, threads, max_pixels=10**9)

    async def job(
        self, need: Need, lane: str, *, source: str = KEY, user: UUID = USER, look: Any = None
    ) -> Any:
        async with self.pictures.open(source, user, need, lane=lane) as original:
            return await original.see(look or colour)

    @property
    def left(self) -> int:
        """Files that are still open."""
        return sum(not file.closed for file in self.files.opened)


def colour(picture: Picture, file: IO[bytes]) -> tuple[int, ...]:
    assert file.tell() == 0
    red, green, blue = picture.upright(long_side=8).getpixel((0, 0))
    return round(red, -1), round(green, -1), round(blue, -1)


@pytest.fixture
def world(threads: PixelThreads) -> World:
    return World(threads, photo())


async def steps(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(holds: Callable[[], object]) -> None:
    for _ in range(5000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to that")


async def test_both_jobs_of_an_upload_are_one_download_and_one_decoding(
    world: World, decodes: list[Any]
) -> None:
    world.files.gate.clear()
    jobs = asyncio.gather(world.job(THUMBNAIL, "image"), world.job(MODELS, "ai"))
    await steps()
    world.files.gate.set()
    [thumbnail, seen] = await jobs
    assert thumbnail[0] == seen[0] >= 250
    assert (world.files.downloads, world.files.questions) == (1, 1)
    assert decodes == [(300, 1280)], "fine enough for both"
    assert world.left == 0, "both lanes are done with it"


async def test_a_job_that_comes_while_the_picture_is_decoded_sees_it_too(
    threads: PixelThreads, decodes: list[Any]
) -> None:
    world = World(threads, photo(kind="PNG"))
    begun, goes_on = threading.Event(), threading.Event()

    def slowly(picture: Picture, file: IO[bytes]) -> None:
        begun.set()
        assert goes_on.wait(BOUND)

    first = asyncio.ensure_future(world.job(THUMBNAIL, "image", look=slowly))
    await asyncio.to_thread(begun.wait, BOUND)
    second = asyncio.ensure_future(world.job(MODELS, "ai"))
    await until(lambda: world.files.questions)
    await steps()
    goes_on.set()
    await asyncio.gather(first, second)
    assert (world.files.downloads, decodes) == (1, [(300, None)]), "a PNG is decoded in full anyway"


async def test_a_jpeg_that_is_decoded_too_small_is_decoded_again(world: World, decodes: list[Any]) -> None:
    async with world.pictures.open(KEY, USER, THUMBNAIL, lane="image") as original:
        begun, goes_on = threading.Event(), threading.Event()

        def slowly(picture: Picture, file: IO[bytes]) -> None:
            begun.set()
            assert goes_on.wait(BOUND)

        first = asyncio.ensure_future(original.see(slowly))
        await asyncio.to_thread(begun.wait, BOUND)
        assert (await world.job(MODELS, "ai"))[0] >= 250
        goes_on.set()
        await first
    assert (world.files.downloads, decodes) == (1, [(300, None), (300, 1280)])


async def test_a_job_that_follows_in_the_moment_shares_the_file(world: World, decodes: list[Any]) -> None:
    await world.job(THUMBNAIL, "image")
    assert world.left == 1
    await world.job(MODELS, "ai")
    assert (world.files.downloads, len(decodes)) == (1, 2)
    assert world.left == 0


async def test_nothing_is_kept_longer_than_a_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOMENT_SECONDS", 0.0)
    await world.job(THUMBNAIL, "image")
    await until(lambda: not world.left)
    await world.job(MODELS, "ai")
    assert world.files.downloads == 2


async def test_what_is_kept_is_bounded_and_the_oldest_goes_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "KEPT_BYTES", int(2.5 * len(world.files.data)))
    for number in range(5):
        await world.job(THUMBNAIL, "image", source=f"{USER}/{number}.jpg")
    assert [file.closed for file in world.files.opened] == [True] * 3 + [False] * 2


async def test_a_file_on_disk_is_not_kept(world: World, tmp_path: Any) -> None:
    path = tmp_path / "large"
    path.write_bytes(photo())

    async def fetch(source: str, user_id: UUID) -> tuple[IO[bytes], str]:
        world.files.opened.append(path.open("rb"))
        return world.files.opened[-1], "1"

    world.files.fetch_version = fetch  # type: ignore[method-assign]
    assert (await world.job(THUMBNAIL, "image"))[0] >= 250
    assert world.left == 0
    assert IN_MEMORY < pictures.KEPT_BYTES


async def test_a_file_that_was_replaced_is_fetched_anew(world: World, decodes: list[Any]) -> None:
    await world.job(THUMBNAIL, "image")
    world.files.data, world.files.tag = photo("blue"), 2
    assert (await world.job(MODELS, "ai"))[2] >= 250
    assert (world.files.downloads, len(decodes)) == (2, 2)


async def test_a_file_that_is_replaced_while_it_comes_is_fetched_anew(world: World) -> None:
    world.files.gate.clear()
    first = asyncio.ensure_future(world.job(THUMBNAIL, "image"))
    await steps()
    world.files.data, world.files.tag = photo("blue"), 2
    second = asyncio.ensure_future(world.job(MODELS, "ai"))
    await steps()
    world.files.gate.set()
    assert (await first)[0] >= 250
    assert (await second)[2] >= 250


async def test_without_versions_nothing_is_shared(world: World) -> None:
    world.files.tells = False
    await asyncio.gather(world.job(THUMBNAIL, "image"), world.job(MODELS, "ai"))
    assert world.files.downloads == 2
    assert world.left == 0


async def test_nothing_is_shared_between_users(world: World) -> None:
    await world.job(THUMBNAIL, "image")
    await world.job(MODELS, "ai", source=f"{OTHER}/photo.jpg", user=OTHER)
    with pytest.raises(Exception, match="not in the folder of the job's user"):
        await world.job(MODELS, "ai", user=OTHER)
    assert (world.files.downloads, world.files.questions) == (2, 0)


async def test_what_is_not_in_storage_is_not_shared(world: World) -> None:
    source = "https://x.example/a.jpg"
    await asyncio.gather(world.job(THUMBNAIL, "image", source=source), world.job(MODELS, "ai", source=source))
    assert (world.files.downloads, world.files.questions, world.left) == (2, 0, 0)


@pytest.mark.parametrize("failure", [NotFound(), StorageUnavailable()])
async def test_each_job_has_its_own_failure_of_a_download(world: World, failure: Exception) -> None:
    world.files.failure = failure
    ended = await asyncio.gather(
        world.job(THUMBNAIL, "image"), world.job(MODELS, "ai"), return_exceptions=True
    )
    assert ended == [failure] * 2
    assert world.files.downloads == 2


async def test_a_job_goes_on_when_the_one_that_fetched_is_cancelled(world: World) -> None:
    world.files.gate.clear()
    first = asyncio.ensure_future(world.job(THUMBNAIL, "image"))
    await steps()
    second = asyncio.ensure_future(world.job(MODELS, "ai"))
    await steps()
    first.cancel()
    await steps()
    world.files.gate.set()
    assert (await second)[0] >= 250
    assert world.files.downloads == 2


async def test_a_job_goes_on_when_the_one_whose_decoding_it_shares_is_cancelled(
    threads: PixelThreads, world: World, decodes: list[Any]
) -> None:
    goes_on = threading.Event()
    blocked = [threads.submit(partial(goes_on.wait, BOUND)) for _ in range(2)]
    world.files.gate.clear()
    first = asyncio.ensure_future(world.job(THUMBNAIL, "image"))
    await steps()
    second = asyncio.ensure_future(world.job(MODELS, "ai"))
    await steps()
    world.files.gate.set()
    await until(lambda: threads._schedule.waiting)
    await steps()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    goes_on.set()
    assert (await second)[0] >= 250
    assert len(decodes) == 1
    assert all(one.result(BOUND) for one in blocked)


async def test_a_decoding_for_which_nobody_waits_any_more_is_not_begun(
    threads: PixelThreads, world: World, decodes: list[Any]
) -> None:
    goes_on = threading.Event()
    blocked = [threads.submit(partial(goes_on.wait, BOUND)) for _ in range(2)]
    job = asyncio.ensure_future(world.job(THUMBNAIL, "image"))
    await until(lambda: threads._schedule.waiting)
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    assert not threads._schedule.waiting
    goes_on.set()
    assert all(one.result(BOUND) for one in blocked)
    assert decodes == []


async def test_all_are_told_that_the_picture_is_damaged(threads: PixelThreads) -> None:
    world = World(threads, photo()[:2000])
    ended = await asyncio.gather(
        world.job(THUMBNAIL, "image"), world.job(MODELS, "ai"), return_exceptions=True
    )
    assert [type(error) for error in ended] == [Unreadable] * 2


async def test_all_are_told_that_there_is_no_memory() -> None:
    threads = PixelThreads(2, machine=16_000, available=lambda: 10)
    world = World(threads, photo(kind="PNG"))
    ended = await asyncio.gather(
        world.job(THUMBNAIL, "image"), world.job(MODELS, "ai"), return_exceptions=True
    )
    assert [type(error) for error in ended] == [MemoryShort] * 2
    threads.close()


async def test_memory_that_ends_while_decoding_is_named(
    threads: PixelThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(source: Any, **options: Any) -> Picture:
        raise MemoryError

    monkeypatch.setattr(decoding, "open_picture", exhausted)
    with pytest.raises(MemoryShort) as caught:
        await World(threads, photo(kind="PNG")).job(THUMBNAIL, "image")
    assert caught.value.dependency == "memory 256"


async def test_one_that_cannot_use_the_picture_leaves_it_to_the_others(world: World) -> None:
    def fail(picture: Picture, file: IO[bytes]) -> None:
        raise ZeroDivisionError

    ended = await asyncio.gather(
        world.job(THUMBNAIL, "image", look=fail), world.job(MODELS, "ai"), return_exceptions=True
    )
    assert isinstance(ended[0], ZeroDivisionError)
    assert ended[1][0] >= 250


async def test_another_orientation_is_another_decoding(world: World, decodes: list[Any]) -> None:
    def sides(picture: Picture, file: IO[bytes]) -> tuple[int, int]:
        return picture.width, picture.height

    turned = Need.of(short_side=300, long_side=None, orientation=6)
    assert await asyncio.gather(
        world.job(turned, "image", look=sides), world.job(MODELS, "ai", look=sides)
    ) == [(3000, 4000), (4000, 3000)]
    assert (world.files.downloads, len(decodes)) == (1, 2)


async def test_a_crowd_that_comes_goes_and_is_cancelled_leaves_nothing(
    threads: PixelThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOMENT_SECONDS", 0.01)
    world = World(threads, photo(size=(400, 300)))
    jobs = []
    for number in range(120):
        source = f"{USER}/{number % 7}.jpg"
        need, lane = ((THUMBNAIL, "image"), (MODELS, "ai"))[number % 2]
        jobs.append(asyncio.ensure_future(world.job(need, lane, source=source)))
        if number % 5 == 0:
            jobs[number // 2].cancel()
        if number % 11 == 0:
            world.files.tag += 1
            await asyncio.sleep(0.002)
    ended = await asyncio.gather(*jobs, return_exceptions=True)
    assert all(one[0] >= 250 for one in ended if isinstance(one, tuple))
    assert sum(isinstance(one, tuple) for one in ended) >= 90
    await until(lambda: not world.left)
    assert not world.pictures._uploads
    assert not world.pictures._kept


def test_one_need_serves_what_is_no_finer() -> None:
    both = Need.for_all([THUMBNAIL, MODELS])
    assert both == Need.of(short_side=300, long_side=1280)
    assert both.serves(THUMBNAIL)
    assert both.serves(MODELS)
    assert not THUMBNAIL.serves(MODELS)
    assert not both.serves(Need())
    assert Need().serves(both)
    assert Need.for_all([Need(), MODELS]) == Need()
