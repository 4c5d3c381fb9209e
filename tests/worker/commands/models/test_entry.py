"""What is wrong with which model; test_models has the commands that say so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.people.scale import Scale
from worker.commands.models.entry import Entry, print_entries, problems_of

SCALE = Scale(same=0.5, maybe=0.35, margin=0.1)


def entry(task: str, name: str, **known: Any) -> Entry:
    return Entry(task=task, name=name, **known)


@pytest.mark.parametrize(
    ("entries", "problems", "why"),
    [
        ([entry("ocr", "rapid", selected=True)], [], "all is well"),
        ([entry("ocr", "rapid", selected=True, problem="gone")], ["ocr: gone"], "jobs use it"),
        (
            [entry("ocr", "rapid", selected=True), entry("ocr", "easy", problem="gone")],
            [],
            "nobody uses it",
        ),
        (
            [entry("ocr", "rapid", problem="no"), entry("ocr", "easy", problem="nor this")],
            ["ocr: no", "ocr: nor this"],
            "none fits, and each says why",
        ),
        (
            [entry("ocr", "rapid", selected=True, problem="gone"), entry("ocr", "easy", problem="no")],
            ["ocr: gone"],
            "what is not selected is no help",
        ),
        (
            [entry("ocr", "rapid", selected=True), entry("faces", "a", problem="no")],
            ["faces: no"],
            "another task is served",
        ),
    ],
)
def test_a_problem_is_what_keeps_a_task_from_being_done(
    entries: list[Entry], problems: list[str], why: str
) -> None:
    assert problems_of(entries) == problems, why


def test_entries_for_people_say_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    print_entries(
        [
            entry(
                *("faces", "a"),
                version="a-1",
                weights="present",
                bytes=1_500_000,
                graphs="/cache/graphs/a",
                scale=SCALE,
            ),
            entry("ocr", "b", version="b-1", weights="package"),
            entry("embed", "c", version="c-1", weights="skipped", problem="its licence"),
        ],
        as_json=False,
    )
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "a-1: weights present, 1.5 MB",
        f"  {SCALE}",
        "  graphs in /cache/graphs/a",
        "b-1: weights come with its package",
        "c-1: weights skipped",
    ]
    assert said.err == "  its licence\n"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_problem_ends_with_exit_code_1_once_all_is_told(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    entries = [entry("ocr", "a", version="a-1", problem="gone"), entry("ocr", "b", version="b-1")]
    with pytest.raises(SystemExit) as ended:
        print_entries(entries, as_json)
    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert "b-1" in said
    if as_json:
        assert [found["problem"] for found in json.loads(said)] == ["gone", ""]
