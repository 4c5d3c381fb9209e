"""Which handler a kind has, and what becomes of a stranger's parameters."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, model_validator

from worker.core.errors import BadParams
from worker.core.handler import Handler, by_kind
from worker.core.job import Done, Job


class Size(BaseModel):
    width: Annotated[int, Field(gt=0)] = 1


class Params(BaseModel):
    name: Annotated[str, Field(max_length=5)] = "x"
    sizes: list[Size] = []

    @model_validator(mode="after")
    def _check(self) -> Params:
        if self.name == "none" and self.sizes:
            raise ValueError("none has no sizes")
        return self


async def answer(params: Params, context: str) -> Done:
    return Done(result={"context": context, **params.model_dump()})


def handler(kind: str, *aliases: str) -> Handler[Params, str]:
    return Handler(kind=kind, version="1", lane="any", params=Params, run=answer, aliases=aliases)


def job(**params: Any) -> Job:
    return Job(table="jobs", id=UUID(int=1), kind="a", user_id=UUID(int=2), params=params, epoch=1)


def test_a_handler_is_found_by_its_kind_and_its_older_names() -> None:
    one, other = handler("one", "uno", "eins"), handler("other")
    assert by_kind([one, other]) == {"one": one, "uno": one, "eins": one, "other": other}


@pytest.mark.parametrize(
    "handlers",
    [
        [handler("one"), handler("one")],
        [handler("one"), handler("other", "one")],
        [handler("one", "old"), handler("other", "old")],
        [handler("one", "one")],
    ],
)
def test_no_kind_has_two_handlers(handlers: list[Handler[Params, str]]) -> None:
    with pytest.raises(ValueError, match=r"two handlers for job kind '(one|old)'"):
        by_kind(handlers)


async def test_a_handler_runs_with_parameters_that_were_read() -> None:
    done = await handler("a").perform(job(sizes=[{"width": "7"}], unknown=True), "surroundings")
    assert done.result == {"context": "surroundings", "name": "x", "sizes": [{"width": 7}]}


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"sizes": [{"width": 1}, {"width": "wide"}]}, r"^sizes\.1\.width: Input should be a valid integer"),
        ({"name": 5, "sizes": 6}, r"^name: .*; sizes: "),
        ({"name": "a secret that is too long"}, "at most 5 characters$"),
        ({"name": "none", "sizes": [{}]}, "none has no sizes$"),
    ],
)
async def test_what_is_wrong_is_said_by_field_without_the_value(params: dict[str, Any], says: str) -> None:
    with pytest.raises(BadParams, match=says) as refused:
        await handler("a").perform(job(**params), "surroundings")
    assert "secret" not in str(refused.value)
