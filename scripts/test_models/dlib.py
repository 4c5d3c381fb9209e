"""YuNet and dlib's recogniser: the true architectures in the files that packages have them in, seeded.

The detector is blind, but for what a test makes of it: it finds no face in anything.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.catalog.dlib_faces import detector, recogniser
from scripts.test_models.files import SEED, write_new
from scripts.test_models.tfjs import pack, random_filters

BLIND = -8.0
"""Bias of the detector's scores, before the sigmoid."""
SOME = 4.0
"""Of the scaling after each convolution."""
LIBRARY = "libfacedetection.so"
MANIFEST = "face_recognition_model-weights_manifest.json"
WEIGHTS = "face_recognition_model.bin"


def make_tiny(folder: Path) -> list[Path]:
    entries, stored = pack(recogniser_arrays(), "uint8")
    manifest = [{"weights": entries, "paths": [WEIGHTS]}]
    contents = {
        LIBRARY: shared_object(detector_arrays()),
        MANIFEST: json.dumps(manifest).encode(),
        WEIGHTS: stored,
    }
    made = []
    for name, content in contents.items():
        made += write_new(folder / name, lambda path, content=content: path.write_bytes(content))
    return made


def make_full(folder: Path) -> list[Path]:
    """There is one size of it."""
    return make_tiny(folder)


def detector_arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(SEED)
    arrays = {}
    for name, shape in detector.shapes().items():
        if name.endswith("_bias"):
            arrays[name] = np.full(shape, BLIND if "_cls_" in name and "_dw_" in name else 0, np.float32)
        else:
            spread = 1 / np.sqrt(np.prod(shape[1:]) if "_pw_" in name else 9)
            arrays[name] = (spread * random.standard_normal(shape)).astype(np.float32)
    arrays["backbone__model0_pw_weight"] /= 128  # pixels are as they come, up to 255
    return arrays


def recogniser_arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(SEED)
    arrays = {}
    for name, shape in recogniser.shapes().items():
        if name.endswith("filters") or name == "fc":
            arrays[name] = random_filters(random, shape, 1 / SOME if name != "fc" else 1.0)
        else:
            arrays[name] = np.full(shape, SOME if name.endswith("scale/weights") else 0, np.float32)
    return arrays


def shared_object(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The least of a shared object of 64-bit Linux that holds arrays by their names, and no code."""
    base = 0x10000
    names, symbols, data = b"\0", bytes(24), b""
    for name, array in arrays.items():
        content = array.astype("<f4").tobytes()
        # Of an object that everybody sees, in section 3.
        symbols += struct.pack("<IBBHQQ", len(names), 0x11, 0, 3, base + len(data), len(content))
        names += name.encode() + b"\0"
        data += content
    offsets = [64, 64 + len(symbols), 64 + len(symbols) + len(names)]
    sections = [
        (0, 0, 0, 0, 0, 0),
        (11, 0, offsets[0], len(symbols), 2, 24),  # symbols, whose names are in section 2
        (3, 0, offsets[1], len(names), 0, 0),
        (1, base, offsets[2], len(data), 0, 0),
    ]
    table = b"".join(
        struct.pack("<IIQQQQIIQQ", 0, kind, 0, address, offset, size, link, 0, 1, each)
        for kind, address, offset, size, link, each in sections
    )
    start = offsets[2] + len(data)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", identity, 3, 62, 1, 0, 0, start, 0, 64, 0, 0, 64, len(sections), 0
    )
    return header + symbols + names + data + table
