"""Columns that do not fit are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.moments.photos import Faces, Photos
from tests.models.moments.shots import photos_of, shots


@pytest.mark.parametrize(
    ("column", "wrong", "says"),
    [
        ("times", np.zeros(3, np.int64), "times has the shape"),
        ("hashes", np.zeros((4, 1), np.uint64), "hashes has the shape"),
        ("latitudes", np.array([0, 0, 0, 90.1]), "latitudes are from -90"),
        ("longitudes", np.array([0, 0, 0, -180.1]), "longitudes from -180"),
        ("places", np.array([0, 0, 0, 1], np.int32), "places are numbered from 0 to 0"),
        ("places", np.array([0, 0, 0, -2], np.int32), "-1 is none"),
    ],
)
def test_columns_that_do_not_fit_are_refused(column: str, wrong: Any, says: str) -> None:
    photos = photos_of(shots("2026-06-03 10:00", 4, at=(1, 1), place="Rome"))

    with pytest.raises(ValueError, match=says):
        replace(photos, **{column: wrong})


def test_faces_are_in_photos_that_are_there() -> None:
    photos = photos_of(shots("2026-06-03 10:00", 4, who=(0,)))

    with pytest.raises(ValueError, match="a photo that is not there"):
        replace(photos, faces=replace(photos.faces, photos=np.array([0, 1, 2, 4])))
    with pytest.raises(ValueError, match="columns of one length"):
        replace(Faces.none(), people=np.zeros(1, np.int32))


def test_no_page_is_no_library_and_an_empty_one_is() -> None:
    with pytest.raises(ValueError, match="no page"):
        Photos.joined([])
    assert len(Photos.joined([photos_of([]), photos_of([])])) == 0
