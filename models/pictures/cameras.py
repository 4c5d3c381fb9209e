"""What a camera is called: its maker and its model as files have them, in one name that people would use."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 100
"""Code points of a name."""
_COMPANY: Final = re.compile(
    r"[\s,]+(?:co|corp|corporation|company|gmbh|imaging|inc|limited|ltd|llc|optical|techwin|technologies)\b\.?",
    re.IGNORECASE,
)
_UNPRINTED: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f�]+")


def camera_name(make: str, model: str) -> str:
    """Maker and model, the maker without its kind of company and not twice; empty where neither is told.

    NIKON CORPORATION and NIKON D850 are NIKON D850; Google and Pixel 7 are Google Pixel 7.
    """
    maker, kind = _COMPANY.sub("", _tidy(make)).strip(" ,"), _tidy(model)
    is_said = kind.partition(" ")[0].casefold() in maker.casefold().split()
    told = kind if is_said else f"{maker} {kind}"
    return told.strip()[:LONGEST].strip()


def _tidy(text: str) -> str:
    """As far as its first NUL, with single blanks, and without what cannot be printed."""
    return _UNPRINTED.sub(" ", text.split("\0")[0]).strip()
