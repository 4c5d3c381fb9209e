"""Which two generations are compared; tests/acceptance has the commands on a stack."""

from __future__ import annotations

from typing import Any

import pytest

from worker.commands.models.generations.compare import pair
from worker.commands.models.generations.list import shown
from worker.core.errors import NotFound


def row(number: int, kind: str, state: str) -> dict[str, Any]:
    return {"id": number, "kind": kind, "state": state, "model_version": f"model-{number}"}


ROWS = [
    row(1, "pictures", "former"),
    row(2, "pictures", "active"),
    row(3, "pictures", "filling"),
    row(4, "pictures", "former"),
    row(5, "faces", "active"),
    row(6, "pictures", "dropping"),
]


@pytest.mark.parametrize(
    ("same", "maybe", "told", "why"),
    [
        (0.5, 0.35, "0.35-0.50", "from which two faces may be one person, and are"),
        (0.55, None, "0.55", "who began it knew no more"),
        (None, None, None, "it is not of faces"),
    ],
)
def test_the_list_tells_how_faces_are_measured(
    same: float | None, maybe: float | None, told: str | None, why: str
) -> None:
    far = {"missed": {}, "cutoff": None, "since": "2026-12-01T00:00:00+00:00"}
    assert (
        shown({**row(5, "faces", "active"), **far, "same_face": same, "maybe_face": maybe})["faces"] == told
    ), why


def ids(*rows: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row["id"] for row in rows)


@pytest.mark.parametrize(
    ("kind", "other", "expected"),
    [
        (None, None, (2, 3)),
        ("pictures", None, (2, 3)),
        ("pictures", "1", (2, 1)),
        ("pictures", "model-4", (2, 4)),
    ],
)
def test_the_one_that_is_filled_is_meant_unless_another_is_named(
    kind: str | None, other: str | None, expected: tuple[int, int]
) -> None:
    assert ids(*pair(ROWS, kind, other)) == expected


def test_without_one_that_is_filled_the_newest_is_meant() -> None:
    rows = [one for one in ROWS if one["state"] != "filling"]
    assert ids(*pair(rows, None, None)) == (2, 4)


@pytest.mark.parametrize(
    ("kind", "other", "reason"),
    [
        ("faces", None, "no other generation of faces"),
        ("pictures", "2", "model-2 is active"),
        ("pictures", "6", "model-6 is dropping"),
        ("pictures", "5", "there is no generation '5'"),
        ("faces", "3", "there is no generation '3'"),
    ],
)
def test_what_cannot_be_compared_is_said(kind: str, other: str | None, reason: str) -> None:
    with pytest.raises(NotFound, match=reason):
        pair(ROWS, kind, other)


def test_in_a_project_without_generations_there_is_nothing_to_compare() -> None:
    with pytest.raises(NotFound, match="no other generation to compare"):
        pair([], None, None)
