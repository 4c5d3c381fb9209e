"""The group of all commands: discovered, summed up and imported one by one."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from tests.paths import ROOT
from worker.cli import kizu, summary_of

WORDS = kizu.list_commands(click.Context(kizu))


@pytest.mark.parametrize("word", WORDS)
def test_help_says_of_a_command_what_it_says_of_itself(word: str) -> None:
    command = kizu.get_command(click.Context(kizu), word)
    assert command is not None
    assert command.help
    assert summary_of(word) == command.help.partition("\n")[0]


def test_help_lists_every_command() -> None:
    shown = CliRunner().invoke(kizu, ["--help"])
    assert shown.exit_code == 0
    for word in WORDS:
        assert f"\n  {word} " in shown.output


GROUPS = [word for word in WORDS if isinstance(kizu.get_command(click.Context(kizu), word), click.Group)]


@pytest.mark.parametrize("word", GROUPS)
def test_help_of_a_group_cuts_no_line_off(word: str) -> None:
    shown = CliRunner().invoke(kizu, [word, "--help"])
    assert shown.exit_code == 0
    assert "..." not in shown.output.partition("Commands:")[2]


def test_unknown_word_is_wrong_usage() -> None:
    assert CliRunner().invoke(kizu, ["nonsense"]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (["--help"], ["structlog", "httpx", "pydantic", "supabase", "rich", "models"]),
        (
            ["jobs", "--help"],
            [
                "structlog",
                "rich.traceback",
                "supabase",
                "supabase_auth",
                "realtime",
                "postgrest",
                "models.catalog",
                "PIL",
            ],
        ),
        (["health", "--help"], ["supabase", "httpx", "PIL"]),
        (["local", "--help"], ["supabase", "httpx", "psycopg", "PIL"]),
    ],
)
def test_command_imports_only_what_it_needs(arguments: list[str], unneeded: list[str]) -> None:
    program = (
        "import sys; from worker.cli import kizu; kizu(sys.argv[1:], standalone_mode=False);"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(run.stderr.split()) & set(unneeded) == set()
