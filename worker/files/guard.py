"""Which addresses of the network a job may make this worker talk to.

A host name is resolved here, once; every address it has must be public; and the caller connects to exactly
the addresses that were checked, so that a name which answers differently the second time (DNS rebinding)
gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

from worker.core.errors import ForbiddenUrl, SourceUnavailable

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port in, addresses as text out; raises OSError if there are none."""

GLOBAL_UNICAST = IPv6Network("2000::/3")
TUNNELS = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))
"""6to4 and Teredo: retired, and a way to write any IPv4 address as IPv6."""
SPECIAL = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv6Network("3fff::/20"))
"""Protocol assignments, 6to4 relays and documentation, which `ipaddress` takes for global."""
NAT64 = IPv6Network("64:ff9b::/96")


async def public_addresses(host: str, port: int, *, resolve: Resolver) -> Sequence[str]:
    """The addresses of `host`, all of them public, in the order to try them.

    Raises:
        ForbiddenUrl: one of them is private, loopback, link-local, multicast or reserved.
        SourceUnavailable: the name has no address right now.
    """
    try:
        addresses = await resolve(host, port)
    except UnicodeError:
        raise ForbiddenUrl("The URL's host is not a valid name") from None
    except OSError as error:
        raise SourceUnavailable("The URL's host name was not found", f"{host}:{port}") from error
    if not addresses:
        raise SourceUnavailable("The URL's host name has no address", f"{host}:{port}")
    if not all(is_public(address) for address in addresses):
        raise ForbiddenUrl("The URL's host is on a private network")
    return addresses


def is_public(address: str) -> bool:
    """Whether `address` (as text) is an ordinary host of the internet, whichever way it is written."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return _is_public_v4(parsed)
    if embedded := _embedded_v4(parsed):
        return _is_public_v4(embedded)
    return (
        parsed in GLOBAL_UNICAST
        and parsed.is_global
        and parsed.scope_id is None
        and not any(parsed in network for network in (*TUNNELS, *SPECIAL))
    )


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver, in a thread."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _is_public_v4(address: IPv4Address) -> bool:
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved)
        and not any(address in network for network in SPECIAL)
    )


def _embedded_v4(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address behind a mapped or NAT64 one."""
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
