"""Which model is meant, and what keeps it from running."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from models.catalog import discover
from models.errors import LicenceRefused, PackageMissing, UnknownModel
from models.selection import check_licence, check_packages, select
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
