"""What the program says at the end: one table or one JSON object."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.bench_lab.measure import Measure

Sections = Mapping[str, Sequence[Measure]]


def as_json(sections: Sections, *, quick: bool) -> dict[str, Any]:
    """Every value by section and name; the goals that were set, and whether they were met."""
    return {
        "quick": quick,
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "system": platform.system()},
        "sections": {
            section: {measure.name: round(measure.value, 4) for measure in measures}
            for section, measures in sections.items()
        },
        "goals": {
            f"{section}.{measure.name}": {"goal": measure.goal, "met": measure.is_met}
            for section, measures in sections.items()
            for measure in measures
            if measure.is_met is not None
        },
    }


def show(sections: Sections, console: Console) -> None:
    table = Table(title=f"kizu on {os.cpu_count()} cores")
    table.add_column("section")
    table.add_column("measure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("goal", justify="right")
    for section, measures in sections.items():
        for place, measure in enumerate(measures):
            colour = {True: "green", False: "red", None: "default"}[measure.is_met]
            table.add_row(
                "" if place else section,
                measure.name,
                f"[{colour}]{measure.value:,.4g}[/]" if measure.value < 1000 else f"{measure.value:,.0f}",
                measure.unit,
                measure.goal,
            )
        table.add_section()
    console.print(table)
