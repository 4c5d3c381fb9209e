"""B-cubed figures, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.people.scores import b_cubed


def test_the_truth_scores_one_whatever_its_numbers() -> None:
    score = b_cubed(np.array([5, 5, 9, 9, -1]), np.array([0, 0, 3, 3, -1]))

    assert (score.precision, score.recall, score.f1) == (1, 1, 1)


def test_a_person_in_two_clusters_costs_recall_alone() -> None:
    score = b_cubed(np.array([0, 0, 0, 0]), np.array([0, 0, 1, 1]))

    assert (score.precision, score.recall) == (1, 0.5)
    assert score.f1 == pytest.approx(2 / 3)


def test_two_people_in_a_cluster_cost_precision_face_by_face() -> None:
    # Three faces with 3/4 of their cluster, one with 1/4.
    score = b_cubed(np.array([0, 0, 0, 1]), np.array([7, 7, 7, 7]))

    assert (score.precision, score.recall) == (pytest.approx((3 * 3 / 4 + 1 / 4) / 4), 1)


def test_faces_in_no_cluster_are_each_alone() -> None:
    score = b_cubed(np.array([0, 0, -1, -1]), np.array([-1, -1, -1, -1]))

    assert (score.precision, score.recall) == (1, 0.75)


@pytest.mark.parametrize(("truth", "labels"), [([], []), ([0, 1], [0])], ids=["none", "of two lengths"])
def test_what_cannot_be_scored_is_refused(truth: list[int], labels: list[int]) -> None:
    with pytest.raises(ValueError, match="one length"):
        b_cubed(np.array(truth, np.int64), np.array(labels, np.int64))
