"""Which files are one photo, and, as often, which are not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.pictures.siblings import Film, Still
from worker.library.ingest.looking import RAW_TYPES, Look
from worker.library.ingest.pairing import Pairing, Photo, cluster

NOON = datetime.fromisoformat("2024-06-01T12:00:00")
LATER = NOON + timedelta(hours=3)


def picture(name: str, taken: datetime | None = NOON, **more: str) -> Look:
    return look(name, "picture", still=Still(taken=taken, **more))


def raw(name: str, taken: datetime | None = NOON, refused: str | None = None) -> Look:
    return look(name, "raw", still=Still(taken=taken), refused=refused)


def film(name: str, made: datetime | None = NOON, seconds: float | None = 2.9, **more: str) -> Look:
    return look(name, "film", film=Film(made=made, seconds=seconds, **more))


def sidecar(name: str) -> Look:
    return look(name, "sidecar")


def look(name: str, what: str, modified: datetime | None = None, **more: object) -> Look:
    path = Path("somewhere") / name
    ending = path.suffix.lower()
    return Look(path=path, what=what, mime_type="", ending=ending, modified=modified, **more)  # type: ignore[arg-type]


def written(file: Look, after: float) -> Look:
    """The file, written so many seconds after noon."""
    return replace(file, modified=NOON.replace(tzinfo=UTC) + timedelta(seconds=after))


def paired(*files: Look) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """As an import would: clustered by names, then put together. Answers photos with parts, and the rest."""
    by_name = {file.name: file for file in files}
    pairing = Pairing()
    photos: list[Photo] = []
    left = []
    for names in cluster(by_name):
        more, unused = pairing.add([by_name[name] for name in names])
        photos += more
        left += unused
    more, unused = pairing.finish()
    found: dict[str, dict[str, str]] = {}
    for photo in [*photos, *more]:
        parts = found.setdefault(photo.main.name, {})
        parts |= {part.file.name: part.kind for part in photo.parts}
    return found, {one.path.name: one.code for one in [*left, *unused]}


def groups(*files: Look) -> dict[str, dict[str, str]]:
    found, left = paired(*files)
    assert left == {}
    return found


# Raw


@pytest.mark.parametrize(
    ("jpeg", "raw_name"),
    [
        ("IMG_1.JPG", "IMG_1.CR2"),
        ("img_1.jpg", "IMG_1.DNG"),
        ("IMG_1.JPG", "IMG_1.JPG.dng"),
        ("IMG_1.dng.jpg", "IMG_1.dng"),
        ("IMG_1.HEIC", "IMG_1.DNG"),
        ("DSC01234.hif", "DSC01234.ARW"),
        ("PXL_20231026_210642603.RAW-01.COVER.jpg", "PXL_20231026_210642603.RAW-02.ORIGINAL.dng"),
    ],
)
def test_a_raw_is_part_of_the_picture_of_its_shot(jpeg: str, raw_name: str) -> None:
    assert groups(picture(jpeg), raw(raw_name, NOON + timedelta(seconds=1))) == {jpeg: {raw_name: "raw"}}


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (picture("IMG_1.JPG"), raw("IMG_1.CR2", LATER), "another camera's first picture of the day"),
        (picture("IMG_1.JPG"), raw("IMG_10.CR2"), "another number"),
        (picture("IMG_1-edited.JPG"), raw("IMG_1.CR2"), "another name"),
        (picture("IMG_1.JPG", None), raw("IMG_1.CR2"), "one does not say when, nor when it was written"),
        (
            written(picture("IMG_1.JPG", None), 0),
            written(raw("IMG_1.CR2"), 3600),
            "one does not say when, and was written an hour before",
        ),
    ],
)
def test_what_only_looks_like_a_raw_pair_is_two_photos(one: Look, other: Look, why: str) -> None:
    assert groups(one, other) == {one.name: {}, other.name: {}}, why


def test_without_exif_files_that_were_written_together_are_a_pair() -> None:
    jpeg, dng = written(picture("IMG_1.JPG", None), 0), written(raw("IMG_1.DNG", None), 3)
    assert groups(jpeg, dng) == {"IMG_1.JPG": {"IMG_1.DNG": "raw"}}


def test_a_raw_alone_is_a_photo_if_its_kind_is_known() -> None:
    assert groups(raw("IMG_1.NEF")) == {"IMG_1.NEF": {}}
    refused = raw("IMG_2.CR3", refused="camera raw (Canon) is not supported")
    assert paired(refused) == ({}, {"IMG_2.CR3": "unsupported_format"})
    assert groups(picture("IMG_2.JPG"), refused) == {"IMG_2.JPG": {"IMG_2.CR3": "raw"}}


def test_of_two_pictures_of_a_shot_one_has_the_raw() -> None:
    found = groups(picture("IMG_1.HEIC"), picture("IMG_1.JPG"), raw("IMG_1.DNG"))
    assert found == {"IMG_1.HEIC": {"IMG_1.DNG": "raw"}, "IMG_1.JPG": {}}


# Live Photos


@pytest.mark.parametrize(
    ("still", "moving", "why"),
    [
        (picture("IMG_1.HEIC", content_id="A"), film("IMG_1.MOV", content_id="A"), "both say so"),
        (picture("IMG_1.JPG", content_id="A"), film("IMG_E1.MOV", content_id="A"), "whatever their names"),
        (
            picture("IMG_1.HEIC", NOON, content_id="A"),
            film("IMG_1.MOV", LATER, 60.0, content_id="A"),
            "and whatever their times",
        ),
        (picture("IMG_1.HEIC"), film("IMG_1.MP4"), "Takeout's, without identifiers"),
        (picture("IMG_1.HEIC"), film("IMG_1.MOV", NOON - timedelta(hours=2)), "taken at UTC+2"),
        (picture("IMG_1.HEIC"), film("IMG_1.MOV", NOON - timedelta(minutes=345, seconds=2)), "in Kathmandu"),
        (picture("IMG_1.HEIC"), film("IMG_1.HEIC.MOV"), "a name upon a name"),
        (picture("PXL_20210101_1.MP.jpg"), film("PXL_20210101_1.MP"), "Google's film, as Takeout names it"),
        (
            written(picture("IMG_1.JPG", None), 0),
            written(film("IMG_1.MOV", None), 1),
            "written together where nothing says more",
        ),
    ],
)
def test_a_film_is_part_of_its_live_photo(still: Look, moving: Look, why: str) -> None:
    assert groups(still, moving) == {still.name: {moving.name: "live"}}, why


@pytest.mark.parametrize(
    ("still", "moving", "why"),
    [
        (
            picture("IMG_1.HEIC", content_id="A"),
            film("IMG_1.MOV", content_id="B"),
            "two phones, one number",
        ),
        (picture("DSC_1.JPG"), film("DSC_1.MOV", seconds=24.0), "a film of half a minute"),
        (picture("DSC_1.JPG"), film("DSC_1.MOV", seconds=None), "who knows how long"),
        (picture("DSC_1.JPG"), film("DSC_1.MOV", NOON + timedelta(minutes=4)), "another time in any zone"),
        (picture("DSC_1.JPG"), film("DSC_1.MOV", NOON + timedelta(days=2)), "another day"),
        (picture("DSC_1.JPG"), film("DSC_2.MOV"), "another number"),
        (
            written(picture("DSC_1.JPG", None), 0),
            written(film("DSC_1.MOV"), 90),
            "written at another time, where nothing says more",
        ),
    ],
)
def test_what_only_looks_like_a_live_photo_is_a_photo_and_a_film(still: Look, moving: Look, why: str) -> None:
    assert paired(still, moving) == ({still.name: {}}, {moving.name: "video"}), why


def test_a_photo_has_one_film() -> None:
    found, left = paired(picture("IMG_1.HEIC"), film("IMG_1.MOV"), film("IMG_1.MP4"))
    assert found == {"IMG_1.HEIC": {"IMG_1.MOV": "live"}}
    assert left == {"IMG_1.MP4": "video"}


# Bursts


@pytest.mark.parametrize(
    ("cover", "others"),
    [
        ("IMG_20231014_183246_BURST003_COVER.jpg", ["IMG_20231014_183246_BURST001.jpg"]),
        ("IMG_20231014_183246_BURST001.jpg", ["IMG_20231014_183246_BURST002.jpg"]),
        (
            "00001IMG_00001_BURST20190830164840873_COVER.jpg",
            ["00000IMG_00000_BURST20190830164840873.jpg", "00002IMG_00002_BURST20190830164840873.jpg"],
        ),
        ("DSC_0035_BURST20230709220904977_COVER.JPG", ["DSC_0034_BURST20230709220904977.JPG"]),
        ("PXL_20230330_184138390.MOTION-01.COVER.jpg", ["PXL_20230330_184138390.MOTION-02.ORIGINAL.jpg"]),
        ("PXL_20230330_184138390.PORTRAIT-01.COVER.jpg", ["PXL_20230330_184138390.PORTRAIT-02.ORIGINAL.jpg"]),
        ("20231207_101605_001.jpg", ["20231207_101605_002.jpg", "20231207_101605_003.jpg"]),
    ],
)
def test_a_burst_is_one_photo_with_its_cover_in_front(cover: str, others: list[str]) -> None:
    found = groups(*(picture(name) for name in [*others, cover]))
    assert found == {cover: dict.fromkeys(others, "burst")}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (
            [picture("IMG_2023_BURST001.jpg"), picture("IMG_2023_BURST002.jpg", LATER)],
            "taken hours apart",
        ),
        (
            [picture("20231207_101605_001.jpg", None), picture("20231207_101605_002.jpg", None)],
            "numbered by anybody, and nothing says when",
        ),
        ([picture("IMG_0001.jpg"), picture("IMG_0002.jpg")], "two photos of one second"),
        ([picture("Sunburst_1.jpg"), picture("Sunburst_2.jpg")], "a word"),
        ([picture("MVIMG_20190101_120000.jpg"), picture("IMG_20190101_120000.jpg")], "a motion photo"),
        ([picture("IMG_1.jpg", burst_id="A"), picture("IMG_2.jpg", burst_id="B")], "two bursts"),
    ],
)
def test_what_only_looks_like_a_burst_is_photos(files: Sequence[Look], why: str) -> None:
    assert groups(*files) == {file.name: {} for file in files}, why


def test_apples_bursts_are_known_by_their_identifier_wherever_they_lie() -> None:
    files = [picture(f"IMG_{number:04}.HEIC", burst_id="7F") for number in range(1, 6)]
    assert groups(*files) == {"IMG_0001.HEIC": {file.name: "burst" for file in files[1:]}}


def test_a_live_photo_within_a_burst_brings_its_film() -> None:
    found = groups(
        picture("IMG_1.HEIC", burst_id="7F"), picture("IMG_2.HEIC", burst_id="7F"), film("IMG_2.MOV")
    )
    assert found == {"IMG_1.HEIC": {"IMG_2.HEIC": "burst", "IMG_2.MOV": "live"}}


# Sidecars


@pytest.mark.parametrize(
    ("photo", "name"),
    [
        ("IMG.jpg", "IMG.jpg.xmp"),
        ("IMG.jpg", "IMG.xmp"),
        ("IMG.JPG", "img.XMP"),
        ("IMG.jpg", "IMG.jpg.json"),
        ("IMG.jpg", "IMG.jpg.supplemental-metadata.json"),
        ("IMG.jpg", "IMG.jpg.supplemen.json"),
        ("IMG.jpg", "IMG.jpg.s.json"),
        ("IMG.jpg", "IMG.jpg..json"),
        ("IMG(1).jpg", "IMG.jpg(1).json"),
        ("IMG(1).jpg", "IMG.jpg.supplemental-metadata(1).json"),
        ("IMG(1).jpg", "IMG.jpg.suppl(1).json"),
        ("IMG(1).jpg", "IMG(1).jpg.json"),
        # The names of real exports, as reported to other projects.
        (
            "Screenshot_20220207_102421_com.snapchat.android.jpg",
            "Screenshot_20220207_102421_com.snapchat.androi.json",
        ),
        (
            "Urlaub in Knaufspesch in der Schneifel (38).JPG",
            "Urlaub in Knaufspesch in der Schneifel (38).JP.json",
        ),
        ("D7157814-D2D5-4A62-AFCE-9CF465CB7D66.jpeg", "D7157814-D2D5-4A62-AFCE-9CF465CB7D66.jpeg.supp.json"),
    ],
)
def test_a_sidecar_is_part_of_its_photo(photo: str, name: str) -> None:
    others = [picture("IMG_2.jpg"), picture("other.jpg")]
    found = groups(picture(photo), *others, sidecar(name))
    assert found == {photo: {name: "sidecar"}, "IMG_2.jpg": {}, "other.jpg": {}}


def test_numbered_copies_have_their_own_sidecars() -> None:
    found = groups(
        picture("IMG.jpg"), picture("IMG(1).jpg"), sidecar("IMG.jpg.json"), sidecar("IMG.jpg(1).json")
    )
    assert found == {"IMG.jpg": {"IMG.jpg.json": "sidecar"}, "IMG(1).jpg": {"IMG.jpg(1).json": "sidecar"}}


def test_a_sidecar_of_a_part_describes_the_photo() -> None:
    found = groups(picture("IMG_1.JPG"), raw("IMG_1.CR2"), sidecar("IMG_1.CR2.xmp"), sidecar("IMG_1.xmp"))
    assert found == {"IMG_1.JPG": {"IMG_1.CR2": "raw", "IMG_1.CR2.xmp": "sidecar", "IMG_1.xmp": "sidecar"}}


@pytest.mark.parametrize(
    ("files", "name", "why"),
    [
        (["IMG.jpg", "IMG.png"], "IMG.xmp", "either may be meant"),
        (["IMG.jpg"], "IMG_2.xmp", "no such photo"),
        (["IMG.jpg"], "IMG.mp4.json", "a film's"),
        (["IMG.jpg"], "metadata.json", "an album's"),
        (
            [f"a-name-that-goes-on-for-fifty-characters-and-more-{number}.jpg" for number in (1, 2)],
            "a-name-that-goes-on-for-fifty-characters-and-m.json",
            "cut where both are the same",
        ),
    ],
)
def test_a_sidecar_of_no_one_photo_is_left_alone(files: list[str], name: str, why: str) -> None:
    taken = [picture(file, NOON + timedelta(days=at)) for at, file in enumerate(files)]
    assert paired(*taken, sidecar(name)) == ({file: {} for file in files}, {name: "sidecar"}), why


# All together


def test_every_file_is_found_once_whatever_the_order() -> None:
    rng = random.Random(5)
    files = [
        *(picture(f"IMG_{number}.HEIC", burst_id="A" if number < 3 else "") for number in range(6)),
        *(film(f"IMG_{number}.MOV", content_id="" if number else "X") for number in range(6)),
        *(raw(f"IMG_{number}.DNG") for number in range(4)),
        *(sidecar(f"IMG_{number}.HEIC.json") for number in range(8)),
        picture("00001IMG_00001_BURST20190830164840873_COVER.jpg"),
        picture("00002IMG_00002_BURST20190830164840873.jpg"),
    ]
    expected = paired(*files)
    names = [*expected[0], *(name for parts in expected[0].values() for name in parts), *expected[1]]
    assert sorted(names) == sorted(file.name for file in files)
    for _ in range(20):
        rng.shuffle(files)
        assert paired(*files) == expected


def test_a_folder_of_fifty_thousand_names_takes_a_moment() -> None:
    names = [f"IMG_{number:06}{ending}" for number in range(12_500) for ending in (".HEIC", ".MOV", ".DNG")]
    names += [f"IMG_{number:06}.HEIC.supplemental-metadata.json" for number in range(12_500)]
    assert len(cluster(names)) == 12_500


def test_every_raw_is_known_by_its_ending() -> None:
    for ending in RAW_TYPES:
        assert cluster([f"a{ending}", "a.jpg"]) == [sorted(("a.jpg", f"a{ending}"))]
