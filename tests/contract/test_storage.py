"""Storage, as the worker and the apps use it: private buckets, policies, links, ranges, limits."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from storage3.exceptions import StorageApiError
from supabase import Client

pytestmark = pytest.mark.stack

JPEG = {"content-type": "image/jpeg"}


@pytest.fixture
def bucket(service: Client) -> Iterator[str]:
    """A private bucket of this test's own: at most 1 MiB a file, pictures only."""
    name = f"contract-{uuid.uuid4().hex}"
    service.storage.create_bucket(
        name,
        options={"public": False, "file_size_limit": 1024 * 1024, "allowed_mime_types": ["image/*"]},
    )
    yield name
    service.storage.empty_bucket(name)
    service.storage.delete_bucket(name)


def test_a_file_comes_back_as_it_went(person: Callable[[], Any]) -> None:
    someone = person()
    files = someone.client.storage.from_("assets")
    content = os.urandom(3 * 1024 * 1024 + 17)
    path = someone.path("2024/holiday (1).jpg")
    files.upload(path, content, JPEG)
    assert files.download(path) == content
    assert files.exists(path)
    assert files.info(path)["size"] == len(content)


def test_an_empty_file_is_a_file(person: Callable[[], Any]) -> None:
    someone = person()
    files = someone.client.storage.from_("assets")
    files.upload(someone.path("empty.jpg"), b"", JPEG)
    assert files.download(someone.path("empty.jpg")) == b""


def test_a_second_upload_is_a_duplicate_unless_it_replaces(person: Callable[[], Any]) -> None:
    someone = person()
    files = someone.client.storage.from_("assets")
    files.upload(someone.path("a.jpg"), b"one", JPEG)
    with pytest.raises(StorageApiError) as caught:
        files.upload(someone.path("a.jpg"), b"two", JPEG)
    assert (str(caught.value.status), caught.value.code) == ("409", "Duplicate")
    files.upload(someone.path("a.jpg"), b"three", {**JPEG, "x-upsert": "true"})
    assert files.download(someone.path("a.jpg")) == b"three"
    files.update(someone.path("a.jpg"), b"four", JPEG)
    assert files.download(someone.path("a.jpg")) == b"four"


def test_a_raw_body_is_stored_like_a_form(person: Callable[[], Any], bare: Any) -> None:
    someone = person()
    path = f"/storage/v1/object/assets/{someone.path('raw.png')}"
    headers = {"content-type": "image/png"}
    stored = bare("POST", path, token=someone.token, content=b"raw bytes", headers=headers)
    assert stored.status_code == 200, stored.text
    found: httpx.Response = bare("GET", path, token=someone.token)
    assert (found.content, found.headers["content-type"]) == (b"raw bytes", "image/png")


@pytest.mark.parametrize("after", [{}, {"cacheControl": "3600"}])
def test_metadata_that_is_no_json_is_refused_and_nothing_kept(
    person: Callable[[], Any], bare: Any, after: dict[str, str]
) -> None:
    someone = person()
    path = f"/storage/v1/object/assets/{someone.path('a.jpg')}"
    form = {"files": {"": ("a.jpg", b"bytes", "image/jpeg")}, "data": {"metadata": "no JSON", **after}}
    assert bare("POST", path, token=someone.token, **form).status_code == 400
    assert not someone.client.storage.from_("assets").exists(someone.path("a.jpg"))


def test_a_missing_file_says_so(person: Callable[[], Any]) -> None:
    someone = person()
    files = someone.client.storage.from_("assets")
    with pytest.raises(StorageApiError) as caught:
        files.download(someone.path("none.jpg"))
    assert str(caught.value.status) == "404"
    assert not files.exists(someone.path("none.jpg"))
    with pytest.raises(StorageApiError) as caught:
        someone.client.storage.from_("no-such-bucket").download("x")
    assert str(caught.value.status) == "404"


def test_a_folder_lists_its_folders_and_files(person: Callable[[], Any]) -> None:
    someone = person()
    files = someone.client.storage.from_("assets")
    for name in ("b.jpg", "a.jpg", "deep/x.jpg", "deep/y.jpg"):
        files.upload(someone.path(name), b"x", JPEG)
    listed = files.list(someone.user_id)
    assert [(row["name"], row["id"] is None) for row in listed] == [
        ("deep", True),
        ("a.jpg", False),
        ("b.jpg", False),
    ]
    assert listed[1]["metadata"]["mimetype"] == "image/jpeg"
    assert listed[1]["metadata"]["size"] == 1
    page = files.list(f"{someone.user_id}/deep", {"limit": 1, "offset": 1})
    assert [row["name"] for row in page] == ["y.jpg"]
    found = files.list(someone.user_id, {"search": "b"})
    assert [row["name"] for row in found] == ["b.jpg"]
    newest = {"sortBy": {"column": "name", "order": "desc"}}
    assert [row["name"] for row in files.list(someone.user_id, newest)][1:] == ["b.jpg", "a.jpg"]


def test_removed_files_are_gone_and_answered(person: Callable[[], Any]) -> None:
    someone = person()
    files = someone.client.storage.from_("assets")
    files.upload(someone.path("a.jpg"), b"x", JPEG)
    gone = files.remove([someone.path("a.jpg"), someone.path("never.jpg")])
    assert [row["name"] for row in gone] == [someone.path("a.jpg")]
    assert not files.exists(someone.path("a.jpg"))
    files.upload(someone.path("a.jpg"), b"again", JPEG)
    assert files.download(someone.path("a.jpg")) == b"again"


def test_files_move_and_copy(person: Callable[[], Any]) -> None:
    someone = person()
    files = someone.client.storage.from_("assets")
    files.upload(someone.path("a.jpg"), b"bytes", JPEG)
    files.copy(someone.path("a.jpg"), someone.path("b.jpg"))
    files.move(someone.path("a.jpg"), someone.path("c.jpg"))
    assert files.download(someone.path("b.jpg")) == files.download(someone.path("c.jpg")) == b"bytes"
    assert not files.exists(someone.path("a.jpg"))


def test_a_signed_link_opens_one_file_to_anybody(person: Callable[[], Any], http: httpx.Client) -> None:
    someone = person()
    files = someone.client.storage.from_("assets")
    files.upload(someone.path("a b.jpg"), b"shared", JPEG)
    link = files.create_signed_url(someone.path("a b.jpg"), 60)["signedURL"]
    assert http.get(link).content == b"shared"
    assert http.get(link[:-4] + "AAAA").status_code == 400
    (many,) = files.create_signed_urls([someone.path("a b.jpg")], 60)
    assert http.get(many["signedURL"]).content == b"shared"
    named = files.create_signed_url(someone.path("a b.jpg"), 60, {"download": "mine.jpg"})["signedURL"]
    assert "mine.jpg" in http.get(named).headers["content-disposition"]


def test_a_signed_upload_needs_no_session(person: Callable[[], Any], anonymous: Client) -> None:
    someone = person()
    files = someone.client.storage.from_("assets")
    given = files.create_signed_upload_url(someone.path("later.jpg"))
    anonymous.storage.from_("assets").upload_to_signed_url(given["path"], given["token"], b"later", JPEG)
    assert files.download(someone.path("later.jpg")) == b"later"


def test_files_of_others_do_not_exist(person: Callable[[], Any], anonymous: Client) -> None:
    mine, theirs = person(), person()
    mine.client.storage.from_("assets").upload(mine.path("a.jpg"), b"private", JPEG)
    for client in (theirs.client, anonymous):
        files = client.storage.from_("assets")
        with pytest.raises(StorageApiError):
            files.download(mine.path("a.jpg"))
        with pytest.raises(StorageApiError):
            files.create_signed_url(mine.path("a.jpg"), 60)
        assert files.list(mine.user_id) == []
        assert files.remove([mine.path("a.jpg")]) == []
        with pytest.raises(StorageApiError) as caught:
            files.upload(mine.path("b.jpg"), b"forged", JPEG)
        assert str(caught.value.status) == "403"
        with pytest.raises(StorageApiError):
            files.upload(mine.path("a.jpg"), b"forged", {**JPEG, "x-upsert": "true"})
    assert mine.client.storage.from_("assets").download(mine.path("a.jpg")) == b"private"


def test_the_worker_role_reads_originals_and_writes_results(
    person: Callable[[], Any], project: Any, bare: Any
) -> None:
    someone = person()
    someone.client.storage.from_("assets").upload(someone.path("a.jpg"), b"original", JPEG)
    token = project.token("kizu_worker", str(uuid.uuid4()))
    folder = f"/storage/v1/object/assets/{someone.user_id}"
    assert bare("GET", f"{folder}/a.jpg", token=token).content == b"original"
    result = f"{folder}/processed/x/job.1/thumbnail.jpg"
    for _ in range(2):
        stored = bare("POST", result, token=token, content=b"t", headers={**JPEG, "x-upsert": "true"})
        assert stored.status_code == 200, stored.text
    assert bare("GET", result, token=someone.token).content == b"t"


def test_bad_tokens_open_nothing(person: Callable[[], Any], project: Any, bare: Any) -> None:
    someone = person()
    someone.client.storage.from_("assets").upload(someone.path("a.jpg"), b"x", JPEG)
    path = f"/storage/v1/object/assets/{someone.path('a.jpg')}"
    expired = project.token("authenticated", someone.user_id, seconds=-60)
    for token in (expired, someone.token[:-6] + "AAAAAA", "garbage", None):
        answer = bare("GET", path, token=token)
        assert answer.status_code in (400, 401), answer.text
        assert answer.content != b"x"


@pytest.mark.parametrize(
    ("header", "status", "content"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=10-", 416, b""),
        ("lines=1-2", 200, b"0123456789"),
    ],
)
def test_part_of_a_file_can_be_asked_for(
    person: Callable[[], Any], bare: Any, header: str, status: int, content: bytes
) -> None:
    someone = person()
    someone.client.storage.from_("assets").upload(someone.path("a.jpg"), b"0123456789", JPEG)
    path = f"/storage/v1/object/assets/{someone.path('a.jpg')}"
    answer = bare("GET", path, token=someone.token, headers={"range": header})
    assert answer.status_code == status
    if status != 416:
        assert answer.content == content
        assert bare("HEAD", path, token=someone.token).headers["content-length"] == "10"


def test_a_file_over_the_limit_leaves_nothing(service: Client, bucket: str) -> None:
    files = service.storage.from_(bucket)
    with pytest.raises(StorageApiError) as caught:
        files.upload("big.jpg", os.urandom(1024 * 1024 + 1), JPEG)
    assert str(caught.value.status) == "413"
    assert not files.exists("big.jpg")
    files.upload("fits.jpg", os.urandom(1024 * 1024), JPEG)


def test_a_bucket_takes_only_its_types(service: Client, bucket: str) -> None:
    files = service.storage.from_(bucket)
    with pytest.raises(StorageApiError) as caught:
        files.upload("a.txt", b"text", {"content-type": "text/plain"})
    assert str(caught.value.status) == "415"
    files.upload("a.webp", b"picture", {"content-type": "image/webp"})


@pytest.mark.parametrize("name", ["..%2F..%2Fconfig.json", "%2e%2e%2fx", "a%2F..%2F..%2Fb", "caf%C3%A9.jpg"])
def test_a_name_that_storage_does_not_take_is_refused(
    project: Any, http: httpx.Client, bucket: str, name: str
) -> None:
    headers = {"apikey": project.secret_key, **JPEG}
    answer = http.post(f"{project.url}/storage/v1/object/{bucket}/{name}", headers=headers, content=b"x")
    assert answer.status_code in (400, 404), answer.text
