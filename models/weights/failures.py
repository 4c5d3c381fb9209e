"""Downloads that failed a moment ago, noted beside where their files will be: processes come and go."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.errors import BadWeights, ModelError, WeightsMissing
from models.weights import digests

OFFLINE_SECONDS: Final = 60.0
"""After a failed download, so long it is not tried again: jobs come faster than hubs do."""
WRONG_SECONDS: Final = 3600.0
"""The same, where all of it came and was wrong."""


@dataclass(frozen=True, slots=True)
class FailureNote:
    """The note about downloads from one address; `wanted` is {path below the cache: SHA-256 or None}."""

    path: Path
    url: str
    wanted: Mapping[str, str | None]

    def recent(self) -> ModelError | None:
        """The recent failure, in any process, of a download that would have brought what is still wanted."""
        note = digests.read_note(self.path)
        try:
            recent = 0 < note["until"] - time.time() <= WRONG_SECONDS  # more: the clock was set
            same = note["url"] == self.url and all(
                note["wanted"][path] == expected for path, expected in self.wanted.items()
            )
            error = (BadWeights if note["wrong"] else WeightsMissing)(str(note["why"]))
        except (KeyError, TypeError, OverflowError):
            return None
        return error if recent and same else None

    def write(self, error: ModelError) -> None:
        """Note a failed download."""
        wrong = isinstance(error, BadWeights)
        note = {
            "url": self.url,
            "until": time.time() + (WRONG_SECONDS if wrong else OFFLINE_SECONDS),
            "wrong": wrong,
            "why": str(error),
            "wanted": dict(self.wanted),
        }
        digests.write_note(self.path, note)

    def remove(self) -> None:
        """Remove the note, because the download has succeeded."""
        self.path.unlink(missing_ok=True)
