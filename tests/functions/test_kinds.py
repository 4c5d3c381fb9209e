"""The edge functions' list of kinds is what the handlers say."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from scripts.make_kinds.__main__ import KINDS, checks_of, formatted, kinds
from worker.core.handler import Handler
from worker.handlers import discover


class Params(BaseModel):
    """One param of every sort that can be checked."""

    quickly: bool = True
    level: Literal["low", "high"] = "low"
    mood: Literal["good", "bad"] | None = None
    name: str = Field("", max_length=10)
    count: int | None = Field(None, ge=1, le=5)
    parts: list[Literal["a", "b"]] = []
    every: list[Literal["a", "all"]] | None = None


def handler(params: type[BaseModel]) -> Handler[Any, Any]:
    async def run(params: BaseModel, context: Any) -> Any: ...

    return Handler(kind="new_kind", version="1", lane="ai", params=params, run=run)


def test_the_list_is_what_the_script_writes() -> None:
    assert KINDS.read_text() == formatted(kinds(discover().values())), "run scripts/make-kinds"


def test_each_sort_of_param_has_its_check() -> None:
    assert checks_of(handler(Params)) == {
        "quickly": "boolean",
        "level": 'oneOf("low", "high")',
        "mood": 'oneOf("good", "bad")',
        "name": "text(10)",
        "count": "integer(1, 5)",
        "parts": 'someOf("a", "b")',
        "every": 'someOrAll("a")',
    }


class Unbounded(BaseModel):
    text: str = ""


def test_param_without_a_bound_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="no check"):
        checks_of(handler(Unbounded))
