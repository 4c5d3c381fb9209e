"""Which model of the catalog the settings mean, and whether this installation may and can run it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from models.errors import LicenceRefused, PackageMissing, UnknownModel
from models.settings import ModelSettings
from models.spec import AnySpec, Choice, Parameter, Profile, Variant

S = TypeVar("S", bound=ModelSettings)

PROFILE: Final = "model_profile"
LONGEST: Final = 200
"""Characters of a name or a value in a choice."""


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


def choice_of(specs: Iterable[AnySpec], task: str, settings: ModelSettings) -> Choice:
    """What selects the model that `settings` mean for `task`, wherever it is said. Raises as `select`.

    Where two settings make equal choices, one loaded model serves both.
    """
    spec, _ = select(specs, task, settings)
    return Choice.of(_chosen(spec, settings))


def _chosen(spec: AnySpec, settings: ModelSettings) -> dict[str, str]:
    """The settings that make it that model, as text."""
    tiny = settings.model_profile == "tiny"
    own, called = f"{spec.task.name}_model", spec.also_called or (spec.name,)
    wanted = getattr(settings, own, "")
    chosen = {own: wanted if wanted in called and not tiny else called[0]}
    for name in spec.chosen_by if tiny else (*spec.chosen_by, *spec.sized_by):
        chosen[name] = _text(getattr(settings, name))
    return {**chosen, PROFILE: "tiny"} if tiny else chosen


def parameters_of(spec: AnySpec, variant: Variant, settings: ModelSettings) -> dict[str, Parameter]:
    """The settings that decide what a model answers, as `ModelIdentity.parameters` has them.

    Of weights outside the model cache only the name is said, as the record is for others to read.
    """
    chosen = {name: _named_only(value)[:LONGEST] for name, value in _chosen(spec, settings).items()}
    values = {name: getattr(settings, name) for name in spec.set_by}
    unset = variant.sure_score or variant.least_score  # only thresholds can be left to the model
    return {**chosen, **{name: unset if value is None else value for name, value in values.items()}}


def _named_only(value: str) -> str:
    path = PurePath(value)
    return path.name if path.is_absolute() or value.startswith("~") else value


def with_choice(specs: Iterable[AnySpec], task: str, settings: S, choice: Choice) -> S:
    """`settings` that mean the model of `task` that was chosen, whatever they meant before.

    What a choice leaves unsaid is as it is where nothing is set, not as `settings` have it. It may come from
    anybody: it sets nothing but what the catalog's models of that task are chosen by, and names no file
    outside the model cache that `settings` do not name themselves.

    Raises:
        UnknownModel: it does not say which model, or one that is not known here, or sets anything else.
    """
    offered = [spec for spec in specs if spec.task.name == task]
    said = choice.as_json()
    own, named = f"{task}_model", said.get(f"{task}_model", "")
    spec = next((one for one in offered if named in (one.also_called or (one.name,))), None)
    if spec is None:
        raise UnknownModel(f"a choice has {own}={named[:LONGEST]!r}, which is no model of {task!r} here")
    known = {own, PROFILE, *(name for one in offered for name in (*one.chosen_by, *one.sized_by))}
    for name, value in said.items():
        _check_said(name, value, known, settings)
    fields = ModelSettings.model_fields
    values: dict[str, Any] = {
        name: fields[name].get_default(call_default_factory=True)
        for name in (*spec.chosen_by, *spec.sized_by)
    }
    values |= {name: value for name, value in said.items() if name in fields}
    tiny = values.pop(PROFILE, "") == "tiny"
    if tiny != (settings.model_profile == "tiny"):
        values[PROFILE] = "tiny" if tiny else "best"
    whole = {name: getattr(settings, name) for name in fields}
    try:
        checked = ModelSettings(_env_file=None, **{**whole, **values})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "settings"
        raise UnknownModel(f"a choice of {named} does not fit here: {where}: {first['msg']}") from None
    changed = settings.model_copy(update={name: getattr(checked, name) for name in values})
    if select(offered, task, changed)[0] is not spec:
        raise UnknownModel(f"no setting chooses {named} of the models of {task!r}")
    return changed


def _check_said(name: str, value: str, known: Iterable[str], settings: ModelSettings) -> None:
    """Raises `UnknownModel` where a choice says what no choice may."""
    if name not in known or (name == PROFILE and value != "tiny"):
        raise UnknownModel(f"a choice of a model may not say {name[:LONGEST]!r}={value[:LONGEST]!r}")
    if len(value) > LONGEST or not value.isprintable():
        raise UnknownModel(f"a choice has {name}={value[:LONGEST]!r}, which is too long or no text")
    path = PurePath(value)
    outside = path.is_absolute() or ".." in path.parts or value.startswith("~")
    if outside and value != _text(getattr(settings, name, "")):
        raise UnknownModel(f"a choice has {name}={value!r}, which is outside the model cache")


def _text(value: str | tuple[str, ...]) -> str:
    """The value of a setting as the environment would have it."""
    return value if isinstance(value, str) else ",".join(value)


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
