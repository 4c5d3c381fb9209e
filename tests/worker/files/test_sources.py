"""What a string in a job row may name, and the spellings that pretend."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest

from worker.core.errors import ForbiddenUrl, StartupError
from worker.files.sources import ExternalFile, InlineFile, StoredObject, normal_hosts, read_source

USER = UUID("11111111-2222-4333-8444-555555555555")
OTHER = UUID("99999999-2222-4333-8444-555555555555")
OWN = ("http://127.0.0.1:54321", "https://photos.example.org")
HOSTS = normal_hosts(["cdn.example.com", "media.example.com:8443", "bücher.example"])


def read(text: str) -> object:
    return read_source(text, user_id=USER, own_urls=OWN, allowed_hosts=HOSTS)


OBJECT = f"{USER}/a.jpg"


@pytest.mark.parametrize(
    ("text", "bucket", "key"),
    [
        (OBJECT, "assets", OBJECT),
        (f"{USER}/a folder/ö 1%.jpg", "assets", f"{USER}/a folder/ö 1%.jpg"),
        (f"{USER}/2026:01:02.jpg", "assets", f"{USER}/2026:01:02.jpg"),
        (f"{USER}/what?#.jpg", "assets", f"{USER}/what?#.jpg"),
        (f"thumbnails/{OBJECT}", "thumbnails", OBJECT),
        (f"http://127.0.0.1:54321/storage/v1/object/public/assets/{OBJECT}", "assets", OBJECT),
        (f"http://127.0.0.1:54321/storage/v1/object/authenticated/assets/{OBJECT}", "assets", OBJECT),
        (f"http://127.0.0.1:54321/storage/v1/object/sign/assets/{OBJECT}?token=abc", "assets", OBJECT),
        (f"http://127.0.0.1:54321/storage/v1/object/assets/{OBJECT}", "assets", OBJECT),
        (f"https://photos.example.org/storage/v1/object/public/avatars/{OBJECT}#x", "avatars", OBJECT),
        (f"https://photos.example.org:443/storage/v1/object/public/assets/{OBJECT}", "assets", OBJECT),
        (f"HTTPS://PHOTOS.example.org/storage/v1/object/public/assets/{OBJECT}", "assets", OBJECT),
        (
            f"https://photos.example.org/storage/v1/object/public/assets/{USER}/a%20%C3%B6%25.jpg",
            "assets",
            f"{USER}/a ö%.jpg",
        ),
    ],
)
def test_own_files_are_read_from_our_storage(text: str, bucket: str, key: str) -> None:
    assert read(text) == StoredObject(bucket, key)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("https://cdn.example.com/a.jpg?size=1", "cdn.example.com", 443),
        ("http://cdn.example.com/a.jpg", "cdn.example.com", 80),
        ("https://CDN.example.com:443/a.jpg", "cdn.example.com", 443),
        ("https://media.example.com:8443/a.jpg", "media.example.com", 8443),
        ("https://bücher.example/a.jpg", "xn--bcher-kva.example", 443),
        ("https://xn--bcher-kva.example/a.jpg", "xn--bcher-kva.example", 443),
    ],
)
def test_allowed_hosts_are_fetched(text: str, host: str, port: int) -> None:
    source = read(text)
    assert isinstance(source, ExternalFile)
    assert (source.host, source.port) == (host, port)


def test_fragment_is_not_sent() -> None:
    assert read("https://cdn.example.com/a.jpg#top") == ExternalFile(
        httpx.URL("https://cdn.example.com/a.jpg"), "cdn.example.com", 443
    )


@pytest.mark.parametrize(
    "head", ["data:image/png;base64,", "DATA:image/PNG;base64,", "data:image/png;x=1;base64,"]
)
def test_data_url_is_bytes_in_the_row(head: str) -> None:
    assert read(f"{head}aGk=") == InlineFile(media_type="image/png", base64="aGk=")


STORAGE = "https://photos.example.org/storage/v1/object"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing"),
        ("file:///etc/passwd", "scheme"),
        ("FILE:///etc/passwd", "scheme, shouted"),
        ("ftp://cdn.example.com/a.jpg", "scheme"),
        ("gopher://127.0.0.1:6379/_FLUSHALL", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("blob:https://photos.example.org/1", "scheme"),
        ("http://127.0.0.1/", "loopback"),
        ("http://127.0.0.1:54322/storage/v1/object/public/assets/" + OBJECT, "another port than ours"),
        ("http://localhost:54321/storage/v1/object/public/assets/" + OBJECT, "another name than ours"),
        ("https://127.0.0.1:54321/storage/v1/object/public/assets/" + OBJECT, "another scheme than ours"),
        ("http://photos.example.org/storage/v1/object/public/assets/" + OBJECT, "another scheme than ours"),
        ("http://127.1:54321/storage/v1/object/public/assets/" + OBJECT, "ours, spelled otherwise"),
        ("http://2130706433/", "decimal loopback"),
        ("http://0x7f000001/", "hexadecimal loopback"),
        ("http://0177.0.0.1/", "octal loopback"),
        ("http://0/", "this host"),
        ("http://0.0.0.0:54321/", "this host"),
        ("http://169.254.169.254/latest/meta-data/", "metadata"),
        ("http://10.0.0.1/", "private"),
        ("http://[::1]/", "loopback"),
        ("http://[::ffff:127.0.0.1]/", "mapped loopback"),
        ("http://[::ffff:7f00:1]:54321/", "mapped loopback"),
        ("http://[fe80::1%25eth0]/", "link-local with a zone"),
        ("http://①②⑦.0.0.1/", "digits in circles"),
        ("http://cdn.example.com./a.jpg", "dot behind the host"),
        ("http://localhost./", "dot behind the host"),
        ("http://evil.cdn.example.com/", "a subdomain"),
        ("http://cdn.example.com.evil.example/", "a prefix"),
        ("http://notcdn.example.com/", "a suffix"),
        ("https://cdn.example.com:8443/a.jpg", "a port nobody allowed"),
        ("https://cdn.example.com:80/a.jpg", "the other scheme's port"),
        ("https://cdn.example.com:0/a.jpg", "port zero"),
        ("https://cdn.example.com:99999/a.jpg", "no port"),
        ("https://media.example.com/a.jpg", "allowed on another port only"),
        ("http://cdn.example.com@127.0.0.1/", "the allowed host as user name"),
        ("http://user:pass@cdn.example.com/", "credentials"),
        ("http://cdn.example.com\\@127.0.0.1/", "backslash"),
        ("http:\\\\127.0.0.1\\", "backslash"),
        ("http://cdn.example.com%2f@127.0.0.1/", "hidden slash"),
        ("http://127.0.0.1%23@cdn.example.com/", "hidden fragment"),
        ("http://127.0.0.1#@cdn.example.com/", "fragment before the host"),
        ("http://127.0.0.1?@cdn.example.com/", "query before the host"),
        ("http:///cdn.example.com/", "no host"),
        ("http:cdn.example.com", "no host"),
        ("https:/cdn.example.com/a.jpg", "no host"),
        ("//cdn.example.com/a.jpg", "no scheme"),
        (" https://cdn.example.com/a.jpg", "blank before"),
        ("https://cdn.example.com /a.jpg", "blank in the host"),
        ("https://cdn.example.com/a\r\nHost: 127.0.0.1", "new lines"),
        ("https://cdn.example.com/\x00", "zero byte"),
        ("https://cdn.example.com\t/", "tab"),
        (f"{OTHER}/a.jpg", "another user's file"),
        (f"thumbnails/{OTHER}/a.jpg", "another user's thumbnail"),
        (f"{str(USER).upper().replace('1', 'A')}/a.jpg", "nobody's"),
        (f"{USER}", "a folder"),
        (f"{USER}/", "a folder"),
        (f"/{OBJECT}", "absolute"),
        (f"{USER}/../{OTHER}/a.jpg", "climbing out"),
        (f"{USER}/./a.jpg", "a dot"),
        (f"{USER}//a.jpg", "an empty name"),
        (f"{USER}/..\\{OTHER}/a.jpg", "climbing out with a backslash"),
        (f"assets/{OBJECT}", "a bucket where none belongs"),
        ("/etc/passwd", "a path of this machine"),
        ("../../etc/passwd", "a path of this machine"),
        (f"{STORAGE}/public/assets/{OTHER}/a.jpg", "another user's file"),
        (f"{STORAGE}/sign/assets/{OTHER}/a.jpg?token=x", "another user's file, signed"),
        (f"{STORAGE}/public/assets/{USER}/../{OTHER}/a.jpg", "climbing out"),
        (f"{STORAGE}/public/assets/{USER}/%2e%2e/{OTHER}/a.jpg", "climbing out, encoded"),
        (f"{STORAGE}/public/assets/{USER}%2F..%2F{OTHER}/a.jpg", "hidden slashes"),
        (f"{STORAGE}/public/assets/{USER}/a%00.jpg", "zero byte, encoded"),
        (f"{STORAGE}/public/assets/{USER}/%5c..%5c{OTHER}/a.jpg", "backslashes, encoded"),
        (f"{STORAGE}/public/assets/{USER}/%ff.jpg", "not UTF-8"),
        (f"{STORAGE}/public/../{USER}/a.jpg", "a bucket that climbs"),
        (f"{STORAGE}/public/%2e%2e/{USER}/a.jpg", "a bucket that climbs"),
        (f"{STORAGE}/public/assets", "a bucket"),
        (f"{STORAGE}/", "nothing"),
        (f"{STORAGE}/list/assets", "not an object"),
        ("https://photos.example.org/rest/v1/assets", "our own database"),
        ("https://photos.example.org/auth/v1/admin/users", "our own accounts"),
        ("https://photos.example.org/storage/v1/bucket", "our own buckets"),
        (f"https://photos.example.org/storage/v1/render/image/public/assets/{OBJECT}", "not an object"),
        ("data:image/png,plain", "not base64"),
        ("data:image/png;base64", "no comma"),
        ("data:text/html;base64,aGk=", "not an image"),
        ("data:;base64,aGk=", "of no type"),
    ],
)
def test_anything_else_is_forbidden(text: str, why: str) -> None:
    with pytest.raises(ForbiddenUrl):
        read(text)


def test_message_does_not_repeat_the_address() -> None:
    with pytest.raises(ForbiddenUrl) as refusal:
        read("https://evil.example/?token=secret")
    assert "evil" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "entry", ["https://cdn.example.com", "a/b", "user@host", "a b", "*.example.com", ":80"]
)
def test_allowed_host_that_is_no_host_name_stops_the_worker(entry: str) -> None:
    with pytest.raises(StartupError, match="ALLOWED_HOSTS"):
        normal_hosts([entry])
