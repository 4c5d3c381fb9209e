"""Thumbnails of small photos while huge pictures are decoded: first come, first served, against turns.

Both ways in one process and in turns, with nothing to fetch or to store: threads that take what comes first,
as `ThreadPoolExecutor` does, and the worker's `PixelThreads`.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import pillow_heif
from PIL import Image

from models.pictures.demand import Demand, read_header
from models.pictures.picture import THUMBNAIL_SIDE, open_picture, thumbnail
from scripts.bench_lab.lab import Lab
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.photos import TWELVE_MEGAPIXELS, write_photos
from worker.pixels import PixelThreads

HUGE = (12_000, 10_000)
"""About as large as x265 encodes in one piece: it takes 142 million pixels."""
SMALLER = (2_400, 1_500)
LEAST_GAIN = 2.0
LEAST_RATE = 0.95

Submit: TypeAlias = Callable[[Callable[[], bytes], Demand], Future[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Seconds until the last small photo was done, and until all was."""

    small: float
    everything: float


def measure(lab: Lab) -> list[Measure]:
    lab.tell("drawing photos, and a huge one")
    huge = _heic(SMALLER if lab.quick else HUGE)
    paths = write_photos(
        lab.home / "beside", lab.pick(full=16, quick=8), TWELVE_MEGAPIXELS, distinct=lab.pick(full=6, quick=1)
    )
    small = [path.read_bytes() for path in paths]
    threads = os.cpu_count() or 1
    rounds = lab.pick(full=5, quick=1)
    crowd = [huge] * (threads + 1)
    lab.tell(f"{len(small)} photos beside {len(crowd)} huge pictures, and alone, {rounds} time(s)")
    first_come, in_turn, bare, alone = [], [], [], []
    for _ in range(rounds):
        first_come.append(_first_come(threads, crowd, small))
        in_turn.append(_in_turn(threads, crowd, small))
        bare.append(_first_come(threads, [], small))
        alone.append(_in_turn(threads, [], small))

    def seconds(turns: Sequence[Turn]) -> float:
        return min(turn.small for turn in turns)  # whatever else the machine does only makes it longer

    everything = [min(turn.everything for turn in turns) for turns in (first_come, in_turn)]
    return [
        Measure(name="beside_huge_first_come", value=seconds(first_come), unit="s"),
        Measure(name="beside_huge_in_turn", value=seconds(in_turn), unit="s"),
        Measure(
            name="beside_huge_gain",
            value=seconds(first_come) / seconds(in_turn),
            unit="x",
            at_least=LEAST_GAIN,
        ),
        Measure(name="everything_gain", value=everything[0] / everything[1], unit="x"),
        Measure(name="alone_in_turn", value=len(small) / seconds(alone), unit="photos/s"),
        Measure(
            name="alone_to_first_come", value=seconds(bare) / seconds(alone), unit="x", at_least=LEAST_RATE
        ),
    ]


def _heic(size: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    picture = Image.merge("RGB", [Image.linear_gradient("L").resize(size)] * 3)
    pillow_heif.from_pillow(picture).save(out, quality=50, enc_params={"preset": "ultrafast"})
    return out.getvalue()


def _first_come(threads: int, huge: Sequence[bytes], small: Sequence[bytes]) -> Turn:
    with ThreadPoolExecutor(threads) as pool:
        return _take_turn(lambda work, demand: pool.submit(work), huge, small)


def _in_turn(threads: int, huge: Sequence[bytes], small: Sequence[bytes]) -> Turn:
    pool = PixelThreads(threads)
    try:
        return _take_turn(lambda work, demand: pool.submit(work, demand=demand), huge, small)
    finally:
        pool.close()


def _take_turn(submit: Submit, huge: Sequence[bytes], small: Sequence[bytes]) -> Turn:
    """The huge ones come first, so that they have their threads when the small ones come."""
    began = time.perf_counter()
    large = [submit(partial(_thumbnail, data), _demand(data)) for data in huge]
    wait([submit(partial(_thumbnail, data), _demand(data)) for data in small])
    small_seconds = time.perf_counter() - began
    wait(large)
    return Turn(small=small_seconds, everything=time.perf_counter() - began)


def _demand(data: bytes) -> Demand:
    header = read_header(io.BytesIO(data))
    assert header is not None
    return header.demand(short_side=THUMBNAIL_SIDE, long_side=None)


def _thumbnail(data: bytes) -> bytes:
    return thumbnail(open_picture(data, short_side=THUMBNAIL_SIDE))
