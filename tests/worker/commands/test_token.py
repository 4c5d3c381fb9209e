"""`kizu token` as an operator uses it: a key that is made here, imported there, and signs for a worker."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import jwt
import pytest
from click.testing import CliRunner, Result

from worker.cli import kizu
from worker.core.errors import StartupError
from worker.local.installation import config_path, read_installation, write_installation
from worker.local.stack import LocalStack, StackInfo


def run(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(kizu, ["token", *map(str, arguments)], env=environment)


def test_a_key_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    made = run("key", file)
    assert made.exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = json.loads(file.read_text())
    assert key["d"] not in made.output
    assert run("key", file).exit_code == 1
    assert json.loads(file.read_text()) == key


def test_a_token_is_a_workers_and_ends(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    run("key", file)
    token = run("mint", file, "--days", 2).stdout.strip()
    key = {k: v for k, v in json.loads(file.read_text()).items() if k not in ("d", "key_ops")}
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["ES256"])
    assert claims["role"] == "kizu_worker"
    assert 0 < claims["exp"] - claims["iat"] <= 2 * 86400 + 2
    assert run("mint", file, "--days", 0).exit_code == 2
    for other in (b"{}", b"\xff\xfe"):
        file.write_bytes(other)
        assert isinstance(run("mint", file).exception, StartupError)


def may_claim(info: StackInfo, token: str) -> int:
    answer = httpx.post(
        f"{info.url}/rest/v1/rpc/rescue_jobs",
        headers={"apikey": info.publishable_key, "authorization": f"Bearer {token}"},
        json={"p_limit": 0},
        timeout=30,
    )
    return answer.status_code


@pytest.fixture
def home() -> Iterator[Path]:
    """Not in pytest's folder, which another pytest that starts meanwhile closes to Postgres."""
    with TemporaryDirectory(prefix="kizu-tests-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.stack
def test_keys_rotate_under_running_workers(tmp_path: Path, home: Path) -> None:
    """Imported, signing, in the background, revoked; an older version's installation is given a first one."""
    local = LocalStack(home, fsync=False)
    path = config_path(home)

    def with_keys(*keys: Any) -> StackInfo:
        installation = read_installation(path)
        assert installation is not None
        fields = {name: getattr(installation, name) for name in installation.__slots__}
        write_installation(path, type(installation)(**{**fields, "signing_keys": keys}))
        local.down()
        return local.up()

    try:
        info = local.up()
        first, file = info.signing_key, tmp_path / "key.json"
        run("key", file)
        token = run("mint", file).stdout.strip()
        assert may_claim(info, token) == 401
        second = json.loads(file.read_text())
        for keys in ((first, second), (second, first)):
            assert may_claim(with_keys(*keys), token) == 200
        assert may_claim(with_keys(first), token) == 401
        healed = with_keys()
        assert healed.signing_key["kid"] not in (first["kid"], second["kid"])
        assert healed.secret_key == info.secret_key
    finally:
        local.down()


@pytest.mark.stack
def test_an_account_becomes_a_worker_and_ordinary_again(
    stack: StackInfo, make_user: Callable[[], Any]
) -> None:
    someone = make_user()
    service = {"SUPABASE_URL": stack.url, "SUPABASE_SECRET_KEY": stack.secret_key}

    def role() -> str:
        answer = httpx.post(
            f"{stack.url}/auth/v1/token?grant_type=password",
            headers={"apikey": stack.publishable_key},
            json={"email": someone.email, "password": someone.password},
            timeout=30,
        )
        token = answer.raise_for_status().json()["access_token"]
        claims: dict[str, str] = jwt.decode(token, options={"verify_signature": False})
        return claims["role"]

    assert run("account", someone.email, **service).exit_code == 0
    assert role() == "kizu_worker"
    assert run("account", someone.email, "--revoke", **service).exit_code == 0
    assert role() == "authenticated"
    nobody = run("account", "nobody@example.test", **service)
    assert nobody.exit_code == 1
    assert "not_found" in nobody.output
    worker = {
        "SUPABASE_URL": stack.url,
        "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
        "KIZU_EMAIL": someone.email,
        "KIZU_PASSWORD": someone.password,
    }
    refused = run("account", someone.email, **worker)
    assert refused.exit_code == 1
    assert "permission_denied" in refused.output
