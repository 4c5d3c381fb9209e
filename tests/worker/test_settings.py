from typing import Any

import pytest

from worker.core.errors import StartupError
from worker.settings import Settings, read_settings, unknown_settings


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_names_of_the_first_kizu_still_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "old")
    monkeypatch.setenv("SUPABASE_ANON_KEY", "older")
    settings = read_settings()
    assert settings.supabase_secret_key is not None
    assert settings.supabase_secret_key.get_secret_value() == "old"
    assert settings.supabase_publishable_key is not None


def test_lanes_are_read_from_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANES", "image=4, video=0")
    assert read_settings().lanes == {"image": 4, "video": 0}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LANES", "image", "LANES: .*name=slots"),
        ("LANES", "image=0", "LANES: .*at least one lane"),
        ("POLL_INTERVAL", "often", "POLL_INTERVAL: .*number"),
        ("MODEL_TTL", "1e10", "MODEL_TTL: .*less"),
        ("MODEL_TTL", "nan", "MODEL_TTL: .*finite"),
        ("CAPTION_SECONDS", "inf", "CAPTION_SECONDS: .*finite"),
        ("FETCH_TIMEOUT", "inf", "FETCH_TIMEOUT: .*finite"),
        ("FETCH_TIMEOUT", "1e10", "FETCH_TIMEOUT: .*less"),
        ("LEASE_SECONDS", "0", "LEASE_SECONDS: .*greater"),
        ("SUPABASE_URL", "localhost", "SUPABASE_URL: .*URL"),
        ("WORKER_ID", "../etc", "WORKER_ID: .*pattern"),
        ("OCR_LANGUAGES", "english", "OCR_LANGUAGES: .*codes of languages"),
        ("OCR_LANGUAGES", ",", "OCR_LANGUAGES: .*codes of languages"),
        ("KIZU_EMAIL", "a@b.c", "belong together"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartupError, match=message):
        read_settings()


@pytest.mark.parametrize(
    "account", [{"KIZU_WORKER_TOKEN": "jwt"}, {"KIZU_EMAIL": "a@b.c", "KIZU_PASSWORD": "x"}]
)
def test_who_signs_in_to_a_project_needs_its_publishable_key(
    monkeypatch: pytest.MonkeyPatch, account: dict[str, str]
) -> None:
    for name, value in account.items():
        monkeypatch.setenv(name, value)
    read_settings()  # for the embedded Supabase, whose key is known
    monkeypatch.setenv("SUPABASE_URL", "https://xyz.supabase.co")
    with pytest.raises(StartupError, match=f"{next(iter(account))} needs SUPABASE_PUBLISHABLE_KEY"):
        read_settings()


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "sb_secret_visible")
    assert "visible" not in repr(read_settings())


def test_without_an_address_nothing_starts() -> None:
    with pytest.raises(StartupError, match="SUPABASE_URL is not set"):
        _ = read_settings().url


def test_variable_that_nobody_reads_is_named_with_the_one_that_may_be_meant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("LANE", "POLL_INTERVALL", "KIZU_COLOUR", "HOME", "LANG", "LC_ALL", "KIZU_TESTDATA", "LANES"):
        monkeypatch.setenv(name, "1")
    (tmp_path / ".env").write_text("WROKER_ID=a\nSUPABASE_ANON_KEY=b\nDATABASE_URL=c\n")
    found = unknown_settings()
    ours = {name: found[name] for name in ("LANE", "POLL_INTERVALL", "WROKER_ID", "KIZU_COLOUR")}
    assert ours == {
        "LANE": "LANES",
        "POLL_INTERVALL": "POLL_INTERVAL",
        "WROKER_ID": "WORKER_ID",
        "KIZU_COLOUR": None,
    }
    assert not {"HOME", "LANG", "LC_ALL", "KIZU_TESTDATA", "LANES", "SUPABASE_ANON_KEY"} & set(found)
