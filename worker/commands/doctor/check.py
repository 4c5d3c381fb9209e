"""One finding of `kizu doctor`, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

State: TypeAlias = Literal["ok", "warning", "failed"]

MARKS: dict[State, str] = {"ok": "✓", "warning": "!", "failed": "✗"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    subject: str
    state: State
    text: str
    """What was found or, if not ok, how to fix it."""
    lines: tuple[str, ...] = ()
    """For a person, in place of a text that is too long to be one line; says no less."""

    def shown(self) -> list[str]:
        """The lines that a person reads."""
        head = f"{MARKS[self.state]} {self.subject}:"
        return [head, *(f"    {line}" for line in self.lines)] if self.lines else [f"{head} {self.text}"]
