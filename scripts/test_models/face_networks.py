"""SCRFD-10G and ArcFace's IResNet-50 at full size, untrained: as heavy as the released graphs, but blind."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from scripts.test_models.files import SEED

BLIND = -6.0
"""Bias of the class scores: each of thousands of faces found at random would be aligned and embedded."""


def save_detector(path: Path, outputs: Sequence[str]) -> None:
    torch.manual_seed(SEED)
    moving = {"input": {2: "height", 3: "width"}, **{f"out{name}": {0: "anchors"} for name in outputs}}
    _export(_Scrfd(), torch.zeros(1, 3, 640, 640), path, outputs, moving)


def save_recogniser(path: Path) -> None:
    torch.manual_seed(SEED)
    _export(
        _ArcFace(), torch.zeros(1, 3, 112, 112), path, ["683"], {"input": {0: "None"}, "out683": {0: "None"}}
    )


def _export(
    network: nn.Module, example: Tensor, path: Path, outputs: Sequence[str], moving: dict[str, dict[int, str]]
) -> None:
    """The released files call their tensors by number, which the exporter refuses: renamed afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the exporter that is used is deprecated; its successor needs a package more
        torch.onnx.export(
            network.eval(),
            (example,),
            str(path),
            input_names=["input"],
            output_names=[f"out{name}" for name in outputs],
            dynamic_axes=moving,
            opset_version=17,
            dynamo=False,
        )
    model = onnx.load(str(path))
    final = {"input": "input.1", **{f"out{name}": name for name in outputs}}
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [
                final.get(name, f"inner_{name}" if name in final.values() else name) for name in names
            ]
    for value in (*model.graph.input, *model.graph.output):
        value.name = final.get(value.name, value.name)
    onnx.save(model, str(path))


def _convolution(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, *, relu: bool = True
) -> nn.Module:
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


class _BasicBlock(nn.Module):
    """Of a ResNet with pooled shortcuts."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            _convolution(inputs, outputs, stride=stride), _convolution(outputs, outputs, relu=False)
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            pool = nn.AvgPool2d(stride, stride) if stride != 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, _convolution(inputs, outputs, 1, relu=False))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.main(x) + self.shortcut(x))


class _Scrfd(nn.Module):
    """Guo et al. 2021 (arXiv 2105.04714), the 10-gigaflop network with key points."""

    def __init__(self) -> None:
        super().__init__()
        widths, depths, neck, feature = (56, 88, 88, 224), (3, 4, 2, 3), 56, 80
        self.stem = nn.Sequential(
            _convolution(3, 28, stride=2),
            _convolution(28, 28),
            _convolution(28, widths[0]),
            nn.MaxPool2d(3, 2, 1),
        )
        stages, inputs = [], widths[0]
        for index, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks = []
            for block in range(depth):
                blocks.append(_BasicBlock(inputs, width, 2 if index and not block else 1))
                inputs = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleList(nn.Conv2d(width, neck, 1) for width in widths[1:])
        self.smooth = nn.ModuleList(nn.Conv2d(neck, neck, 3, 1, 1) for _ in range(3))
        self.down = nn.ModuleList(nn.Conv2d(neck, neck, 3, 2, 1) for _ in range(2))
        self.upward = nn.ModuleList(nn.Conv2d(neck, neck, 3, 1, 1) for _ in range(2))
        self.towers = nn.ModuleList(
            nn.Sequential(
                _convolution(neck, feature), _convolution(feature, feature), _convolution(feature, feature)
            )
            for _ in range(3)
        )
        self.heads = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(feature, 2 * width, 3, 1, 1) for _ in range(3)) for width in (1, 4, 10)
        )
        for scores in self.heads[0]:
            nn.init.normal_(scores.weight, std=1e-3)
            nn.init.constant_(scores.bias, BLIND)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.stages[0](self.stem(x))
        features = []
        for stage, lateral in zip(list(self.stages)[1:], self.lateral, strict=True):
            x = stage(x)
            features.append(lateral(x))
        for index in (1, 0):
            features[index] = features[index] + interpolate(features[index + 1], scale_factor=2.0)
        features = [smooth(feature) for smooth, feature in zip(self.smooth, features, strict=True)]
        for index, (down, upward) in enumerate(zip(self.down, self.upward, strict=True)):
            features[index + 1] = features[index + 1] + down(features[index])
            features[index + 1] = upward(features[index + 1])
        towers = [tower(feature) for tower, feature in zip(self.towers, features, strict=True)]
        answers = []
        for heads, width in zip(self.heads, (1, 4, 10), strict=True):
            for head, tower in zip(heads, towers, strict=True):
                maps = head(tower).permute(2, 3, 0, 1).reshape(-1, width)
                answers.append(torch.sigmoid(maps) if width == 1 else maps)
        return tuple(answers)


class _ArcFaceBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = _convolution(inputs, outputs, 1, stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x) + self.shortcut(x)


class _ArcFace(nn.Module):
    """Deng et al. 2019 (arXiv 1801.07698), IResNet-50: an aligned face of 112 by 112 to 512 numbers."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)]
        inputs = 64
        for width, depth in ((64, 3), (128, 4), (256, 14), (512, 3)):
            for block in range(depth):
                layers.append(_ArcFaceBlock(inputs, width, 1 if block else 2))
                inputs = width
        layers += [nn.BatchNorm2d(512), nn.Flatten(), nn.Linear(512 * 7 * 7, 512), nn.BatchNorm1d(512)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
