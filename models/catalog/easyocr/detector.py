"""The detector of characters (CRAFT) as a graph, which takes the place of the library's own network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.backends.exports import NotExportable, write_onnx
from models.backends.graphs import Session

if TYPE_CHECKING:
    from torch import Tensor

_LOSS: Final = 1e-3
"""Most that an exported graph's scores, 0 to 1, may be off."""


class DetectorGraph:
    """Called like the library's detector, and answers like it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, pixels: Tensor) -> tuple[Tensor, None]:
        """Scores of characters and of gaps between them, (1, height / 2, width / 2, 2)."""
        import torch

        [maps] = self._session.run(None, {"input": pixels.numpy()})
        return torch.from_numpy(maps), None


def export_detector(detector: Any, path: Path) -> None:
    """Write the detector's graph as ONNX.

    Raises:
        NotExportable: the exporter cannot express it.
    """
    import torch

    write_onnx(
        detector,
        lambda pixels: detector(pixels)[0],
        torch.zeros(1, 3, 64, 96),
        path,
        ["maps"],
        {"input": {2: "height", 3: "width"}, "maps": {1: "rows", 2: "columns"}},
    )


def require_close(detector: Any, graph: DetectorGraph) -> None:
    """Raises NotExportable where the graph's scores are not the network's."""
    import torch

    noise = torch.randn(1, 3, 96, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        off = (graph(noise)[0] - detector(noise)[0]).abs().max().item()
    if not off <= _LOSS:
        raise NotExportable(f"the graph of EasyOCR's detector is off by {off:.4f}")
