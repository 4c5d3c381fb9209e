"""How a face model measures likeness: the cosines that mean one person, each on its model's own scale."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What the cosine of two faces' vectors says about who they are.

    Raises:
        ValueError: the numbers are out of their ranges or order.
    """

    same: float
    """From this cosine on two faces are taken for one person; between 0 and 1."""
    maybe: float
    """From this cosine on they may be one person, which is worth asking; above -1, at most `same`."""
    margin: float
    """By how much the likest person has to be liker than the second likest; 0 to less than 1."""
    false_accepts: float | None = None
    """The share of pairs of strangers that `same` takes for one person; None: not known."""

    def __str__(self) -> str:
        passing = (
            "" if self.false_accepts is None else f" ({self.false_accepts * 1e6:g} in a million strangers)"
        )
        return (
            f"one person from a cosine of {self.same:.2f} on{passing}, "
            f"maybe from {self.maybe:.2f} on, by {self.margin:.2f} before the next"
        )

    def __post_init__(self) -> None:
        if not (0 < self.same < 1 and -1 < self.maybe <= self.same and 0 <= self.margin < 1):
            raise ValueError(
                "a scale of faces needs -1 < maybe <= same, 0 < same < 1 and 0 <= margin < 1, "
                f"not {self.maybe}, {self.same} and {self.margin}"
            )
        if self.false_accepts is not None and not 0 <= self.false_accepts <= 1:
            raise ValueError(f"false accepts are a share of pairs, 0 to 1, not {self.false_accepts}")
