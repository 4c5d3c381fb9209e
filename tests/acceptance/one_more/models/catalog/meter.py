"""How bright a picture is, by counting."""

from collections.abc import Sequence

from models.frame import Frame
from models.settings import ModelSettings
from models.spec import Licence, Loading, ModelSpec, Variant
from models.tasks import Model, Task


class Meter(Model):
    backend, precision = "python", "exact"

    def measure(self, frames: Sequence[Frame]) -> Sequence[float]:
        return [round(sum(frame.data) / len(frame.data) / 255, 3) for frame in frames]


BRIGHTNESS: Task[Meter] = Task("brightness", lambda frame: (Meter.measure, frame))


def select(settings: ModelSettings) -> Variant:
    return Variant(version="meter-1", licence=Licence(name="Apache-2.0", use="free"))


def load(loading: Loading) -> Meter:
    return Meter()


SPEC = ModelSpec(task=BRIGHTNESS, name="meter", select=select, load=load)
