"""What became of files: counted, and named with a reason, as many as can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from worker.core.errors import JobError
from worker.library.ingest.looking import Left

FIRST: Final = ("uploaded", "already_there", "parts")
"""What is told of the photos before their jobs."""
NAMED: Final = 20
"""Files that are named for each reason; of more only the count is told."""
LEFT_OUT: Final[Mapping[str, str]] = {
    "not_an_image": "no picture",
    "unsupported_format": "a kind of picture that is not supported",
    "video": "not imported yet",
    "sidecar": "describing no one photo that is here",
    "part": "part of a photo that did not come in",
    "empty": "without bytes",
    "hidden": "hidden, or the system's",
    "link": "a symbolic link",
    "special": "a pipe, a socket or a device",
}
"""Codes of what is rightly left out, and what such a file is."""
FAILED: Final[Mapping[str, str]] = {
    "unreadable": "not to be opened, or damaged",
    "not_found": "not there, or not any more",
    "changed": "changed while being read",
    "too_large": "more than Storage or the worker takes",
    "storage_unavailable": "refused by Storage",
    "timeout": "not stored in time",
    "result_refused": "refused by the database",
    "too_many_jobs": "without a new job, as too many are pending",
}
"""Codes of what should have come in, and what is wrong."""


@dataclass(slots=True)
class Report:
    """What became of files."""

    counts: Counter[str] = field(default_factory=Counter)
    """How many photos were `found`, `uploaded`, `already_there`, `failed`, how many of their `parts` were
    added, and how many of their jobs are `enqueued`, `already_queued`, `already_done`."""
    reasons: Counter[str] = field(default_factory=Counter)
    """How many files came not in, by code."""
    named: dict[str, list[Left]] = field(default_factory=dict)
    """Those files, by code, as many as `most`."""
    most: int | None = NAMED
    """None for all of them."""
    stopped: JobError | None = None
    """Why the rest was not tried: nobody answered. Doing it again goes on from there."""

    def leave(self, left: Left, *, always: bool = False) -> None:
        """Note a file that did not come in; one that somebody named is told `always`."""
        self.reasons[left.code] += 1
        named = self.named.setdefault(left.code, [])
        if always or self.most is None or len(named) < self.most:
            named.append(left)

    @property
    def has_failed(self) -> bool:
        """Whether something did not come in that should have."""
        return self.stopped is not None or any(code in FAILED for code in self.reasons)

    def summary(self) -> Iterator[str]:
        """What was done and what was left out, as lines, in which names may not be printable."""
        order = [*FIRST, *sorted(set(self.counts) - {*FIRST, "found", "failed"})]
        done = ", ".join(_told(what, self.counts[what]) for what in order if self.counts[what])
        yield f"{counted(self.counts['found'], 'picture')}{': ' if done else ''}{done}"
        for code, what in LEFT_OUT.items():
            yield from self._lines_of(code, f"left out: {{}} ({code}: {what})")

    def complaints(self) -> Iterator[str]:
        """What did not come in though it should have, and why no more was tried, as such lines."""
        for code, what in FAILED.items():
            yield from self._lines_of(code, f"did not come in: {{}} ({code}: {what})")
        if self.stopped is not None:
            yield f"stopped: {self.stopped.code}: {self.stopped}; run it again to go on from there"

    def _lines_of(self, code: str, title: str) -> Iterator[str]:
        count, named = self.reasons[code], self.named.get(code, [])
        if count == 0:
            return
        yield title.format(counted(count, "file"))
        for left in named:
            yield f"  {left.path}: {left.reason}"
        if count > len(named):
            yield f"  and {count - len(named)} more"

    def as_json(self) -> dict[str, Any]:
        """The report for programs: counts, and `failures` and `left_out` with path, code and reason."""
        entries = [
            {**asdict(left), "path": str(left.path)}
            for code in sorted(self.named)
            for left in self.named[code]
        ]
        return {
            "files": self.counts["found"],
            **{what: count for what, count in self.counts.items() if what != "found"},
            "failures": [entry for entry in entries if entry["code"] in FAILED],
            "left_out": [entry for entry in entries if entry["code"] in LEFT_OUT],
            "reasons": dict(self.reasons),
            "stopped": None if self.stopped is None else f"{self.stopped.code}: {self.stopped}",
        }


def _told(what: str, count: int) -> str:
    return counted(count, "part") if what == "parts" else f"{count} {what.replace('_', ' ')}"


def counted(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
