"""Which model is meant, and what keeps it from running."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from models.catalog import discover
from models.errors import LicenceRefused, PackageMissing, UnknownModel
from models.selection import check_licence, check_packages, parameters_of, select
from models.settings import ModelSettings
from models.spec import AnySpec, Licence, Use, Variant
from models.tasks import Task
from tests.models.fakes import FREE, Parrot, spec_of

OCR: Task[Parrot] = Task("ocr")
SOUNDS: Task[Parrot] = Task("sounds")
"""A task without a setting that names its model."""
SERVER = {"caption_server_url": "http://127.0.0.1:1", "caption_server_model": "llava"}


def settings_of(**values: Any) -> ModelSettings:
    return ModelSettings(_env_file=None, **values)


def choosing(name: str, chooses: bool, task: Task[Parrot] = OCR) -> AnySpec:
    spec = spec_of(task, lambda _: Parrot(), name=name)

    def select(settings: ModelSettings) -> Variant:
        if not chooses:
            raise UnknownModel(f"not {name}")
        return spec.select(settings)

    return type(spec)(task=spec.task, name=name, select=select, load=spec.load)


def test_a_setting_names_the_model() -> None:
    specs = [choosing(name, True) for name in ("easyocr", "rapidocr")]
    spec, variant = select(specs, "ocr", settings_of(ocr_model="rapidocr"))
    assert (spec.name, variant.version) == ("rapidocr", "rapidocr-1")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([("one", False), ("two", True)], "two"),  # the settings select only that
        ([("one", True)], "one"),
    ],
)
def test_of_models_that_nobody_named_the_only_one_that_fits_is_meant(
    offered: list[tuple[str, bool]], chosen: str
) -> None:
    specs = [choosing(name, chooses, SOUNDS) for name, chooses in offered]
    spec, variant = select(specs, "sounds", settings_of())
    assert (spec.name, variant.version) == (chosen, f"{chosen}-1")


@pytest.mark.parametrize(
    ("task", "offered", "why"),
    [
        (SOUNDS, [("one", False), ("two", False)], "not two"),
        (SOUNDS, [("one", True), ("two", True)], "several models do 'sounds' .*: one, two"),
        (
            OCR,
            [("rapidocr", False), ("two", True)],
            "not rapidocr",
        ),  # what is named is not replaced by another
        (OCR, [("one", True), ("two", True)], "OCR_MODEL=rapidocr is none of one, two"),
        (OCR, [], "no model of the catalog does 'ocr'"),
    ],
)
def test_where_nothing_or_too_much_is_meant_it_says_why(
    task: Task[Parrot], offered: list[tuple[str, bool]], why: str
) -> None:
    specs = [choosing(name, chooses, task) for name, chooses in offered]
    with pytest.raises(UnknownModel, match=why):
        select(specs, task.name, settings_of(ocr_model="rapidocr"))


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ({"model_profile": "best"}, "reference"),
        ({"model_profile": "auto"}, "reference"),
        ({"model_profile": "tiny"}, "reference"),
        ({"model_profile": "free"}, "packaged"),
        ({"model_profile": "free", "caption_model": "base"}, "reference"),
        ({"model_profile": "best", "caption_model": "composed"}, "packaged"),
        ({"model_profile": "best", "caption_model": "server", **SERVER}, "server"),
    ],
)
def test_the_profile_chooses_unless_a_setting_names_the_model(values: dict[str, Any], chosen: str) -> None:
    caption: Task[Parrot] = Task("caption")
    specs = [
        replace(choosing("reference", True, caption), profile="best", also_called=("base", "large")),
        replace(choosing("packaged", True, caption), profile="free", also_called=("composed",)),
        replace(choosing("second", True, caption), profile="spare"),
        replace(choosing("server", True, caption), profile="named"),
    ]
    assert select(specs, "caption", settings_of(**values))[0].name == chosen


def test_models_of_other_tasks_are_not_looked_at() -> None:
    faces = choosing("faces", False, Task("faces"))
    assert select([faces, choosing("one", True)], "ocr", settings_of())[0].name == "one"


@pytest.mark.parametrize(
    ("use", "allowed", "refused"),
    [
        ("free", ("free",), None),
        ("copyleft", ("free", "copyleft"), None),
        ("non_commercial", ("free", "copyleft"), r"clip-1 .* The Terms \(non_commercial\).* free, copyleft$"),
        ("free", (), "MODEL_LICENCES allows none$"),
    ],
)
def test_only_licences_that_the_settings_name_are_allowed(
    use: Use, allowed: tuple[str, ...], refused: str | None
) -> None:
    variant = Variant(version="clip-1", licence=Licence(name="The Terms", use=use))
    if refused is None:
        check_licence(variant, settings_of(model_licences=allowed))
    else:
        with pytest.raises(LicenceRefused, match=refused):
            check_licence(variant, settings_of(model_licences=allowed))


@pytest.mark.parametrize(
    ("packages", "says"),
    [
        (("json", "no_such_package"), r"^clip-1 needs no_such_package: .*\[cpu\] or kizu-worker\[gpu\]$"),
        (("no_such_package", "nor_this"), "needs no_such_package, nor_this:"),
        (("no_such_package.part",), "no_such_package.part"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(packages: tuple[str, ...], says: str) -> None:
    with pytest.raises(PackageMissing, match=says):
        check_packages(Variant(version="clip-1", licence=FREE, packages=packages))


def test_what_is_imported_already_counts_as_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that was put in place of one, as of torchvision's, has no spec that could be found."""
    monkeypatch.setitem(sys.modules, "made_up", ModuleType("made_up"))
    check_packages(Variant(version="clip-1", licence=FREE, packages=("made_up", "json")))


@pytest.mark.parametrize(
    ("task", "usual", "setting", "other"),
    [("objects", "yolov8", "objects_model", "centernet"), ("faces", "insightface", "faces_model", "dlib")],
)
def test_objects_and_faces_have_a_free_model_by_name(task: str, usual: str, setting: str, other: str) -> None:
    assert select(discover(), task, settings_of())[0].name == usual
    spec, variant = select(discover(), task, settings_of(**{setting: other}))
    assert spec.name == other
    check_licence(variant, settings_of(model_licences=("free",)))


TOLD_OTHERWISE = {"model_backend", "model_cache_dir", "model_device", "model_profile", "model_threads"}
"""Settings that say what runs a model, which its identity tells, or where its files are."""
PRIVATE = {"caption_server_url", "caption_server_key"}


@pytest.mark.parametrize("spec", discover(), ids=lambda spec: spec.name)
def test_every_setting_that_a_model_reads_is_among_its_parameters(spec: AnySpec) -> None:
    source = importlib.import_module(spec.load.__module__).__file__
    assert source
    files = list(Path(source).parent.glob("*.py")) if Path(source).name == "__init__.py" else [Path(source)]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    for shared in set(re.findall(r"from models\.backends\.(\w+) import", text)):
        module = importlib.import_module(f"models.backends.{shared}").__file__
        assert module
        text += Path(module).read_text(encoding="utf-8")
    read = set(re.findall(r"settings\.(\w+)", text)) & set(ModelSettings.model_fields)
    settings = settings_of(**SERVER)
    told = parameters_of(spec, spec.select(settings), settings)
    assert read - TOLD_OTHERWISE - PRIVATE - {f"{spec.task.name}_model"} == set(told) - {
        f"{spec.task.name}_model"
    }


def test_parameters_are_what_was_set_and_else_what_the_model_does_without() -> None:
    specs = {spec.name: spec for spec in discover()}

    def told(name: str, **values: Any) -> dict[str, Any]:
        settings = settings_of(**values)
        return parameters_of(specs[name], specs[name].select(settings), settings)

    assert told("centernet") == {"objects_model": "centernet", "object_threshold": 0.3}
    assert told("centernet", object_threshold=0.7)["object_threshold"] == 0.7
    assert told("rapidocr", ocr_languages="en,de", ocr_canvas=640) == {
        "ocr_model": "rapidocr",
        "ocr_languages": "en,de",
        "ocr_canvas": 640,
    }
    assert told("open_clip", clip_model="ViT-B-16", clip_pretrained="/secret/of/mine.pt") == {
        "embed_model": "open_clip",
        "vector_precision": "fp32",
        "clip_model": "ViT-B-16",
        "clip_pretrained": "mine.pt",
    }
    assert told("server", **SERVER, caption_server_key="hush") == {
        "caption_model": "server",
        "caption_server_model": "llava",
        "caption_seconds": 60.0,
    }
    assert told("yolov8", model_profile="tiny")["model_profile"] == "tiny"
