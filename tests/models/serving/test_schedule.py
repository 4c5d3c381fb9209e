"""Which model runs next, and which must go for it, from plain values."""

from __future__ import annotations

import pytest

from models.serving.batching import Due
from models.serving.schedule import (
    FETCH_SECONDS,
    TURN_SECONDS,
    Tenant,
    evicted,
    expires,
    gives_up,
    next_group,
)


def tenant(model: str, megabytes: int = 100, **more: float | bool) -> Tenant[str]:
    return Tenant(model=model, megabytes=megabytes, **{"loaded": True, **more})  # type: ignore[arg-type]


WANTED = tenant("wanted", 300, loaded=False)


@pytest.mark.parametrize(
    ("tenants", "budget", "gone", "why"),
    [
        ([], 100, [], "there is nothing to unload, however little there is"),
        ([tenant("a"), tenant("b")], 500, [], "all fit"),
        ([tenant("a"), tenant("b")], 499, ["a"], "one megabyte too many"),
        ([tenant("a", used=2), tenant("b", used=1)], 400, ["b"], "the least recently used goes first"),
        ([tenant("a", used=1, asked=True), tenant("b", used=2)], 400, ["b"], "the idle go before the asked"),
        ([tenant("a", used=1, asked=True), tenant("b", used=2)], 300, ["b", "a"], "the asked go, too"),
        ([tenant("a", pinned=True), tenant("b")], 300, ["b"], "a pinned one stays, even if it does not fit"),
        ([tenant("a", loaded=False), tenant("b")], 300, ["b"], "what is not loaded takes no room"),
        ([tenant("a", 50), tenant("b", 500, used=1)], 800, ["a"], "no more go than must"),
        ([tenant("wanted", 900)], 300, [], "it does not evict itself"),
    ],
)
def test_models_that_must_go(tenants: list[Tenant[str]], budget: int, gone: list[str], why: str) -> None:
    assert evicted(tenants, WANTED, budget) == gone, why


@pytest.mark.parametrize(
    ("due", "evicting", "chosen", "why"),
    [
        ({}, "", None, "nothing waits"),
        ({"a": 2.0, "b": 1.0}, "", "b", "who waits longest"),
        ({"a": 2.0, "b": 1.0}, "b", "a", "but for a turn who evicts nobody that is asked"),
        ({"a": 1.0 + TURN_SECONDS + 0.1, "b": 1.0}, "b", "b", "the turn is over"),
        ({"a": 2.0, "b": 1.0}, "ab", "b", "where both evict, who waits longest"),
    ],
)
def test_whose_turn_it_is(due: dict[str, float], evicting: str, chosen: str | None, why: str) -> None:
    waiting = [Due(group, since) for group, since in due.items()]
    assert next_group(waiting, lambda group: group in evicting) == chosen, why


@pytest.mark.parametrize(
    ("model", "moment", "why"),
    [
        (tenant("a", used=10.0), 70.0, "a minute after its last use"),
        (tenant("a", used=10.0, loaded=False), None, "it is not loaded"),
        (tenant("a", used=10.0, pinned=True), None, "it is pinned"),
        (tenant("a", used=10.0, asked=True), None, "somebody waits for it"),
    ],
)
def test_until_when_an_idle_model_stays(model: Tenant[str], moment: float | None, why: str) -> None:
    assert expires(model, 60.0) == moment, why


def test_a_request_waits_for_a_download_from_the_later_of_its_own_and_the_downloads_start() -> None:
    assert gives_up(5.0, 3.0) == 5.0 + FETCH_SECONDS
    assert gives_up(5.0, 8.0) == 8.0 + FETCH_SECONDS
    assert gives_up(5.0, None) == 5.0 + FETCH_SECONDS
