"""Real weights and photos: one person's faces fall together, different people apart, and no name is wrong.

The people of each photo are seen again in versions of it, as a messenger, a mirror or the dusk makes them;
only the girl and her neighbour of the portrait are in two files. Who is who is told by where they are.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from models.catalog import dlib_faces, insightface
from models.frame import Frame
from models.people.clustering import CORE_QUALITY, cluster
from models.people.faces import Faces, Verdicts
from models.people.scale import Scale
from models.people.scores import b_cubed
from models.pictures.picture import open_picture
from models.results import Box, Face
from models.settings import ModelSettings
from models.spec import AnySpec, Loading
from models.tasks import FaceFinder
from tests.models.catalog import scenes
from tests.models.catalog.packaged import packaged
from tests.paths import TESTDATA

np = pytest.importorskip("numpy")
pytest.importorskip("onnxruntime")
pytest.importorskip("cv2")
packages = {name: pytest.importorskip(name) for name in ("insightface", "skimage")}

SAME_PLACE: Final = 0.4
"""Boxes of one face in two versions of a photo share more (IoU)."""


def packed(image: Image.Image) -> Image.Image:
    """As a messenger sends it on."""
    small = image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=40)
    return Image.open(file).convert("RGB")


VERSIONS: Final[Mapping[str, Callable[[Image.Image], Image.Image]]] = {
    "as it is": lambda image: image,
    "mirrored": ImageOps.mirror,
    "sent on": packed,
    "in the dark": lambda image: ImageEnhance.Brightness(image).enhance(0.35),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "out of focus": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
}


class Seen(NamedTuple):
    scale: Scale
    most: float
    """The least share of a person's faces that it has to find again; dlib's are less alike."""
    faces: Sequence[Face]
    people: Sequence[int]
    """Of each face, who it is."""
    photos: Sequence[int]
    """Of each face, the photo that it is in."""


def photos() -> list[list[Image.Image]]:
    """The files that show the same people in the same places, and nobody of another list."""
    data = Path(packages["insightface"].__file__).parent / "data" / "images"
    files = [
        [TESTDATA / "photos/faces/portrait.jpg", TESTDATA / "photos/faces/portrait-orientation-6.jpg"],
        [data / "t1.jpg"],
        [TESTDATA / "photos/objects/zidane.jpg"],
        [data / "Tom_Hanks_54745.png"],
        [Path(packages["skimage"].__file__).parent / "data" / "astronaut.png"],
    ]
    return [
        [open_picture(path).upright(long_side=1280).convert("RGB") for path in same if path.is_file()]
        for same in files
    ]


def looked_at(model: FaceFinder, scale: Scale, most: float) -> Seen:
    faces: list[Face] = []
    people: list[int] = []
    taken: list[int] = []
    known, number = 0, 0
    for same in photos():
        [first] = model.find_faces([Frame.of(same[0])])
        for image in same:
            for name, version in VERSIONS.items():
                [found] = model.find_faces([Frame.of(version(image))])
                for face in found:
                    box = mirrored(face.box) if name == "mirrored" else face.box
                    here = [scenes.overlap(box, one.box) for one in first]
                    if max(here) > SAME_PLACE:
                        faces.append(face)
                        people.append(known + here.index(max(here)))
                        taken.append(number)
                number += 1
        known += len(first)
    return Seen(scale, most, faces, people, taken)


def mirrored(box: Box) -> Box:
    return Box(x=1 - box.x - box.width, y=box.y, width=box.width, height=box.height)


def loaded(spec: AnySpec, files: Mapping[str, Path], **values: Any) -> tuple[FaceFinder, Scale]:
    settings = ModelSettings(_env_file=None, model_threads=2, **values)
    variant = spec.select(settings)
    assert variant.scale is not None
    loading = Loading(variant=variant, files=files, device="cpu", threads=2, settings=settings)
    return spec.load(loading), variant.scale


def edgeface() -> tuple[FaceFinder, Scale]:
    cache = TESTDATA / "weights"
    folder = cache / "insightface/models/mini_sc"
    if not folder.is_dir():
        pytest.skip("the real weights are not there (KIZU_TESTDATA names their folder)")
    files = {f"insightface/models/mini_sc/{path.name}": path for path in folder.glob("*.onnx")}
    return loaded(insightface.SPEC, files, model_cache_dir=cache, face_pack="mini_sc")


def dlib(cache: Path) -> tuple[FaceFinder, Scale]:
    return loaded(dlib_faces.SPEC, packaged(dlib_faces.SPEC), model_cache_dir=cache)


@pytest.fixture(scope="module", params=["edgeface", "dlib"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    if not TESTDATA.is_dir():
        pytest.skip("test photos are not there (KIZU_TESTDATA names their folder)")
    if request.param == "edgeface":
        return looked_at(*edgeface(), most=0.95)
    return looked_at(*dlib(tmp_path_factory.mktemp("models")), most=0.8)


def faces_of(seen: Seen) -> Faces:
    return Faces(
        vectors=np.array([face.embedding for face in seen.faces], np.float32),
        photos=np.array(seen.photos),
        quality=np.array([face.quality for face in seen.faces], np.float32),
        contacts=np.full(len(seen.faces), -1),
    )


def test_there_are_a_dozen_people_and_each_is_seen_often(seen: Seen) -> None:
    assert len(set(seen.people)) == 12
    assert all(seen.people.count(person) >= 5 for person in set(seen.people))


def test_the_same_persons_faces_fall_together_and_different_people_apart(seen: Seen) -> None:
    labels = cluster(faces_of(seen), Verdicts.none(), seen.scale).labels
    score = b_cubed(np.array(seen.people), labels)
    assert score.precision == 1.0
    assert score.recall >= seen.most


def test_one_named_face_per_person_gives_no_wrong_name(seen: Seen) -> None:
    """Each version of the photos is what is named, in turn; all others are to be recognised."""
    faces, people = faces_of(seen), np.array(seen.people)
    alike = faces.vectors @ faces.vectors.T
    right = asked = 0
    for turn in range(len(VERSIONS)):
        named = [np.flatnonzero(people == person)[turn % 5] for person in sorted(set(seen.people))]
        for strangers in (0, 1):  # then every other person is not named at all
            known = [
                face for face in named[strangers :: 1 + strangers] if faces.quality[face] >= CORE_QUALITY
            ]
            for face in set(range(len(people))) - set(named):
                likest = sorted(((alike[face, one], people[one]) for one in known), reverse=True)
                (best, person), (second, _) = likest[:2]
                named_now = best >= seen.scale.same and best - second >= seen.scale.margin
                assert not named_now or person == people[face], (best, seen.photos[face])
                if people[face] in people[known] and faces.quality[face] >= CORE_QUALITY:
                    asked += 1
                    right += named_now
    assert right >= seen.most * asked


def test_the_best_face_of_a_person_is_not_the_blurred_one(seen: Seen) -> None:
    blurred = list(VERSIONS).index("out of focus")
    for person in set(seen.people):
        mine = [number for number, one in enumerate(seen.people) if one == person]
        best = max(mine, key=lambda number: seen.faces[number].quality or 0.0)
        assert seen.photos[best] % len(VERSIONS) != blurred
