"""Nothing that somebody wrote into a row, a name or an error does anything to an operator's terminal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.paths import ROOT
from worker import log
from worker.output import CommandFailed, print_table, printable, say

NASTY = "a\x1b[2J\x1b]0;owned\x07\r\nb\x9b31m\u202ec\x7f"
DOORS = {"worker/output.py"}
SAFE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-+:;.,|\\[]()=\n\"'/")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("caf\u00e9 \u5bff\u53f8 \U0001f600", "caf\u00e9 \u5bff\u53f8 \U0001f600"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b1A", "\\x9b1A"),
        (7, "7"),
    ],
)
def test_what_is_shown(text: object, shown: str) -> None:
    assert printable(text) == shown


def test_rows_lines_and_failures_come_out_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    say(NASTY)
    say(NASTY, err=True)
    print_table([{"kind": NASTY, "code": "x"}], ["kind", "code"], title=NASTY)
    CommandFailed(NASTY).show()
    printed = capsys.readouterr()
    assert set(printed.out + printed.err) <= SAFE
    assert len(printed.out.splitlines()) == 6, "two lines, an empty one, the title, the heads and one row"


def test_a_command_that_failed_says_so_as_all_errors_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    CommandFailed("not_found: there is no job x").show()
    assert capsys.readouterr() == ("", "kizu: not_found: there is no job x\n")


@pytest.fixture
def console() -> Iterator[None]:
    log.configure("info", "console")
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("console")
def test_log_lines_for_a_person_come_out_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().info("job failed", reason="harmless", rows=["harmless"])
    colours = set(capsys.readouterr().err) - SAFE
    structlog.get_logger().info("job failed", reason=NASTY, rows=[NASTY])
    try:
        raise ValueError(NASTY)
    except ValueError:
        structlog.get_logger().exception("handler raised")
    shown = capsys.readouterr().err
    assert "\x1b[2J" not in shown
    assert "\x1b]0" not in shown
    assert set(shown) - SAFE <= colours | set("~^<>{}")
    assert "Traceback" in shown
    assert len(shown.splitlines()) > 4, "a traceback stays in lines"


def test_nothing_else_prints() -> None:
    others = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "worker").rglob("*.py"))
        if str(path.relative_to(ROOT)) not in DOORS
        for line in printing_in(path)
    ]
    assert others == []


def printing_in(path: Path) -> Iterator[int]:
    """Lines that print by click or Python, or end a command with a message of click's own."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("print", "click.echo", "click.secho", "click.ClickException"):
                yield node.lineno
