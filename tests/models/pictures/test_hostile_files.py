"""Every damaged or dishonest file ends with a picture or a code, in bounded memory, and silently."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from tests.models.pictures.mutations import Mutation, mutations
from tests.paths import ROOT, TESTDATA

_PHOTOS = TESTDATA / "photos"

# What imaging promises: 17 bytes per pixel, here of the largest picture that is small enough to be decoded.
_LARGEST_PIXELS = 6000 * 6000
_PROMISED_BYTES = 17 * _LARGEST_PIXELS


def test_every_mutation_ends_with_a_right_result() -> None:
    arguments = [str(_PHOTOS)] if _PHOTOS.is_dir() else []
    run = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-X",
            "faulthandler",
            "-m",
            "tests.models.pictures.survive",
            *arguments,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stderr[-2000:]
    report = json.loads(run.stdout)
    assert report["wrong"] == []
    assert report["mutations"] >= 1000
    assert set(report["counts"]) == {"ok", "not_an_image", "unreadable", "unsupported_format", "too_large"}
    assert report["peak_bytes"] - report["peak_bytes_before"] < _PROMISED_BYTES
    assert report["slowest"][0] < 20
    assert "Warning" not in run.stderr


@pytest.fixture(scope="module")
def files() -> list[Mutation]:
    return list(mutations())


def test_mutations_have_names_of_their_own(files: list[Mutation]) -> None:
    repeated = [name for name, times in Counter(file.name for file in files).items() if times > 1]

    assert repeated == []


def test_mutations_are_the_same_every_time(files: list[Mutation]) -> None:
    assert [file.name for file, again in zip(files, mutations(), strict=True) if file != again] == []


@pytest.mark.parametrize("code", ["ok", "not_an_image", "unreadable", "unsupported_format", "too_large"])
def test_many_mutations_have_exactly_one_right_result(code: str, files: list[Mutation]) -> None:
    assert sum(file.accepts == {code} for file in files) >= 10
