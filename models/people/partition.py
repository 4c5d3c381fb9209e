"""Faces in clusters that are only ever joined, and never across what was said or what a photo shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from models.people.faces import Faces, Verdicts

    Places = npt.NDArray[np.int64]

PAIRS_AT_ONCE = 1_024


class Partition:
    """Clusters of the `n` faces of `faces`, numbered by one of their faces; at first each is one of its own.

    Built, it holds what people said and nothing else. Where that contradicts itself, the first of these wins:
    a face is of its contact (so the faces of a contact are one cluster, and those of two contacts never are);
    what is in one photo, `different` or excluded stays apart; the latest of `same`; the others of `same`.

    Everything that must stay apart is kept as marks: each is borne by the faces of which no two may be in one
    cluster, unless they are of one contact. So two clusters may be joined if they bear no mark in common.
    """

    def __init__(self, faces: Faces, verdicts: Verdicts, core: npt.NDArray[np.bool_]) -> None:
        """`core` are the faces whose vectors count; the others are members that say nothing of likeness."""
        import numpy as np

        count = len(faces)
        self.labels: Places = np.arange(count)
        self.contacts = faces.contacts.copy()
        """Of each cluster, -1 for none."""
        self.sizes = np.ones(count, np.int64)
        self.cores = core.astype(np.int64)
        """How many of its members' vectors are in its sum."""
        self.sums = np.where(core[:, None], faces.vectors, np.float32(0))
        self._bearers, self._marks = _apart(faces, verdicts)
        self._join_said(faces, verdicts)

    def likeness(self, one: Places, other: Places) -> npt.NDArray[np.float32]:
        """The mean cosine of the pairs of core members of which one is of either cluster; 0 without any."""
        import numpy as np

        found = np.empty(len(one), np.float32)
        for start in range(0, len(one), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            found[part] = np.einsum("ij,ij->i", self.sums[one[part]], self.sums[other[part]])
        pairs = self.cores[one] * self.cores[other]
        found /= np.maximum(pairs, 1)
        return found

    def centroids(self, vectors: npt.NDArray[np.float32], numbers: Places) -> npt.NDArray[np.float32]:
        """The unit vector of each cluster's core members, or of the others if it has no core.

        `vectors` are those of all faces. Vectors that cancel each other out have the centroid zero.
        """
        import numpy as np

        sums = self.sums[numbers]
        place = np.full(len(self.labels), -1, np.int64)
        coreless = self.cores[numbers] == 0
        place[numbers[coreless]] = np.flatnonzero(coreless)
        members = np.flatnonzero(place[self.labels] >= 0)
        np.add.at(sums, place[self.labels[members]], vectors[members])
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        sums /= np.where(lengths > 0, lengths, 1)
        return sums

    def apart(self, one: Places, other: Places) -> npt.NDArray[np.bool_]:
        """Which pairs of clusters may not be joined."""
        import numpy as np

        contacts, others = self.contacts[one], self.contacts[other]
        apart: npt.NDArray[np.bool_] = (contacts >= 0) & (others >= 0) & (contacts != others)
        cluster, mark = self._borne()
        count = int(self._marks.max(initial=-1)) + 1
        fewer = np.searchsorted(cluster, other, "right") - np.searchsorted(cluster, other) < (
            np.searchsorted(cluster, one, "right") - np.searchsorted(cluster, one)
        )
        pair, borne = self._borne_by(cluster, mark, np.where(fewer, other, one))
        wanted = np.where(fewer, one, other)[pair] * count + borne
        keys = cluster * count + mark
        place = np.searchsorted(keys, wanted).clip(max=max(len(keys) - 1, 0))
        if len(keys):
            apart[pair[keys[place] == wanted]] = True
        return apart

    def join(self, joining: Places, into: Places, likeness: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Join what may be joined, the likest first, and answer which was.

        No cluster is twice in `joining`, and none is in both.
        """
        import numpy as np

        joined = ~self.apart(joining, into)
        rank = np.empty(len(joining), np.int64)
        rank[np.lexsort((joining, -likeness))] = np.arange(len(joining))
        cluster, mark = self._borne()
        count = int(self._marks.max(initial=-1)) + 1
        pair, borne = self._borne_by(cluster, mark, joining)
        # Those who join the same cluster must get on with each other, too: of a mark, the likest has it.
        _keep_first(joined, pair, into[pair] * count + borne, rank)
        named = np.flatnonzero(joined & (self.contacts[joining] >= 0))
        _keep_first(joined, named, into[named], rank)
        self._unite(joining[joined], into[joined])
        return joined

    def _unite(self, joining: Places, into: Places) -> None:
        import numpy as np

        if not len(joining):
            return
        order = np.argsort(into, kind="stable")
        joining, into = joining[order], into[order]
        for start in range(0, len(joining), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            target, first = np.unique(into[part], return_index=True)
            self.sums[target] += np.add.reduceat(self.sums[joining[part]], first, axis=0)
        target, first = np.unique(into, return_index=True)
        self.cores[target] += np.add.reduceat(self.cores[joining], first)
        self.sizes[target] += np.add.reduceat(self.sizes[joining], first)
        self.contacts[target] = np.maximum(
            self.contacts[target], np.maximum.reduceat(self.contacts[joining], first)
        )
        moved = np.arange(len(self.labels))
        moved[joining] = into
        self.labels = moved[self.labels]

    def _borne(self) -> tuple[Places, Places]:
        """Each mark of each cluster, in order of clusters, then marks."""
        import numpy as np

        cluster = self.labels[self._bearers]
        order = np.lexsort((self._marks, cluster))
        return cluster[order], self._marks[order]

    @staticmethod
    def _borne_by(cluster: Places, mark: Places, asked: Places) -> tuple[Places, Places]:
        """The places in `asked` and the marks of the clusters there, one row for each mark."""
        import numpy as np

        first = np.searchsorted(cluster, asked)
        counts = np.searchsorted(cluster, asked, "right") - first
        pair = np.repeat(np.arange(len(asked)), counts)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
        return pair, mark[first[pair] + within]

    def _join_said(self, faces: Faces, verdicts: Verdicts) -> None:
        """The faces of each contact, whatever they bear; then the pairs of `same`, from the latest on."""
        import numpy as np

        named = np.flatnonzero(faces.contacts >= 0)
        _, first, place = np.unique(faces.contacts[named], return_index=True, return_inverse=True)
        into = named[first][place]
        self._unite(named[named != into], into[named != into])
        self._join_same(self.labels[verdicts.same[::-1]])

    def _join_same(self, pairs: Places) -> None:
        import numpy as np

        asked = np.unique(pairs)
        cluster, mark = self._borne()
        place, borne = self._borne_by(cluster, mark, asked)
        bears: dict[int, set[int]] = {number: set() for number in asked.tolist()}
        for number, one_mark in zip(asked[place].tolist(), borne.tolist(), strict=True):
            bears[number].add(one_mark)
        contact = dict(zip(asked.tolist(), self.contacts[asked].tolist(), strict=True))
        root = {number: number for number in bears}
        for pair in pairs.tolist():
            one, other = (_root_of(root, number) for number in pair)
            said = {contact[one], contact[other]} - {-1}
            if one != other and len(said) < 2 and bears[one].isdisjoint(bears[other]):
                if len(bears[one]) < len(bears[other]):
                    one, other = other, one
                root[other] = one
                bears[one] |= bears.pop(other)
                contact[one] = max(contact[one], contact[other])
        roots = np.array([_root_of(root, number) for number in asked.tolist()], np.int64)
        self._unite(asked[roots != asked], roots[roots != asked])


def _root_of(root: dict[int, int], number: int) -> int:
    """The cluster that `number` is in by now; makes the way shorter for who asks next."""
    while root[number] != number:
        root[number] = root[root[number]]
        number = root[number]
    return number


def _keep_first(joined: npt.NDArray[np.bool_], pair: Places, key: Places, rank: Places) -> None:
    """Of the pairs that are to be joined and have a `key` in common, only the first by rank stays so."""
    import numpy as np

    open_ = joined[pair]
    pair, key = pair[open_], key[open_]
    order = np.lexsort((rank[pair], key))
    pair, key = pair[order], key[order]
    again = np.zeros(len(key), bool)
    again[1:] = (key[1:] == key[:-1]) & (pair[1:] != pair[:-1])
    joined[pair[again]] = False


def _apart(faces: Faces, verdicts: Verdicts) -> tuple[Places, Places]:
    """Who bears which mark: one for each photo of several faces, each pair and each exclusion."""
    import numpy as np

    _, photo, sizes = np.unique(faces.photos, return_inverse=True, return_counts=True)
    several = np.flatnonzero(sizes[photo] > 1)
    bearers, marks, count = [several], [photo[several]], len(sizes)
    said = faces.contacts
    of = np.full(int(max(said.max(initial=-1), verdicts.excluded[:, 1].max(initial=-1))) + 1, -1, np.int64)
    named = np.flatnonzero(said >= 0)
    of[said[named]] = named
    excluded = np.stack([verdicts.excluded[:, 0], of[verdicts.excluded[:, 1]]], axis=1)
    for pairs in (verdicts.different, excluded[excluded[:, 1] >= 0]):
        one, other = pairs[:, 0], pairs[:, 1]
        pairs = pairs[(one != other) & ((said[one] < 0) | (said[one] != said[other]))]
        bearers.append(pairs.ravel())
        marks.append(count + np.repeat(np.arange(len(pairs)), 2))
        count += len(pairs)
    return np.concatenate(bearers), np.concatenate(marks)
