"""Ports, keys and secrets of one home, drawn once and written whole or not at all."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.local.installation import (
    config_path,
    draw_installation,
    free_port,
    is_free,
    read_installation,
    write_installation,
)


def test_half_a_configuration_is_none(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    whole = draw_installation()
    write_installation(path, whole)
    assert read_installation(path) == whole
    for text in ("", "{", '{"instance": "x"}', json.dumps([1]), path.read_text()[:-3]):
        path.write_text(text)
        assert read_installation(path) is None


def test_the_file_is_its_owners_alone_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("older")
    path.chmod(0o644)
    write_installation(path, draw_installation())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["config.json"]


def test_no_two_installations_share_a_secret_and_none_is_shown() -> None:
    one, other = draw_installation(), draw_installation()
    secrets = ("database_password", "authenticator_password", "secret_key", "jwt_secret")
    for name in secrets:
        assert getattr(one, name) != getattr(other, name)
        assert getattr(one, name) not in repr(one)
    assert one.instance != other.instance
    assert one.api_port != one.database_port


def test_moving_to_other_ports_keeps_the_rest() -> None:
    one = draw_installation()
    moved = one.on_ports(api_port=1234)
    assert (moved.url, moved.database_port) == ("http://127.0.0.1:1234", one.database_port)
    assert one.on_ports(database_port=4321).database_url.endswith("@127.0.0.1:4321/postgres")
    assert one.on_ports() == one


@pytest.fixture
def held() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        yield port


def test_the_wanted_port_is_taken_if_it_is_free(held: int) -> None:
    assert not is_free(held)
    wanted = free_port()
    assert free_port(wanted) == wanted
    assert free_port(wanted, taken={wanted}) != wanted
    other = free_port(held)
    assert other != held
    assert is_free(other)


def test_a_drawn_port_is_none_that_systems_give_to_outgoing_connections() -> None:
    assert all(20_000 <= free_port() < 32_000 for _ in range(20))


def test_the_configuration_lies_in_the_home_however_that_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    expected = tmp_path.resolve() / "kizu" / "config.json"
    for home in (Path("~/kizu"), Path("kizu"), Path("x/../kizu"), tmp_path / "kizu"):
        assert config_path(home) == expected
