"""Pictures that a process of its own decodes.

JPEG 2000, because Pillow (13.0) keeps the interpreter lock meanwhile: ten seconds of twelve megapixels in
which nothing else runs. JPEG XL, because its decoder (libjxl by way of pylibjxl 0.5) asks nobody how much
memory it may take, and a file's header binds the frames in it only loosely. The system holds the process to
an amount, and its fall is nobody else's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import IO, Final

from PIL import Image

from models.errors import Unreadable, UnsupportedFormat
from models.pictures.exif import Metadata
from models.pictures.reading import scratch_file
from models.pictures.sniff import Format

BYTES_PER_PIXEL: Final = 40
"""Most that the process takes for a picture, beside the file's own and what it takes for any."""
_BYTES_FOR_ANY: Final = 256 << 20
_SECONDS: Final = 240
_PACKAGES: Final = {Format.JPEG_XL: "pylibjxl"}
_ENDED_FROM_OUTSIDE: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_KEPT_VARIABLES: Final = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """Pixels as the decoder leaves them, 8-bit L, RGB or CMYK without alpha, and what it tells beside."""

    image: Image.Image
    metadata: Metadata
    profile: bytes | None


def decode_apart(data: bytes, kind: Format, pixels: int, *, factor: int = 1) -> Photo:
    """Decode the first picture, which has so many pixels, at 1/factor of its size if the decoder can; blocks.

    Raises Unreadable, UnsupportedFormat where the decoder is not installed, MemoryError.
    """
    package = _PACKAGES.get(kind)
    if package and find_spec(package) is None:
        raise UnsupportedFormat(f"{kind} is not supported on this machine, for which {package} has no wheel")
    limit = _BYTES_FOR_ANY + len(data) + pixels * BYTES_PER_PIXEL
    # The process gets nothing of what is secret: it reads what strangers wrote.
    variables = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    with scratch_file() as out:
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "models.pictures.apart_process", kind, str(factor), str(limit)],
                input=data,
                stdout=out,
                stderr=subprocess.PIPE,
                env={**variables, "OPENBLAS_NUM_THREADS": "1"},
                timeout=_SECONDS,
                check=False,
                start_new_session=True,  # Ctrl-C on a terminal is for the worker, which finishes its jobs
            )
        except subprocess.TimeoutExpired as error:
            raise Unreadable(f"damaged {kind}: not decoded in {_SECONDS} seconds") from error
        if -done.returncode in _ENDED_FROM_OUTSIDE:
            # By the system, short of memory, or by who stops the service: nothing was learnt of the file.
            raise MemoryError("the process that decodes was killed")
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise Unreadable(f"damaged {kind}: {reason[:200] or 'its decoder crashed'}")
        return _photo(out)


def _photo(out: IO[bytes]) -> Photo:
    """What the process has written: a line that tells of the rest, blocks, pixels."""
    out.seek(0)
    told = json.loads(out.readline())
    blocks = {name: out.read(count) for name, count in told["blocks"].items()}
    return Photo(
        image=Image.frombytes(told["mode"], tuple(told["size"]), out.read()),
        metadata=Metadata(exif=blocks.get("exif"), xmp=blocks.get("xmp")),
        profile=blocks.get("icc_profile"),
    )
