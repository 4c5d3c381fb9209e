"""libtiff does not write into the log."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.paths import ROOT

DECODING = """
    from models.errors import ImageError
    from models.pictures.picture import open_picture
    from tests.models.pictures.mutations import drawing, encoded, tiff_of
    from worker.log import configure

    import structlog

    configure("info", "json")
    written = encoded(drawing(), "TIFF", compression="tiff_lzw")
    for name, data in {
        "unknown tags": tiff_of({0x103: (3, [5]), 0xFDE9: (3, [1])}, pixels=bytes(range(64))),
        "bad codes": tiff_of({0x103: (3, [5])}, pixels=bytes(range(64))),
        "bad fax": tiff_of({0x103: (3, [4]), 0x102: (3, [1])}, pixels=bytes(range(64))),
        "cut": written[:8] + bytes(40) + written[48:],
    }.items():
        try:
            open_picture(data)
            structlog.get_logger().info("decoded", name=name)
        except ImageError as error:
            structlog.get_logger().info("refused", name=name, code=error.code)
"""


def test_standard_error_has_lines_of_the_log_alone() -> None:
    script = "\n".join(line[4:] for line in DECODING.splitlines())
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert [line["name"] for line in lines] == ["unknown tags", "bad codes", "bad fax", "cut"]
    assert "refused" in {line["event"] for line in lines}
    assert run.stdout == ""
