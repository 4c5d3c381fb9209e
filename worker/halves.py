"""Vectors in half precision, as verbs that are read by handlers answer them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HEADER_BYTES: Final = 4
"""Before a vector's numbers: how many there are, and a field that Postgres keeps free."""


def halves_of(text: str) -> npt.NDArray[np.float16]:
    """The numbers of a `halfvec` as Postgres sends it, in base64."""
    import numpy as np

    return np.frombuffer(base64.b64decode(text), ">f2", offset=HEADER_BYTES).astype(np.float16)
