"""Runs every mutation through imaging in this process and says what came out, as one JSON object.

    python -W error -m tests.models.survive [FOLDER OF PHOTOS]

A process of its own, so that a crash is seen as a crash and the peak of memory is that of imaging alone.
"""

import json
import sys
import time
from pathlib import Path

from models.errors import ImageError
from models.pictures.capture import read_capture
from models.pictures.picture import THUMBNAIL_SIDE, WEB_SIDE, open_picture, thumbnail, web_version
from tests.models.pictures.mutations import mutations


def outcome(data: bytes) -> str:
    """`ok`, a code, or the name of an exception that must not happen."""
    try:
        picture = open_picture(data, short_side=THUMBNAIL_SIDE, long_side=WEB_SIDE)
        thumbnail(picture)
        web_version(picture)
        read_capture(picture.metadata)
        thumbnail(open_picture(data, short_side=THUMBNAIL_SIDE))
    except ImageError as error:
        return error.code
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "ok"


def peak_bytes() -> int:
    """The most memory this process ever had resident; unlike getrusage, not inherited from the parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def main() -> None:
    photos = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    started = time.monotonic()
    counts: dict[str, int] = {}
    wrong: list[dict[str, object]] = []
    slowest = (0.0, "")
    files = list(mutations(photos))
    before = peak_bytes()
    for file in files:
        began = time.monotonic()
        result = outcome(file.data)
        slowest = max(slowest, (time.monotonic() - began, file.name))
        counts[result] = counts.get(result, 0) + 1
        if result not in file.accepts:
            wrong.append({"name": file.name, "result": result, "accepts": sorted(file.accepts)})
    report = {
        "mutations": len(files),
        "counts": counts,
        "wrong": wrong,
        "peak_bytes": peak_bytes(),
        "peak_bytes_before": before,
        "seconds": round(time.monotonic() - started, 1),
        "slowest": slowest,
    }
    sys.stdout.write(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
