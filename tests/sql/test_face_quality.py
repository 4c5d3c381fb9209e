"""What a face is worth, as its worker says it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.people import HERE, THERE, face, look, somebody


def qualities(queue: Any, asset: str) -> list[float | None]:
    found = queue.rows("select quality from face_embeddings where asset_id = %s order by face_index", asset)
    return [row["quality"] for row in found]


def test_a_face_has_the_worth_of_its_last_look(queue: Any) -> None:
    queue.generation("m", "faces")
    user = queue.user()
    asset = queue.asset(user)
    one, other = face(0, HERE, somebody(1)), face(1, THERE, somebody(2))
    look(queue, user, asset, {**one, "quality": 0.25}, other)
    assert qualities(queue, asset) == [0.25, None], "a worker of before says nothing of it"
    look(queue, user, asset, {**one, "quality": 0.75}, {**other, "quality": 0.5})
    assert qualities(queue, asset) == [0.75, 0.5]
    for wrong in (-0.1, 1.1):
        with pytest.raises(AssertionError, match="quality_is_a_share"):
            look(queue, user, asset, {**one, "quality": wrong}, other)
    assert qualities(queue, asset) == [0.75, 0.5]
