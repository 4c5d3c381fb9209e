"""Which model of the catalog the settings mean, and whether this installation may and can run it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Sequence

from models.errors import LicenceRefused, PackageMissing, UnknownModel
from models.settings import ModelSettings
from models.spec import AnySpec, Profile, Variant


def select(specs: Iterable[AnySpec], task: str, settings: ModelSettings) -> tuple[AnySpec, Variant]:
    """The model that `settings` mean for `task`.

    Of several, it is the one that the setting of the task's name names (OCR_MODEL=rapidocr), else one of the
    profile, and of those the only one whose variant the settings select. `auto` that nobody has resolved (see
    `models.serving.profile`) means `best`.

    Raises:
        UnknownModel: there is none, or no telling which.
    """
    offered = [spec for spec in specs if spec.task.name == task]
    if not offered:
        raise UnknownModel(f"no model of the catalog does {task!r}")
    named = (
        _named(offered, task, settings)
        or of_profile(offered, "free" if settings.model_profile == "free" else "best")
        or offered
    )
    if len(named) == 1:
        return named[0], named[0].select(settings)
    found = []
    refused = None
    for spec in named:
        try:
            found.append((spec, spec.select(settings)))
        except UnknownModel as error:
            refused = error
    if refused is not None and not found:
        raise refused
    if len(found) > 1:
        names = ", ".join(spec.name for spec, _ in found)
        raise UnknownModel(f"several models do {task!r} and no setting chooses: {names}")
    return found[0]


def select_all(specs: Iterable[AnySpec], task: str, settings: ModelSettings) -> list[Variant]:
    """The model that `settings` mean for `task`, and those whose answers it needs. Raises as `select`."""
    catalog = tuple(specs)
    variant = select(catalog, task, settings)[1]
    return [variant, *(select(catalog, needed, settings)[1] for needed in variant.needs)]


def check_name(specs: Iterable[AnySpec], task: str, settings: ModelSettings) -> None:
    """Raises `UnknownModel` where the setting of the task's name names no model."""
    _named([spec for spec in specs if spec.task.name == task], task, settings)


def _named(offered: Sequence[AnySpec], task: str, settings: ModelSettings) -> list[AnySpec]:
    """The models of a task that its setting names; none where it names none, or there is no choice."""
    wanted = getattr(settings, f"{task}_model", "")
    named = [spec for spec in offered if wanted in (spec.name, *spec.also_called)] if wanted else []
    if wanted and not named and len(offered) > 1:
        names = ", ".join(spec.name for spec in offered)
        raise UnknownModel(f"{task.upper()}_MODEL={wanted} is none of {names}")
    return named


def of_profile(specs: Iterable[AnySpec], profile: Profile) -> list[AnySpec]:
    """The models that a profile means, those of any profile included."""
    return [spec for spec in specs if spec.profile in ("any", profile)]


def check_licence(variant: Variant, settings: ModelSettings) -> None:
    """Raises `LicenceRefused` where MODEL_LICENCES does not have it."""
    if variant.licence.use not in settings.model_licences:
        raise LicenceRefused(
            f"{variant.version} is licensed under {variant.licence.name} ({variant.licence.use}); "
            f"MODEL_LICENCES allows {', '.join(settings.model_licences) or 'none'}"
        )


def check_packages(variant: Variant) -> None:
    """Raises `PackageMissing` with the extra that brings what is not installed. Imports nothing."""
    missing = [package for package in variant.packages if not _is_installed(package)]
    if missing:
        extras = "openvino" if missing == ["openvino"] else "cpu] or kizu-worker[gpu"
        raise PackageMissing(f"{variant.version} needs {', '.join(missing)}: install kizu-worker[{extras}]")


def _is_installed(package: str) -> bool:
    try:
        return package in sys.modules or importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # the package it would be part of
        return False
