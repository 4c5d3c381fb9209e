"""Which project a command talks to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from worker.core.errors import StartupError
from worker.local.installation import Installation, config_path, draw_installation, write_installation
from worker.settings import Settings
from worker.target import read_target


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*Settings.model_fields, "supabase_service_role_key", "supabase_anon_key"):
        monkeypatch.delenv(name.upper(), raising=False)


class Health(BaseHTTPRequestHandler):
    """Answers as the gateway of one installation does, before it is asked for anything."""

    instance = ""

    def do_GET(self) -> None:
        body = json.dumps({"instance": self.instance}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering(instance: str) -> Iterator[int]:
    """Something that calls itself `instance`; yields its port."""
    handler = type("Named", (Health,), {"instance": instance})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def installed(tmp_path: Path) -> Installation:
    """An embedded Supabase that is not running."""
    installation = draw_installation()
    (tmp_path / ".kizu").mkdir()
    write_installation(config_path(tmp_path / ".kizu"), installation)
    return installation


@pytest.fixture
def embedded(tmp_path: Path, installed: Installation) -> Iterator[Installation]:
    """An embedded Supabase that answers."""
    with answering(installed.instance) as port:
        running = installed.on_ports(api_port=port)
        write_installation(config_path(tmp_path / ".kizu"), running)
        yield running


def test_one_that_is_stopped_says_so_and_how_to_start_it(installed: Installation) -> None:
    with pytest.raises(StartupError, match=r"^The embedded Supabase .* is stopped: .* `kizu local up`$"):
        read_target()
    assert read_target(running=False).url == installed.url


def test_another_one_on_its_port_is_not_told_its_keys(tmp_path: Path, installed: Installation) -> None:
    with answering("of another home") as port:
        write_installation(config_path(tmp_path / ".kizu"), installed.on_ports(api_port=port))
        with pytest.raises(StartupError, match="is stopped"):
            read_target()


def keys(settings: Settings) -> tuple[str | None, str | None]:
    """The secret and the publishable one."""
    secret, publishable = (
        key.get_secret_value() if key else None
        for key in (settings.supabase_secret_key, settings.supabase_publishable_key)
    )
    return secret, publishable


def test_the_project_of_the_environment_goes_before_the_embedded_one(
    embedded: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_URL", "https://xyz.supabase.co")
    settings = read_target()
    assert settings.url == "https://xyz.supabase.co"
    assert keys(settings) == (None, None)


def test_else_the_embedded_one_serves_every_user(embedded: Installation) -> None:
    settings = read_target(worker_id="w1")
    assert settings.url == embedded.url
    assert keys(settings) == (embedded.secret_key, embedded.publishable_key)
    assert settings.worker_id == "w1"


@pytest.mark.parametrize(
    "account", [{"KIZU_WORKER_TOKEN": "jwt"}, {"KIZU_EMAIL": "a@b.c", "KIZU_PASSWORD": "x"}]
)
def test_who_signs_in_narrower_is_not_given_the_secret_key(
    embedded: Installation, monkeypatch: pytest.MonkeyPatch, account: dict[str, str]
) -> None:
    for name, value in account.items():
        monkeypatch.setenv(name, value)
    assert keys(read_target()) == (None, embedded.publishable_key)


def test_the_embedded_one_may_be_elsewhere(
    tmp_path: Path, embedded: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".kizu").rename(tmp_path / "elsewhere")
    monkeypatch.setenv("KIZU_HOME", str(tmp_path / "elsewhere"))
    assert read_target().url == embedded.url


@pytest.mark.parametrize("text", [None, '{"instance": "half of'])
def test_without_either_it_says_what_to_do(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / ".kizu").mkdir()
        (tmp_path / ".kizu" / "config.json").write_text(text)
    with pytest.raises(StartupError, match=r"SUPABASE_URL is not set, and .* `kizu local up`"):
        read_target()
