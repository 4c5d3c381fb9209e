"""The embedded gateway against callers who are unknown, in a hurry, in each other's way, or gone."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import psycopg
import pytest

from worker.core.errors import DatabaseUnavailable
from worker.local.stack import StackInfo, mint_token
from worker.project.rpc_errors import Refusal, error_of

pytestmark = pytest.mark.stack

AT_ONCE = 10.0
"""Seconds within which an answer must come that waits for no body; the body never comes."""
ANNOUNCED = 200_000_000


@pytest.fixture
def storage(stack: StackInfo) -> Iterator[httpx.Client]:
    headers = {"apikey": stack.secret_key, "authorization": f"Bearer {stack.secret_key}"}
    with httpx.Client(base_url=f"{stack.url}/storage/v1", headers=headers, timeout=60) as client:
        yield client


@pytest.fixture
def bucket(storage: httpx.Client) -> str:
    name = f"gateway-{uuid.uuid4().hex}"
    storage.post("/bucket", json={"id": name, "name": name}).raise_for_status()
    return name


def begin(stack: StackInfo, path: str, headers: dict[str, str], first: bytes = b"x" * 1000) -> socket.socket:
    """A POST of 200 MB of which only the beginning is sent."""
    address = urlsplit(stack.url)
    assert address.hostname is not None
    connection = socket.create_connection((address.hostname, address.port or 80), timeout=AT_ONCE)
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {ANNOUNCED}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + first)
    return connection


def answered(stack: StackInfo, path: str, headers: dict[str, str], first: bytes = b"x" * 1000) -> Any:
    """The status of the answer that comes before the body does, and its JSON."""
    with begin(stack, path, headers, first) as connection:
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.rstrip().endswith(b"}"):
            more = connection.recv(65536)
            assert more, answer
            answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    ("path", "status", "field", "value"),
    [
        ("/rest/v1/rpc/claim_jobs", 401, "message", "No API key found in request"),
        ("/auth/v1/token?grant_type=password", 401, "message", "No API key found in request"),
        ("/storage/v1/object/assets/a/b.jpg", 400, "error", "Unauthorized"),
        ("/storage/v1/object/list/assets", 400, "error", "Unauthorized"),
        ("/storage/v1/object/move", 400, "error", "Unauthorized"),
        ("/storage/v1/bucket", 400, "error", "Unauthorized"),
        ("/functions/v1/unknown", 404, "code", "NOT_FOUND"),
    ],
)
def test_someone_unknown_is_refused_before_their_body_comes(
    stack: StackInfo, path: str, status: int, field: str, value: str
) -> None:
    found, said = answered(stack, path, {"content-type": "application/json"})
    assert (found, said[field]) == (status, value)


@pytest.mark.parametrize(
    ("path", "status", "field", "value"),
    [
        ("/rest/v1/rpc/claim_jobs", 413, "code", "request_too_large"),
        ("/auth/v1/token?grant_type=password", 413, "error_code", "request_too_large"),
        ("/storage/v1/object/list/assets", 400, "statusCode", "413"),
        ("/storage/v1/bucket", 400, "statusCode", "413"),
        ("/functions/v1/enqueue", 413, "code", "REQUEST_TOO_LARGE"),
    ],
)
def test_a_body_beyond_its_services_limit_is_refused_in_that_services_words(
    stack: StackInfo, path: str, status: int, field: str, value: str
) -> None:
    headers = {"apikey": stack.secret_key, "authorization": f"Bearer {stack.secret_key}"}
    found, said = answered(stack, path, {"content-type": "application/json", **headers})
    assert (found, said[field]) == (status, value)


def test_a_body_that_does_not_say_how_long_it_is_is_cut_off_at_the_limit(stack: StackInfo) -> None:
    pieces = (b" " * 1024 * 1024 for _ in range(40))
    headers = {"apikey": stack.secret_key, "content-type": "application/json"}
    answer = httpx.post(f"{stack.url}/rest/v1/rpc/claim_jobs", headers=headers, content=pieces, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("kind", ["image/jpeg", "multipart/form-data; boundary=abc"])
def test_a_taken_place_is_a_duplicate_before_the_body_comes(
    stack: StackInfo, storage: httpx.Client, bucket: str, kind: str
) -> None:
    path = f"/object/{bucket}/a.jpg"
    storage.post(path, content=b"one").raise_for_status()
    headers = {"apikey": stack.secret_key, "content-type": kind}
    status, said = answered(stack, f"/storage/v1{path}", headers, b"--abc\r\n")
    assert (status, said["statusCode"], said["error"]) == (400, "409", "Duplicate")


def test_a_policy_refuses_before_the_body_comes(stack: StackInfo, bucket: str) -> None:
    headers = {"apikey": stack.publishable_key, "content-type": "multipart/form-data; boundary=abc"}
    status, said = answered(stack, f"/storage/v1/object/{bucket}/a.jpg", headers, b"--abc\r\n")
    assert (status, said["statusCode"]) == (400, "403")


def test_of_uploads_to_one_place_at_once_one_is_kept_whole(storage: httpx.Client, bucket: str) -> None:
    bodies = [bytes([number]) * 300_000 for number in range(8)]
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda body: storage.post(f"/object/{bucket}/a", content=body), bodies))
    kept = [body for body, answer in zip(bodies, answers, strict=True) if answer.status_code == 200]
    assert [answer.json()["error"] for answer in answers if answer.status_code != 200] == ["Duplicate"] * 7
    assert [storage.get(f"/object/{bucket}/a").content] == kept


def test_an_upload_that_breaks_off_leaves_neither_row_nor_file(
    stack: StackInfo, storage: httpx.Client, bucket: str
) -> None:
    before = files_of(stack)
    for kind in ("image/jpeg", "multipart/form-data; boundary=abc"):
        part = b'--abc\r\ncontent-disposition: form-data; name=""; filename="a"\r\n\r\n'
        headers = {"apikey": stack.secret_key, "content-type": kind}
        with begin(stack, f"/storage/v1/object/{bucket}/a", headers, part + b"x" * 1_000_000):
            eventually(lambda: files_of(stack) > before)
        eventually(lambda: files_of(stack) == before)
    assert storage.post(f"/object/list/{bucket}", json={"prefix": ""}).json() == []


def files_of(stack: StackInfo) -> set[Path]:
    return {path for path in (stack.home / "storage").rglob("*") if path.is_file()}


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


ODD = [
    "a",
    "a/b",
    "a/b/c",
    "x" * 1024,
    f"{'y' * 300}/{'z' * 400}",
    "with space & (some) 'marks' $@=;:+,?!*.jpg",
    "A",
    "dots...in/..name",
]


def test_all_that_storage_takes_as_a_name_is_kept_listed_and_removed(
    storage: httpx.Client, bucket: str
) -> None:
    for name in ODD:
        storage.post(f"/object/{bucket}/{quote(name)}", content=name.encode()).raise_for_status()
    for name in ODD:
        assert storage.get(f"/object/{bucket}/{quote(name)}").content == name.encode()
    inside = storage.post(f"/object/list/{bucket}", json={"prefix": "a"}).json()
    assert [(one["name"], one["id"] is None) for one in inside] == [("b", True), ("b", False)]
    removed = storage.request("DELETE", f"/object/{bucket}", json={"prefixes": ODD}).json()
    assert sorted(one["name"] for one in removed) == sorted(ODD)


def test_long_names_are_moved_and_copied(storage: httpx.Client, bucket: str) -> None:
    storage.post(f"/object/{bucket}/a", content=b"one").raise_for_status()
    place = {"bucketId": bucket, "sourceKey": "a"}
    storage.post("/object/copy", json={**place, "destinationKey": "a/b"}).raise_for_status()
    storage.post("/object/move", json={**place, "destinationKey": "l" * 900}).raise_for_status()
    assert storage.get(f"/object/{bucket}/a/b").content == b"one"
    assert storage.get(f"/object/{bucket}/{'l' * 900}").content == b"one"
    assert storage.get(f"/object/{bucket}/a").json()["error"] == "not_found"


@pytest.mark.parametrize("name", ["x" * 1025, "caf\N{LATIN SMALL LETTER E WITH ACUTE}.jpg", "a#b", "a\nb"])
def test_a_name_that_storage_does_not_take_is_an_invalid_key_everywhere(
    storage: httpx.Client, bucket: str, name: str
) -> None:
    storage.post(f"/object/{bucket}/a", content=b"one").raise_for_status()
    place = {"bucketId": bucket, "sourceKey": "a", "destinationKey": name}
    answers = [
        storage.post(f"/object/{bucket}/{quote(name)}", content=b"x"),
        storage.post(f"/object/upload/sign/{bucket}/{quote(name)}"),
        storage.post("/object/copy", json=place),
        storage.post("/object/move", json=place),
    ]
    assert {(one.status_code, one.json()["error"]) for one in answers} == {(400, "InvalidKey")}


def test_copies_and_uploads_to_one_place_at_once_leave_one_object(storage: httpx.Client, bucket: str) -> None:
    storage.post(f"/object/{bucket}/source", content=b"copied").raise_for_status()
    copy = {"bucketId": bucket, "sourceKey": "source", "destinationKey": "a"}
    acts: list[Callable[[], httpx.Response]] = [
        lambda: storage.post("/object/copy", json=copy),
        lambda: storage.post(f"/object/{bucket}/a", content=b"uploaded"),
    ] * 4
    with ThreadPoolExecutor(len(acts)) as pool:
        answers = list(pool.map(lambda act: act(), acts))
    kept = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert len(kept) == 1
    assert storage.get(f"/object/{bucket}/a").content == (b"uploaded" if kept[0] % 2 else b"copied")


@pytest.fixture
def nap(db: psycopg.Connection) -> Iterator[str]:
    """A function that takes as long as it is told, for every role; answers how long it may take."""
    name = f"nap_{uuid.uuid4().hex}"
    db.execute(
        f"""
        create function public.{name}(seconds float) returns text language sql volatile as
          'select pg_sleep(seconds); select current_setting(''statement_timeout'')';
        grant execute on function public.{name} to anon, authenticated, service_role, kizu_worker
        """
    )
    yield name
    db.execute(f"drop function public.{name}")


def test_a_statement_takes_no_longer_than_its_role_may(stack: StackInfo, nap: str) -> None:
    limits = {"anon": "3s", "authenticated": "8s", "service_role": "8s", "kizu_worker": "15s"}
    with httpx.Client(base_url=f"{stack.url}/rest/v1", timeout=60) as client:

        def ask(role: str, seconds: float) -> httpx.Response:
            token = mint_token(stack, role=role, sub=str(uuid.uuid4()))
            headers = {"apikey": stack.publishable_key, "authorization": f"Bearer {token}"}
            return client.post(f"/rpc/{nap}", headers=headers, json={"seconds": seconds})

        eventually(lambda: ask("anon", 0).status_code == 200)  # the function is known to REST
        assert {role: ask(role, 0).json() for role in limits} == limits
        with ThreadPoolExecutor(len(limits)) as pool:
            answers = list(pool.map(lambda role: ask(role, 60), limits))
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(500, "57014")}
    refusal = Refusal.read(answers[0].status_code, answers[0].content)
    assert isinstance(error_of(refusal, function=nap), DatabaseUnavailable)


def test_a_changed_limit_of_a_role_holds_from_the_next_request(
    stack: StackInfo, db: psycopg.Connection, nap: str
) -> None:
    def limit() -> str:
        headers = {"apikey": stack.publishable_key}
        answer = httpx.post(
            f"{stack.url}/rest/v1/rpc/{nap}", headers=headers, json={"seconds": 0}, timeout=30
        )
        return str(answer.json())

    eventually(lambda: limit() == "3s")
    try:
        db.execute("alter role anon set statement_timeout = '5s'")
        db.execute("notify pgrst, 'reload config'")
        eventually(lambda: limit() == "5s")
    finally:
        db.execute("alter role anon set statement_timeout = '3s'")
        db.execute("notify pgrst, 'reload config'")


def test_guesses_at_a_password_run_out_for_that_account_alone(
    stack: StackInfo, make_user: Callable[[], Any]
) -> None:
    guessed, other = make_user(), make_user()
    with httpx.Client(base_url=stack.url, headers={"apikey": stack.publishable_key}, timeout=60) as client:

        def sign_in(email: str, password: str) -> httpx.Response:
            body = {"email": email, "password": password}
            return client.post("/auth/v1/token", params={"grant_type": "password"}, json=body)

        assert [sign_in(guessed.email, "wrong").status_code for _ in range(10)] == [400] * 10
        refused = sign_in(guessed.email, guessed.password)
        assert (refused.status_code, refused.json()["error_code"]) == (429, "over_request_rate_limit")
        assert sign_in(other.email, other.password).status_code == 200


@pytest.mark.parametrize("path", ["/auth/v1/%74oken?grant_type=password", "/storage/v1/%6Fbject/list/assets"])
def test_a_path_that_only_some_can_read_leads_nowhere(stack: StackInfo, path: str) -> None:
    key = {"apikey": stack.publishable_key}
    body = {"email": "nobody@example.test", "password": "guessed", "prefix": ""}
    assert httpx.post(f"{stack.url}{path}", headers=key, json=body, timeout=AT_ONCE).status_code == 404
    assert httpx.get(f"{stack.url}{path}", headers=key, timeout=AT_ONCE).status_code == 404


def test_a_header_beyond_all_measure_is_refused_and_disturbs_nobody(stack: StackInfo) -> None:
    with begin(stack, "/rest/v1/rpc/claim_jobs", {"x-long": "y" * 2_000_000}, b"") as connection:
        answer = connection.recv(100)
    assert answer.split()[1] in (b"400", b"431")
    assert httpx.get(f"{stack.url}/health", timeout=AT_ONCE).status_code == 200
