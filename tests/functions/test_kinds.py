"""The edge functions' list of kinds is what the handlers say."""

from __future__ import annotations

import shutil
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from deno import find_deno_bin
from pydantic import AwareDatetime, BaseModel, Field, create_model

from scripts.make_kinds.__main__ import KINDS, checks_of, formatted, kinds
from worker.core.handler import Handler
from worker.handlers import discover


class Size(StrEnum):
    small = "s"
    large = "l"


class Params(BaseModel):
    """One param of every sort that can be checked."""

    quickly: bool = True
    level: Literal["low", "high"] = "low"
    mood: Literal["good", "bad"] | None = None
    name: str = Field("", max_length=10)
    count: int | None = Field(None, ge=1, le=5)
    parts: list[Literal["a", "b"]] = []
    every: list[Literal["a", "all"]] | None = None
    only: Literal["a"] = "a"
    size: Size | None = None
    sizes: list[Size] = []
    turns: Literal[90, 180] = 90
    share: float | None = Field(None, ge=0, le=0.5)
    person: UUID | None = None
    since: AwareDatetime | None = None
    people: list[UUID] = Field([], max_length=10)
    names: list[Annotated[str, Field(max_length=20)]] = Field([], max_length=5)


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
        "only": 'oneOf("a")',
        "size": 'oneOf("s", "l")',
        "sizes": 'someOf("s", "l")',
        "turns": "oneOf(90, 180)",
        "share": "number(0, 0.5)",
        "person": "uuid",
        "since": "moment",
        "people": "listOf(uuid, 10)",
        "names": "listOf(text(20), 5)",
    }


def test_what_is_made_compiles_and_imports_what_it_uses(tmp_path: Path) -> None:
    shutil.copytree(KINDS.parents[1], tmp_path / "functions")
    made = tmp_path / "functions" / KINDS.relative_to(KINDS.parents[1])
    made.write_text(formatted(kinds([handler(Params), handler(Nothing)])))
    checked = subprocess.run(
        [find_deno_bin(), "check", "--quiet", str(made)], capture_output=True, text=True, cwd=tmp_path
    )
    assert checked.returncode == 0, checked.stderr


class Nothing(BaseModel):
    """A kind may have no params."""


@pytest.mark.parametrize("unbounded", [str, int, float, list[UUID], dict[str, int], int | bool])
def test_param_without_a_bound_is_not_passed_over(unbounded: Any) -> None:
    with pytest.raises(ValueError, match="no check"):
        checks_of(handler(create_model("Unbounded", param=(unbounded, ...))))
