"""`scripts/bench`: what the worker promises, measured on the embedded Supabase of this machine."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.console import Console

from scripts.bench_lab import (
    backfill,
    claims,
    decoding,
    fairness,
    generations,
    images,
    latency,
    loop,
    memory,
    moments,
    noop,
    people,
    people_assignment,
    people_questions,
    profiles,
    ranking,
    recall,
    search,
    search_fairness,
    thumbnails,
)
from scripts.bench_lab.lab import Lab, lab_at
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.report import as_json, show

SECTIONS: dict[str, Callable[[Lab], list[Measure]]] = {
    "thumbnails": thumbnails.measure,
    "images": images.measure,
    "profiles": profiles.measure,
    "noop": noop.measure,
    "latency": latency.measure,
    "claims": claims.measure,
    "fairness": fairness.measure,
    "loop": loop.measure,
    "decoding": decoding.measure,
    "generations": generations.measure,
    "backfill": backfill.measure,
    "search": search.measure,
    "search-fairness": search_fairness.measure,
    "ranking": ranking.measure,
    "recall": recall.measure,
    "people": people.measure,
    "moments": moments.measure,
    "people-assignment": people_assignment.measure,
    "people-questions": people_questions.measure,
    "memory": memory.measure,
}


@click.command()
@click.argument("sections", nargs=-1, type=click.Choice(list(SECTIONS)), metavar="[SECTION]...")
@click.option("--json", "wants_json", is_flag=True, help="One JSON object on standard output.")
@click.option("--quick", is_flag=True, help="Fewer jobs: shows that it works, not how fast it is.")
@click.option(
    "--vectors",
    type=click.IntRange(min=1_000),
    help="Of `recall` and of each of the two generations of `generations`, a million, if not quick; the most"
    " faces of a user in `people-assignment`, 100,000.",
)
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A folder for charts of what grows, as SVG.",
)
def main(
    sections: Sequence[str], wants_json: bool, quick: bool, vectors: int | None, plots: Path | None
) -> None:
    """Measure the SECTIONs; all of them without any.

    thumbnails, images, profiles, noop, latency, claims, fairness, loop, decoding,
    generations, backfill, people, search, search-fairness, ranking, recall, moments,
    people-assignment, people-questions, memory

    Ratios are of things measured in turns in one run, so that they hold on any machine; nothing fails when a
    goal is missed.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: with everything stopped
    console = Console(stderr=wants_json)
    home = Path(tempfile.mkdtemp(prefix="kizu-bench-"))
    try:
        with (
            console.status("starting") as status,
            lab_at(home, quick=quick, vectors=vectors, plots=plots, tell=status.update) as lab,
        ):
            found = {name: SECTIONS[name](lab) for name in sections or SECTIONS}
    finally:
        shutil.rmtree(home)
    show(found, console)
    if wants_json:
        print(json.dumps(as_json(found, quick=quick)))


if __name__ == "__main__":
    main()
