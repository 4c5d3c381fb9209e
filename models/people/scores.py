"""How well clusters agree with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class BCubed:
    """Each face's precision and recall over those it is put together with, itself included; then the mean."""

    precision: float
    recall: float
    f1: float


def b_cubed(truth: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> BCubed:
    """How well `labels` groups what `truth` groups; in both, each -1 is a group of its own.

    Raises:
        ValueError: they are empty, or not of one length.
    """
    import numpy as np

    if truth.shape != labels.shape or truth.ndim != 1 or not truth.size:
        raise ValueError("truth and labels are of one length, and at least one")
    person, people = _grouped(truth)
    cluster, clusters = _grouped(labels)
    pairs, shared = np.unique(person * len(clusters) + cluster, return_counts=True)
    weight = shared.astype(np.float64) ** 2
    precision = float((weight / clusters[pairs % len(clusters)]).sum() / truth.size)
    recall = float((weight / people[pairs // len(clusters)]).sum() / truth.size)
    return BCubed(precision=precision, recall=recall, f1=2 * precision * recall / (precision + recall))


def _grouped(labels: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The number of each one's group, from 0 on, and how many each group has."""
    import numpy as np

    alone = labels == -1
    own = np.where(alone, labels.max(initial=0) + 1 + np.cumsum(alone), labels)
    _, group, sizes = np.unique(own, return_inverse=True, return_counts=True)
    return group.astype(np.int64), sizes.astype(np.int64)
