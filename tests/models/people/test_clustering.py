"""Who is the same person: thresholds are cosines, and what people said is never undone."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import PackageMissing
from models.people.clustering import Clusters, cluster
from models.people.faces import Faces, Verdicts
from models.people.scale import Scale
from models.people.scores import b_cubed
from scripts.bench_lab.people_library import people_library

SCALE = Scale(same=0.55, maybe=0.4, margin=0.05)
SHARP = 0.9
BLURRED = 0.1


def faces_of(
    vectors: Sequence[Sequence[float]] | npt.NDArray[np.float32],
    *,
    photos: Sequence[int] | None = None,
    quality: Sequence[float] | None = None,
    contacts: Sequence[int] | None = None,
) -> Faces:
    """Each in a photo of its own, sharp and said to be nobody, if not told otherwise."""
    rows = np.asarray(vectors, np.float32)
    count = len(rows)
    return Faces(
        vectors=rows / np.linalg.norm(rows, axis=1, keepdims=True) if count else rows.reshape(0, 8),
        photos=np.asarray(range(count) if photos is None else photos, np.int64),
        quality=np.asarray([SHARP] * count if quality is None else quality, np.float32),
        contacts=np.asarray([-1] * count if contacts is None else contacts, np.int64),
    )


def verdicts_of(
    *,
    same: Iterable[tuple[int, int]] = (),
    different: Iterable[tuple[int, int]] = (),
    excluded: Iterable[tuple[int, int]] = (),
) -> Verdicts:
    return Verdicts(
        **{
            name: np.array(list(pairs), np.int64).reshape(-1, 2)
            for name, pairs in (("same", same), ("different", different), ("excluded", excluded))
        }
    )


def at_cosine(cosine: float) -> list[list[float]]:
    return [[1, 0, 0], [cosine, (1 - cosine**2) ** 0.5, 0]]


def labels_of(faces: Faces, verdicts: Verdicts | None = None, scale: Scale = SCALE) -> list[int]:
    labels: list[int] = cluster(faces, verdicts or Verdicts.none(), scale).labels.tolist()
    return labels


@pytest.mark.parametrize(
    ("cosine", "labels"),
    [(0.93, [0, 0]), (0.9, [0, 0]), (0.6, [0, 0]), (0.56, [0, 0]), (0.54, [-1, -1]), (0.0, [-1, -1])],
)
def test_the_threshold_is_a_cosine(cosine: float, labels: list[int]) -> None:
    assert labels_of(faces_of(at_cosine(cosine))) == labels


def test_a_chain_of_alike_faces_does_not_make_one_person_of_its_ends() -> None:
    # Neighbours have the cosine 0.87, the ends -0.87: a floor without a ceiling takes them all.
    turns = np.radians(np.arange(0, 180, 30))
    labels = labels_of(faces_of(np.stack([np.cos(turns), np.sin(turns)], axis=1)))

    assert labels[0] != labels[-1]


def test_no_faces_have_no_clusters() -> None:
    assert labels_of(faces_of([])) == []


def test_one_face_is_nobody_until_somebody_is_named() -> None:
    assert labels_of(faces_of([[1, 0]])) == [-1]
    assert labels_of(faces_of([[1, 0]], contacts=[3])) == [0]


@pytest.mark.parametrize("count", [2, 40, 5_000])
def test_equal_faces_are_one_person(count: int) -> None:
    assert labels_of(faces_of([[0.6, 0.8]] * count)) == [0] * count


def test_equal_faces_of_one_photo_are_people_of_their_own() -> None:
    assert labels_of(faces_of([[0.6, 0.8]] * 40, photos=[1] * 40)) == [-1] * 40


@pytest.mark.parametrize(
    ("vectors", "quality"),
    [
        ([[np.nan, 0.0]], 0.5),
        ([[0.0, 0.0]], 0.5),
        ([[2.0, 0.0]], 0.5),
        ([[1.0, 0.0]], np.nan),
        ([[1.0, 0.0]], 7),
    ],
    ids=["no number", "no direction", "not of length 1", "no quality", "too good"],
)
def test_faces_that_are_no_unit_vectors_are_refused(vectors: list[list[float]], quality: float) -> None:
    with pytest.raises(ValueError, match=r"length 1|quality"):
        Faces(
            vectors=np.array(vectors, np.float32),
            photos=np.zeros(1, np.int64),
            quality=np.full(1, quality, np.float32),
            contacts=np.full(1, -1, np.int64),
        )


@pytest.mark.parametrize(
    "verdicts",
    [verdicts_of(same=[(0, 2)]), verdicts_of(different=[(-1, 0)]), verdicts_of(excluded=[(2, 0)])],
    ids=["same", "different", "excluded"],
)
def test_a_verdict_of_a_face_that_is_not_there_is_refused(verdicts: Verdicts) -> None:
    with pytest.raises(ValueError, match="not there"):
        labels_of(faces_of(at_cosine(0.9)), verdicts)


def test_same_joins_what_no_likeness_would() -> None:
    assert labels_of(faces_of(at_cosine(-1)), verdicts_of(same=[(0, 1)])) == [0, 0]


def test_different_parts_what_every_likeness_would_join() -> None:
    faces = faces_of([[1, 0, 0], [1, 0.01, 0], [1, 0, 0.01], [1, 0.01, 0.01]])
    labels = labels_of(faces, verdicts_of(different=[(0, 3)]))

    assert labels[0] != labels[3]
    assert set(labels) == {0, 1} or sorted(labels) == [-1, 0, 0, 0]


def test_the_faces_of_a_contact_are_one_cluster_and_those_of_two_are_not() -> None:
    vectors = [[1, 0, 0], [0, 1, 0], [1, 0.05, 0], [1, 0.06, 0]]

    assert labels_of(faces_of(vectors, contacts=[4, 4, 9, -1])) == [0, 0, 1, 1]


def test_an_excluded_face_is_not_of_the_cluster_of_that_contact() -> None:
    vectors = [[1, 0, 0], [1, 0.01, 0], [1, -0.02, 0]]
    labels = labels_of(faces_of(vectors, contacts=[2, -1, -1]), verdicts_of(excluded=[(2, 2)]))

    assert labels == [0, 0, -1]


def test_two_faces_that_excluded_a_contact_may_be_one_person() -> None:
    vectors = [[1, 0, 0], [1, 0.01, 0], [1, 0.02, 0]]
    labels = labels_of(faces_of(vectors, contacts=[2, -1, -1]), verdicts_of(excluded=[(1, 2), (2, 2)]))

    assert labels == [0, 1, 1]


@pytest.mark.parametrize(
    ("contacts", "verdicts", "photos", "labels"),
    [
        ([5, 5], verdicts_of(different=[(0, 1)]), [0, 1], [0, 0]),
        ([5, 5], verdicts_of(excluded=[(0, 5)]), [0, 1], [0, 0]),
        ([5, 5], verdicts_of(), [0, 0], [0, 0]),
        ([5, 6], verdicts_of(same=[(0, 1)]), [0, 1], [0, 1]),
        ([-1, -1], verdicts_of(same=[(0, 1)], different=[(0, 1)]), [0, 1], [-1, -1]),
        ([-1, -1], verdicts_of(same=[(0, 1)]), [0, 0], [-1, -1]),
        ([-1, 6], verdicts_of(same=[(0, 1)], excluded=[(0, 6)]), [0, 1], [-1, 0]),
    ],
    ids=[
        "contact over different",
        "contact over excluded",
        "contact over photo",
        "contact over same",
        "different over same",
        "photo over same",
        "excluded over same",
    ],
)
def test_what_wins_where_verdicts_contradict_each_other(
    contacts: list[int], verdicts: Verdicts, photos: list[int], labels: list[int]
) -> None:
    assert labels_of(faces_of(at_cosine(0.9), contacts=contacts, photos=photos), verdicts) == labels


def test_of_two_that_were_said_to_be_the_same_as_a_third_the_latest_is() -> None:
    faces = faces_of(np.eye(3), photos=[0, 0, 1])

    assert labels_of(faces, verdicts_of(same=[(0, 2), (1, 2)])) == [-1, 0, 0]
    assert labels_of(faces, verdicts_of(same=[(1, 2), (0, 2)])) == [0, -1, 0]


def test_blurred_faces_join_a_person_and_never_each_other() -> None:
    person = [[1, 0, 0], [1, 0.1, 0]]
    blurred = [[0.6, 0, 0.8], [0, 0, 1], [0, 0.1, 1]]
    labels = labels_of(faces_of(person + blurred, quality=[SHARP] * 2 + [BLURRED] * 3))

    assert labels == [0, 0, 0, -1, -1]


@pytest.mark.parametrize(
    ("quality", "photos", "labels"),
    [
        pytest.param(BLURRED, range(5), [0, 0, 1, 1, 0], id="a blurred one joins"),
        pytest.param(SHARP, range(5), [0, 0, 1, 1, -1], id="a sharp one is a stranger"),
        pytest.param(BLURRED, [0, 1, 2, 3, 0], [0, 0, 1, 1, -1], id="nobody is twice in a photo"),
    ],
)
def test_who_is_maybe_somebody_and_like_nobody_else(
    quality: float, photos: Sequence[int], labels: list[int]
) -> None:
    people = [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]]
    faces = faces_of([*people, [0.42, 0.3, 0.86]], photos=photos, quality=[SHARP] * 4 + [quality])

    assert labels_of(faces) == labels


@pytest.mark.parametrize(("next_one", "label"), [(0.29, 0), (0.33, -1)])
def test_the_next_person_is_clearly_behind_where_a_blurred_face_is_maybe_somebody(
    next_one: float, label: int
) -> None:
    people = [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]]
    rest = (1 - 0.42**2 - next_one**2) ** 0.5
    faces = faces_of([*people, [0.42, next_one, rest]], quality=[SHARP] * 4 + [BLURRED])

    assert labels_of(faces)[-1] == label


def test_who_is_as_like_to_two_people_is_left_alone() -> None:
    people = [[1, 0, 0], [1, 0.01, 0], [0, 1, 0], [0.01, 1, 0]]
    labels = labels_of(faces_of([*people, [0.7, 0.7, 0.1]], quality=[SHARP] * 4 + [BLURRED]))

    assert labels == [0, 0, 1, 1, -1]


@st.composite
def histories(draw: st.DrawFn) -> tuple[Faces, Verdicts]:
    """A few people in a few photos, and verdicts at random, with no regard to each other."""
    count = draw(st.integers(1, 24))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    centres = random.standard_normal((draw(st.integers(1, 5)), 8))
    noise = draw(st.sampled_from([0.02, 0.3, 0.8]))
    vectors = centres[random.integers(0, len(centres), count)] + noise * random.standard_normal((count, 8))
    place, contact = st.integers(0, count - 1), st.integers(-1, 3)
    pairs = st.lists(st.tuples(place, place), max_size=8)
    faces = faces_of(
        vectors.astype(np.float32),
        photos=draw(st.lists(st.integers(0, max(count // 2, 1)), min_size=count, max_size=count)),
        quality=random.choice([BLURRED, SHARP, SHARP], count).tolist(),
        contacts=draw(st.lists(st.just(-1) | contact, min_size=count, max_size=count)),
    )
    return faces, verdicts_of(
        same=draw(pairs),
        different=draw(pairs),
        excluded=draw(st.lists(st.tuples(place, st.integers(0, 5)), max_size=8)),
    )


def violations(faces: Faces, verdicts: Verdicts, found: Clusters) -> list[str]:
    """What the labels do that they must not, by the rule of what wins."""
    labels, contacts = found.labels.tolist(), faces.contacts.tolist()
    said = lambda one, other: contacts[one] == contacts[other] >= 0  # noqa: E731
    together = lambda one, other: labels[one] == labels[other] >= 0  # noqa: E731
    wrong: list[str] = []
    for one in range(len(labels)):
        if contacts[one] >= 0 and labels[one] < 0:
            wrong.append(f"{one} is named and nobody")
        for other in range(one):
            if said(one, other) and not together(one, other):
                wrong.append(f"{one} and {other} are one contact")
            if -1 != contacts[one] != contacts[other] != -1 and together(one, other):
                wrong.append(f"{one} and {other} are two contacts")
            if faces.photos[one] == faces.photos[other] and together(one, other) and not said(one, other):
                wrong.append(f"{one} and {other} are in one photo")
    for one, other in verdicts.different.tolist():
        if one != other and together(one, other) and not said(one, other):
            wrong.append(f"{one} and {other} are different")
    for face, contact in verdicts.excluded.tolist():
        members = [place for place, number in enumerate(contacts) if number == contact]
        if contacts[face] != contact and any(together(face, member) for member in members):
            wrong.append(f"{face} is not {contact}")
    return wrong


@settings(max_examples=300, deadline=None)
@given(histories())
def test_no_verdict_is_violated_and_nobody_is_twice_in_a_photo(history: tuple[Faces, Verdicts]) -> None:
    assert violations(*history, cluster(*history, SCALE)) == []


@settings(max_examples=50, deadline=None)
@given(histories())
def test_density_violates_no_verdict_either(history: tuple[Faces, Verdicts]) -> None:
    assert violations(*history, cluster(*history, SCALE, engine="hdbscan")) == []


@settings(max_examples=100, deadline=None)
@given(histories(), st.integers(0, 2**32))
def test_the_order_of_faces_changes_nothing(history: tuple[Faces, Verdicts], seed: int) -> None:
    faces, verdicts = history
    order = np.random.default_rng(seed).permutation(len(faces))
    place = np.argsort(order)
    other = cluster(
        Faces(
            vectors=faces.vectors[order],
            photos=faces.photos[order],
            quality=faces.quality[order],
            contacts=faces.contacts[order],
        ),
        Verdicts(
            same=place[verdicts.same],
            different=place[verdicts.different],
            excluded=np.stack([place[verdicts.excluded[:, 0]], verdicts.excluded[:, 1]], axis=1),
        ),
        SCALE,
    )
    found = cluster(faces, verdicts, SCALE)

    assert grouped(found.labels) == grouped(other.labels[place])


def grouped(labels: npt.NDArray[np.int64]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist()) - {-1}}


@pytest.mark.parametrize("degrees", [0, 20, 40, 60, 80])
def test_a_child_who_grows_up_stays_one_person(degrees: int) -> None:
    # 41 photos from the first day to the last, whose faces are `degrees` apart.
    turn = np.radians(np.linspace(0, degrees, 41))
    faces = faces_of(np.stack([np.cos(turn), np.sin(turn)], axis=1))

    assert labels_of(faces, scale=Scale(same=0.75, maybe=0.5, margin=0.05)) == [0] * 41


@pytest.mark.parametrize("each", [10, 40])
def test_two_siblings_are_not_one_person_though_many_of_their_faces_are_as_alike(each: int) -> None:
    random = np.random.default_rng(0)
    centres = np.array([[1, 0], [0.68, 0.733]]) @ np.eye(2, 64)
    vectors = np.repeat(centres, each, axis=0) + 0.08 * random.standard_normal((2 * each, 64))
    faces = faces_of(vectors.astype(np.float32))
    across = faces.vectors[:each] @ faces.vectors[each:].T

    assert (across > 0.5).mean() > 0.15
    assert labels_of(faces, scale=Scale(same=0.5, maybe=0.35, margin=0.05)) == [0] * each + [1] * each


def test_two_who_may_be_one_person_are_asked_for_the_larger_cluster_last() -> None:
    many, few = [[1, 0, 0], [1, 0.02, 0], [1, -0.02, 0]], [[0.5, 0.86, 0], [0.5, 0.87, 0]]
    found = cluster(faces_of(many + few), Verdicts.none(), SCALE)

    assert found.labels.tolist() == [0, 0, 0, 1, 1]
    [(one, other, cosine)] = found.questions
    assert (one in (3, 4), other, cosine) == (True, 0, pytest.approx(0.5, abs=0.01))


def test_nobody_is_asked_what_is_known() -> None:
    pair = at_cosine(0.5)

    assert cluster(faces_of(pair), Verdicts.none(), SCALE).questions == [(0, 1, pytest.approx(0.5))]
    for faces, verdicts in [
        (faces_of(pair), verdicts_of(different=[(0, 1)])),
        (faces_of(pair), verdicts_of(same=[(0, 1)])),
        (faces_of(pair, photos=[0, 0]), verdicts_of()),
        (faces_of(pair, contacts=[0, 1]), verdicts_of()),
        (faces_of(pair, contacts=[0, -1]), verdicts_of(excluded=[(1, 0)])),
        (faces_of(pair, quality=[BLURRED] * 2), verdicts_of()),
    ]:
        assert cluster(faces, verdicts, SCALE).questions == []


def test_no_engine_has_another_name() -> None:
    with pytest.raises(ValueError, match="graph, hdbscan"):
        cluster(faces_of(at_cosine(0.9)), Verdicts.none(), SCALE, engine="kmeans")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdbscan", None)

    with pytest.raises(PackageMissing, match=r"kizu-worker\[hdbscan\]"):
        cluster(faces_of([[1, 0]] * 5), Verdicts.none(), SCALE, engine="hdbscan")


@pytest.mark.parametrize("people", [1, 3])
def test_density_finds_one_person_and_several(people: int) -> None:
    library = people_library(40 * people, people, 4, siblings=0, ageing=0, blur=0)
    found = cluster(library.faces, Verdicts.none(), SCALE, engine="hdbscan")

    assert b_cubed(library.truth, found.labels).f1 > 0.95


def test_density_chains_no_siblings() -> None:
    library = people_library(1_000, 20, 50, seed=1, siblings=0.6, ageing=0.25)
    found = cluster(library.faces, Verdicts.none(), SCALE, engine="hdbscan")

    assert b_cubed(library.truth, found.labels).f1 > 0.98


def test_density_keeps_a_library_of_one_person_whole() -> None:
    library = people_library(300, 1, 0, ageing=1, blur=0)
    found = cluster(library.faces, Verdicts.none(), SCALE, engine="hdbscan")

    assert found.labels.tolist() == [0] * 300


def test_a_library_of_thousands_comes_out_right() -> None:
    library = people_library(4_500, 60, 500, seed=3)
    found = cluster(library.faces, Verdicts.none(), SCALE)

    scores = b_cubed(library.truth, found.labels)
    assert scores.precision == 1
    assert scores.recall >= 0.99  # blurred faces among them
    again = cluster(library.faces, Verdicts.none(), SCALE)
    assert np.array_equal(found.labels, again.labels)
