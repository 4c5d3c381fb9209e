"""Which model is meant, and what keeps it from running."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from models.errors import LicenceRefused, PackageMissing, UnknownModel
from models.selection import check_licence, check_packages, select
from models.settings import ModelSettings
from models.spec import AnySpec, Licence, Use, Variant
from models.tasks import Task
from tests.models.fakes import FREE, Parrot, spec_of

OCR: Task[Parrot] = Task("ocr")


def settings_of(**values: Any) -> ModelSettings:
    return ModelSettings(_env_file=None, **values)


def choosing(name: str, chooses: bool, task: Task[Parrot] = OCR) -> AnySpec:
    spec = spec_of(task, lambda _: Parrot(), name=name)

    def select(settings: ModelSettings) -> Variant:
        if not chooses:
            raise UnknownModel(f"not {name}")
        return spec.select(settings)

    return type(spec)(task=spec.task, name=name, select=select, load=spec.load)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([("easyocr", True), ("rapidocr", True)], "rapidocr"),  # OCR_MODEL names it
        ([("one", False), ("two", True)], "two"),  # the settings select only that
        ([("one", True)], "one"),
    ],
)
def test_the_settings_choose_the_model(offered: list[tuple[str, bool]], chosen: str) -> None:
    specs = [choosing(name, chooses) for name, chooses in offered]
    spec, variant = select(specs, "ocr", settings_of(ocr_model="rapidocr"))
    assert (spec.name, variant.version) == (chosen, f"{chosen}-1")


@pytest.mark.parametrize(
    ("offered", "why"),
    [
        ([("one", False), ("two", False)], "not two"),
        ([("one", True), ("two", True)], "several models do 'ocr' .*: one, two"),
        ([("rapidocr", False), ("two", True)], "not rapidocr"),  # what is named is not replaced by another
        ([], "no model of the catalog does 'ocr'"),
    ],
)
def test_where_nothing_or_too_much_is_meant_it_says_why(offered: list[tuple[str, bool]], why: str) -> None:
    specs = [choosing(name, chooses) for name, chooses in offered]
    with pytest.raises(UnknownModel, match=why):
        select(specs, "ocr", settings_of(ocr_model="rapidocr"))


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
