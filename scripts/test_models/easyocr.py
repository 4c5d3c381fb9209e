"""EasyOCR: its detector takes a whole picture for one line of text, its recogniser reads something there."""

from __future__ import annotations

from pathlib import Path

import torch
from easyocr.config import recognition_models
from easyocr.craft import CRAFT
from easyocr.model.vgg_model import Model
from easyocr.utils import CTCLabelConverter

from scripts.test_models.files import SEED, write_new

DETECTOR, RECOGNISER = "craft_mlt_25k.pth", "english_g2.pth"


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
    return [
        *write_new(folder / DETECTOR, lambda path: _save(_detector(), path, torch.float32)),
        *write_new(folder / RECOGNISER, lambda path: _save(_recogniser(), path, torch.float32)),
    ]


def _detector() -> torch.nn.Module:
    torch.manual_seed(SEED)
    return CRAFT(pretrained=False).eval()


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
