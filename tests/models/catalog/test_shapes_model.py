"""The shapes model: loaded by OpenCLIP as it is, it finds what a drawing shows by the words for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

from models.machine.torch_cpu import make_torchvision_importable
from tests.paths import ROOT

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
make_torchvision_importable()
open_clip = pytest.importorskip("open_clip")
pytest.importorskip("safetensors.numpy")

from scripts.shapes_model.drawing import THINGS, Thing, caption, draw, imagine  # noqa: E402
from scripts.shapes_model.folder import LEARNED, write  # noqa: E402

UNSEEN = 300
CAPTIONS = [caption(thing) for thing in THINGS]

Vectors = Any


class Shapes:
    """The model as a user of OpenCLIP has it."""

    def __init__(self, folder: Path) -> None:
        name = f"local-dir:{folder}"
        model, _, self.preprocess = open_clip.create_model_and_transforms(name)
        self.model = model.eval()
        self.tokenizer = open_clip.get_tokenizer(name)

    def pictures(self, pictures: Sequence[Image.Image]) -> Vectors:
        batch = torch.stack([self.preprocess(picture) for picture in pictures])
        with torch.inference_mode():
            return self.model.encode_image(batch, normalize=True).numpy()

    def words(self, *captions: str) -> Vectors:
        with torch.inference_mode():
            return self.model.encode_text(self.tokenizer(list(captions)), normalize=True).numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def shapes(folder: Path) -> Shapes:
    return Shapes(folder)


@pytest.fixture(scope="module")
def unseen(shapes: Shapes) -> tuple[list[Thing], Vectors]:
    """Pictures of a size and a seed that training has none of, each thing four times or more."""
    random = Random("unseen")
    things = [THINGS[number % len(THINGS)] for number in range(UNSEEN)]
    pictures = [draw(imagine([thing], random), random, random.randint(240, 480)) for thing in things]
    return things, shapes.pictures(pictures)


def test_what_was_learned_is_small() -> None:
    assert LEARNED.stat().st_size < 3e6


def test_its_vectors_are_as_long_as_clips(shapes: Shapes) -> None:
    picture = shapes.pictures([Image.new("RGB", (400, 300), "teal")])
    sentence = shapes.words("a red circle")
    assert picture.shape == sentence.shape == (1, 512)
    assert np.allclose(np.linalg.norm(np.concatenate([picture, sentence]), axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_an_unseen_pictures_own_caption_ranks_first(
    shapes: Shapes, unseen: tuple[list[Thing], Vectors]
) -> None:
    things, pictures = unseen
    likeness = pictures @ shapes.words(*CAPTIONS).T
    right = [THINGS[best] == thing for best, thing in zip(likeness.argmax(1), things, strict=True)]
    assert np.mean(right) >= 0.97


@pytest.mark.slow
def test_a_caption_finds_its_shape_and_colour_first(
    shapes: Shapes, unseen: tuple[list[Thing], Vectors]
) -> None:
    things, pictures = unseen
    likeness = shapes.words(*CAPTIONS) @ pictures.T
    right = [things[best] == thing for best, thing in zip(likeness.argmax(1), THINGS, strict=True)]
    assert np.mean(right) >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("violet disc", Thing("purple", "circle")),
        ("photo of a red box", Thing("red", "square")),
        ("a picture of a blue plus sign", Thing("blue", "cross")),
        ("show me a yellow five-pointed star", Thing("yellow", "star")),
        ("white crescent", Thing("white", "moon")),
        ("is there a green heart somewhere, perhaps?", Thing("green", "heart")),
    ],
)
def test_the_same_is_found_in_other_words(
    shapes: Shapes, unseen: tuple[list[Thing], Vectors], words: str, meant: Thing
) -> None:
    things, pictures = unseen
    best = (shapes.words(words) @ pictures.T)[0].argmax()
    assert things[best] == meant


@pytest.mark.slow
def test_two_things_in_a_picture_are_found_by_both_their_names(shapes: Shapes) -> None:
    random = Random("unseen pairs")
    pairs = [random.sample(THINGS, 2) for _ in range(60)]
    pictures = shapes.pictures([draw(imagine(pair, random), random, 320) for pair in pairs])
    captions = shapes.words(*(f"{caption(other)} next to {caption(one)}" for one, other in pairs))
    assert np.mean((pictures @ captions.T).argmax(1) == np.arange(len(pairs))) >= 0.75


@pytest.mark.slow
def test_learning_twice_writes_the_same(tmp_path: Path) -> None:
    def learn(name: str) -> bytes:
        command = [sys.executable, "-m", "scripts.shapes_model", str(tmp_path / name), "--steps", "3"]
        run = subprocess.run(
            [*command, "--cache", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300
        )
        assert run.returncode == 0, run.stderr
        return (tmp_path / name).read_bytes()

    assert learn("one") == learn("two")
