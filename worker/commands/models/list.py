"""`kizu models list`: every model, and what this machine has to run it on."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import click

from models.serving.profile import resolved
from worker.commands.models.entry import Entry, all_entries, check_names, problems_of
from worker.output import as_json, print_json, print_table, say
from worker.settings import Settings, read_settings

LOOK_SECONDS = 120
"""The most that importing torch and ONNX Runtime takes on a slow disk."""
COLUMNS = ("task", "name", "version", "selected", "weights", "MB", "licence")


@click.command("list")
@as_json
def list_models(as_json: bool) -> None:
    """Every model with its licence and weights, and what this machine has to run them on."""
    settings = resolved(read_settings())
    check_names(settings)
    entries = all_entries(settings)
    entries.sort(key=lambda entry: (entry.task, not entry.selected))
    machine = _look_at_machine(settings)
    if as_json:
        print_json({"machine": machine, "models": [asdict(entry) for entry in entries]})
        return
    print_table((_row(entry) for entry in entries), COLUMNS)
    for entry in entries:
        if entry.scale:
            say(f"{entry.version}: {entry.scale}")
    for problem in problems_of(entries):
        say(f"! {problem}")
    say(
        f"device {machine['device'] or machine['problem']}, {machine['cores']} cores;"
        f" installed {', '.join(machine['backends']) or 'nothing to run models with'};"
        f" ONNX Runtime on {', '.join(machine['providers']) or 'nothing'}"
    )


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "task": entry.task,
        "name": entry.name,
        "version": entry.version or "does not fit the settings",
        "selected": "yes" if entry.selected else None,
        "weights": entry.weights,
        "MB": f"{entry.bytes / 1e6:.0f}" if entry.bytes else None,
        "licence": f"{entry.licence} ({entry.use}{'' if entry.allowed else ', not allowed'})"
        if entry.licence
        else None,
    }


def _look_at_machine(settings: Settings) -> dict[str, Any]:
    """What models can run on here, found out by another process, which alone imports torch."""
    command = [
        *(sys.executable, "-P", "-m", "models.machine.report"),
        *(str(settings.model_cache_dir), settings.model_device, settings.model_backend),
    ]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, timeout=LOOK_SECONDS, check=True
        ).stdout
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        problem = f"not known: looking failed ({type(error).__name__})"
        return {"device": None, "problem": problem, "backends": [], "providers": [], "cores": 0}
    return found
