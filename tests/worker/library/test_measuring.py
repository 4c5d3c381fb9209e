"""Whose background a worker measures, and with how many requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from worker.generations import Generation
from worker.library.measuring import AT_ONCE, FEWEST_PHOTOS, measure_cutoffs, unlike_sentences
from worker.testing import FakeModels

ACTIVE, FILLING = (
    Generation(id=number, kind="pictures", version=version, model={"embed_model": version}, dimension=4)
    for number, version in ((1, "fake-embed"), (2, "other"))
)


class Known:
    async def of(self, kind: str) -> list[Generation]:
        assert kind == "pictures"
        return [ACTIVE, FILLING]


class Project:
    def __init__(self, due: Sequence[Mapping[str, int]], photos: int = 1000) -> None:
        self.due, self.photos = due, photos
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def rpc(self, function: str, params: dict[str, Any] | None = None) -> Any:
        self.calls.append((function, params or {}))
        if function == "unmeasured_generations":
            return self.due
        if function == "measure_background":
            assert params
            random = [0.1 + 0.001 * (number % 7) for number in range(len(params["p_vectors"]))]
            return {"photos": self.photos, "nearest": [[cosine, 0.1] for cosine in random]}
        return {}

    def called(self, function: str) -> list[dict[str, Any]]:
        return [params for called, params in self.calls if called == function]


async def rounds(project: Project, can_embed: Any = lambda generation: True) -> None:
    models = FakeModels(embed=lambda text: (1.0, 0.0, 0.0))
    assert await measure_cutoffs(project, models, Known(), can_embed) is False  # type: ignore[arg-type]


async def test_where_nothing_is_due_one_request_says_so() -> None:
    project = Project([])
    await rounds(project)
    assert [function for function, _ in project.calls] == ["unmeasured_generations"]


async def test_each_that_is_due_and_known_here_is_measured_in_few_requests() -> None:
    project = Project([{"id": 1, "photos": 40_000}, {"id": 2, "photos": 1000}, {"id": 3, "photos": 1000}])
    await rounds(project, lambda generation: generation is ACTIVE)
    pages = [wish["p_vectors"] for wish in project.called("measure_background")]
    assert (len(pages), len(pages[0]), sum(map(len, pages))) == (7, AT_ONCE, len(unlike_sentences()))
    assert pages[0][0] == "[1,0,0,0]"
    [kept] = project.called("keep_cutoff")
    assert (kept["p_id"], kept["p_photos"]) == (1, 40_000)
    assert 0.106 < kept["p_cutoff"] < 0.15


async def test_of_too_few_photos_nothing_is_kept() -> None:
    project = Project([{"id": 1, "photos": FEWEST_PHOTOS}], photos=FEWEST_PHOTOS - 1)
    await rounds(project)
    assert len(project.called("measure_background")) == 1
    assert project.called("keep_cutoff") == []


def test_no_unlike_sentence_is_there_twice() -> None:
    sentences = unlike_sentences()
    assert len(set(sentences)) == len(sentences) > 300
