"""What the program says at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.chaos_lab.verdict import Check, Verdict

SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The verdict, and what it was reached in spite of."""

    form: str
    seed: int
    seconds: float
    checks: Sequence[Check]
    verdict: Verdict
    happened: Mapping[str, int]
    """Everything that was done to the workers, the gateway and the database, and how often."""

    @property
    def is_clean(self) -> bool:
        return self.verdict.is_clean

    def as_json(self) -> dict[str, Any]:
        verdict = self.verdict
        return {
            "ok": self.is_clean,
            "form": self.form,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "jobs_per_second": round(verdict.jobs / self.seconds, 1),
            "jobs": verdict.jobs,
            "completed": verdict.completed,
            "failed_as_expected": verdict.failed_as_expected,
            **{check.name: len(verdict.broken[check.name]) for check in self.checks},
            "rescued": verdict.rescued,
            "released": verdict.released,
            "retried": verdict.retried,
            "poisoned": verdict.poisoned,
            "happened": dict(sorted(self.happened.items())),
        }

    def show(self, console: Console) -> None:
        found = self.as_json()
        happened = found.pop("happened")
        table = Table(title=f"{self.form} chaos, seed {self.seed}", show_header=False)
        for name, value in found.items():
            table.add_row(name, str(value))
        table.add_section()
        for name, value in happened.items():
            table.add_row(name, str(value))
        console.print(table)
        show_broken(console, self.checks, self.verdict.broken)


def show_broken(console: Console, checks: Sequence[Check], broken: Mapping[str, Sequence[str]]) -> None:
    """The promises that were broken, by what."""
    for check in checks:
        if found := broken[check.name]:
            console.print(f"[red]{check.name}[/red]: expected that {check.promise}")
            console.print(f"  broken by {', '.join(found[:SHOWN])}{' …' if len(found) > SHOWN else ''}")
