"""What clustering is told: the faces of one user, and what people said about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LENGTH_TOLERANCE = 1e-3
"""How far from 1 a vector's length may be: half precision, as databases keep it, rounds by 2^-11 a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """`n` faces, one a place in every array.

    Raises:
        ValueError: the arrays are not of one length, or a number is not of its range.
    """

    vectors: npt.NDArray[np.float32]
    """Shape (n, dimension), each of length 1, so that a dot product is a cosine."""
    photos: npt.NDArray[np.int64]
    """Which photo each is in: two faces of one photo are two people."""
    quality: npt.NDArray[np.float32]
    """0 to 1."""
    contacts: npt.NDArray[np.int64]
    """The number of the contact that people said each is; -1 for nobody."""

    def __post_init__(self) -> None:
        import numpy as np

        if self.vectors.ndim != 2 or self.vectors.dtype != np.float32:
            raise ValueError("vectors of faces are float32 of shape (faces, dimension)")
        count = len(self.vectors)
        for name, numbers in (
            ("photos", self.photos),
            ("quality", self.quality),
            ("contacts", self.contacts),
        ):
            if numbers.shape != (count,):
                raise ValueError(f"{name} has the shape {numbers.shape}, and there are {count} faces")
        # A comparison with NaN is false, so that both are asked for what is right.
        lengths = np.sqrt(np.einsum("ij,ij->i", self.vectors, self.vectors))
        if not (np.abs(lengths - 1) <= LENGTH_TOLERANCE).all():
            raise ValueError("every vector of a face has to have the length 1")
        if not ((self.quality >= 0) & (self.quality <= 1)).all():
            raise ValueError("quality is from 0 to 1")
        if (self.contacts < -1).any():
            raise ValueError("contacts are numbered from 0; -1 is nobody")

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What people said, oldest first in each array. Faces are places in `Faces`."""

    same: npt.NDArray[np.int64]
    """Shape (k, 2): two faces of one person."""
    different: npt.NDArray[np.int64]
    """Shape (m, 2): two faces of two people."""
    excluded: npt.NDArray[np.int64]
    """Shape (e, 2): a face, and the number of a contact that it is not."""

    @classmethod
    def none(cls) -> Verdicts:
        import numpy as np

        empty = np.empty((0, 2), np.int64)
        return cls(same=empty, different=empty, excluded=empty)

    def check(self, faces: Faces) -> None:
        """Refuse what `faces` has no place for.

        Raises:
            ValueError: an array has another shape than (…, 2), or names a face that is not there.
        """
        for name, pairs, columns in (
            ("same", self.same, 2),
            ("different", self.different, 2),
            ("excluded", self.excluded, 1),
        ):
            if pairs.ndim != 2 or pairs.shape[1] != 2:
                raise ValueError(f"verdicts `{name}` have the shape {pairs.shape}, not (…, 2)")
            named = pairs[:, :columns]
            if named.size and not (named.min() >= 0 and named.max() < len(faces)):
                raise ValueError(f"a verdict `{name}` is of a face that is not there")
