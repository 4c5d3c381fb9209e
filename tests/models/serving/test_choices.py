"""Several models of one task in one process: each by itself, and none twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image

from models.errors import BadWeights, UnknownModel, WeightsMissing
from models.frame import Frame
from models.people.scale import Scale
from models.results import Vector
from models.serving.registry import Registry
from models.serving.remote import RemoteModels
from models.serving.slots import Slots
from models.settings import ModelSettings
from models.spec import Choice, Loading, ModelIdentity, Variant
from models.tasks import EMBED, FACES, Embedder, Model, Task
from tests.models.fakes import Stores, Weigher, Witness, packs_of
from tests.models.serving.registries import Gate, Late, opened

BIRDS: Final[Task[Witness]] = Task("faces")
WEIGHTS: Final[Task[Weigher]] = Task("faces")
GATES: Final[Task[Gate]] = Task("faces")
OWN: Final = {"face_pack": "owl", "model_batch_delay": 0}


def pack(name: str) -> Choice:
    return Choice.of({"faces_model": "packs", "face_pack": name})


async def test_each_choice_has_a_model_that_is_loaded_with_its_own_settings(settings: ModelSettings) -> None:
    with opened([packs_of(BIRDS, Witness)], settings, **OWN) as models:
        for choice, name in ((None, "owl"), (pack("robin"), "robin"), (pack("crane"), "crane")):
            answer = await models.run(BIRDS, Witness.setting, "face_pack", choice=choice)
            assert (answer.value, answer.model.version) == (name, f"pack-{name}")
        assert models.measured().keys() == {"pack-owl", "pack-robin", "pack-crane"}
        assert [one.loads for one in models.measured().values()] == [1, 1, 1], "all are loaded at once"


async def test_the_identity_is_the_chosen_models_whether_or_not_it_is_loaded(settings: ModelSettings) -> None:
    def told(identity: ModelIdentity) -> tuple[str, Scale | None, str]:
        return identity.version, identity.scale, identity.backend

    with opened([packs_of(BIRDS, Witness)], settings, **OWN) as models:
        assert told(await models.identity(BIRDS)) == ("pack-owl", Scale(same=0.3, maybe=0.1, margin=0.05), "")
        assert told(await models.identity(BIRDS, pack("robin"))) == (
            "pack-robin",
            Scale(same=0.5, maybe=0.1, margin=0.05),
            "",
        )
        answer = await models.run(BIRDS, Witness.setting, "face_pack", choice=pack("robin"))
        assert await models.identity(BIRDS, pack("robin")) == answer.model
        assert models.measured()["pack-owl"].loads == 0


@pytest.mark.parametrize("first", [None, pack("owl")])
async def test_a_choice_of_what_the_settings_mean_is_the_same_model(
    settings: ModelSettings, first: Choice | None
) -> None:
    gate = Gate()
    late = Late()
    with opened([packs_of(GATES, lambda _: gate, largest_batch={"cpu": 8})], settings, late, **OWN) as models:
        choices = [first, pack("owl"), None, Choice.of({**pack("owl").as_json()})]
        asked = [
            asyncio.create_task(models.run(GATES, Gate.ask, number, choice=choice))
            for number, choice in enumerate(choices)
        ]
        await asyncio.sleep(0)
        gate.open.set()
        late.found.set()
        answers = await asyncio.gather(*asked)
        assert len({answer.model for answer in answers}) == 1
        assert models.measured().keys() == {"pack-owl"}
        assert models.measured()["pack-owl"].loads == 1
        assert gate.calls == [[0, 1, 2, 3]], "who asks for it one way shares a call with who does the other"


async def test_no_call_mixes_what_was_asked_of_two_models(settings: ModelSettings) -> None:
    gates: dict[str, Gate] = {}

    def load(loading: Loading) -> Gate:
        gate = gates[loading.settings.face_pack] = Gate()
        gate.open.set()
        return gate

    late = Late()
    with opened([packs_of(GATES, load, largest_batch={"cpu": 8})], settings, late, **OWN) as models:
        choices = [None, pack("robin"), pack("owl"), pack("robin"), None, pack("robin")]
        asked = [
            asyncio.create_task(models.run(GATES, Gate.ask, number, choice=choice))
            for number, choice in enumerate(choices)
        ]
        await asyncio.sleep(0)
        late.found.set()
        assert [(await one).value for one in asked] == list(range(6))
        assert {name: gate.calls for name, gate in gates.items()} == {
            "owl": [[0, 2, 4]],
            "robin": [[1, 3, 5]],
        }
        measured = models.measured()
        assert measured["pack-owl"].batch_sizes == measured["pack-robin"].batch_sizes == {3: 1}


def loaded(models: Registry) -> list[str]:
    return sorted(version for version, metrics in models.measured().items() if metrics.megabytes)


async def test_the_models_of_a_task_share_the_budget_with_all_others(settings: ModelSettings) -> None:
    specs = [packs_of(WEIGHTS, lambda _: Weigher(40), megabytes=40)]
    with opened(specs, settings, model_memory=100, **OWN) as models:
        for choice in (None, pack("robin"), None, pack("crane")):
            await models.run(WEIGHTS, Weigher.weigh, 1, choice=choice)
        assert loaded(models) == ["pack-crane", "pack-owl"], "the least recently used went"


async def test_of_two_models_of_a_task_one_is_pinned_or_unloaded_without_the_other(
    settings: ModelSettings,
) -> None:
    specs = [packs_of(WEIGHTS, lambda _: Weigher(40), megabytes=40)]
    with opened(specs, settings, model_memory=100, **OWN) as models:
        models.pin(WEIGHTS, choice=pack("robin"))
        for choice in (pack("robin"), None, pack("crane")):
            await models.run(WEIGHTS, Weigher.weigh, 1, choice=choice)
        assert loaded(models) == ["pack-crane", "pack-robin"], "the pinned one was used before"
        await models.unload(WEIGHTS)
        assert loaded(models) == ["pack-crane", "pack-robin"], "that of the settings went already"
        await models.unload(WEIGHTS, pack("crane"))
        assert loaded(models) == ["pack-robin"]
        await models.unload(WEIGHTS, pack("7"))
        await models.unload_all()
        assert loaded(models) == []


class Picky(Stores):
    """Has no weights of robins."""

    def paths(self, variant: Variant) -> Any:
        if variant.version == "pack-robin":
            raise WeightsMissing("no robins")
        return super().paths(variant)


async def test_what_one_model_lacks_is_no_lack_of_the_other(settings: ModelSettings) -> None:
    with opened([packs_of(BIRDS, Witness)], settings, Picky(), **OWN) as models:
        robin = models.run(BIRDS, Witness.setting, "face_pack", choice=pack("robin"))
        owl = models.run(BIRDS, Witness.setting, "face_pack")
        missing, found = await asyncio.gather(robin, owl, return_exceptions=True)
        assert isinstance(missing, WeightsMissing)
        assert not isinstance(found, BaseException)
        assert found.value == "owl"


async def test_a_model_that_cannot_be_loaded_fails_who_chose_it_and_nobody_else(
    settings: ModelSettings,
) -> None:
    def load(loading: Loading) -> Model:
        if loading.settings.face_pack == "robin":
            raise BadWeights("half a robin")
        return Witness(loading)

    with opened([packs_of(BIRDS, load)], settings, **OWN) as models:
        with pytest.raises(BadWeights):
            await models.run(BIRDS, Witness.setting, "face_pack", choice=pack("robin"))
        assert (await models.run(BIRDS, Witness.setting, "face_pack")).value == "owl"


async def test_a_choice_of_no_known_model_is_refused_at_once(settings: ModelSettings) -> None:
    with opened([packs_of(BIRDS, Witness)], settings, **OWN) as models:
        for said in ({"faces_model": "dlib"}, {"faces_model": "packs", "face_pack": "7"}, {}):
            with pytest.raises(UnknownModel):
                await models.run(BIRDS, Witness.setting, "face_pack", choice=Choice.of(said))
            with pytest.raises(UnknownModel):
                await models.identity(BIRDS, Choice.of(said))
        hostile = Choice.of({**pack("owl").as_json(), "model_cache_dir": "/tmp"})
        with pytest.raises(UnknownModel, match="may not say"):
            await models.run(BIRDS, Witness.setting, "model_cache_dir", choice=hostile)
        assert models.measured() == {}


async def test_of_a_chosen_precision_the_version_is_known_when_it_is_loaded(settings: ModelSettings) -> None:
    """It says so in the settings of the choice, whatever those of the process say."""

    def load(loading: Loading) -> Gate:
        gate = Gate()
        gate.precision = loading.settings.vector_precision
        gate.dimension = 2  # type: ignore[attr-defined]
        return gate

    spec = replace(packs_of(GATES, load, dimension=2), chosen_by=("vector_precision",))
    narrow = Choice.of({**pack("owl").as_json(), "vector_precision": "bf16"})
    with opened([spec], settings, **OWN) as models:
        assert (await models.identity(GATES, narrow)).version == "pack-owl+bf16"
        assert (await models.identity(GATES)).version == "pack-owl"
        assert models.measured()["pack-owl"].loads == 0
        assert models.measured()["pack-owl+bf16"].loads == 1


async def test_metrics_of_one_version_are_added_up(settings: ModelSettings) -> None:
    """As of a text reader for two lots of languages, which both are called the same."""
    spec = replace(packs_of(WEIGHTS, lambda _: Weigher(40)), chosen_by=("vector_precision",))
    other = Choice.of({**pack("owl").as_json(), "vector_precision": "bf16"})
    with opened([spec], settings, **OWN) as models:
        for choice in (None, other, None):
            await models.run(WEIGHTS, Weigher.weigh, 1, choice=choice)
        metrics = models.measured()["pack-owl"]
        assert (metrics.loads, metrics.batches, metrics.batch_sizes) == (2, 3, {1: 3})
        assert metrics.megabytes >= 75


async def test_two_generations_see_one_picture_in_one_process(tiny_models: Path) -> None:
    """With the real libraries, of which some hold state of the whole process."""
    settings = ModelSettings(
        _env_file=None, model_profile="tiny", model_cache_dir=tiny_models, model_device="cpu"
    )
    frame = Frame.of(Image.linear_gradient("L").convert("RGB"))
    models = RemoteModels(settings)

    async def embedded(choice: Choice | None) -> tuple[str, int, Vector]:
        answer = await models.run(EMBED, Embedder.embed_images, frame, choice=choice)
        return answer.model.version, len(answer.value), answer.value

    try:
        conse = Choice.of({"embed_model": "conse", "model_profile": "tiny"})
        alone = [await embedded(None), await embedded(conse)]
        together = await asyncio.gather(*(embedded(choice) for choice in (None, conse, None, conse)))
        assert [told[0] for told in alone] == ["openclip-tiny", "conse-tiny"]
        assert alone[0][2] != alone[1][2]
        for told, expected in zip(together, alone * 2, strict=True):
            assert told[:2] == expected[:2]
            assert told[2] == pytest.approx(expected[2], abs=1e-4)
        dlib = Choice.of({"faces_model": "dlib", "model_profile": "tiny"})
        scales = [(await models.identity(FACES, choice)).scale for choice in (None, dlib)]
        assert None not in scales
        assert scales[0] != scales[1]
        assert [one.loads for one in (await models.metrics()).values() if one.loads] == [1, 1]
    finally:
        await models.close()


def test_a_model_has_one_slot_however_it_is_asked_for(settings: ModelSettings) -> None:
    slots = Slots([packs_of(FACES, Witness)], settings.model_copy(update={"face_pack": "owl"}))
    ways = [None, pack("owl"), Choice.of({**pack("owl").as_json()})]
    assert len({id(slots.get("faces", way)) for way in ways}) == 1
    assert slots.get("faces", pack("robin")) is not slots.get("faces")
    assert len(list(slots)) == 2
