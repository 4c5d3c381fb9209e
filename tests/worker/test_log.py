import io
import sys

import pytest
import structlog

from worker import log
from worker.log import hide_secrets


@pytest.mark.parametrize(
    "text",
    [
        "key sb_secret_Abc-123_x refused",
        "Bearer eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl",
        "https://x.supabase.co/storage/v1/object/sign/a/b.jpg?token=Abc-123_x",
        "postgresql://postgres:Abc-123_x@127.0.0.1:5432/postgres",
        "data:image/png;base64,Abc123xx/+==",
    ],
)
def test_no_secret_reaches_a_log(text: str) -> None:
    event = hide_secrets(None, "info", {"event": text, "deep": {"list": [text]}})
    assert not any(secret in str(event) for secret in ("Abc", "c2lnbmF0dXJl"))
    assert "…" in str(event["deep"])


def test_ordinary_fields_stay_as_they_are() -> None:
    assert hide_secrets(None, "info", {"event": "job done", "seconds": 2.1}) == {
        "event": "job done",
        "seconds": 2.1,
    }


@pytest.mark.parametrize("error", [BrokenPipeError, OSError, ValueError])
def test_a_log_that_nobody_reads_stops_nothing(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise error

        def flush(self) -> None:
            raise error

    before = structlog.get_config()
    try:
        log.configure("info", "json")
        monkeypatch.setattr(sys, "stderr", Gone())
        structlog.get_logger().info("said to nobody")
    finally:
        structlog.configure(**before)
