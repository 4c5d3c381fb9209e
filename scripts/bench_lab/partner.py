"""A program that runs beside this one: it is told something once, then answers one question after the other.

Both are JSON objects, one a line, on its standard input and output; whatever libraries print goes to its log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scripts.bench_lab.lab import Lab
from scripts.bench_lab.workers import ROOT

Answer = dict[str, Any]
LOG_LINES = 20
END_SECONDS = 10


class Partner:
    """The asking end."""

    def __init__(self, process: subprocess.Popen[str], tail: Callable[[], str]) -> None:
        self._process = process
        self._tail = tail

    def ask(self, **question: Any) -> Answer:
        """Waits for the answer, for as long as that takes.

        Raises:
            RuntimeError: the program has ended instead.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(END_SECONDS)
            raise RuntimeError(f"a program beside this one has ended; its log ends with:\n{self._tail()}")
        answer: Answer = json.loads(line)
        return answer


@contextmanager
def beside(lab: Lab, module: str, **told: Any) -> Iterator[Partner]:
    """`module` as a program that calls `answer`; it has understood what it was told when this begins."""
    path = lab.home / f"{module}.log"
    with path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", module],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    partner = Partner(process, lambda: "\n".join(path.read_text().splitlines()[-LOG_LINES:]))
    try:
        partner.ask(**told)
        yield partner
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answer(start: Callable[..., Callable[..., Answer]]) -> None:
    """The answering end: `start` is given what is told and answers what answers the questions."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        ask: Callable[..., Answer] | None = None
        for line in sys.stdin:
            question = json.loads(line)
            if ask is None:
                ask, said = start(**question), {}
            else:
                said = ask(**question)
            answers.write(json.dumps(said) + "\n")
            answers.flush()
