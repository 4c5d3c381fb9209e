"""What comparing two generations comes to, in one sentence, and what is kept of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worker.generations import Generation
from worker.library.comparing import Comparison, Side, compare
from worker.testing import FakeModels


def pictures(one: float | None, other: float | None, *, captions: int = 100, **more: Any) -> Comparison:
    """Of shares of captions whose photo is among the first; a tenth of them is the first."""
    return Comparison(
        kind="pictures",
        one=Side(id=1, version="old", state="active", among=one, first=one and one / 10),
        other=Side(id=2, version="new", state="filling", among=other, first=other and other / 10),
        captions=captions,
        **{"overlap": 0.4, "compared": 50, **more},
    )


@pytest.mark.parametrize(
    ("one", "other", "often"),
    [
        (0.5, 0.7, "more often than"),
        (0.7, 0.5, "less often than"),
        (0.5, 0.55, "about as often as"),
        (1.0, 1.0, "about as often as"),
        (0.0, 0.0, "about as often as"),
    ],
)
def test_only_a_difference_beyond_chance_is_one(one: float, other: float, often: str) -> None:
    assert f" {often} old " in pictures(one, other).meaning


def test_the_same_difference_of_few_captions_is_chance() -> None:
    assert "about as often as" in pictures(0.5, 0.7, captions=20).meaning


def test_both_counts_are_said() -> None:
    assert pictures(0.5, 0.7).meaning == (
        "By its own caption new finds a photo among the first 20 more often than old (70% and 50% of 100); "
        "of the 20 photos most like one they have 40% in common."
    )


def test_where_nearly_all_are_among_the_first_twenty_it_is_the_first_that_tells() -> None:
    found = Comparison(
        kind="pictures",
        one=Side(id=1, version="old", state="active", among=1.0, first=0.3),
        other=Side(id=2, version="new", state="filling", among=1.0, first=0.7),
        captions=100,
    )
    assert "finds a photo first more often than old (70% and 30% of 100)" in found.meaning
    assert "no photo has neighbours in both" in found.meaning


def test_without_captions_that_is_said() -> None:
    assert "has no captions" in pictures(None, None, captions=0).meaning


def test_a_model_that_could_not_be_asked_is_named() -> None:
    found = Comparison(
        kind="pictures",
        one=Side(id=1, version="old", state="active", among=0.5, first=0.5),
        other=Side(id=2, version="new", state="filling", lacks="weights_missing: none"),
        captions=10,
    )
    assert found.meaning.startswith("Where new cannot be asked")


class People:
    def __init__(self, faces: int) -> None:
        self.faces = faces
        self.kept: list[dict[str, Any]] = []

    async def rpc(self, function: str, params: dict[str, Any]) -> Any:
        if function == "compare_people":
            counts = {"right": 3, "wrong": 1, "unsure": self.faces - 4}
            return {"faces": self.faces, "one": counts, "other": {**counts, "wrong": 0}}
        assert function == "calibrate_generation"
        self.kept.append(json.loads(json.dumps(params)))
        return {}


async def of_people(project: Any) -> Comparison:
    one, other = (
        Generation(id=number, kind="faces", version=version, model={}, dimension=128)
        for number, version in ((1, "old"), (2, "new"))
    )
    return await compare(project, FakeModels(), one, other)


async def test_named_faces_are_counted_and_kept_with_both() -> None:
    project = People(10)
    found = await of_people(project)
    assert found.meaning == (
        "Of 10 faces with a name new takes 3 for the right person and 0 for a wrong one, old 3 and 1."
    )
    assert [(kept["p_id"], kept["p_cutoff"]) for kept in project.kept] == [(1, None), (2, None)]
    assert project.kept[0]["p_comparison"] == project.kept[1]["p_comparison"] == found.as_json()


async def test_without_named_faces_there_is_nothing_to_compare() -> None:
    assert "nothing to compare" in (await of_people(People(0))).meaning
