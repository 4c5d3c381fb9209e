"""torchvision beside a torch without CUDA."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.paths import ROOT

torch = pytest.importorskip("torch")
pytest.importorskip("numpy")

from models.machine import torch_cpu  # noqa: E402
from models.machine.torch_cpu import make_torchvision_importable, suppress  # noqa: E402


def boxes(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=drawn) * 400
    sizes = torch.rand(count, 2, generator=drawn) * 100
    return torch.cat([corners, corners + sizes], 1), torch.rand(count, generator=drawn)


def plainly(corners: list[list[float]], scores: list[float], threshold: float) -> list[int]:
    """Non-maximum suppression as it is defined."""

    def overlap(one: list[float], other: list[float]) -> float:
        width = min(one[2], other[2]) - max(one[0], other[0])
        height = min(one[3], other[3]) - max(one[1], other[1])
        shared = max(0.0, width) * max(0.0, height)
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
        return shared / (sum(areas) - shared)

    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda index: -scores[index]):
        if all(overlap(corners[index], corners[better]) <= threshold for better in kept):
            kept.append(index)
    return kept


@pytest.mark.parametrize("threshold", [0.1, 0.45, 0.7])
def test_overlapping_boxes_are_suppressed_as_defined(threshold: float) -> None:
    for seed in range(5):
        corners, scores = boxes(150, seed)
        assert suppress(corners, scores, threshold).tolist() == plainly(
            corners.tolist(), scores.tolist(), threshold
        )


def test_no_boxes_are_no_boxes() -> None:
    kept = suppress(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert kept.dtype == torch.int64
    assert kept.tolist() == []


def test_half_precision_is_taken() -> None:
    corners, scores = boxes(50, 1)
    assert suppress(corners.half(), scores.bfloat16(), 0.5).numel() > 10


def test_torchvision_can_be_imported_and_used() -> None:
    script = """
        import warnings
        warnings.simplefilter("error")
        from models.machine.torch_cpu import make_torchvision_importable
        make_torchvision_importable()
        make_torchvision_importable()
        import torch, torchvision
        boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]])
        scores = torch.tensor([0.8, 0.9, 0.7])
        print(torchvision.ops.nms(boxes, scores, 0.5).tolist())
        print(torchvision.ops.batched_nms(boxes, scores, torch.tensor([0, 1, 1]), 0.5).tolist())
    """
    pytest.importorskip("PIL")
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.stdout.split("\n")[:2] == ["[1, 2]", "[1, 0, 2]"], told.stderr


def test_nothing_is_registered_where_the_compiled_part_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(torch_cpu, "_loads", lambda package: True)
    monkeypatch.setattr(torch.library, "Library", lambda *_: pytest.fail("something was registered"))
    make_torchvision_importable()


def test_compiled_part_that_loads_is_found_out(tmp_path: Path) -> None:
    loadable = Path(torch.__file__).parent / "lib" / "libtorch_global_deps.so"
    if not loadable.exists():
        pytest.skip("this torch has no small library to take for torchvision's")
    shutil.copy(loadable, tmp_path / "_C.so")
    assert torch_cpu._loads(tmp_path)


def test_compiled_part_of_another_torch_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "_C.so").write_bytes(b"no library")
    assert not torch_cpu._loads(tmp_path)
    assert not torch_cpu._loads(tmp_path / "nowhere")
