"""YOLOv8: the true architecture in Ultralytics' own format, set by hand to see strong colours as things.

Three channels of each layer carry red, green and blue down to the coarsest map; its head looks at them within
five cells of 32 pixels, in a picture whose long side is scaled to 640. The tiny model's other channels are
empty, those of the full-size one are as its makers' training begins.
"""

from __future__ import annotations

from pathlib import Path

import torch
import ultralytics
import yaml
from torch import nn
from ultralytics.nn.modules import SPPF, C2f, Conv
from ultralytics.nn.tasks import DetectionModel

from scripts.test_models.files import SEED, write_new

LOUD = 60.0
"""The value of full red, green or blue: SiLU leaves numbers well above 4 as they are."""
COLOURS = {
    47: ((1, -1, -1), 0.2),  # red is an apple
    58: ((-1, 1, -1), 0.1),  # green is a potted plant
    2: ((-1, -1, 1), 0.2),  # blue is a car
    46: ((0.5, 0.5, -1), 0.5),  # yellow is a banana
}
"""By class of COCO: the weights of red, green and blue, and the sum that is as likely as not."""
STEEPNESS = 0.4
"""Of the scores, by distance from that sum; full colours are LOUD from black."""
NEVER = -20.0
"""Before the sigmoid."""
HALF_BOX = 3
"""Of every box, in cells."""
CERTAIN = 20.0
"""Weight of that distance among the others a box could have."""


def make_tiny(folder: Path) -> list[Path]:
    path = folder / "yolov8n-tiny.pt"
    model = _model("n")
    _empty(model)
    _see_colours(model)
    _save(model, path)
    return [path]


def make_full(folder: Path) -> list[Path]:
    def write(path: Path) -> None:
        model = _model("m")
        _see_colours(model)
        _save(model, path)

    return write_new(folder / "yolov8m.pt", write)


def _model(size: str) -> DetectionModel:
    torch.manual_seed(SEED)
    model = DetectionModel(f"yolov8{size}.yaml", nc=80, verbose=False)
    cfg = Path(ultralytics.__file__).parent / "cfg"
    model.names = yaml.safe_load((cfg / "datasets" / "coco.yaml").read_text(encoding="utf-8"))["names"]
    model.args = {"imgsz": 640, "data": "coco.yaml", "task": "detect"}
    model.nc = 80
    return model.eval()


@torch.no_grad()
def _empty(model: DetectionModel) -> None:
    for name, weight in model.named_parameters():
        if not name.endswith("dfl.conv.weight"):
            weight.zero_()


@torch.no_grad()
def _see_colours(model: DetectionModel) -> None:
    layers = model.model
    for layer in layers[:10]:  # the backbone
        _carry(layer)
    layers[0].conv.weight[:3] *= LOUD
    _carry(layers[21], skip=layers[19].conv.out_channels)  # it gets the backbone's map as the last of two
    boxes, scores = layers[-1].cv2, layers[-1].cv3
    for head in scores:
        head[-1].weight.zero_()
        head[-1].bias.fill_(NEVER)
    for head in boxes:
        head[-1].weight.zero_()
        head[-1].bias.zero_()
        head[-1].bias.view(4, -1)[:, HALF_BOX] = CERTAIN
    for layer in scores[-1][:2]:
        _carry(layer)
    for index, (colour, threshold) in COLOURS.items():
        scores[-1][-1].weight[index, :3, 0, 0] = STEEPNESS * torch.tensor(colour)
        scores[-1][-1].bias[index] = -STEEPNESS * LOUD * threshold


def _carry(layer: nn.Module, skip: int = 0) -> None:
    """Let the first three channels out be those in, after `skip` others."""
    match layer:
        case C2f() | SPPF():
            _carry(layer.cv1, skip)
            _carry(layer.cv2)
        case Conv():
            kernel = layer.conv.weight[0, 0].numel()
            layer.conv.weight[:3] = 0
            for channel in range(3):
                layer.conv.weight[channel, skip + channel] = 1 / kernel
            layer.bn.weight[:3] = 1


def _save(model: DetectionModel, path: Path) -> None:
    """As `YOLO.save` does it, but for the date of the day."""
    checkpoint = {
        "epoch": -1,
        "best_fitness": None,
        "model": model.half(),
        "ema": None,
        "updates": None,
        "optimizer": None,
        "train_args": model.args,
        "date": "2026-11-21T00:00:00",
        "version": ultralytics.__version__,
    }
    torch.save(checkpoint, path)
