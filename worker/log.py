"""Structured logs: an event in the past tense with fields, as JSON lines or for a person."""

from __future__ import annotations

import importlib.util
import logging
import re
import sys
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Literal, TextIO, TypeAlias, cast

SECRETS = re.compile(
    r"sb_secret_[\w-]+"  # secret keys
    r"|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # JSON web tokens
    r"|(?<=[?&]token=)[^&\s]+"  # signed URLs
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in a URL
    r"|data:[\w/+.-]+;base64,[\w+/=]+"  # pictures
)


JOINERS = "\u200c\u200d"
"""Without them Persian words and many emoji fall apart."""

Style: TypeAlias = Literal["auto", "json", "console"]


def configure_on_import(level: str, style: Style) -> None:
    """Set up logging as soon as something imports structlog, which a quick command never does."""
    if "structlog" in sys.modules:
        configure(level, style)
    else:
        sys.meta_path.insert(0, _Configuring(level, style))


class _Configuring(MetaPathFinder):
    """Finds structlog like everybody, and configures it when it has been imported."""

    def __init__(self, level: str, style: Style) -> None:
        self._level, self._style = level, style

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "structlog":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            configure(self._level, self._style)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def configure(level: str, style: Style) -> None:
    """Set up logging for the process; everything goes to standard error."""
    import structlog

    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            hide_secrets,
            *(
                [show_escapes, structlog.dev.ConsoleRenderer()]
                if console
                else [structlog.processors.JSONRenderer()]
            ),
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


def printable(value: object) -> str:
    """The value as one line of text that a terminal only shows, control and direction marks as escapes."""
    return "".join(
        letter if letter.isprintable() or letter in JOINERS else letter.encode("unicode_escape").decode()
        for letter in str(value)
    )


def show_escapes(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Make every text one that a terminal only shows; tracebacks stay in lines."""
    for name, value in event.items():
        lines = str(value).split("\n") if name == "exception" else [value]
        if isinstance(value, str):
            event[name] = "\n".join(map(printable, lines))
        elif not isinstance(value, int | float | bool | None):
            event[name] = printable(value)
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
