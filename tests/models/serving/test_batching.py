"""What waits to share a call."""

from __future__ import annotations

from models.serving.batching import Due, Waiting


def test_what_came_first_is_taken_first() -> None:
    waiting: Waiting[str, int] = Waiting(1.0)
    for number in range(5):
        waiting.put("a", number, float(number))
    assert waiting.take("a", 3) == [0, 1, 2]
    assert waiting.take("a", 3) == [3, 4]
    assert not waiting


def test_a_group_is_due_when_full_or_when_its_oldest_has_waited() -> None:
    waiting: Waiting[str, int] = Waiting(1.0)
    waiting.put("a", 1, 10.0)
    assert waiting.due(10.5, lambda _: 2) == []
    assert waiting.next_due(lambda _: 2) == 11.0
    assert waiting.due(11.0, lambda _: 2) == [Due("a", 10.0)]

    waiting.put("a", 2, 10.6)
    assert waiting.due(10.6, lambda _: 2) == [Due("a", 10.0)]


def test_a_batch_of_one_waits_for_nobody() -> None:
    waiting: Waiting[str, int] = Waiting(1.0)
    waiting.put("a", 1, 10.0)
    assert waiting.due(10.0, lambda _: 1) == [Due("a", 10.0)]


def test_a_group_that_must_wait_is_never_due() -> None:
    waiting: Waiting[str, int] = Waiting(1.0)
    waiting.put("a", 1, 10.0)
    waiting.put("b", 2, 20.0)
    most = {"a": 0, "b": 4}
    assert waiting.due(99.0, most.__getitem__) == [Due("b", 20.0)]
    assert waiting.next_due(most.__getitem__) == 21.0
    assert waiting.next_due(lambda _: 0) is None


def test_what_is_left_of_a_group_waits_for_its_own_time() -> None:
    waiting: Waiting[str, int] = Waiting(1.0)
    for number, at in enumerate((10.0, 10.1, 10.9)):
        waiting.put("a", number, at)
    waiting.take("a", 2)
    assert waiting.next_due(lambda _: 2) == 11.9


def test_a_request_that_is_withdrawn_is_gone() -> None:
    waiting: Waiting[str, str] = Waiting(1.0)
    waiting.put("a", "first", 10.0)
    waiting.put("a", "second", 10.0)
    waiting.discard("a", "first")
    assert waiting.take("a", 9) == ["second"]

    waiting.put("a", "third", 11.0)
    waiting.discard("a", "third")
    waiting.discard("a", "third")
    assert list(waiting) == []
