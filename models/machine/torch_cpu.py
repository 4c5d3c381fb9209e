"""Makes torchvision importable beside a torch that knows no CUDA.

The index of Python packages has torchvision for Linux linked against CUDA only. Beside a CPU-only torch its
compiled part cannot be loaded, and `import torchvision` ends in "operator torchvision::nms does not exist".
All that our models use of that part is non-maximum suppression.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor
    from torch.library import Library

_registered: Final[list[Library]] = []  # what it registers is gone with the object


def make_torchvision_importable() -> None:
    """Register what torchvision lacks; call it before importing torchvision or whatever imports it.

    Does nothing where its compiled part loads (with CUDA, or built for the CPU), where torchvision is
    imported already, and where it is not installed.
    """
    if "torchvision" in sys.modules:
        return
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None or _loads(Path(found.origin).parent):
        return
    import torch

    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    library.impl("nms", suppress, "CPU")  # type: ignore[no-untyped-call]
    _registered.append(library)
    from torchvision.ops import boxes

    boxes._assert_has_ops = lambda: None  # it would refuse, not knowing of ours


def suppress(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The indices, best first, of the boxes that overlap no better one by more than `threshold` (IoU).

    `boxes` is (N, 4) as left, top, right, bottom, `scores` is (N,): what `torchvision.ops.nms` takes and
    answers. In NumPy, whose small operations cost a thirtieth of torch's.
    """
    import numpy as np
    import torch

    left, top, right, bottom = boxes.detach().float().numpy().T
    areas = (right - left) * (bottom - top)
    order = np.argsort(-scores.detach().float().numpy(), kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
        height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
        shared = width.clip(min=0) * height.clip(min=0)
        order = rest[shared <= threshold * (areas[best] + areas[rest] - shared)]
    return torch.from_numpy(np.array(kept, np.int64))


def _loads(package: Path) -> bool:
    """Whether torchvision's compiled part loads, in the way in which torchvision itself does it."""
    import torch

    for suffix in EXTENSION_SUFFIXES:
        compiled = package / f"_C{suffix}"
        if compiled.exists():
            try:
                torch.ops.load_library(compiled)  # type: ignore[no-untyped-call]
            except (ImportError, OSError):
                return False
            return True
    return False
