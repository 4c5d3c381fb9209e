from __future__ import annotations

from models.serving.asking import ModelMetrics
from models.serving.metrics import added, summed


def counted(number: int, **sizes: int) -> ModelMetrics:
    return ModelMetrics(
        loads=number,
        load_seconds=number / 2,
        batches=number * 10,
        batch_sizes={int(size.strip("of")): count for size, count in sizes.items()},
        wait_seconds=number / 4,
        run_seconds=number / 8,
        megabytes=number * 100,
    )


def test_what_two_hosts_counted_is_added_and_memory_is_the_present_ones() -> None:
    total = summed({"a": counted(2, of1=3, of4=1)}, {"a": counted(1, of4=2, of8=5)})
    assert total == {
        "a": ModelMetrics(
            loads=3,
            load_seconds=1.5,
            batches=30,
            batch_sizes={1: 3, 4: 3, 8: 5},
            wait_seconds=0.75,
            run_seconds=0.375,
            megabytes=100,
        )
    }


def test_a_host_that_ends_holds_no_memory() -> None:
    assert summed({}, {"a": counted(1)}, loaded=False)["a"].megabytes == 0


def test_models_that_only_one_host_had_are_kept() -> None:
    total = summed({"past": counted(1)}, {"present": counted(2)})
    assert list(total) == ["past", "present"]
    assert (total["past"].loads, total["past"].megabytes) == (1, 0)
    assert (total["present"].loads, total["present"].megabytes) == (2, 200)
    assert summed({}, {}) == {}


def test_two_models_together_hold_the_memory_of_both() -> None:
    both = added(counted(2, of1=3), counted(1, of1=1, of8=5))
    assert (both.loads, both.batch_sizes, both.megabytes) == (3, {1: 4, 8: 5}, 300)
