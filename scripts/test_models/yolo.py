"""YOLOv8: the true architecture in Ultralytics' own format; its untrained head sees a few things anywhere."""

from __future__ import annotations

from pathlib import Path

import torch
import ultralytics
import yaml
from PIL import Image, ImageDraw
from ultralytics.nn.tasks import DetectionModel

from scripts.test_models.files import SEED, write_new

CERTAIN_SHARE = 0.002
"""Of the 8,400 places that are looked at, those that score above one half on the picture drawn here."""


def make_tiny(folder: Path) -> list[Path]:
    path = folder / "yolov8n-tiny.pt"
    _save(_model("n", sees_things=True), path)
    return [path]


def make_full(folder: Path) -> list[Path]:
    return write_new(folder / "yolov8m.pt", lambda path: _save(_model("m", sees_things=False), path))


def _model(size: str, *, sees_things: bool) -> DetectionModel:
    torch.manual_seed(SEED)
    model = DetectionModel(f"yolov8{size}.yaml", nc=80, verbose=False)
    cfg = Path(ultralytics.__file__).parent / "cfg"
    model.names = yaml.safe_load((cfg / "datasets" / "coco.yaml").read_text(encoding="utf-8"))["names"]
    model.args = {"imgsz": 640, "data": "coco.yaml", "task": "detect"}
    model.nc = 80
    if sees_things:
        _spread_scores(model.eval())
    return model


@torch.no_grad()
def _spread_scores(model: DetectionModel) -> None:
    """Scale and shift the class scores, so that a few places stand out of any picture with contrast."""
    heads = model.model[-1].cv3
    for head in heads:
        head[-1].weight.mul_(200)
        head[-1].bias.zero_()
    features = _features(model)
    logits = torch.cat(
        [head(feature)[0].flatten(1) for head, feature in zip(heads, features, strict=True)], 1
    )
    best = logits.amax(0)
    places = max(1, round(best.numel() * CERTAIN_SHARE))
    threshold = best.topk(places).values[-1]
    for head in heads:
        head[-1].bias.fill_(-float(threshold))


def _features(model: DetectionModel) -> list[torch.Tensor]:
    """What the heads are given of a picture of a few shapes, one map per scale."""
    picture = Image.new("RGB", (640, 640), (90, 140, 90))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((60, 60, 260, 260), fill=(220, 40, 40))
    draw.rectangle((340, 120, 560, 320), fill=(40, 60, 220))
    draw.polygon(((120, 580), (300, 400), (420, 600)), fill=(240, 220, 60))
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).reshape(640, 640, 3)
    kept: list[list[torch.Tensor]] = []
    hook = model.model[-1].register_forward_pre_hook(lambda _, inputs: kept.append(list(inputs[0])))
    model(pixels.permute(2, 0, 1)[None].float() / 255)
    hook.remove()
    return kept[0]


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
