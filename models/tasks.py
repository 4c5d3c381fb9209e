"""What can be asked of a model: an abstract class per task, and its typed key.

All methods take several inputs and answer as many results, in order: the registry gathers what jobs ask for
at the same time into one call. They block, run in the models' own thread, one at a time, and raise
`OutOfMemory` when the device has too little for this many inputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from models.frame import Frame
from models.results import Caption, DetectedObject, Face, Level, Reading, Seen, Vector


class Model:
    """What every model can do, and says of itself once it is loaded."""

    backend: str = ""
    """What runs it, e.g. `onnxruntime`."""
    precision: str = ""
    """Of its numbers, e.g. `fp32`."""
    digest: str | None = None
    """Of weights that come with a package; see `ModelIdentity.digest`."""

    def close(self) -> None:
        """Release what forgetting the object does not: sessions, device memory."""


M = TypeVar("M", bound=Model, covariant=True)


@dataclass(frozen=True, slots=True)
class Task(Generic[M]):
    """A typed key: what is asked for, whichever model answers."""

    name: str
    trial: Callable[[Frame], tuple[Callable[..., Any], Any]] | None = field(default=None, compare=False)
    """What to ask a model to see that it works: the method, and its input, made of a small picture."""


class Embedder(Model, ABC):
    """Pictures and sentences as vectors of one space: what belongs together is close by."""

    dimension: int

    @abstractmethod
    def embed_images(self, frames: Sequence[Frame]) -> Sequence[Vector]: ...

    @abstractmethod
    def embed_texts(self, texts: Sequence[str]) -> Sequence[Vector]: ...


class FaceFinder(Model, ABC):
    dimension: int

    @abstractmethod
    def find_faces(self, frames: Sequence[Frame]) -> Sequence[tuple[Face, ...]]:
        """The faces in each picture, largest first."""


class ObjectDetector(Model, ABC):
    @abstractmethod
    def detect(self, frames: Sequence[Frame]) -> Sequence[tuple[DetectedObject, ...]]:
        """The objects in each picture, highest score first."""


class TextReader(Model, ABC):
    @abstractmethod
    def read(self, frames: Sequence[Frame]) -> Sequence[Reading]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRequest:
    frame: Frame
    level: Level = "medium"
    seen: Seen | None = None
    """What others found, for the captioner that is called `COMPOSED`."""


class Captioner(Model, ABC):
    @abstractmethod
    def describe(self, requests: Sequence[CaptionRequest]) -> Sequence[Caption]: ...


COMPOSED: Final = "composed"
"""Name of the captioner that writes what others found, and has to be told it in `CaptionRequest.seen`."""
EMBED: Final[Task[Embedder]] = Task("embed", lambda frame: (Embedder.embed_images, frame))
FACES: Final[Task[FaceFinder]] = Task("faces", lambda frame: (FaceFinder.find_faces, frame))
OBJECTS: Final[Task[ObjectDetector]] = Task("objects", lambda frame: (ObjectDetector.detect, frame))
OCR: Final[Task[TextReader]] = Task("ocr", lambda frame: (TextReader.read, frame))
CAPTION: Final[Task[Captioner]] = Task(
    "caption", lambda frame: (Captioner.describe, CaptionRequest(frame=frame, level="brief"))
)
