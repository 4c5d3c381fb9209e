"""Addresses a job may make the worker talk to: only ordinary hosts of the internet."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest

from worker.core.errors import ForbiddenUrl, StorageUnavailable
from worker.files.guard import is_public, public_addresses, resolve_by_system

PUBLIC = [
    ("8.8.8.8", "plain IPv4"),
    ("93.184.216.34", "plain IPv4"),
    ("172.32.0.1", "just outside 172.16.0.0/12"),
    ("100.128.0.1", "just outside shared address space"),
    ("2606:4700:4700::1111", "plain IPv6"),
    ("::ffff:8.8.8.8", "a public IPv4 address, mapped"),
    ("64:ff9b::808:808", "a public IPv4 address through NAT64, all an IPv6-only network has"),
]
PRIVATE = [
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "all of 127/8 is loopback"),
    ("0.0.0.0", "this host"),
    ("0.1.2.3", "this network"),
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("100.64.0.1", "shared address space of carriers"),
    ("169.254.169.254", "link-local: metadata of clouds"),
    ("192.0.0.192", "protocol assignments: metadata of another cloud"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "6to4 relay"),
    ("198.18.0.1", "benchmarks"),
    ("224.0.0.1", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::127.0.0.1", "IPv4-compatible"),
    ("::ffff:127.0.0.1", "loopback, mapped"),
    ("::ffff:a9fe:a9fe", "metadata, mapped and in hexadecimal"),
    ("::ffff:0:127.0.0.1", "loopback, translated"),
    ("64:ff9b::7f00:1", "loopback through NAT64"),
    ("64:ff9b::10.0.0.1", "private through NAT64"),
    ("64:ff9b:1::1", "NAT64 of the local network"),
    ("2002:7f00:1::", "loopback through 6to4"),
    ("2002:a00:1::1", "private through 6to4"),
    ("2002:808:808::1", "6to4 at all"),
    ("2001:0:7f00:1::", "Teredo"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local with a zone"),
    ("2606:4700:4700::1111%eth0", "a zone where none belongs"),
    ("fec0::1", "site-local"),
    ("fc00::1", "unique local"),
    ("fd00:ec2::254", "metadata over IPv6"),
    ("ff02::1", "multicast"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation"),
    ("100::1", "discard"),
    ("5f00::1", "segment routing"),
    ("4000::1", "not assigned to anyone"),
    ("localhost", "not an address"),
    ("2130706433", "not an address"),
    ("0x7f.1", "not an address"),
    ("", "not an address"),
]


@pytest.mark.parametrize(("address", "why"), PUBLIC)
def test_address_is_public(address: str, why: str) -> None:
    assert is_public(address), why


@pytest.mark.parametrize(("address", "why"), PRIVATE)
def test_address_is_not_public(address: str, why: str) -> None:
    assert not is_public(address), why


def answering(*addresses: str) -> object:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


async def test_name_with_public_addresses_keeps_their_order() -> None:
    resolve = answering("93.184.216.34", "2606:4700:4700::1111")
    found = await public_addresses("photos.example", 443, resolve=resolve)  # type: ignore[arg-type]
    assert list(found) == ["93.184.216.34", "2606:4700:4700::1111"]


async def test_one_private_address_among_public_ones_forbids_the_name() -> None:
    with pytest.raises(ForbiddenUrl):
        await public_addresses("a.example", 443, resolve=answering("8.8.8.8", "10.0.0.1"))  # type: ignore[arg-type]


async def test_name_without_an_address_may_have_one_later() -> None:
    async def nobody(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with pytest.raises(StorageUnavailable):
        await public_addresses("a.example", 443, resolve=nobody)
    with pytest.raises(StorageUnavailable):
        await public_addresses("a.example", 443, resolve=answering())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "spelling", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0"]
)
async def test_every_spelling_of_loopback_is_forbidden_by_the_systems_own_resolver(spelling: str) -> None:
    with pytest.raises(ForbiddenUrl):
        await public_addresses(spelling, 80, resolve=resolve_by_system)


async def test_name_that_cannot_be_a_name_is_forbidden() -> None:
    with pytest.raises(ForbiddenUrl):
        await public_addresses("a" * 64 + ".example", 80, resolve=resolve_by_system)
