"""Structured logs: an event in the past tense with fields, as JSON lines or for a person."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Literal, TextIO, cast

import structlog

SECRETS = re.compile(
    r"sb_secret_[\w-]+"  # secret keys
    r"|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # JSON web tokens
    r"|(?<=[?&]token=)[^&\s]+"  # signed URLs
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in a URL
    r"|data:[\w/+.-]+;base64,[\w+/=]+"  # pictures
)


def configure(level: str, style: Literal["auto", "json", "console"]) -> None:
    """Set up logging for the process; everything goes to standard error."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            hide_secrets,
            structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=False,
    )
    for noisy in ("httpx", "httpcore", "realtime", "websockets", "PIL"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


class _StandardError:
    """Never fails: whoever read the log may be gone, or its disk full, and jobs go on all the same."""

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace keys, tokens, signed URLs and pictures in every field by an ellipsis."""
    for name, value in event.items():
        event[name] = _hidden(value)
    return event


def _hidden(value: Any) -> Any:
    match value:
        case str():
            return SECRETS.sub("…", value)
        case dict():
            return {key: _hidden(item) for key, item in value.items()}
        case list() | tuple():
            return [_hidden(item) for item in value]
        case _:
            return value
