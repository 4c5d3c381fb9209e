"""A library of faces with its truth: vectors as face models make them, of people who do not exist.

What the cosines come to, as sampled from 20,000 pairs (`likeness_of`): of one sharp, unaged person at least
about 0.42 and 0.73 on average; of two people who are no relations 0.01 on average and 0.27 at most. Both are
tails of smooth distributions and go on: the more pairs, the further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.people.faces import Faces

if TYPE_CHECKING:
    import numpy.typing as npt

DIMENSION = 512
DIRECTIONS = 250.0
"""How many of the dimensions count: models use some more than others, so strangers are alike by chance."""
COMMON = 0.1
"""What all faces have in common: the mean cosine of two strangers is its square."""
SESSION_SHARE = 0.5
"""How much of what sets a face apart from its person is light and hair of the day, and so of others, too."""
GONE_IN_BLUR = (0.25, 0.6)
"""How much of a blurred face is blur, which all blurred faces share."""
SIBLING_COSINES = (0.41, 0.68)
"""Of two siblings' centres; their faces' cosines are 0.73 of that, 0.3 to 0.5."""
AGEING_DEGREES = (60.0, 80.0)
"""How far a child turns from the first photo to the last, whose faces then have cosines below 0.37."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleLibrary:
    faces: Faces
    truth: npt.NDArray[np.int64]
    """Who each is; every stranger is somebody of their own."""
    arrival: npt.NDArray[np.int64]
    """The places of all faces in the order in which their photos came."""
    aged: npt.NDArray[np.bool_]
    """Faces of people who grow up."""
    blurred: npt.NDArray[np.bool_]
    relations: npt.NDArray[np.int64]
    """Shape (pairs, 2): who are siblings."""


def people_library(
    count: int,
    people: int,
    strangers: int,
    *,
    seed: int = 0,
    siblings: float = 0.08,
    ageing: float = 0.06,
    blur: float = 0.08,
    named: float = 0.0,
) -> PeopleLibrary:
    """`count` faces of `people`, and of `strangers` one each; the same for the same arguments.

    Args:
        siblings: The share of people who have a sibling among them.
        ageing: The share of people whose faces change over the years.
        blur: The share of faces that are of low quality.
        named: The share of people of whom two sharp faces were said to be a contact.
    """
    random = np.random.default_rng(seed)
    spectrum = _spectrum()
    sizes = _sizes(count, people)
    truth = np.concatenate([np.repeat(np.arange(people), sizes), people + np.arange(strangers)])
    total = len(truth)
    centres = _directions(random, people + strangers, spectrum)

    pairs = int(people * siblings / 2)
    relations = np.sort(random.permutation(people // 2)[:pairs])[:, None] * 2 + np.array([0, 1])
    cosines = random.uniform(*SIBLING_COSINES, pairs).astype(np.float32)[:, None]
    elder, younger = centres[relations[:, 0]], centres[relations[:, 1]]
    centres[relations[:, 1]] = cosines * elder + np.sqrt(1 - cosines**2) * _across(younger, elder)

    # A session is a person on a day; days of all faces are spread over the years, 0 to 1.
    session = _sessions(random, truth)
    when = random.random(session.max() + 1)[session]
    grown = np.zeros(people + strangers, bool)
    grown[random.permutation(people)[: int(people * ageing)]] = True
    aged = grown[truth]
    angle = np.radians(random.uniform(*AGEING_DEGREES, people + strangers))
    later = _across(_directions(random, people + strangers, spectrum), centres)

    vectors = np.empty((total, DIMENSION), np.float32)
    days = _directions(random, session.max() + 1, spectrum)
    common = _directions(random, 1, spectrum)
    smear = _directions(random, 1, spectrum)
    blurred = random.random(total) < blur
    quality = np.where(blurred, random.uniform(0.02, 0.2, total), random.uniform(0.35, 1.0, total))
    clear = 0.685 + 0.285 * random.beta(2.0, 1.6, total)
    lost = random.uniform(*GONE_IN_BLUR, total) * blurred
    for start in range(0, total, 10_000):
        part = slice(start, min(start + 10_000, total))
        who, turn = truth[part], (angle[truth[part]] * when[part] * aged[part])[:, None].astype(np.float32)
        centre = np.cos(turn) * centres[who] + np.sin(turn) * later[who]
        own = _directions(random, len(who), spectrum)
        apart = _unit(np.sqrt(SESSION_SHARE) * days[session[part]] + np.sqrt(1 - SESSION_SHARE) * own)
        share = clear[part][:, None].astype(np.float32)
        face = _unit(share * centre + np.sqrt(1 - share**2) * apart + COMMON * common)
        gone = lost[part][:, None].astype(np.float32)
        noise = _directions(random, len(who), spectrum)
        vectors[part] = _unit((1 - gone) * face + gone * (0.8 * smear + 0.6 * noise))

    photos, arrival = _photos(random, truth, when, people)
    contacts = np.full(total, -1, np.int64)
    for number, person in enumerate(random.permutation(people)[: int(people * named)]):
        contacts[np.flatnonzero((truth == person) & ~blurred)[:2]] = number
    faces = Faces(vectors=vectors, photos=photos, quality=quality.astype(np.float32), contacts=contacts)
    return PeopleLibrary(
        faces=faces, truth=truth, arrival=arrival, aged=aged, blurred=blurred, relations=relations
    )


def likeness_of(library: PeopleLibrary, pairs: int = 20_000, *, seed: int = 0) -> dict[str, float]:
    """The cosines of pairs that are of one person and of two who are no relations, of sharp, unaged faces."""
    random = np.random.default_rng(seed)
    usable = np.flatnonzero(~library.aged & ~library.blurred)
    usable = usable[np.argsort(library.truth[usable], kind="stable")]
    who = library.truth[usable]
    first = np.searchsorted(who, who)
    after = np.searchsorted(who, who, side="right")
    one = random.permutation(np.flatnonzero(after - first > 1))
    one = np.resize(one, pairs)
    other = random.integers(first[one], after[one])
    one, other = one[one != other], other[one != other]
    vectors = library.faces.vectors
    same = np.einsum("ij,ij->i", vectors[usable[one]], vectors[usable[other]])
    left, right = random.integers(0, len(usable), (2, pairs))
    related = {(int(a), int(b)) for a, b in library.relations}
    apart = np.array(
        [
            who[a] != who[b] and (min(who[a], who[b]), max(who[a], who[b])) not in related
            for a, b in zip(left, right, strict=True)
        ]
    )
    different = np.einsum("ij,ij->i", vectors[usable[left[apart]]], vectors[usable[right[apart]]])
    return {
        "same_min": float(same.min()),
        "same_mean": float(same.mean()),
        "different_mean": float(different.mean()),
        "different_max": float(different.max()),
    }


def _spectrum() -> npt.NDArray[np.float32]:
    """How much of each dimension is used, falling off so that as many as DIRECTIONS equal ones count."""
    low, high = 0.0, 1.0
    places = np.arange(DIMENSION) / DIMENSION
    for _ in range(60):
        fall = (low + high) / 2 * 40
        power = np.exp(-fall * places)
        if power.sum() ** 2 / (power**2).sum() > DIRECTIONS:
            low = fall / 40
        else:
            high = fall / 40
    return np.sqrt(power).astype(np.float32)


def _directions(
    random: np.random.Generator, count: int, spectrum: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    return _unit(random.standard_normal((count, DIMENSION), np.float32) * spectrum)


def _unit(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _across(rows: npt.NDArray[np.float32], others: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Each row without what it has of the other, of length 1."""
    return _unit(rows - np.einsum("ij,ij->i", rows, others)[:, None] * others)


def _sizes(count: int, people: int) -> npt.NDArray[np.int64]:
    """Zipf's law with an even share of four for each: some are in every tenth photo, most in a few."""
    least = min(4, count // people)
    weight = 1 / (np.arange(people) + 5.0)
    sizes = least + np.floor((count - least * people) * weight / weight.sum()).astype(np.int64)
    sizes[: count - sizes.sum()] += 1
    return sizes


def _sessions(random: np.random.Generator, truth: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The number of the session of each face: about four photos of one person each."""
    fresh = random.random(len(truth)) < 0.25
    fresh[0] = True
    fresh[1:] |= truth[1:] != truth[:-1]
    return np.cumsum(fresh) - 1


def _photos(
    random: np.random.Generator, truth: npt.NDArray[np.int64], when: npt.NDArray[np.float64], people: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Photos of one to twelve people of a circle, siblings among them; and the order they came in."""
    circle = np.where(truth < people, truth // 16, random.integers(0, max(people // 16, 1), len(truth)))
    arrival = np.lexsort((random.random(len(truth)), circle, np.floor(when * 50)))
    wanted = np.where(
        random.random(len(truth)) < 0.6, 1, np.minimum(2 + random.geometric(0.35, len(truth)), 12)
    )
    photos = np.empty(len(truth), np.int64)
    number, room, present = -1, 0, set[int]()
    for face in arrival.tolist():
        if not room or int(truth[face]) in present:
            number += 1
            room, present = int(wanted[face]), set()
        photos[face] = number
        present.add(int(truth[face]))
        room -= 1
    return photos, arrival
