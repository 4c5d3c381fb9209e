"""Workers go on filling generations when no command waits for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.catalog.insightface import ARCFACE
from models.errors import UnknownModel
from models.spec import ModelIdentity
from worker import operations
from worker.core.errors import BadParams, DatabaseUnavailable, PermissionDenied
from worker.generations import FILL_PAGE, FRESH_SECONDS, Generations
from worker.library.abilities import can_embed
from worker.settings import Settings
from worker.testing import MemoryGenerations


class Project:
    """Three generations; `fill_generation` answers with pages, or raises."""

    def __init__(self, *pages: bool | Exception) -> None:
        self.pages = list(pages)
        self.filled: list[int] = []

    async def rpc(self, function: str, params: Mapping[str, Any], *, within: float) -> Any:
        if function == "generations":
            return [
                {
                    "id": number,
                    "kind": kind,
                    "model_version": f"model-{number}",
                    "model": {"embed_model": "conse"},
                    "dimension": 384,
                    "weights_digest": None,
                    "precision": None,
                    "cutoff": None,
                    "state": state,
                }
                for number, kind, state in [
                    (1, "pictures", "former"),
                    (2, "pictures", "active"),
                    (3, "faces", "active"),
                    (4, "pictures", "filling"),
                    (5, "pictures", "dropping"),
                ]
            ]
        assert function == "fill_generation"
        assert params["p_limit"] == FILL_PAGE
        self.filled.append(params["p_id"])
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return {"looked_at": 1, "enqueued": 1, "at_end": page, "passed_by": False}


def generations_of(project: Project) -> Generations:
    return Generations(project.rpc, Settings(_env_file=None))


@pytest.mark.parametrize(
    ("pages", "more"), [((True, True), False), ((True, False), True), ((False, True), True)]
)
async def test_one_page_of_each_that_does_not_answer_is_filled(pages: tuple[bool, bool], more: bool) -> None:
    project = Project(*pages)
    assert await generations_of(project).fill() is more
    assert project.filled == [1, 4]


async def test_what_this_machine_cannot_embed_for_is_filled_by_others(tmp_path: Path) -> None:
    """Where nobody can, it would be enqueued and fail without end."""
    project = Project(True)
    generation = (await generations_of(project).of("pictures"))[0]
    settings = Settings(_env_file=None, model_cache_dir=tmp_path)
    known = operations.discover().values()
    assert can_embed(known, settings, generation)
    assert not can_embed(known, settings.model_copy(update={"model_downloads": False}), generation)
    assert not can_embed(known, settings, replace(generation, model={"embed_model": "no such"}))
    assert not can_embed([], settings, generation)
    assert await generations_of(project).fill(lambda generation: generation.id == 4) is False
    assert project.filled == [4]


async def test_a_users_worker_is_refused_once_and_asks_no_more() -> None:
    project = Project(PermissionDenied("not yours"))
    generations = generations_of(project)
    assert [await generations.fill(), await generations.fill()] == [False, False]
    assert project.filled == [1]


async def test_after_an_outage_it_is_tried_again() -> None:
    project = Project(DatabaseUnavailable("gone"), True, True)
    generations = generations_of(project)
    with pytest.raises(DatabaseUnavailable):
        await generations.fill()
    assert await generations.fill() is False
    assert project.filled == [1, 1, 4]


class Restive(MemoryGenerations):
    """Refuses settings that are too long, as the project does; the clock is set by hand."""

    now = 0.0

    async def __call__(self, function: str, params: Mapping[str, Any], *, within: float) -> Any:
        if any(len(value) > 300 for value in params.get("p_model", {}).values()):
            raise BadParams("model: expected texts of at most 300 characters")
        return await super().__call__(function, params, within=within)

    async def begin(self, version: str, model: Mapping[str, str]) -> None:
        wish = {"p_kind": "pictures", "p_version": version, "p_model": model, "p_dimension": 3}
        await MemoryGenerations.__call__(self, "begin_generation", wish, within=1)

    def generations(self, **settings: Any) -> Generations:
        return Generations(self, Settings(_env_file=None, **settings), clock=lambda: self.now)


async def test_an_outage_leaves_the_last_answer_standing() -> None:
    project = Restive()
    generations = project.generations()
    project.down = True
    with pytest.raises(DatabaseUnavailable):
        await generations.of("pictures")
    project.down = False
    project.now += 2 * FRESH_SECONDS
    await project.begin("model", {"embed_model": "conse"})
    assert [one.version for one in await generations.of("pictures")] == ["model"]
    project.down = True
    project.now += 2 * FRESH_SECONDS
    project.calls.clear()
    for _ in range(3):
        assert [one.version for one in await generations.to_write("pictures", None)] == ["model"]
    assert len(project.calls) == 1, "each job would wait for it in turn"
    with pytest.raises(DatabaseUnavailable):
        await generations.to_write("pictures", "another")


async def test_same_version_is_asked_by_the_settings_here() -> None:
    """The row of a model that is a file names it as the machine does that began with it."""
    project = Restive()
    await project.begin("openclip-ViT-B-32-weights", {"clip_pretrained": "/elsewhere/weights.pt"})
    [found] = await project.generations(clip_pretrained="/here/weights.pt").of("pictures")
    assert found.model["clip_pretrained"] == "/here/weights.pt"
    assert project.rows[0]["model"] == {"clip_pretrained": "/elsewhere/weights.pt"}
    [other] = await project.generations(embed_model="conse").of("pictures")
    assert other.model == {"clip_pretrained": "/elsewhere/weights.pt"}


async def test_model_that_the_project_refuses_is_an_unknown_one() -> None:
    generations = Restive().generations(clip_pretrained=f"{'long/' * 70}weights.pt")
    with pytest.raises(UnknownModel, match="cannot be the library's"):
        await generations.begin("pictures", identity("openclip-ViT-B-32-weights"))


async def test_digest_is_learnt_of_a_model_that_is_a_file() -> None:
    """The service began it, and a worker is the first that asks it."""
    project = Restive()
    await project.begin("model", {"clip_pretrained": "shared/weights.pt"})
    generations = project.generations()
    [found] = await generations.of("pictures")
    project.down = True
    await generations.learn(found, identity("model"))
    project.down = False
    await generations.learn(found, identity("model"))
    assert project.rows[0]["weights_digest"] == "d"
    assert project.rows[0]["model"] == {"clip_pretrained": "shared/weights.pt"}


async def test_whole_scale_of_faces_is_told_and_learnt() -> None:
    """Of a generation that a worker of before there were scales began, too."""
    project = Restive()
    begun = project.generations(faces_model="insightface", face_pack="buffalo_l")
    proposal = begun.proposal("faces", identity("insightface-buffalo_l"))
    told = [proposal[name] for name in ("p_same_face", "p_maybe_face", "p_face_margin", "p_false_accepts")]
    assert told == [ARCFACE.same, ARCFACE.maybe, ARCFACE.margin, ARCFACE.false_accepts]
    older = {"p_kind": "faces", "p_version": "f", "p_model": {"a": "b"}, "p_dimension": 512}
    known = {"p_digest": "d", "p_precision": "fp32", "p_same_face": ARCFACE.same}
    await project("begin_generation", {**older, **known}, within=1.0)
    generations = project.generations()
    [found] = await generations.of("faces")
    project.calls.clear()
    for _ in range(2):
        await generations.learn(found, replace(identity("f"), scale=ARCFACE))
    assert project.calls == ["begin_generation"], "once is enough"
    row = project.rows[0]
    assert (row["maybe_face"], row["face_margin"]) == (ARCFACE.maybe, ARCFACE.margin)
    [found] = await project.generations().of("faces")
    await project.generations().learn(found, replace(identity("f"), scale=ARCFACE))
    assert "begin_generation" not in project.calls[1:], "nothing is left to learn"


def identity(version: str) -> ModelIdentity:
    return ModelIdentity(
        task="embed", name="m", version=version, digest="d", backend="b", precision="fp32", device="cpu"
    )
