"""What is known of each model and of who waits for it."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from models.errors import (
    BadWeights,
    DeviceUnavailable,
    ModelError,
    ModelFailed,
    OutOfMemory,
    UnknownModel,
)
from models.serving.slots import LINE, Failure, Group, Request, Slots
from models.settings import ModelSettings
from models.spec import ModelIdentity
from tests.models.fakes import PARROT, WEIGHER, Parrot, Weigher, spec_of


def request(item: Any = "x") -> Request:
    return Request(item, 0.0, Future())


@pytest.fixture
def slots(settings: ModelSettings) -> Slots:
    specs = [
        spec_of(PARROT, lambda _: Parrot(), megabytes=70),
        spec_of(WEIGHER, lambda _: Weigher(0)),
    ]
    return Slots(specs, settings)


# Failures


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "kind", "says", "exhausted"),
    [
        (BadWeights("half of it"), BadWeights, "half of it", False),
        (OutOfMemory("no room"), OutOfMemory, "no room", True),
        (ModelFailed("CUDA error: out of memory"), ModelFailed, "CUDA error: out of memory", True),
        (ValueError("no"), ModelFailed, "ValueError: no", False),
        (MemoryError(), OutOfMemory, "not even one input fits: MemoryError: ", True),
        (RuntimeError("std::bad_alloc"), OutOfMemory, "not even one input fits: RuntimeError: std::b", True),
        (
            RuntimeError("CUDA error: no kernel image is available for execution on the device"),
            DeviceUnavailable,
            "RuntimeError: CUDA error: no kernel image",
            False,
        ),
        (
            RuntimeError(
                "[ONNXRuntimeError] : 1 : FAIL : CUDA failure 100: no CUDA-capable device is detected"
            ),
            DeviceUnavailable,
            "RuntimeError: [ONNXRuntimeError] : 1 : FAIL : CUDA failure 100",
            False,
        ),
        (SystemExit(3), ModelFailed, "SystemExit: 3", False),
    ],
)
def test_what_a_model_raised_becomes_an_error_of_ours(
    error: BaseException, kind: type[ModelError], says: str, exhausted: bool
) -> None:
    failure = Failure.of(raised(error))
    assert type(failure.error) is kind
    assert str(failure.error).startswith(says)
    assert failure.exhausted is exhausted


def test_no_failure_keeps_the_frames_of_what_was_raised() -> None:
    for error in (BadWeights("x"), ValueError("x"), MemoryError()):
        kept = Failure.of(raised(error)).error
        assert kept is not error
        assert (kept.__traceback__, kept.__cause__, kept.__context__) == (None, None, None)


def test_where_a_library_failed_is_kept_as_text_and_its_message_is_cut() -> None:
    kept = Failure.of(raised(ValueError("9" * 10_000))).error
    assert len(str(kept)) == LINE
    assert "in raised" in kept.__notes__[0]


def test_each_who_waited_gets_an_exception_of_their_own() -> None:
    failure = Failure.of(raised(ValueError("no")))
    one, other = request(), request()
    failure.fail([one, other])
    errors = [waiting.future.exception() for waiting in (one, other)]
    assert errors[0] is not errors[1]
    for error in errors:
        assert isinstance(error, ModelFailed)
        assert str(error) == "ValueError: no"
        assert error.__notes__ == failure.error.__notes__


# Slots


def test_a_slot_is_made_once_for_a_task_that_has_a_model(slots: Slots) -> None:
    assert slots.get("parrot") is slots.get("parrot")
    with pytest.raises(UnknownModel):
        slots.get("telepathy")
    assert list(slots) == [slots.get("parrot")]


@pytest.mark.parametrize(
    ("weights", "loaded", "method", "most"),
    [
        (False, False, "say", 0),  # it must wait for them
        (True, False, "say", 1),  # one is enough to have it loaded
        (True, True, "say", 8),
        (True, True, None, 1),
    ],
)
def test_how_many_a_call_takes_depends_on_what_there_is(
    slots: Slots, weights: bool, loaded: bool, method: str | None, most: int
) -> None:
    slot = slots.get("parrot")
    slot.most = 8
    slot.files = {"model": Path("/dev/null")} if weights else None
    slot.model = Parrot() if loaded else None
    assert slots.most(Group(slot, method, None)) == most


def test_who_gave_up_is_not_taken_and_the_others_can_no_longer_give_up(slots: Slots) -> None:
    say = Group(slots.get("parrot"), "say", None)
    requests = [request(number) for number in range(4)]
    for waiting in requests:
        slots.waiting.put(say, waiting, 0.0)
    requests[1].future.cancel()
    assert [taken.item for taken in slots.take(say, 3)] == [0, 2]
    assert not requests[0].future.cancel()
    assert [taken.item for taken in slots.take(say, 3)] == [3]


def test_all_requests_for_a_model_are_taken_whatever_they_ask_and_no_others(slots: Slots) -> None:
    parrot, weigher = slots.get("parrot"), slots.get("weigher")
    say, load, weigh = Group(parrot, "say", None), Group(parrot, None, None), Group(weigher, "weigh", None)
    for number, group in enumerate((say, weigh, load, say._replace(shape=(1, 2)), say)):
        slots.waiting.put(group, request(number), 0.0)
    assert sorted(taken.item for taken in slots.take_all(parrot)) == [0, 2, 3, 4]
    assert (slots.is_asked(parrot), slots.is_asked(weigher)) == (False, True)
    assert slots.take_all(parrot) == []


def test_only_a_request_that_was_cancelled_is_forgotten(slots: Slots) -> None:
    slot, waiting = slots.get("parrot"), request()
    say = Group(slot, "say", None)
    slots.waiting.put(say, waiting, 0.0)
    slots.withdraw(say, waiting)
    assert slots.is_asked(slot)
    waiting.future.cancel()
    slots.withdraw(say, waiting)
    assert not slots.is_asked(slot)


def test_the_schedule_counts_on_the_catalogs_size_until_it_is_measured(slots: Slots) -> None:
    slot = slots.get("parrot")
    assert (slots.tenant(slot).megabytes, slots.tenant(slot).loaded) == (70, False)
    slot.model, slot.megabytes = Parrot(), 200
    assert (slots.tenant(slot).megabytes, slots.tenant(slot).loaded) == (200, True)
    assert slot.metrics.megabytes == 200
    slot.model = None
    assert slot.metrics.megabytes == 0


def test_the_version_is_the_catalogs_until_a_load_says_it_better(slots: Slots) -> None:
    slot = slots.get("parrot")
    assert slot.version == "parrot-1"
    slot.identity = ModelIdentity(
        task="parrot",
        name="parrot",
        version="parrot-1+bf16",
        digest=None,
        backend="",
        precision="",
        device="cpu",
    )
    assert slot.version == "parrot-1+bf16"
