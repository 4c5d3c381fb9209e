"""Pictures of coloured shapes, and what one may say of them. The same seed draws the same picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Point = tuple[float, float]
Colour = tuple[int, int, int]

SHAPES: Final[dict[str, tuple[str, ...]]] = {
    "circle": ("circle", "circle", "disc", "dot"),
    "square": ("square", "square", "box"),
    "triangle": ("triangle",),
    "star": ("star", "star", "five-pointed star"),
    "heart": ("heart",),
    "cross": ("cross", "cross", "plus sign"),
    "ring": ("ring", "ring", "hoop"),
    "moon": ("moon", "crescent", "crescent moon"),
}
"""Every shape and the words for it; the usual one first, and more often."""
COLOURS: Final[dict[str, Colour]] = {
    "red": (215, 25, 35),
    "orange": (250, 135, 15),
    "yellow": (250, 225, 35),
    "green": (35, 155, 60),
    "blue": (30, 75, 215),
    "purple": (125, 40, 165),
    "pink": (250, 140, 190),
    "white": (245, 245, 245),
    "black": (18, 18, 18),
}
BACKGROUNDS: Final[dict[str, Colour]] = {**COLOURS, "grey": (128, 128, 128), "brown": (115, 70, 35)}
SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "purple": ("purple", "purple", "violet"),
    "grey": ("grey", "gray"),
}
FRAMES: Final = (
    *("{}", "{}", "{}", "a photo of {}", "photo of {}", "a picture of {}", "an image of {}"),
    *("a drawing of {}", "this is {}", "there is {}", "{} in a picture", "find {}", "show me {}"),
)
PLACES: Final = (
    "on {}",
    "on {} background",
    "on a {} background",
    "in front of {}",
    "over {}",
    "on a {} wall",
)
JOINTS: Final = (" and ", " and ", " next to ", " with ", " beside ")
TEXTURES: Final = ("plain", "plain", "shaded", "speckled", "striped", "checked", "dull")
JITTER: Final = 16
"""How far a channel may be from the named colour's, of 255."""
SUPERSAMPLING: Final = 3


@dataclass(frozen=True, slots=True)
class Thing:
    """One shape of one colour."""

    colour: str
    shape: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What is in a picture; drawn twice with different seeds, it looks different."""

    things: tuple[Thing, ...]
    background: str
    texture: str


THINGS: Final = tuple(Thing(colour, shape) for colour in COLOURS for shape in SHAPES)


def imagine(things: Sequence[Thing], random: Random) -> Scene:
    """Put things before a background that none of them vanishes in."""
    colours = {thing.colour for thing in things}
    background = random.choice([name for name in BACKGROUNDS if name not in colours])
    return Scene(tuple(things), background, random.choice(TEXTURES))


def draw(scene: Scene, random: Random, long_side: int) -> Image.Image:
    """An RGB picture, upright or across; the things are within its central square and do not touch."""
    ratio = random.uniform(0.72, 1.0)
    sides = [long_side, round(long_side * ratio)]
    random.shuffle(sides)
    width, height = sides
    image = _background(scene, random, width, height)
    side = min(width, height)
    corner = ((width - side) / 2, (height - side) / 2)
    for thing, (x, y, radius) in zip(scene.things, _places(len(scene.things), random), strict=True):
        mask = _mask(thing.shape, random, radius * side)
        middle = mask.width / 2
        place = (round(corner[0] + x * side - middle), round(corner[1] + y * side - middle))
        image.paste(_near(COLOURS[thing.colour], random), place, mask)
    return _photographed(image, random)


def caption(thing: Thing) -> str:
    """The plainest."""
    return f"{_article(thing.colour)} {thing.colour} {thing.shape}"


def describe(scene: Scene, random: Random) -> str:
    """A sentence or a few words, true of the picture."""
    named = [_name(thing, random) for thing in scene.things]
    random.shuffle(named)
    plain = random.random() < 0.25
    phrase = random.choice(JOINTS).join(name if plain else f"{_article(name)} {name}" for name in named)
    if scene.texture != "dull" and random.random() < 0.35:
        colour = random.choice(SYNONYMS.get(scene.background, (scene.background,)))
        phrase += " " + random.choice(PLACES).format(colour)
    return random.choice(FRAMES).format(phrase)


def _name(thing: Thing, random: Random) -> str:
    colour = random.choice(SYNONYMS.get(thing.colour, (thing.colour,)))
    return f"{colour} {random.choice(SHAPES[thing.shape])}"


def _article(name: str) -> str:
    return "an" if name[0] in "aeiou" else "a"


def _near(colour: Colour, random: Random) -> Colour:
    red, green, blue = (min(255, max(0, channel + random.randint(-JITTER, JITTER))) for channel in colour)
    return red, green, blue


def _background(scene: Scene, random: Random, width: int, height: int) -> Image.Image:
    """Every texture stays close to its colour, so that the colour's name remains true."""
    colour = np.array(_near(BACKGROUNDS[scene.background], random), np.float32)
    other = colour + (1 if colour.mean() < 128 else -1) * random.uniform(15, 40)
    angle, period = random.uniform(0, math.tau), random.uniform(0.06, 0.25)
    match scene.texture:
        case "shaded":
            share = _ramp(width, height, angle)
        case "speckled":
            rough = np.random.default_rng(random.getrandbits(32))
            grains = rough.random((height // 2 + 1, width // 2 + 1), np.float32)
            share = grains.repeat(2, 0).repeat(2, 1)[:height, :width]
        case "striped":
            share = _stripes(width, height, angle, period)
        case "checked":
            other_way = _stripes(width, height, angle + math.pi / 2, period)
            share = np.abs(_stripes(width, height, angle, period) - other_way)
        case "dull":  # greyish, of no name
            colour, other = (
                np.array([grey + random.uniform(-14, 14) for _ in "rgb"], np.float32)
                for grey in (random.uniform(85, 170), random.uniform(85, 170))
            )
            share = _ramp(width, height, angle)
        case _:
            share = np.zeros((height, width), np.float32)
    mask = Image.fromarray((share * 255).astype(np.uint8))
    one, another = (tuple(int(channel) for channel in tone.clip(0, 255)) for tone in (colour, other))
    return Image.composite(Image.new("RGB", mask.size, another), Image.new("RGB", mask.size, one), mask)


def _along(width: int, height: int, angle: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """How far each pixel lies in a direction, in long sides."""
    x, y = (np.arange(count, dtype=np.float32) / max(width, height) for count in (width, height))
    return x * np.float32(math.cos(angle)) + y[:, None] * np.float32(math.sin(angle))


def _ramp(width: int, height: int, angle: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    along = _along(width, height, angle)
    lowest = along.min()
    return (along - lowest) / (along.max() - lowest)


def _stripes(width: int, height: int, angle: float, period: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.floor(_along(width, height, angle) * np.float32(2 / period)) % np.float32(2)


def _places(count: int, random: Random) -> list[tuple[float, float, float]]:
    """Centre and radius of each thing, as shares of a square's side."""
    while True:
        places: list[tuple[float, float, float]] = []
        for _ in range(count):
            radius = random.uniform(0.19, 0.38) if count == 1 else random.uniform(0.15, 0.22)
            x, y = (random.uniform(radius + 0.03, 0.97 - radius) for _ in "xy")
            places.append((x, y, radius))
        if all(
            math.dist(one[:2], other[:2]) > 1.05 * (one[2] + other[2])
            for number, one in enumerate(places)
            for other in places[:number]
        ):
            return places


def _mask(shape: str, random: Random, radius: float) -> Image.Image:
    """A small picture, white where the shape is, with smooth edges."""
    angle = math.radians(random.uniform(-18, 18))
    stretch = random.uniform(0.88, 1.0)
    stretches = (stretch, 1.0) if random.random() < 0.5 else (1.0, stretch)
    side = 2 * math.ceil(radius + 1)

    def placed(point: Point) -> Point:
        x, y = point[0] * stretches[0] * radius, point[1] * stretches[1] * radius
        turned = (x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle))
        return (turned[0] + side / 2) * SUPERSAMPLING, (turned[1] + side / 2) * SUPERSAMPLING

    mask = Image.new("L", (side * SUPERSAMPLING, side * SUPERSAMPLING))
    pen = ImageDraw.Draw(mask)
    for outline, fill in _outlines(shape, random):
        pen.polygon([placed(point) for point in outline], fill=fill)
    return mask.resize((side, side), Image.Resampling.BOX)


def _outlines(shape: str, random: Random) -> list[tuple[list[Point], int]]:
    """Polygons within the unit circle, y downwards; in this order they are filled (255) or cut out (0)."""
    match shape:
        case "circle":
            return [(_arc(1.0), 255)]
        case "square":
            side = math.sqrt(0.5)
            return [([(-side, -side), (side, -side), (side, side), (-side, side)], 255)]
        case "triangle":
            return [([_polar(1.0, 90 + 120 * corner) for corner in range(3)], 255)]
        case "star":
            inner = random.uniform(0.36, 0.46)
            points = [_polar(1.0 if corner % 2 == 0 else inner, 90 + 36 * corner) for corner in range(10)]
            return [(points, 255)]
        case "heart":
            return [([_heart(math.tau * step / 48) for step in range(48)], 255)]
        case "cross":
            arm = random.uniform(0.22, 0.3)
            ends = [(arm, -1.0), (arm, -arm), (1.0, -arm)]
            turns = [(1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0)]
            return [([(a * x + b * y, c * x + d * y) for a, b, c, d in turns for x, y in ends], 255)]
        case "ring":
            return [(_arc(1.0), 255), (_arc(random.uniform(0.5, 0.66)), 0)]
        case "moon":
            shift = random.uniform(0.42, 0.58)
            return [(_arc(1.0), 255), ([(x + shift, y) for x, y in _arc(0.92)], 0)]
    raise ValueError(f"no such shape: {shape}")


def _polar(radius: float, degrees: float) -> Point:
    return radius * math.cos(math.radians(degrees)), -radius * math.sin(math.radians(degrees))


def _arc(radius: float) -> list[Point]:
    return [_polar(radius, 360 * step / 64) for step in range(64)]


def _heart(t: float) -> Point:
    x = 16 * math.sin(t) ** 3
    y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
    return x / 17, -(y + 2.5) / 17


def _photographed(image: Image.Image, random: Random) -> Image.Image:
    """A little brighter or darker, softer, noisier."""
    light = random.uniform(0.85, 1.08)
    if random.random() < 0.5:
        rough = np.random.default_rng(random.getrandbits(32))
        grain = rough.standard_normal((image.height, image.width, 1), np.float32) * random.uniform(1, 9)
        pixels = np.asarray(image, np.float32) * np.float32(light) + grain.astype(np.float32)
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    else:
        image = image.point([min(255, round(level * light)) for level in range(256)] * 3)
    if random.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 1.0) * max(image.size) / 160))
    return image
