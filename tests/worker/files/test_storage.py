"""Files are fetched within limits and stored in one request, against real servers on loopback."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.worker.loopback import Reply, Request, Script, Server, serving
from worker.core.errors import (
    BadParams,
    ForbiddenUrl,
    JobError,
    NotFound,
    SourceRefused,
    SourceUnavailable,
    StorageUnavailable,
    TimedOut,
    TooLarge,
)
from worker.files.spool import IN_MEMORY
from worker.files.storage import Files
from worker.project.connection import Connection
from worker.settings import Settings

USER = UUID("11111111-2222-4333-8444-555555555555")
OTHER = UUID("99999999-2222-4333-8444-555555555555")
KEY = f"{USER}/a photo ö.jpg"
PICTURE = b"\xff\xd8\xff" + bytes(range(256)) * 40
LIMIT = 100_000
SECRET = "sb_secret_for_tests"  # the key of a project that is a script
PUBLIC_ADDRESS = "93.184.216.34"


class Detour(httpx.AsyncHTTPTransport):
    """Loopback plays the internet: the one public address of the tests is really a server of theirs.

    Whatever else the worker tries to reach fails the test.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reached: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.reached.append(request.url.host)
        assert request.url.host == PUBLIC_ADDRESS, f"connected to {request.url.host}"
        request.url = request.url.copy_with(host="127.0.0.1")
        return await super().handle_async_request(request)


@dataclass
class Names:
    """The domain name system of the tests; may change its mind between two questions."""

    answers: dict[str, list[list[str]]]

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        known = self.answers[host]
        return known.pop(0) if len(known) > 1 else known[0]


@dataclass
class Place:
    files: Files
    storage: Server
    host: Server
    detour: Detour
    names: Names

    def url(self, path: str, host: str = "photos.example") -> str:
        return f"http://{host}:{self.host.port}{path}"

    async def fetched(self, source: str) -> bytes:
        with await self.files.fetch(source, USER) as file:
            assert file.tell() == 0
            return file.read()


async def nothing_here(request: Request, reply: Reply) -> None:
    await reply.json(400, {"statusCode": "404", "error": "not_found", "message": "Object not found"})


@asynccontextmanager
async def place(
    *,
    storage: Script = nothing_here,
    host: Script = nothing_here,
    fetch_timeout: float = 5,
    limit: int = LIMIT,
) -> AsyncIterator[Place]:
    """A project whose Storage follows one script, and a host of the internet that follows another."""
    async with serving(storage) as storage_server, serving(host) as host_server:
        settings = Settings(_env_file=None, supabase_url=storage_server.url, supabase_secret_key=SECRET)  # type: ignore[call-arg]
        names = Names(
            {
                "photos.example": [[PUBLIC_ADDRESS]],
                "inside.example": [["10.0.0.1"]],
                "both.example": [[PUBLIC_ADDRESS, "127.0.0.1"]],
                "rebinding.example": [[PUBLIC_ADDRESS], ["127.0.0.1"]],
            }
        )
        detour = Detour()
        async with (
            Connection(settings) as connection,
            Files(
                connection,
                max_bytes=limit,
                fetch_timeout=fetch_timeout,
                allowed_hosts=[f"{name}:{host_server.port}" for name in names.answers],
                resolve=names,
                transport=detour,
            ) as files,
        ):
            yield Place(files, storage_server, host_server, detour, names)


async def give_picture(request: Request, reply: Reply) -> None:
    await reply.send(200, PICTURE, Content_Type="image/jpeg")


@pytest.fixture
def spools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder below which files with a path lie, empty and this test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())


async def test_file_with_a_path_can_be_opened_by_name_and_is_gone_afterwards(spools: Path) -> None:
    async with place(storage=give_picture) as here, here.files.fetch_to_path(KEY, USER) as path:
        assert path.read_bytes() == PICTURE
        assert path.is_relative_to(spools)
    assert is_empty(spools)


async def test_file_with_a_path_is_gone_when_its_job_fails_or_is_cancelled(spools: Path) -> None:
    async with place(storage=give_picture) as here:
        with pytest.raises(RuntimeError, match="the handler fails"):
            async with here.files.fetch_to_path(KEY, USER):
                raise RuntimeError("the handler fails")
        assert is_empty(spools)

        inside = asyncio.Event()

        async def handle() -> None:
            async with here.files.fetch_to_path(KEY, USER):
                inside.set()
                await asyncio.Event().wait()

        handling = asyncio.create_task(handle())
        await inside.wait()
        handling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handling
    assert is_empty(spools)


async def test_file_with_a_path_is_gone_when_its_job_is_cancelled_while_it_is_removed(
    spools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the loop ends, and with it what was handed to a thread and had not begun."""

    async def to_thread(work: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        if work.__qualname__ == "Folder.remove":
            raise asyncio.CancelledError
        return await original(work, *arguments, **more)

    original = asyncio.to_thread
    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    async with place(storage=give_picture) as here:
        with pytest.raises(asyncio.CancelledError):
            async with here.files.fetch_to_path(KEY, USER):
                pass
    assert is_empty(spools)


async def test_file_with_a_path_has_a_limit_of_its_own(spools: Path) -> None:
    async with place(storage=give_picture, limit=len(PICTURE) - 1) as here:
        with pytest.raises(TooLarge):
            async with here.files.fetch_to_path(KEY, USER):
                pass
        async with here.files.fetch_to_path(KEY, USER, max_bytes=len(PICTURE)) as path:
            assert path.stat().st_size == len(PICTURE)
    assert is_empty(spools)


async def test_own_file_arrives_in_one_request_with_the_workers_credentials() -> None:
    async with place(storage=give_picture) as here:
        assert await here.fetched(KEY) == PICTURE
        (request,) = here.storage.requests
        assert (request.method, request.path) == ("GET", f"/storage/v1/object/authenticated/assets/{KEY}")
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert request.headers["apikey"] == SECRET
        assert request.headers["accept-encoding"] == "identity"


async def test_own_url_is_read_like_its_key_whatever_access_it_names() -> None:
    async with place(storage=give_picture) as here:
        for access in ("public", "authenticated", "sign"):
            assert await here.fetched(
                f"{here.storage.url}/storage/v1/object/{access}/assets/{USER}/a.jpg?token=x"
            )
        assert {request.target for request in here.storage.requests} == {
            f"/storage/v1/object/authenticated/assets/{USER}/a.jpg"
        }


async def test_thumbnails_are_in_a_bucket_of_their_own() -> None:
    async with place(storage=give_picture) as here:
        await here.fetched(f"thumbnails/{USER}/a.jpg")
        assert here.storage.requests[0].path == f"/storage/v1/object/authenticated/thumbnails/{USER}/a.jpg"


async def test_another_users_file_is_not_even_asked_for() -> None:
    async with place(storage=give_picture) as here:
        with pytest.raises(ForbiddenUrl):
            await here.files.fetch(f"{OTHER}/a.jpg", USER)
        assert here.storage.requests == []


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"statusCode": "404", "error": "not_found", "message": "Object not found"}, NotFound),
        (404, {"code": "NoSuchKey", "message": "gone"}, NotFound),
        (
            400,
            {"statusCode": "404", "error": "Bucket not found", "message": "Bucket not found"},
            StorageUnavailable,
        ),
        (400, {"statusCode": "400", "error": "InvalidKey", "message": "Invalid key"}, NotFound),
        (400, {"statusCode": "403", "error": "Unauthorized", "message": "policy"}, StorageUnavailable),
        (400, {"statusCode": "429", "error": "SlowDown", "message": "slow down"}, StorageUnavailable),
        (544, {"statusCode": "544", "error": "DatabaseTimeout", "message": "timeout"}, StorageUnavailable),
        (502, "<html>Bad gateway</html>", StorageUnavailable),
        (307, "", StorageUnavailable),
        (404, "<html>Not found</html>", StorageUnavailable),
        (404, {"message": "no Route matched with those values"}, StorageUnavailable),
        (404, {"code": 404, "error": "Not Found"}, StorageUnavailable),
        (403, "<html>blocked by your organisation</html>", StorageUnavailable),
        (410, "", StorageUnavailable),
    ],
)
async def test_storages_refusals_are_told_apart_by_their_body(
    status: int, body: object, error: type[JobError]
) -> None:
    async def refuse(request: Request, reply: Reply) -> None:
        await (reply.send(status, body) if isinstance(body, str) else reply.json(status, body))

    async with place(storage=refuse) as here:
        with pytest.raises(error) as refusal:
            await here.files.fetch(KEY, USER)
        assert type(refusal.value) is error
        assert len(here.storage.requests) == (1 if error is NotFound else 3)


async def test_page_in_place_of_a_file_is_no_broken_picture() -> None:
    async def portal(request: Request, reply: Reply) -> None:
        await reply.send(200, "<html>please sign in</html>", Content_Type="text/html")

    async with place(storage=portal) as here:
        assert not await here.files.answers()
        with pytest.raises(StorageUnavailable, match="web page"):
            await here.files.fetch(KEY, USER)


async def test_page_that_a_user_stored_is_a_file_like_others() -> None:
    async def give_page(request: Request, reply: Reply) -> None:
        if KEY in request.path:
            await reply.send(200, "<html>", Content_Type="text/html; charset=utf-8")
        else:
            await nothing_here(request, reply)

    async with place(storage=give_page) as here:
        assert await here.fetched(KEY) == b"<html>"


@pytest.mark.parametrize(
    ("status", "body", "answers"),
    [
        (400, {"statusCode": "404", "error": "not_found", "message": "Object not found"}, True),
        (404, {"code": "NoSuchKey", "message": "gone"}, True),
        (400, {"statusCode": "404", "error": "Bucket not found", "message": "Bucket not found"}, False),
        (400, {"statusCode": "500", "error": "Internal", "message": "database"}, False),
        (404, "<html>", False),
        (503, "", False),
        (200, "anything", False),
    ],
)
async def test_storage_answers_when_it_knows_that_there_is_no_such_file(
    status: int, body: object, answers: bool
) -> None:
    async def answer(request: Request, reply: Reply) -> None:
        await (reply.send(status, body) if isinstance(body, str) else reply.json(status, body))

    async with place(storage=answer) as here:
        assert await here.files.answers() is answers
        assert len(here.storage.requests) == 1


async def test_storage_that_is_not_there_does_not_answer() -> None:
    async def hang_up(request: Request, reply: Reply) -> None:
        reply.hang_up()

    async with place(storage=hang_up) as here:
        assert not await here.files.answers()


async def test_outside_host_answers_while_it_takes_connections() -> None:
    async with serving(nothing_here) as gone:
        pass
    async with place() as here:
        here.names.answers |= {"up.example": [["127.0.0.1"]], "away.example": [[]]}
        # This machine's own addresses are none that a job may reach, which is no outage.
        assert await here.files.host_answers(f"up.example:{gone.port}")
        assert not await here.files.host_answers("away.example:443")


async def test_passing_fault_of_storage_is_tried_again_from_the_start() -> None:
    async def break_off_once(request: Request, reply: Reply) -> None:
        if len(here.storage.requests) == 1:
            await reply.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of")
            reply.hang_up()
        else:
            await give_picture(request, reply)

    async with place(storage=break_off_once) as here:
        assert await here.fetched(KEY) == PICTURE


async def test_storage_says_which_version_it_sends_and_would_send() -> None:
    tags = iter(['"one"', '"one"', '"two"'])

    async def script(request: Request, reply: Reply) -> None:
        await reply.send(200, PICTURE if request.method == "GET" else b"", ETag=next(tags))

    async with place(storage=script) as here:
        stored = here.files.stored_object(KEY, USER)
        assert stored is not None
        file, version = await here.files.fetch_version(KEY, USER)
        assert file.read() == PICTURE
        assert version == await here.files.version(stored) == '"one"'
        assert await here.files.version(stored) == '"two"'
    assert [request.method for request in here.storage.requests] == ["GET", "HEAD", "HEAD"]
    assert len({request.path for request in here.storage.requests}) == 1


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_storage_that_does_not_say_has_no_version(status: int) -> None:
    tag = {"ETag": '"one"'} if status != 200 else {}
    async with place(storage=lambda request, reply: reply.send(status, **tag)) as here:
        stored = here.files.stored_object(KEY, USER)
        assert stored is not None
        assert await here.files.version(stored) is None


async def test_storage_that_is_away_has_no_version() -> None:
    async def script(request: Request, reply: Reply) -> None:
        reply.hang_up()

    async with place(storage=script) as here:
        stored = here.files.stored_object(KEY, USER)
        assert stored is not None
        assert await here.files.version(stored) is None


async def test_only_the_users_own_files_in_storage_are_objects_of_it() -> None:
    async with place() as here:
        assert here.files.stored_object(KEY, USER) is not None
        for source in (f"{OTHER}/a.jpg", "data:image/png;base64,AA==", "https://photos.example/a.jpg", ""):
            assert here.files.stored_object(source, USER) is None


async def test_large_file_goes_to_disk_and_comes_back_whole() -> None:
    large = bytes(1024) * (IN_MEMORY // 1024 + 100)

    async def give_large(request: Request, reply: Reply) -> None:
        await reply.send(200, large)

    async with place(storage=give_large, limit=2 * IN_MEMORY, fetch_timeout=30) as here:
        assert hashlib.sha256(await here.fetched(KEY)).digest() == hashlib.sha256(large).digest()


async def test_announced_size_above_the_limit_is_not_read() -> None:
    async def announce(request: Request, reply: Reply) -> None:
        await reply.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")

    async with place(storage=announce) as here:
        with pytest.raises(TooLarge):
            await here.files.fetch(KEY, USER)


@pytest.mark.parametrize("source", ["own", "outside"])
async def test_endless_chunks_end_at_the_limit(source: str) -> None:
    sent = 0

    async def pour(request: Request, reply: Reply) -> None:
        nonlocal sent
        await reply.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = bytes(16_384)
        with contextlib.suppress(ConnectionError):
            while True:
                await reply.raw(b"4000\r\n" + chunk + b"\r\n")
                sent += len(chunk)

    async with place(storage=pour, host=pour) as here:
        with pytest.raises(TooLarge):
            await here.files.fetch(KEY if source == "own" else here.url("/endless"), USER)
        assert sent < 100 * LIMIT, "what the sockets buffered, and no more"


async def test_file_of_exactly_the_limit_is_taken() -> None:
    async def give(request: Request, reply: Reply) -> None:
        await reply.send(200, bytes(LIMIT))

    async with place(storage=give) as here:
        assert len(await here.fetched(KEY)) == LIMIT


async def test_compressed_answer_is_refused_unread() -> None:
    """A few kilobytes of gzip could be gigabytes."""

    async def compress(request: Request, reply: Reply) -> None:
        await reply.send(200, b"\x1f\x8b", Content_Encoding="gzip")

    async with place(host=compress) as here:
        with pytest.raises(StorageUnavailable, match="compressed"):
            await here.files.fetch(here.url("/bomb"), USER)


@pytest.mark.parametrize("source", ["own", "outside"])
@pytest.mark.parametrize("where", ["head", "body"])
async def test_one_byte_at_a_time_does_not_outlast_the_timeout(source: str, where: str) -> None:
    async def drip(request: Request, reply: Reply) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        if where == "body":
            await reply.raw(head)
        for byte in head * 100 if where == "head" else bytes(1000):
            await reply.raw(bytes([byte]))
            await asyncio.sleep(0.05)

    async with place(storage=drip, host=drip, fetch_timeout=0.4) as here:
        with pytest.raises(TimedOut):
            await here.files.fetch(KEY if source == "own" else here.url("/slow"), USER)


async def test_outside_file_arrives_without_credentials() -> None:
    async with place(host=give_picture) as here:
        assert await here.fetched(here.url("/a.jpg?size=1")) == PICTURE
        (request,) = here.host.requests
        assert request.target == "/a.jpg?size=1"
        assert request.headers["host"] == f"photos.example:{here.host.port}"
        assert not {"authorization", "apikey", "cookie"} & set(request.headers)
        assert here.detour.reached == [PUBLIC_ADDRESS]


async def test_cookies_are_not_kept() -> None:
    async def with_cookie(request: Request, reply: Reply) -> None:
        await reply.send(200, PICTURE, Set_Cookie="who=user-1; Path=/")

    async with place(host=with_cookie) as here:
        await here.fetched(here.url("/a.jpg"))
        await here.fetched(here.url("/b.jpg"))
        assert "cookie" not in here.host.requests[1].headers


@pytest.mark.parametrize("name", ["inside.example", "both.example"])
async def test_name_with_a_private_address_is_not_connected_to(name: str) -> None:
    async with place(host=give_picture) as here:
        with pytest.raises(ForbiddenUrl):
            await here.files.fetch(here.url("/a.jpg", host=name), USER)
        assert here.detour.reached == []


async def test_name_is_resolved_once_and_the_checked_address_used() -> None:
    """DNS rebinding: asked a second time, the name would answer 127.0.0.1."""
    async with place(host=give_picture) as here:
        assert await here.fetched(here.url("/a.jpg", host="rebinding.example")) == PICTURE
        assert here.detour.reached == [PUBLIC_ADDRESS]
        with pytest.raises(ForbiddenUrl):
            await here.files.fetch(here.url("/a.jpg", host="rebinding.example"), USER)


def redirecting(*locations: str) -> Script:
    """Each request is sent on to the next location; the last place has the picture."""
    left = list(locations)

    async def redirect(request: Request, reply: Reply) -> None:
        if left:
            await reply.send(302, b"", Location=left.pop(0))
        else:
            await give_picture(request, reply)

    return redirect


async def test_redirects_within_allowed_hosts_are_followed() -> None:
    async with place(host=redirecting("/b", "c?d=1")) as here:
        assert await here.fetched(here.url("/a")) == PICTURE
        assert [request.target for request in here.host.requests] == ["/a", "/b", "/c?d=1"]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/",
        "http://127.0.0.1:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://inside.example:{port}/",
        "//inside.example:{port}/",
        "http://2130706433/",
        "http://elsewhere.example/",
        "file:///etc/passwd",
        "data:image/png;base64,aGk=",
        "{own}/rest/v1/assets",
        f"{{own}}/storage/v1/object/public/assets/{OTHER}/a.jpg",
        f"{OTHER}/a.jpg",
    ],
)
async def test_redirect_is_checked_like_the_first_address(location: str) -> None:
    async def redirect(request: Request, reply: Reply) -> None:
        await reply.send(302, b"", Location=location.format(port=here.host.port, own=here.storage.url))

    async with place(host=redirect) as here:
        own_path = location.startswith(str(OTHER))
        with pytest.raises(SourceRefused if own_path else ForbiddenUrl):
            # A bare path belongs to the host that redirects, and is no key of ours; it goes in circles.
            await here.files.fetch(here.url("/a"), USER)
        assert here.storage.requests == []
        assert set(here.detour.reached) == {PUBLIC_ADDRESS}


async def test_redirect_to_the_users_own_file_is_read_from_storage() -> None:
    async with place(host=nothing_here, storage=give_picture) as here:
        own = f"{here.storage.url}/storage/v1/object/public/assets/{USER}/a.jpg"
        async with serving(redirecting(own)) as second:
            here.files._allowed_hosts |= {f"photos.example:{second.port}"}
            assert await here.fetched(f"http://photos.example:{second.port}/a") == PICTURE
        assert len(here.storage.requests) == 1


async def test_five_redirects_are_followed_and_a_sixth_is_not() -> None:
    async with place(host=redirecting("/1", "/2", "/3", "/4", "/5")) as here:
        assert await here.fetched(here.url("/0")) == PICTURE
    async with place(host=redirecting("/1", "/2", "/3", "/4", "/5", "/6")) as here:
        with pytest.raises(SourceRefused, match="redirects"):
            await here.files.fetch(here.url("/0"), USER)
        assert len(here.host.requests) == 6


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, NotFound),
        (410, NotFound),
        (400, SourceRefused),
        (401, SourceRefused),
        (403, SourceRefused),
        (451, SourceRefused),
        (408, SourceUnavailable),
        (425, SourceUnavailable),
        (429, SourceUnavailable),
        (500, SourceUnavailable),
        (503, SourceUnavailable),
        (204, SourceUnavailable),
        (304, SourceUnavailable),
    ],
)
async def test_outside_refusals_are_final_or_not(status: int, error: type[JobError]) -> None:
    async def refuse(request: Request, reply: Reply) -> None:
        await reply.send(status)

    async with place(host=refuse) as here:
        with pytest.raises(error) as refusal:
            await here.files.fetch(here.url("/a"), USER)
        assert type(refusal.value) is error
        assert len(here.host.requests) == 1, "a stranger's server is not pressed; the job comes back later"


async def test_host_that_is_down_may_come_back() -> None:
    async with serving(nothing_here) as gone:
        pass
    async with place() as here:
        here.files._allowed_hosts |= {f"photos.example:{gone.port}"}
        with pytest.raises(StorageUnavailable, match="reached"):
            await here.files.fetch(f"http://photos.example:{gone.port}/a", USER)


async def test_data_url_is_decoded_without_the_network() -> None:
    async with place() as here:
        text = base64.b64encode(PICTURE).decode()
        assert await here.fetched(f"data:image/jpeg;base64,{text}") == PICTURE
        assert (here.storage.requests, here.detour.reached) == ([], [])


@pytest.mark.parametrize(
    ("body", "error"),
    [("not base64!", BadParams), ("aGk", BadParams), ("A" * (2 * LIMIT), TooLarge), ("ö", BadParams)],
)
async def test_data_url_that_cannot_be_taken(body: str, error: type[JobError]) -> None:
    async with place() as here:
        with pytest.raises(error):
            await here.files.fetch(f"data:image/jpeg;base64,{body}", USER)


async def test_upload_is_one_request_that_may_be_repeated() -> None:
    async def accept(request: Request, reply: Reply) -> None:
        await reply.json(200, {"Key": "x", "Id": "y"})

    async with place(storage=accept) as here:
        stored = await here.files.upload("assets", KEY, PICTURE, "image/jpeg")
        assert stored.sha256 == hashlib.sha256(PICTURE).hexdigest()
        assert (stored.bucket, stored.key, stored.bytes, stored.mime_type) == (
            "assets",
            KEY,
            len(PICTURE),
            "image/jpeg",
        )
        (request,) = here.storage.requests
        assert (request.method, request.path) == ("POST", f"/storage/v1/object/assets/{KEY}")
        assert request.body == PICTURE
        assert request.headers["content-type"] == "image/jpeg"
        assert request.headers["x-upsert"] == "true"


async def test_upload_whose_answer_is_lost_is_sent_again() -> None:
    async def lose_the_first_answer(request: Request, reply: Reply) -> None:
        if len(here.storage.requests) == 1:
            reply.hang_up()
        else:
            await reply.json(200, {"Key": "x"})

    async with place(storage=lose_the_first_answer) as here:
        await here.files.upload("assets", KEY, PICTURE, "image/jpeg")
        assert [request.body for request in here.storage.requests] == [PICTURE, PICTURE]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (413, {"message": "Payload too large"}, StorageUnavailable),  # a proxy's: its limit is not Storage's
        (400, {"statusCode": "413", "error": "Payload too large", "message": "exceeded"}, TooLarge),
        (
            400,
            {"statusCode": "403", "error": "Unauthorized", "message": "row-level security"},
            StorageUnavailable,
        ),
        (400, {"statusCode": "404", "error": "Bucket not found", "message": "no bucket"}, StorageUnavailable),
        (503, {"message": "read only"}, StorageUnavailable),
    ],
)
async def test_upload_that_is_refused(status: int, body: object, error: type[JobError]) -> None:
    async def refuse(request: Request, reply: Reply) -> None:
        await reply.json(status, body)

    async with place(storage=refuse) as here:
        with pytest.raises(error):
            await here.files.upload("assets", KEY, PICTURE, "image/jpeg")


async def test_upload_that_nobody_reads_times_out() -> None:
    async def stall(request: Request, reply: Reply) -> None:
        await asyncio.sleep(30)

    async with place(storage=stall, fetch_timeout=0.3) as here:
        with pytest.raises(TimedOut):
            await here.files.upload("assets", KEY, PICTURE, "image/jpeg")


async def test_remove_asks_for_all_keys_at_once_and_never_fails() -> None:
    answers = [(200, []), (500, {"message": "down"})]

    async def answer(request: Request, reply: Reply) -> None:
        await reply.json(*answers.pop(0))

    async with place(storage=answer) as here:
        await here.files.remove("assets", ["a", "b"])
        await here.files.remove("assets", ["c"])
        assert [(request.method, request.json) for request in here.storage.requests] == [
            ("DELETE", {"prefixes": ["a", "b"]}),
            ("DELETE", {"prefixes": ["c"]}),
        ]
