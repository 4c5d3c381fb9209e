"""What is said of an import: counted, with plurals, and no longer than can be read."""

from __future__ import annotations

import json
from pathlib import Path

from worker.core.errors import DatabaseUnavailable
from worker.library.ingest.looking import Left
from worker.library.ingest.report import NAMED, Report


def left(name: str, code: str, reason: str = "it is so") -> Left:
    return Left(path=Path(name), code=code, reason=reason)


def test_counts_are_told_in_one_line() -> None:
    report = Report()
    assert list(report.summary()) == ["0 pictures"]
    report.counts.update(found=1, uploaded=1, already_queued=1, failed=0)
    assert list(report.summary()) == ["1 picture: 1 uploaded, 1 already queued"]
    report.counts.update(found=2, already_there=2, parts=1, enqueued=2)
    said = "3 pictures: 1 uploaded, 2 already there, 1 part, 1 already queued, 2 enqueued"
    assert next(report.summary()) == said


def test_reasons_are_told_with_as_many_names_as_can_be_read() -> None:
    report = Report()
    for number in range(NAMED + 5):
        report.leave(left(f"{number}.mp4", "video", "videos are not imported yet"))
    report.leave(left("a.txt", "not_an_image", "expected an image, found text"))
    report.leave(left("named.mp4", "video"), always=True)
    assert not report.has_failed
    assert list(report.complaints()) == []
    lines = list(report.summary())
    assert lines[1:3] == [
        "left out: 1 file (not_an_image: no picture)",
        "  a.txt: expected an image, found text",
    ]
    assert lines[3] == f"left out: {NAMED + 6} files (video: not imported yet)"
    assert lines[4] == "  0.mp4: videos are not imported yet"
    assert lines[-2:] == ["  named.mp4: it is so", "  and 5 more"]
    assert len(lines) == 4 + NAMED + 2


def test_what_should_have_come_in_is_a_complaint() -> None:
    report = Report()
    report.leave(left("a.jpg", "unreadable", "Permission denied"))
    report.leave(left("b.mp4", "video"))
    report.stopped = DatabaseUnavailable("enqueue answered 503")
    assert report.has_failed
    assert list(report.complaints()) == [
        "did not come in: 1 file (unreadable: not to be opened, or damaged)",
        "  a.jpg: Permission denied",
        "stopped: database_unavailable: enqueue answered 503; run it again to go on from there",
    ]


def test_programs_are_told_everything() -> None:
    report = Report(most=None)
    report.counts.update(found=1, uploaded=1)
    for number in range(NAMED + 5):
        report.leave(left(f"{number}.mp4", "video"))
    report.leave(left("caf\udce9.jpg", "unreadable", "Permission denied"))
    said = json.loads(json.dumps(report.as_json()))
    assert (said["files"], said["uploaded"], said["stopped"]) == (1, 1, None)
    assert said["failures"] == [
        {"path": "caf\udce9.jpg", "code": "unreadable", "reason": "Permission denied"}
    ]
    assert len(said["left_out"]) == NAMED + 5
    assert said["reasons"] == {"video": NAMED + 5, "unreadable": 1}
