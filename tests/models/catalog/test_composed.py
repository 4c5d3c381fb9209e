"""Descriptions made of what others found, word for word."""

from __future__ import annotations

import pytest

from models.catalog.composed import LONGEST_TEXT, Composer, compose, counted
from models.frame import Frame
from models.results import Box, DetectedObject, Level, Seen
from models.tasks import CaptionRequest

MIDDLE = Box(x=0.4, y=0.4, width=0.2, height=0.2)


def thing(name: str, box: Box = MIDDLE) -> DetectedObject:
    return DetectedObject(name=name, class_id=0, score=0.9, box=box)


def seen(*names: str, faces: int = 0, text: str = "") -> Seen:
    return Seen(objects=tuple(map(thing, names)), faces=faces, text=text)


@pytest.mark.parametrize(
    ("found", "level", "text"),
    [
        (seen("person", "dog", "person"), "brief", "Two people and a dog."),
        (seen("bus"), "brief", "A bus."),
        (seen("bus", "umbrella", faces=3), "brief", "Three people, a bus and an umbrella."),
        (seen("person", faces=1), "brief", "A person."),
        (seen(), "brief", "Nothing in it was recognised."),
        (seen(text="EXIT"), "brief", "Nothing in it was recognised."),
        (seen(text="EXIT\n  left"), "medium", "It reads: “EXIT left”."),
        (seen("car", text="STOP"), "medium", "A car. It reads: “STOP”."),
        (seen("car", text="● 2"), "medium", "A car."),
        (seen("car"), "detailed", "A car. A car is in the middle."),
    ],
)
def test_it_says_what_was_found(found: Seen, level: Level, text: str) -> None:
    assert compose(found, level) == text


@pytest.mark.parametrize(
    ("name", "number", "words"),
    [
        ("person", 2, "two people"),
        ("wine glass", 3, "three wine glasses"),
        ("sandwich", 2, "two sandwiches"),
        ("toothbrush", 10, "ten toothbrushes"),
        ("knife", 2, "two knives"),
        ("sheep", 11, "11 sheep"),
        ("scissors", 1, "a pair of scissors"),
        ("skis", 2, "two pairs of skis"),
        ("orange", 1, "an orange"),
    ],
)
def test_things_are_counted_in_words(name: str, number: int, words: str) -> None:
    assert counted(name, number) == words


@pytest.mark.parametrize(
    ("x", "y", "place"),
    [
        (0.0, 0.0, "at the top left"),
        (0.8, 0.4, "on the right"),
        (0.4, 0.8, "at the bottom"),
        (0.8, 0.8, "at the bottom right"),
    ],
)
def test_a_detailed_description_says_where(x: float, y: float, place: str) -> None:
    found = Seen(objects=(thing("cat", Box(x=x, y=y, width=0.2, height=0.2)),))
    assert compose(found, "detailed") == f"A cat. A cat is {place}."


def test_a_long_text_is_cut() -> None:
    text = compose(seen(text="x" * 1000), "medium")
    assert text.endswith("x…”.")
    assert text.count("x") == LONGEST_TEXT - 1


def test_a_request_without_anything_seen_is_answered() -> None:
    [caption] = Composer().describe([CaptionRequest(frame=Frame(width=1, height=1, data=b"   "))])
    assert caption.text == "Nothing in it was recognised."
    assert caption.level == "medium"
