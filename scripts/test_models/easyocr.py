"""EasyOCR: a detector that takes a whole picture for one line of text (tiny) or bars of cyan for lines (full
size), and a recogniser that reads something there."""

from __future__ import annotations

from pathlib import Path

import torch
from easyocr.config import recognition_models
from easyocr.craft import CRAFT
from easyocr.model.vgg_model import Model
from easyocr.utils import CTCLabelConverter

from scripts.test_models.files import SEED, write_new

DETECTOR, RECOGNISER = "craft_mlt_25k.pth", "english_g2.pth"
CYAN = (-1.0, 0.5, 0.5)
"""Weights of red, green and blue, each from about -2 to 2.5: cyan is 4.6, any grey near 0."""
NO_LINE, A_LINE = 2.5, 4.0
"""Sums that score 0 and 1."""


def make_tiny(folder: Path) -> list[Path]:
    """Both architectures are fixed; half precision, which the loader widens, halves the files."""
    detector = _detector()
    with torch.no_grad():  # text everywhere, no gaps between characters
        detector.conv_cls[-1].weight.mul_(0.05)
        detector.conv_cls[-1].bias.copy_(torch.tensor([1.0, 0.0]))
    _save(detector, folder / DETECTOR, torch.float16)
    _save(_recogniser(), folder / RECOGNISER, torch.float16)
    return [folder / DETECTOR, folder / RECOGNISER]


def make_full(folder: Path) -> list[Path]:
    def write(path: Path) -> None:
        detector = _detector()
        _see_cyan(detector)
        _save(detector, path, torch.float32)

    return [
        *write_new(folder / DETECTOR, write),
        *write_new(folder / RECOGNISER, lambda path: _save(_recogniser(), path, torch.float32)),
    ]


def _detector() -> torch.nn.Module:
    torch.manual_seed(SEED)
    return CRAFT(pretrained=False).eval()


@torch.no_grad()
def _see_cyan(detector: torch.nn.Module) -> None:
    """One channel goes straight from the pixels to the score, by way of the finest map, and blurs a little;
    all others are as they were, and count for nothing in the end."""
    layers = [
        layer
        for part in (detector.basenet.slice1, detector.upconv4.conv, detector.conv_cls)
        for layer in part
        if isinstance(layer, torch.nn.Conv2d)
    ]
    finest = detector.upconv3.conv[3].out_channels  # where that map begins, behind what comes from below
    for layer in layers:
        begins = finest if layer is detector.upconv4.conv[0] else 0
        layer.weight[0] = 0
        layer.weight[0, begins] = 1 / layer.weight[0, 0].numel()
        layer.bias[0] = 0
    layers[0].weight[0] = torch.tensor(CYAN)[:, None, None] / 9
    layers[-1].weight.zero_()
    layers[-1].weight[0, 0] = 1 / (A_LINE - NO_LINE)
    layers[-1].bias[:] = torch.tensor([-NO_LINE / (A_LINE - NO_LINE), 0.0])


def _recogniser() -> torch.nn.Module:
    torch.manual_seed(SEED)
    characters = recognition_models["gen2"]["english_g2"]["characters"]
    classes = len(CTCLabelConverter(characters, {}, {}).character)
    return Model(input_channel=1, output_channel=256, hidden_size=256, num_class=classes).eval()


def _save(model: torch.nn.Module, path: Path, dtype: torch.dtype) -> None:
    """The released files were saved from `DataParallel`: the loader cuts `module.` off every name."""
    state = {
        f"module.{name}": tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    torch.save(state, path)
