"""What a picture shows, as a sum of the vectors of sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import pytest

from models.catalog.conse.space import (
    CLASSES,
    OBJECT_SHARE,
    by_length,
    class_names,
    class_sentences,
    class_table,
    digest_of_classes,
    picture_vectors,
    with_objects,
)
from models.vectors import cosine

np = pytest.importorskip("numpy")


def test_every_class_of_imagenet_has_a_sentence() -> None:
    sentences = class_sentences()
    assert len(sentences) == len(class_names()) == 1000
    assert class_names()[281] == "tabby"
    assert sentences[281].startswith("tabby, tabby cat: a cat with a grey or tawny coat")
    assert sentences[948].startswith("Granny Smith: apple with a green skin")
    assert "Princeton University" in CLASSES.read_text(encoding="utf-8")


def test_other_sentences_are_another_space() -> None:
    """Whoever changes them gives the model another version: what is in an index would not fit any more."""
    assert digest_of_classes() == "36b0379923859eda4863753356e3108cc711842ca8d8505248e52640a683ea18"


def test_list_of_classes_is_what_its_maker_makes() -> None:
    if find_spec("timm") is None:
        pytest.skip("timm is not installed: scripts/install")
    from scripts.make_conse_classes.__main__ import classes

    assert classes() == CLASSES.read_text(encoding="utf-8")


def test_class_lies_between_its_name_and_its_sentence() -> None:
    def embed(texts: Sequence[str]) -> Any:
        return np.array([[0, 3] if ":" in text else [2, 0] for text in texts], np.float32)

    table = class_table(embed)
    assert table.shape == (1000, 2)
    assert table.dtype == np.float32
    assert np.allclose(table, math.sqrt(0.5))


def test_picture_lies_between_what_it_may_show_as_far_as_it_may() -> None:
    table = np.eye(3, dtype=np.float32)
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.0001, 0.9998, 0.0001]], np.float32))
    assert np.allclose(picture_vectors(logits, table), np.exp(logits), atol=1e-6)
    huge = np.array([[1e4, 0.0, -1e4]], np.float32)
    assert np.allclose(picture_vectors(huge, table), [[1, 0, 0]])


def test_objects_draw_a_vector_towards_their_names() -> None:
    names = {"bicycle": (0.0, 1.0), "bus": (1.0, 0.0)}
    before = (1.0, 0.0)
    after = with_objects(before, [("bicycle", 1.0), ("bus", 0.5)], names.__getitem__)
    assert math.isclose(math.hypot(*after), 1)
    assert math.isclose(after[1] / after[0], OBJECT_SHARE / (1 + OBJECT_SHARE / 2))
    assert cosine(after, names["bicycle"]) > cosine(before, names["bicycle"])
    assert with_objects(before, [], names.__getitem__) == before


def test_sentences_are_grouped_by_length() -> None:
    tokens = [[1] * length for length in (3, 5, 3, 3, 5, 0)]
    assert list(by_length(tokens, 2)) == [[5], [0, 2], [3], [1, 4]]
    assert list(by_length([], 2)) == []
