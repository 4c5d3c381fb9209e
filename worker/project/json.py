"""JSON values that Postgres takes: its jsonb refuses NUL and lone surrogates."""

from __future__ import annotations

import re
from typing import Any

REFUSED = re.compile("[\x00\ud800-\udfff]")
"""NUL, and halves of surrogate pairs, which are no characters: one of them fails a whole request."""


def storable(value: Any) -> Any:
    """A JSON value whose texts Postgres will take: what it would refuse becomes U+FFFD."""
    match value:
        case str():
            return REFUSED.sub("\ufffd", value)
        case dict():
            return {storable(key): storable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [storable(inner) for inner in value]
    return value
