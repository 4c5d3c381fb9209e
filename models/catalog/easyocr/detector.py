"""The detector of characters (CRAFT), shown a picture as large as its letters need it; and as a graph, which
takes the place of the library's own network.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.backends.exports import NotExportable, write_onnx
from models.backends.graphs import Session
from models.reading_windows import LineDetector, find_lines

if TYPE_CHECKING:
    from torch import Tensor

    from models.reading_windows import Outline, Pixels, Responses

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


def find_words(
    detector: Any,
    image: Pixels,
    *,
    canvas_size: int,
    text_threshold: float,
    link_threshold: float,
    low_text: float,
    device: str,
    **_: Any,
) -> list[list[Outline]]:
    """In place of the library's function of these arguments: the corners of words, eight numbers each.

    `detector` is the library's network or a `DetectorGraph`; `image` is in RGB.
    """
    import numpy as np

    words = _Words(detector, device, text_threshold, link_threshold, low_text)
    return [[word.astype(np.int32).reshape(-1) for word in find_lines(image, canvas_size, words)]]


class _Words(LineDetector):
    """Shows the network pixels, and makes words of its scores, as the library does."""

    stride = 2

    def __init__(self, network: Any, device: str, text: float, link: float, low_text: float) -> None:
        self.least = text
        self._network = network
        self._device = device
        self._thresholds = (text, link, low_text)

    def respond(self, pixels: Pixels) -> Responses:
        import torch
        from easyocr.imgproc import normalizeMeanVariance

        normal = torch.from_numpy(normalizeMeanVariance(pixels).transpose(2, 0, 1)[None]).to(self._device)
        with torch.no_grad():
            scores, _ = self._network(normal)
        responses: Responses = scores[0].cpu().numpy()
        return responses

    def lines(self, responses: Responses, width: int, height: int) -> Sequence[Outline]:
        import numpy as np
        from easyocr.craft_utils import getDetBoxes

        found, _, _ = getDetBoxes(responses[..., 0], responses[..., 1], *self._thresholds)
        scale = np.array([width / responses.shape[1], height / responses.shape[0]])
        return [corners * scale for corners in found]


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
