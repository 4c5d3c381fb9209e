"""What answers to questions about faces are worth: F1 by their number, the best questions first or any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.people.clustering import cluster
from models.people.faces import Verdicts
from models.people.gain import gain
from models.people.graph import alike
from models.people.scale import Scale
from models.people.scores import b_cubed
from scripts.bench_lab.chart import write_lines
from scripts.bench_lab.lab import Lab
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.people_library import PeopleLibrary, people_library
from scripts.bench_lab.people_process import SCALE

ANSWERS = (0, 10, 20, 50, 100, 200)
"""After so many, faces are clustered anew with what was said, and questions come anew."""
RANDOM_ORDERS = 5

Labels = npt.NDArray[np.int64]
Question = tuple[int, int, float]
Choose = Callable[[Sequence[Question], Labels], Question]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    answers: int
    f1: float
    joined: int
    """How many of the answers were "same"."""


def measure(lab: Lab) -> list[Measure]:
    count, people, strangers = (1_500, 30, 150) if lab.quick else (10_000, 200, 1_000)
    library = people_library(count, people, strangers, seed=2, siblings=0.6, ageing=0.25)  # much is unsure
    lab.tell("answering the best questions first")
    best = answer_all(library, SCALE, the_best(library, SCALE))
    random = []
    for seed in range(RANDOM_ORDERS):
        lab.tell(f"answering random questions, {seed + 1} of {RANDOM_ORDERS}")
        random.append(answer_all(library, SCALE, any_of(np.random.default_rng(seed))))
    mean = [float(np.mean([run[n].f1 for run in random if n < len(run)])) for n in range(len(best))]

    found = []
    for n, point in enumerate(best):
        found.append(Measure(name=f"best_f1_after_{point.answers}", value=point.f1))
        found.append(Measure(name=f"random_f1_after_{point.answers}", value=mean[n]))
    for n, point in enumerate(best[1:], start=1):
        rise = point.f1 - best[0].f1
        found.append(
            Measure(
                name=f"rise_best_to_random_after_{point.answers}",
                value=rise / max(mean[n] - mean[0], 1e-6),
                unit="x",
                at_least=1,
            )
        )
    if lab.plots is not None:
        write_lines(
            lab.plots / "people-questions.svg",
            title="What answers to questions are worth",
            across="answers",
            up="F1 (B-cubed)",
            lines={
                "best first": [(point.answers, point.f1) for point in best],
                "random": [(point.answers, f1) for point, f1 in zip(best, mean, strict=True)],
            },
        )
    return found


def the_best(library: PeopleLibrary, scale: Scale) -> Choose:
    """The question of the largest gain, as the database chooses it."""
    vectors = library.faces.vectors

    def choose(questions: Sequence[Question], labels: Labels) -> Question:
        sums = np.zeros((int(labels.max(initial=-1)) + 1, vectors.shape[1]), np.float32)
        np.add.at(sums, labels[labels >= 0], vectors[labels >= 0])
        sizes = np.bincount(labels[labels >= 0], minlength=len(sums))

        def gain_of(question: Question) -> tuple[float, float]:
            one, other = (int(labels[face]) for face in question[:2])
            mine = sums[one] if one >= 0 else vectors[question[0]]
            theirs = sums[other] if other >= 0 else vectors[question[1]]
            likeness = float(mine @ theirs / np.sqrt((mine @ mine) * (theirs @ theirs)))
            faces, others = (int(sizes[label]) if label >= 0 else 1 for label in (one, other))
            return gain(likeness, scale, faces=faces, others=others), question[2]

        return max(questions, key=gain_of)

    return choose


def any_of(random: np.random.Generator) -> Choose:
    return lambda questions, labels: questions[int(random.integers(len(questions)))]


def answer_all(library: PeopleLibrary, scale: Scale, choose: Choose) -> list[Point]:
    """F1 by answers that are true, to questions that `choose` chooses from those that are open.

    Questions are about alike faces of two clusters of which nobody said that they differ. What is joined by
    an answer is so at once; what else it means is found when faces are clustered anew. Ends early when
    nothing is left to be asked.
    """
    same, different = list[tuple[int, int]](), list[tuple[int, int]]()
    points = list[Point]()
    edges = alike(library.faces.vectors, scale.maybe)
    pairs = list(zip(edges.one.tolist(), edges.other.tolist(), edges.likeness.tolist(), strict=True))
    for upto in (*ANSWERS[1:], ANSWERS[-1]):
        found = cluster(library.faces, _verdicts(same, different), scale)
        score = b_cubed(library.truth, found.labels)
        points.append(Point(answers=len(same) + len(different), f1=score.f1, joined=len(same)))
        labels, questions = found.labels.copy(), pairs
        while len(same) + len(different) < upto:
            questions = _open(questions, labels, different)
            if not questions:
                break
            one, other, _ = choose(questions, labels)
            if library.truth[one] == library.truth[other]:
                same.append((one, other))
                _join(labels, one, other)
            else:
                different.append((one, other))
        if len(same) + len(different) < upto and points[-1].answers == len(same) + len(different):
            break
    return points


def _open(
    questions: Sequence[Question], labels: Labels, different: Sequence[tuple[int, int]]
) -> list[Question]:
    apart = {frozenset((_unit(labels, one), _unit(labels, other))) for one, other in different}
    pairs = [frozenset((_unit(labels, one), _unit(labels, other))) for one, other, _ in questions]
    return [
        question
        for question, pair in zip(questions, pairs, strict=True)
        if len(pair) == 2 and pair not in apart
    ]


def _unit(labels: Labels, face: int) -> int:
    """A face's cluster, or itself."""
    return int(labels[face]) if labels[face] >= 0 else -1 - face


def _join(labels: Labels, one: int, other: int) -> None:
    to = next((int(labels[face]) for face in (one, other) if labels[face] >= 0), int(labels.max()) + 1)
    for face in (one, other):
        if labels[face] >= 0:
            labels[labels == labels[face]] = to
        else:
            labels[face] = to


def _verdicts(same: Sequence[tuple[int, int]], different: Sequence[tuple[int, int]]) -> Verdicts:
    return Verdicts(
        same=np.array(same, np.int64).reshape(-1, 2),
        different=np.array(different, np.int64).reshape(-1, 2),
        excluded=np.empty((0, 2), np.int64),
    )
