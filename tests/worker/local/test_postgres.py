"""The account that Postgres runs under; the server itself is in test_stack."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from worker.core.errors import StartupError
from worker.local import postgres


@pytest.mark.parametrize("others", [0, 1])
def test_the_account_of_postgres_is_made_once(monkeypatch: pytest.MonkeyPatch, others: int) -> None:
    """By us, or by another stack that starts at the same moment, for whose sake our own attempt fails."""
    made: list[str] = []

    def find(name: str) -> str:
        if name not in made:
            raise KeyError(name)
        return name

    def add(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        made.append(command[-1])
        return subprocess.CompletedProcess(command, others, "", "already there")

    monkeypatch.setattr(postgres.pwd, "getpwnam", find)
    monkeypatch.setattr(postgres.subprocess, "run", add)
    assert postgres._os_user() == postgres.OS_USER
    assert made == [postgres.OS_USER]


def test_an_account_that_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "cannot lock /etc/passwd")

    def find(name: str) -> str:
        raise KeyError(name)

    monkeypatch.setattr(postgres.pwd, "getpwnam", find)
    monkeypatch.setattr(postgres.subprocess, "run", refuse)
    monkeypatch.setattr(postgres, "ACCOUNT_TRIES", 2)
    with pytest.raises(StartupError, match="cannot lock"):
        postgres._os_user()
