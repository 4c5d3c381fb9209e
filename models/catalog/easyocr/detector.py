"""The detector of characters (CRAFT) as a graph, which takes the place of the library's own network."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.backends.graphs import Session
from models.errors import ModelFailed

if TYPE_CHECKING:
    from torch import Tensor

_OPSET: Final = 17
_LOSS: Final = 1e-3
"""Most that an exported graph's scores, 0 to 1, may be off."""


class DetectorGraph:
    """Called like the library's detector, and answers like it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, pixels: Tensor) -> tuple[Tensor, None]:
        """Scores of characters and of gaps between them, (1, height / 2, width / 2, 2)."""
        import torch

        [maps] = self._session.run(None, {"pixels": pixels.numpy()})
        return torch.from_numpy(maps), None


def export_detector(detector: Any, path: Path) -> None:
    """Write the detector's graph; `torch` does the work."""
    import torch

    class Maps(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.detector = detector

        def forward(self, pixels: Tensor) -> Tensor:
            maps: Tensor = self.detector(pixels)[0]
            return maps

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is told to stay silent
        torch.onnx.export(
            Maps().eval(),
            (torch.zeros(1, 3, 64, 96),),
            str(path),
            dynamo=False,  # the newer exporter needs a package more
            opset_version=_OPSET,
            input_names=["pixels"],
            output_names=["maps"],
            dynamic_axes={"pixels": {2: "height", 3: "width"}, "maps": {1: "rows", 2: "columns"}},
        )


def require_close(detector: Any, graph: DetectorGraph) -> None:
    """Raises ModelFailed where the graph's scores are not the network's."""
    import torch

    noise = torch.randn(1, 3, 96, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        off = (graph(noise)[0] - detector(noise)[0]).abs().max().item()
    if not off <= _LOSS:
        raise ModelFailed(f"the exported graph of EasyOCR's detector is off by {off:.4f}")
