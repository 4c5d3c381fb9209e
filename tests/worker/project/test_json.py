from typing import Any

import pytest

from worker.project.json import storable


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("Zürich 🏔", "Zürich 🏔"),
        ("a\x00b", "a\ufffdb"),
        ("\ud83d alone", "\ufffd alone"),
        ({"k\x00": ["\x00", {"deep": ("\udc00",)}]}, {"k\ufffd": ["\ufffd", {"deep": ["\ufffd"]}]}),
        ([1, 2.5, True, None], [1, 2.5, True, None]),
    ],
)
def test_only_what_postgres_refuses_is_replaced(value: Any, stored: Any) -> None:
    assert storable(value) == stored
