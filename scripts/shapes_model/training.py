"""Teaches two small towers, by CLIP's own loss, which words belong to which picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import open_clip
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from scripts.shapes_model.drawing import THINGS, Scene, describe, draw, imagine
from scripts.shapes_model.folder import CONFIG, TABLE, keep

SEED: Final = 20261121
STEPS: Final = 2000
PAIRS: Final = 24
"""Pictures of two things per batch, besides one of every single thing."""
PEAK_RATE: Final = 2e-3
WARM_UP: Final = 100
"""Steps."""
SHARPEST: Final = 100.0
"""CLIP's own bound of the temperature's inverse."""


@dataclass(frozen=True, slots=True)
class Words:
    """The tokens that captions are made of, and tokenising with only those."""

    tokenizer: Any
    tokens: np.ndarray[Any, Any]

    @classmethod
    def of_captions(cls) -> Words:
        length = CONFIG["model_cfg"]["text_cfg"]["context_length"]
        tokenizer = open_clip.SimpleTokenizer(context_length=length)
        random = Random(SEED)
        captions = [
            describe(imagine(random.sample(THINGS, 1 + number % 2), random), random)
            for number in range(20_000)
        ]
        return cls(tokenizer, np.unique(tokenizer(captions).numpy()))

    def __call__(self, captions: list[str]) -> Tensor:
        """Numbers of tokens in `tokens`; their order is kept, so the end is still the largest."""
        return torch.from_numpy(np.searchsorted(self.tokens, self.tokenizer(captions).numpy()))


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Pictures (N, 3, side, side) and their captions (N, length), never the same twice."""

    def __init__(self, count: int, words: Words) -> None:
        self._count = count
        self._words = words
        self._preprocess = preprocessing()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        if number >= self._count:
            raise IndexError
        random = Random(f"{SEED} {number}")
        scenes = _scenes(random)
        pictures = [_as_file(draw(scene, random, _long_side(random)), random) for scene in scenes]
        captions = self._words([describe(scene, random) for scene in scenes])
        return torch.stack([self._preprocess(picture) for picture in pictures]), captions


def train(learned: Path, *, steps: int = STEPS, told: Callable[[str], object] = print) -> None:
    """Write to `learned` what is learned in so many steps. On one kind of machine two runs write the same."""
    torch.set_num_threads(1)  # the other core draws; and sums are split alike however many there are
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    words = Words.of_captions()
    model = open_clip.CLIP(**CONFIG["model_cfg"])
    model.token_embedding = nn.Embedding(len(words.tokens), model.token_embedding.embedding_dim)
    nn.init.normal_(model.token_embedding.weight, std=0.02)
    for name, weight in model.visual.named_parameters():
        if name.endswith("bn3.weight"):
            nn.init.ones_(weight)  # zeros, the library's own, make so small a tower learn half as fast
    model.visual.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(_grouped(model), lr=PEAK_RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_RATE, total_steps=steps, pct_start=min(0.5, WARM_UP / steps), cycle_momentum=False
    )
    model.train()
    batches = DataLoader(Batches(steps, words), batch_size=None, num_workers=1, prefetch_factor=8)
    for step, (pictures, captions) in enumerate(batches, 1):
        image, text, scale = model(pictures.to(memory_format=torch.channels_last), captions)
        logits = scale * image @ text.T
        right = torch.arange(len(pictures))
        loss = (cross_entropy(logits, right) + cross_entropy(logits.T, right)) / 2
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, float(np.log(SHARPEST)))
        if step % 50 == 0 or step == steps:
            hits = (logits.argmax(1) == right).float().mean().item()
            told(f"step {step} of {steps}: loss {loss.item():.3f}, own caption first {hits:.1%}")
    state = {name: tensor.contiguous().numpy() for name, tensor in model.state_dict().items()}
    keep(learned, words.tokens, state.pop(TABLE), state)


def preprocessing() -> Callable[[Image.Image], Tensor]:
    """open_clip's own, for one picture."""
    side = CONFIG["model_cfg"]["vision_cfg"]["image_size"]
    preprocess: Callable[[Image.Image], Tensor] = open_clip.image_transform(
        side, is_train=False, **CONFIG["preprocess_cfg"]
    )
    return preprocess


def _scenes(random: Random) -> list[Scene]:
    """Every thing once, so that no caption belongs to two pictures, and some pairs of things."""
    pairs = sorted({tuple(sorted(random.sample(range(len(THINGS)), 2))) for _ in range(PAIRS)})
    wanted = [[thing] for thing in THINGS] + [[THINGS[number] for number in pair] for pair in pairs]
    return [imagine(things, random) for things in wanted]


def _long_side(random: Random) -> int:
    return round(72 * 3 ** random.random())


def _as_file(image: Image.Image, random: Random) -> Image.Image:
    """Half of the pictures have been a JPEG."""
    if random.random() < 0.5:
        return image
    file = io.BytesIO()
    image.save(file, "JPEG", quality=random.randint(60, 95))
    return Image.open(file).convert("RGB")


def _grouped(model: nn.Module) -> list[dict[str, Any]]:
    """Matrices decay, the rest does not."""
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim < 2]
    return [{"params": matrices, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}]
