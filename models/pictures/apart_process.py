"""Decodes one picture from standard input to standard output, within an amount of memory, and ends.

    python -m models.pictures.apart_process FORMAT FACTOR BYTES

Writes a line of JSON, blocks of metadata and pixels. Ends with 1 and a sentence where it cannot.
"""

from __future__ import annotations

import io
import json
import re
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from models.pictures.colour import flatten

_STATUS: Final = Path("/proc/self/status")
_MODES: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_BLOCKS: Final = ("exif", "xmp", "icc_profile")

Result = tuple[Image.Image, Mapping[str, bytes]]


def decode_jpeg_xl(data: bytes, _factor: int) -> Result:
    import pylibjxl

    metadata: Mapping[str, bytes] = {}
    with pylibjxl.JXL(threads=1, pool_size=1) as decoder:
        # Asked for metadata it decodes all pictures of an animation, and answers with the last.
        if decoder.probe(data)["have_animation"]:
            pixels = decoder.decode(data)
        else:
            pixels, metadata = decoder.decode(data, metadata=True)
    height, width, *channels = pixels.shape  # greys have no third side
    return Image.frombuffer(_MODES[channels[0] if channels else 1], (width, height), pixels), metadata


def decode_jpeg2000(data: bytes, factor: int) -> Result:
    if factor > 1:
        try:
            return _reduced(data, factor.bit_length() - 1), {}
        except (OSError, ValueError):  # sides that do not divide, or no smaller version in the file
            pass
    return _reduced(data, 0), {}


def _reduced(data: bytes, times: int) -> Image.Image:
    image = Jpeg2KImageFile(io.BytesIO(data))
    image.reduce = times
    image.load()
    return image


SECONDS: Final = 300
"""Of a core, at most, where nobody is left to end the process sooner."""
DECODERS: Final = {"jxl": decode_jpeg_xl, "jp2": decode_jpeg2000}


def hold_to(amount: int) -> None:
    """Let this process take `amount` bytes beyond what it has, if the system tells how much that is."""
    if _STATUS.exists():
        found = re.search(r"VmData:\s+(\d+)", _STATUS.read_text(encoding="ascii"))
        held = 1024 * int(found[1]) if found else 0
        resource.setrlimit(resource.RLIMIT_DATA, (held + amount, held + amount))


def main() -> None:
    kind, factor, amount = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    data = sys.stdin.buffer.read()
    hold_to(int(amount))
    try:
        decoded, beside = DECODERS[kind](data, int(factor))
        image = flatten(decoded)
    except MemoryError:
        sys.exit("it takes more memory than a picture of its size")
    except Exception as error:  # decoders fed with damaged bytes raise almost anything
        sys.exit(str(error) or type(error).__name__)
    blocks = {name: beside[name] for name in _BLOCKS if beside.get(name)}
    told = {
        "mode": image.mode,
        "size": image.size,
        "blocks": {name: len(block) for name, block in blocks.items()},
    }
    out = sys.stdout.buffer
    out.write(json.dumps(told).encode() + b"\n" + b"".join(blocks.values()))
    out.write(image.tobytes())
    out.flush()


if __name__ == "__main__":
    main()
