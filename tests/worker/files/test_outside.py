"""TLS to a pinned address still proves the host's name, not the address's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from worker.core.errors import StorageUnavailable
from worker.files.outside import OutsideHosts
from worker.files.sources import ExternalFile
from worker.files.spool import Spool

PUBLIC_ADDRESS = "93.184.216.34"


class Detour(httpx.AsyncHTTPTransport):
    """Loopback plays the one public address."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == PUBLIC_ADDRESS
        request.url = request.url.copy_with(host="127.0.0.1")
        return await super().handle_async_request(request)


async def resolve(host: str, port: int) -> Sequence[str]:
    return [PUBLIC_ADDRESS]


def certify(name: str, folder: Path) -> Path:
    """A self-signed certificate for `name`, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@asynccontextmanager
async def secure_server(certificate: Path) -> AsyncIterator[int]:
    """Answers `hello` over TLS; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.sleep(0.05)  # the transports of the handshakes that failed say goodbye


async def fetched(name: str, port: int, trusted: Path) -> bytes:
    hosts = OutsideHosts(
        resolve=resolve, transport=Detour(verify=ssl.create_default_context(cafile=str(trusted)))
    )
    spool = Spool(1000)
    try:
        await hosts.get(ExternalFile(httpx.URL(f"https://{name}:{port}/a"), name, port), spool)
        return (await spool.take()).read()
    finally:
        spool.close()
        await hosts.aclose()


async def test_certificate_of_the_named_host_is_accepted_at_the_checked_address(tmp_path: Path) -> None:
    certificate = certify("photos.example", tmp_path)
    async with secure_server(certificate) as port:
        assert await fetched("photos.example", port, certificate) == b"hello"


async def test_certificate_of_another_host_is_not(tmp_path: Path) -> None:
    certificate = certify("evil.example", tmp_path)
    async with secure_server(certificate) as port:
        with pytest.raises(StorageUnavailable):
            await fetched("photos.example", port, certificate)
