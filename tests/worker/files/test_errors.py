"""What an answer of Storage means, of which the status alone says too little."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.core.errors import JobError, NotFound, StorageUnavailable, TooLarge
from worker.files.errors import StorageRefusal, download_error, upload_error


def refusal(status: int, body: Any) -> StorageRefusal:
    return StorageRefusal.read(status, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("http_status", "body", "status", "its_own"),
    [
        (400, {"statusCode": "404", "error": "not_found"}, 404, True),
        (400, {"statusCode": 404, "error": "not_found"}, 404, True),
        (404, {"code": "NoSuchKey"}, 404, True),
        (404, {"code": "NoSuchBucket"}, 404, True),
        (500, {"statusCode": "", "error": "Internal"}, 500, False),
        (500, {"statusCode": "-1"}, 500, False),
        (500, {"statusCode": "²"}, 500, False),
        (500, {"statusCode": None, "message": None, "error": None}, 500, False),
        (404, {"error": "Not Found"}, 404, False),
        (404, ["not_found"], 404, False),
        (404, b'"not_found"', 404, False),
        (502, b"<html>Bad gateway</html>", 502, False),
        (502, b"\xff\xfe", 502, False),
        (502, b"", 502, False),
    ],
)
def test_the_status_is_storages_own_where_it_says_one(
    http_status: int, body: Any, status: int, its_own: bool
) -> None:
    found = refusal(http_status, body)
    assert (found.status, found.is_its_own) == (status, its_own)


@pytest.mark.parametrize(
    ("status", "body", "about"),
    [
        (400, {"statusCode": "403", "error": "Unauthorized", "message": "jwt expired"}, True),
        (400, {"statusCode": "400", "error": "InvalidJWT", "message": "no"}, True),
        (400, {"statusCode": "400", "message": '"exp" claim timestamp check failed'}, True),
        (401, {"message": "Invalid token"}, True),
        (400, {"statusCode": "403", "error": "Unauthorized", "message": "row-level security"}, False),
        (400, {"statusCode": "404", "error": "not_found", "message": "token.jpg is not there"}, False),
        (500, {"message": "jwt expired"}, False),
    ],
)
def test_a_refused_token_is_told_from_a_policy_that_says_no(
    status: int, body: dict[str, str], about: bool
) -> None:
    assert refusal(status, body).is_about_the_token is about


NO_FILE = {"statusCode": "404", "error": "not_found", "message": "Object not found"}
NO_BUCKET = {"statusCode": "404", "error": "Bucket not found", "message": "Bucket not found"}


@pytest.mark.parametrize(
    ("bucket", "body", "error"),
    [
        ("assets", NO_FILE, NotFound),
        ("assets", NO_BUCKET, StorageUnavailable),  # of all photos: that is not about one of them
        ("thumbnails", NO_BUCKET, NotFound),
        ("assets", {"error": "not_found_either", "statusCode": "404"}, StorageUnavailable),
        ("assets", {"error": "Not Found"}, StorageUnavailable),
    ],
)
def test_only_storage_knows_that_there_is_no_such_file(
    bucket: str, body: dict[str, str], error: type[JobError]
) -> None:
    assert type(download_error(refusal(400, body), bucket)) is error


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"statusCode": "413", "error": "Payload too large"}, TooLarge),
        (400, {"error": "EntityTooLarge"}, TooLarge),
        (413, {"message": "Payload too large"}, StorageUnavailable),  # a proxy's limit is not Storage's
        (400, NO_BUCKET, StorageUnavailable),
    ],
)
def test_a_result_is_too_large_only_if_storage_says_so(
    status: int, body: dict[str, str], error: type[JobError]
) -> None:
    assert type(upload_error(refusal(status, body))) is error


def test_what_was_said_names_who_said_it() -> None:
    assert str(refusal(400, NO_FILE)) == "Storage answered 404 not_found Object not found"
    assert str(refusal(502, b"<html>")) == "something in front of Storage answered 502"
