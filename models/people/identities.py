"""Which new cluster is which former one: names, links and what apps remember hang on the ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def keep_ids(
    labels: npt.NDArray[np.int64],
    former: Sequence[str | None],
    contacts: npt.NDArray[np.int64],
    of_contacts: Mapping[int, str],
) -> dict[int, str]:
    """The former id of each cluster in `labels` that keeps one; the others are new.

    The cluster of a contact's said faces keeps the id of that contact's cluster, whatever its members are.
    Each other former cluster of which at least half of the faces are still together keeps its id (of several
    that came together the one with the most); then what is left is matched by how many faces it shares.

    Args:
        labels: Of each face, -1 for none.
        former: The id of the cluster that each face was in, None for none.
        contacts: The number of the contact that people said each face is, -1 for nobody.
        of_contacts: The ids of contacts' former clusters by the contacts' numbers.

    Raises:
        ValueError: the first three are not of one length.
    """
    if not len(labels) == len(former) == len(contacts):
        raise ValueError(
            f"{len(labels)} labels, {len(former)} former ids and {len(contacts)} contacts differ"
        )
    said = {
        label: contact
        for label, contact in zip(labels.tolist(), contacts.tolist(), strict=True)
        if label >= 0 and contact >= 0
    }
    kept = {label: of_contacts[contact] for label, contact in said.items() if contact in of_contacts}
    owner = {number: contact for contact, number in of_contacts.items()}
    taken = set(kept.values())
    sizes = Counter(former)
    shared = Counter(zip(labels.tolist(), former, strict=True))

    # Sorted by what must go first; ids and labels only decide between equals, so that the answer is one.
    matches = sorted(
        (2 * count < sizes[number], -count, number, label)
        for (label, number), count in shared.items()
        if label >= 0 and number is not None
    )
    for _, _, number, label in matches:
        is_of_another = number in owner and said.get(label, owner[number]) != owner[number]
        if label not in kept and number not in taken and not is_of_another:
            kept[label] = number
            taken.add(number)
    return kept
