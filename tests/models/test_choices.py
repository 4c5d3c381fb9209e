"""A model chosen on one machine is the same on any other, and a choice can do nothing else."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from models.catalog import discover
from models.errors import UnknownModel
from models.selection import choice_of, select, with_choice
from models.serving.profile import resolved
from models.settings import ModelSettings
from models.spec import AnySpec, Choice, Variant
from models.tasks import Task
from tests.models.fakes import Parrot, spec_of

CATALOG = discover()
SERVER = {"caption_server_url": "http://127.0.0.1:1/v1", "caption_server_model": "qwen2.5vl:7b"}
SIZES: dict[str, Any] = {
    "clip_model": "ViT-B-16",
    "clip_pretrained": "openai",
    "vector_precision": "bf16",
    "face_pack": "antelopev2",
    "yolo_size": "x",
    "ocr_languages": ("en", "ch_sim"),
    "caption_server_model": "llava:13b",
}
"""None of them as it is by itself."""
FREE: dict[str, Any] = {
    "embed_model": "conse",
    "faces_model": "dlib",
    "objects_model": "centernet",
    "ocr_model": "easyocr",
    "caption_model": "composed",
}
CLIP = {
    "embed_model": "open_clip",
    "clip_model": "ViT-B-32",
    "clip_pretrained": "openai",
    "vector_precision": "fp32",
}


def settings_of(**values: Any) -> ModelSettings:
    return ModelSettings(_env_file=None, **{"model_cache_dir": Path("nowhere"), **SERVER, **values})


def machines() -> list[ModelSettings]:
    return [
        settings_of(model_profile=profile, **values)
        for profile in ("auto", "best", "free", "tiny")
        for values in ({}, SIZES, FREE, {**SIZES, "caption_model": "large"})
    ]


def named() -> list[tuple[str, ModelSettings]]:
    """Settings by task that name each model of the catalog, in each size, and as each profile has it."""
    return [
        (spec.task.name, settings_of(model_profile=profile, **sizes, **{f"{spec.task.name}_model": called}))
        for spec in CATALOG
        for called in spec.also_called or (spec.name,)
        for profile in ("best", "free", "tiny")
        for sizes in ({}, SIZES)
    ]


def unnamed() -> list[tuple[str, ModelSettings]]:
    tasks = sorted({spec.task.name for spec in CATALOG})
    return [(task, machine) for task in tasks for machine in machines()]


def chosen(task: str, settings: ModelSettings, choice: Choice) -> tuple[AnySpec, Variant]:
    return select(CATALOG, task, with_choice(CATALOG, task, settings, choice))


@pytest.mark.parametrize("where", [named, unnamed])
def test_a_choice_means_the_same_model_on_every_machine(where: Any) -> None:
    there = machines()
    for task, here in where():
        choice = choice_of(CATALOG, task, here)
        for machine in there:
            changed = with_choice(CATALOG, task, machine, choice)
            assert select(CATALOG, task, changed) == select(CATALOG, task, here), (choice, machine)
            assert choice_of(CATALOG, task, changed) == choice, "and is the same, said there"


def test_what_auto_came_to_is_chosen_elsewhere() -> None:
    class Packaged:
        def obstacle(self, variant: Variant) -> str:
            return (
                "" if variant.version.startswith(("conse", "dlib", "centernet", "composed")) else "far away"
            )

    here = resolved(settings_of(model_profile="auto"), weights=Packaged())  # type: ignore[arg-type]
    for task, name in (("embed", "conse"), ("faces", "dlib"), ("objects", "centernet")):
        choice = choice_of(CATALOG, task, here)
        assert chosen(task, settings_of(model_profile="best"), choice)[0].name == name


def test_a_choice_survives_a_database_and_a_socket() -> None:
    choice = choice_of(CATALOG, "embed", settings_of(clip_pretrained="openai"))
    assert choice.as_json() == CLIP
    assert Choice.of(json.loads(json.dumps(dict(reversed(CLIP.items()))))) == choice
    assert pickle.loads(pickle.dumps(choice)) == choice
    assert len({choice, Choice.of(CLIP)}) == 1


@pytest.mark.parametrize(
    ("task", "values", "said"),
    [
        ("faces", {"model_profile": "tiny", "face_pack": "buffalo_s"}, {"faces_model": "insightface"}),
        (
            "embed",
            {"model_profile": "tiny", "vector_precision": "bf16"},
            {"embed_model": "open_clip", "vector_precision": "bf16"},
        ),
        ("caption", {"model_profile": "tiny", "caption_model": "large"}, {"caption_model": "base"}),
    ],
)
def test_of_a_tiny_model_there_is_one_size(task: str, values: dict[str, Any], said: dict[str, str]) -> None:
    assert choice_of(CATALOG, task, settings_of(**values)).as_json() == {**said, "model_profile": "tiny"}


@pytest.mark.parametrize("spec", CATALOG, ids=lambda spec: spec.name)
@pytest.mark.parametrize("profile", ["best", "tiny"])
def test_a_model_is_chosen_by_no_setting_that_a_choice_leaves_out(spec: AnySpec, profile: str) -> None:
    class Noting:
        def __init__(self) -> None:
            self.read: set[str] = set()

        def __getattr__(self, name: str) -> Any:
            self.read.add(name)
            return getattr(settings_of(model_profile=profile), name)

    noting = Noting()
    spec.select(noting)  # type: ignore[arg-type]
    of_machine = {"model_profile", "model_cache_dir", f"{spec.task.name}_model"}
    sizes = () if profile == "tiny" else spec.sized_by
    assert noting.read - of_machine <= {*spec.chosen_by, *sizes}
    assert {*spec.chosen_by, *spec.sized_by} <= set(ModelSettings.model_fields)


def test_nothing_but_the_model_changes_and_the_kind_of_settings_stays() -> None:
    class More(ModelSettings):
        service_key: str = "secret"

    before = More(_env_file=None, model_threads=3, face_pack="buffalo_s", model_profile="free")
    after = with_choice(CATALOG, "embed", before, Choice.of(CLIP))
    assert type(after) is More
    changed = {name for name in More.model_fields if getattr(after, name) != getattr(before, name)}
    assert changed == {"embed_model", "clip_pretrained"}


def test_what_is_left_unsaid_is_nobodys_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIP_PRETRAINED", "openai")
    settings = ModelSettings(_env_file=None, vector_precision="bf16")
    assert settings.clip_pretrained == "openai"
    after = with_choice(CATALOG, "embed", settings, Choice.of({"embed_model": "open_clip"}))
    assert (after.clip_pretrained, after.vector_precision) == ("laion2b_s34b_b79k", "fp32")


# What is refused


@pytest.mark.parametrize(
    ("task", "said", "why"),
    [
        ("embed", {}, "has embed_model='', which is no model of 'embed'"),
        ("embed", {"clip_model": "ViT-B-32"}, "no model"),
        ("embed", {"embed_model": "insightface"}, "no model of 'embed'"),
        ("embed", {"embed_model": "x" * 10_000}, "embed_model='x{200}', which"),
        ("telepathy", {"telepathy_model": "x"}, "no model"),
        ("embed", {**CLIP, "model_cache_dir": "/tmp"}, "may not say 'model_cache_dir'='/tmp'"),
        ("embed", {**CLIP, "model_licences": "non_commercial"}, "may not say"),
        ("embed", {**CLIP, "supabase_url": "https://example.org"}, "may not say"),
        ("embed", {**CLIP, "face_pack": "buffalo_s"}, "may not say"),  # that is of another task
        ("embed", {**CLIP, "faces_model": "dlib"}, "may not say"),
        ("embed", {**CLIP, "model_profile": "free"}, "may not say"),
        ("embed", {**CLIP, "model_profile": ""}, "may not say"),
        ("embed", {**CLIP, "x" * 10_000: ""}, "may not say 'x{200}'=''"),
        ("embed", {**CLIP, "vector_precision": "fp8"}, "vector_precision: Input should be 'fp32' or 'bf16'"),
        ("embed", {**CLIP, "clip_model": "ViT-B-33"}, "no architecture of OpenCLIP"),
        ("embed", {**CLIP, "clip_model": "../../ViT-B-32"}, "outside the model cache"),
        ("embed", {**CLIP, "clip_pretrained": "/etc/passwd"}, "outside the model cache"),
        ("embed", {**CLIP, "clip_pretrained": "own/../../x.pt"}, "outside the model cache"),
        ("embed", {**CLIP, "clip_pretrained": "~/x.safetensors"}, "outside the model cache"),
        ("embed", {**CLIP, "clip_pretrained": "x\0.pt"}, "too long or no text"),
        ("embed", {**CLIP, "clip_pretrained": "x\n"}, "too long or no text"),
        ("embed", {**CLIP, "clip_pretrained": "x" * 201}, "too long or no text"),
        ("faces", {"faces_model": "insightface", "face_pack": "../x"}, "outside the model cache"),
        ("faces", {"faces_model": "insightface", "face_pack": "mine"}, "FACE_PACK=mine is none of"),
        ("objects", {"objects_model": "yolov8", "yolo_size": "xxl"}, "yolo_size: Input should be"),
        ("ocr", {"ocr_model": "easyocr", "ocr_languages": "en;rm"}, "expected codes of languages"),
        ("ocr", {"ocr_model": "rapidocr", "ocr_languages": ""}, "expected codes of languages"),
        ("caption", {"caption_model": "florence2"}, "no model"),  # by its sizes only
        ("caption", {"caption_model": "server", "caption_server_url": "http://x"}, "may not say"),
        ("caption", {"caption_model": "server", "caption_server_hosts": "x"}, "may not say"),
        ("caption", {"caption_model": "server", "caption_server_model": "a b"}, "should match pattern"),
        ("caption", {"caption_model": "server"}, "settings: Value error, CAPTION_MODEL=server needs"),
    ],
)
def test_a_choice_that_does_not_fit_or_dares_too_much_is_refused(
    task: str, said: dict[str, str], why: str
) -> None:
    for profile in ("best", "tiny"):
        machine = ModelSettings(_env_file=None, model_profile=profile)
        with pytest.raises(UnknownModel, match=why) as refused:
            with_choice(CATALOG, task, machine, Choice.of(said))
        assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "said", [None, [], "open_clip", 7, {"clip_model": 7}, {"clip_model": None}, {1: "x"}]
)
def test_what_is_no_object_of_texts_is_no_choice(said: Any) -> None:
    with pytest.raises(UnknownModel, match="object of texts"):
        Choice.of(said)


def test_a_machine_may_be_told_of_a_file_that_it_names_itself(tmp_path: Path) -> None:
    own = settings_of(clip_pretrained=str(tmp_path / "mine.safetensors"))
    choice = choice_of(CATALOG, "embed", own)
    assert chosen("embed", own, choice) == select(CATALOG, "embed", own)
    with pytest.raises(UnknownModel, match="outside the model cache"):
        chosen("embed", settings_of(), choice)


def test_of_models_that_no_setting_names_only_the_one_meant_can_be_chosen() -> None:
    sounds: Task[Parrot] = Task("sounds")
    specs = [spec_of(sounds, lambda _: Parrot(), name="parrot")]
    choice = choice_of(specs, "sounds", settings_of())
    assert choice.as_json() == {"sounds_model": "parrot"}
    assert with_choice(specs, "sounds", settings_of(), choice) == settings_of()
    free = spec_of(sounds, lambda _: Parrot(), name="starling", profile="free")
    best = spec_of(sounds, lambda _: Parrot(), name="raven", profile="best")
    with pytest.raises(UnknownModel, match="no setting chooses starling"):
        with_choice([free, best], "sounds", settings_of(), Choice.of({"sounds_model": "starling"}))
