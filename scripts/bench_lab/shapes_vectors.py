"""What the shapes model makes of drawn pictures and of the words for them, as arrays in a file.

`python -m scripts.bench_lab.shapes_vectors SHOWN FILE`: SHOWN is a JSON list with a number of `THINGS` for
each picture, or null for one that shows nothing. In a process of its own, as torch is large.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from random import Random

import numpy as np

from models.machine.torch_cpu import make_torchvision_importable
from scripts.shapes_model.drawing import THINGS, caption, draw, imagine
from scripts.shapes_model.folder import write

AT_ONCE = 64
SIDE = 320


def main(shown: str, file: str) -> None:
    make_torchvision_importable()
    import open_clip
    import torch

    dice = Random("ranking")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, "shapes"))
        name = f"local-dir:{folder}/shapes"
        model, _, preprocess = open_clip.create_model_and_transforms(name)
        tokenizer = open_clip.get_tokenizer(name)
    model.eval()
    things: list[int | None] = json.loads(Path(shown).read_text())
    pictures = []
    with torch.inference_mode():
        for start in range(0, len(things), AT_ONCE):
            drawn = [
                draw(imagine([] if number is None else [THINGS[number]], dice), dice, SIDE)
                for number in things[start : start + AT_ONCE]
            ]
            batch = torch.stack([preprocess(picture) for picture in drawn])
            pictures.append(model.encode_image(batch, normalize=True).numpy())
        words = model.encode_text(tokenizer([caption(thing) for thing in THINGS]), normalize=True).numpy()
    np.savez(file, pictures=np.concatenate(pictures), words=words)


if __name__ == "__main__":
    main(*sys.argv[1:])
