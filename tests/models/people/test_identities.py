"""Ids outlive a clustering: of contacts always, of others where most of their faces stay together."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.people.identities import keep_ids


def kept(
    labels: list[int],
    former: list[str | None],
    contacts: list[int] | None = None,
    of_contacts: dict[int, str] | None = None,
) -> dict[int, str]:
    said = np.array([-1] * len(labels) if contacts is None else contacts, np.int64)
    return keep_ids(np.array(labels, np.int64), former, said, of_contacts or {})


@pytest.mark.parametrize(
    ("labels", "former", "ids"),
    [
        ([0, 0, 1, 1], ["a", "a", "b", "b"], {0: "a", 1: "b"}),
        ([0, 0, 0, -1], ["a", "a", None, None], {0: "a"}),
        ([0, 0, -1, -1], ["a", "a", "a", "a"], {0: "a"}),
        ([0, 0, 0, 0, 0], ["a", "a", "b", "b", "b"], {0: "b"}),
        ([0, 0, 0, 1, 1], ["a"] * 5, {0: "a"}),
        ([0, 0], [None, None], {}),
        ([-1, -1], ["a", "a"], {}),
        ([], [], {}),
        # Two of `a`'s three are in 0, and three of `b`'s seven, which are more and yet no half.
        ([0, 0, -1, 0, 0, 0, 1, 1, 2, 2], ["a"] * 3 + ["b"] * 7, {0: "a", 1: "b"}),
        # Three of eight are fewer than half, but nobody else has anything of `a`.
        ([0, 0, 0, 1, 1, -1, -1, -1], ["a"] * 8, {0: "a"}),
    ],
    ids=[
        "nothing moved",
        "one more",
        "half stays",
        "merged",
        "split",
        "all new",
        "all gone",
        "no faces",
        "half comes before more",
        "most of what is left",
    ],
)
def test_a_cluster_keeps_its_id(labels: list[int], former: list[str | None], ids: dict[int, str]) -> None:
    assert kept(labels, former) == ids


def test_a_contacts_cluster_keeps_its_id_with_one_said_face() -> None:
    ids = kept([0, 1, 1, 1], ["a", "a", "a", "a"], [7, -1, -1, -1], {7: "a"})

    assert ids == {0: "a"}


def test_a_contacts_id_is_for_no_cluster_of_another_contact() -> None:
    assert kept([0, 0], ["a", "a"], [8, -1], {7: "a"}) == {}


def test_a_contact_without_said_faces_keeps_its_id_by_its_members() -> None:
    assert kept([0, 0], ["a", "a"], [-1, -1], {7: "a"}) == {0: "a"}


def test_faces_of_three_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        kept([0], ["a", "b"])


@given(st.lists(st.tuples(st.integers(-1, 4), st.sampled_from([None, "a", "b", "c"])), max_size=30))
def test_more_than_half_together_is_enough_unless_a_cluster_has_more_of_another(
    faces: list[tuple[int, str | None]],
) -> None:
    labels, former = [label for label, _ in faces], [number for _, number in faces]
    ids = kept(labels, former)
    shared, sizes = Counter(faces), Counter(former)

    assert len(set(ids.values())) == len(ids)
    for (label, number), count in shared.items():
        if number is not None and label >= 0 and 2 * count > sizes[number]:
            winner = ids[label]
            assert winner == number or shared[label, winner] >= count
