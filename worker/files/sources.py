"""What the input of a job points at: an object of our Storage, an allowed host, or bytes in the row itself.

Everything else is refused here, before anything touches the network.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote
from uuid import UUID

import httpx

from worker.core.errors import ForbiddenUrl, StartupError

ASSETS_BUCKET = "assets"
"""Where users upload, and where every file that a worker makes goes."""
BUCKETS = (ASSETS_BUCKET, "thumbnails", "avatars", "face-thumbnails")
"""What users may read for themselves; a secret key could read every bucket of the project."""
DEFAULT_PORTS = {"http": 80, "https": 443}
OBJECT_PATH = "/storage/v1/object/"
ACCESS_WORDS = ("public", "authenticated", "sign")

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9])?|[0-9a-f:]*:[0-9a-f:.]*")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A file of the job's user in the project's own Storage; read with the worker's credentials."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class ExternalFile:
    """A file on a host the operator allowed; its addresses are still to be checked."""

    url: httpx.URL
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineFile:
    """A `data:` URL: media type and base64 text, not decoded yet."""

    media_type: str
    base64: str


Source: TypeAlias = StoredObject | ExternalFile | InlineFile


def normal_hosts(hosts: Collection[str]) -> frozenset[str]:
    """ALLOWED_HOSTS as `read_source` compares them: ASCII names, with a port only where one was given.

    Raises:
        StartupError: an entry is no host name.
    """
    return frozenset(_normal_host(host) for host in hosts)


def read_source(
    text: str, *, user_id: UUID, own_urls: Sequence[str], allowed_hosts: Collection[str]
) -> Source:
    """The source that `text` names: a storage key, a URL or a `data:` URL.

    A key is `{user_id}/…` in the bucket assets, or `thumbnails/{user_id}/…` in the bucket thumbnails.
    `own_urls` are the project's addresses, `allowed_hosts` what `normal_hosts` made of the setting.

    Raises:
        ForbiddenUrl: another scheme, host, port or user's folder, or a spelling meant to hide one.
    """
    if text[:5].lower() == "data:":
        return _inline(text)
    if not text or _CONTROL.search(text):
        raise ForbiddenUrl("The file's address is empty or has control characters or backslashes")
    if not _SCHEME.match(text):
        return _own_object(*_bucket_of_path(text), user_id=user_id)
    scheme = text.partition(":")[0].lower()
    if scheme not in DEFAULT_PORTS:
        raise ForbiddenUrl(f"The scheme {scheme[:20]!r} is not fetched: expected http, https or data")
    return _remote(text, user_id=user_id, own_urls=own_urls, allowed_hosts=allowed_hosts)


def _normal_host(entry: str) -> str:
    try:
        url = httpx.URL(f"//{entry}")
    except httpx.InvalidURL:
        url = httpx.URL()
    host = url.raw_host.decode("ascii")
    if not _HOST.fullmatch(host) or url.userinfo or url.path not in ("", "/") or url.query:
        raise StartupError(f"ALLOWED_HOSTS has {entry!r}: expected host names, as in photos.example.org")
    return host if url.port is None else f"{host}:{url.port}"


def _remote(text: str, *, user_id: UUID, own_urls: Sequence[str], allowed_hosts: Collection[str]) -> Source:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise ForbiddenUrl("The file's address is not a URL") from None
    if url.userinfo or not url.host:
        raise ForbiddenUrl("The URL has no host, or carries a user name")
    origin = _origin(url)
    if origin in {_origin(httpx.URL(own)) for own in own_urls}:
        return _own_object(*_bucket_of_url(url), user_id=user_id)
    scheme, host, port = origin
    has_default_port = port == DEFAULT_PORTS[scheme]
    if f"{host}:{port}" not in allowed_hosts and not (host in allowed_hosts and has_default_port):
        raise ForbiddenUrl("The URL's host is neither the project's Storage nor one of ALLOWED_HOSTS")
    return ExternalFile(url.copy_with(fragment=None), host, port)


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    """Scheme, host in ASCII, port: two URLs with the same origin are answered by the same server."""
    port = DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    return url.scheme, url.raw_host.decode("ascii"), port


def _bucket_of_path(path: str) -> tuple[str, str]:
    if path.startswith("thumbnails/"):
        return "thumbnails", path.removeprefix("thumbnails/")
    return ASSETS_BUCKET, path


def _bucket_of_url(url: httpx.URL) -> tuple[str, str]:
    path = url.raw_path.partition(b"?")[0].decode("ascii")
    if not path.startswith(OBJECT_PATH):
        raise ForbiddenUrl(f"The project's own URLs are fetched below {OBJECT_PATH} only")
    try:
        segments = [unquote(part, errors="strict") for part in path.removeprefix(OBJECT_PATH).split("/")]
    except UnicodeDecodeError:
        raise ForbiddenUrl("The URL's path is not UTF-8") from None
    if any("/" in segment for segment in segments):
        raise ForbiddenUrl("The URL's path hides a slash")
    if segments[0] in ACCESS_WORDS:
        segments = segments[1:]
    bucket, *key = segments or [""]
    return bucket, "/".join(key)


def _own_object(bucket: str, key: str, *, user_id: UUID) -> StoredObject:
    """The object at `key`, if it is the job's own user's, whatever the worker's credentials could read."""
    folder, *rest = key.split("/")
    if bucket not in BUCKETS:
        raise ForbiddenUrl("The bucket is none of the product's own")
    if not rest or any(part in ("", ".", "..") for part in rest):
        raise ForbiddenUrl("The storage path is not of the form bucket/user/file")
    if _CONTROL.search(key):
        raise ForbiddenUrl("The storage path has control characters or backslashes")
    if folder != str(user_id):
        raise ForbiddenUrl("The storage path is not in the folder of the job's user")
    return StoredObject(bucket, key)


def _inline(text: str) -> InlineFile:
    head, comma, body = text[len("data:") :].partition(",")
    media_type, *options = head.lower().split(";")
    if not comma or options[-1:] != ["base64"] or not media_type.startswith("image/"):
        raise ForbiddenUrl("The data URL is not of the form data:image/…;base64,…")
    return InlineFile(media_type=media_type, base64=body)
