"""Which captions two models are tried with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from worker.generations import Generation
from worker.library.sample import LOOKED_THROUGH, Caption, draw

ONE, OTHER = (
    Generation(id=number, kind="pictures", version=version, model={}, dimension=2)
    for number, version in ((1, "old"), (2, "new"))
)


class Tables:
    """Descriptions in order, and which photos each generation has embedded."""

    def __init__(self, described: Sequence[tuple[str, str, str]], **embedded: Sequence[str]) -> None:
        self.described = [
            {"id": str(number), "asset_id": asset, "user_id": user, "description": text}
            for number, (asset, user, text) in enumerate(described)
        ]
        self.embedded = embedded
        self.requests = 0

    async def every(
        self, table: str, columns: str, *, equal: Mapping[str, Any] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        if table == "image_descriptions":
            for row in self.described:
                yield row
        else:
            for asset in self.embedded[(equal or {})["model_version"]]:
                yield {"id": f"vector of {asset}", "asset_id": asset}

    async def select(
        self, table: str, columns: str, *, among: Mapping[str, Sequence[str]]
    ) -> list[dict[str, Any]]:
        assert table == "image_embeddings"
        self.requests += 1
        return [
            {"asset_id": asset, "model_version": version}
            for version in among["model_version"]
            for asset in self.embedded[version]
            if asset in among["asset_id"]
        ]


async def drawn(tables: Any, count: int) -> list[Caption]:
    return await draw(tables, ONE, OTHER, count)


async def test_a_photo_has_one_caption_and_no_two_of_a_user_the_same() -> None:
    tables = Tables(
        [
            ("a", "ann", "a dog\non  a beach"),
            ("a", "ann", "a second caption of a"),
            ("b", "ann", "a dog on a beach"),
            ("c", "ben", "a dog on a beach"),
            ("d", "ann", "  "),
        ],
        old="abcd",
        new="abcd",
    )
    assert await drawn(tables, 4) == [
        Caption(asset_id="a", user_id="ann", text="a dog on a beach"),
        Caption(asset_id="c", user_id="ben", text="a dog on a beach"),
    ]


async def test_only_photos_that_both_know_are_compared() -> None:
    tables = Tables([("a", "ann", "one"), ("b", "ann", "two")], old="abc", new="bcd")
    assert [caption.asset_id for caption in await drawn(tables, 10)] == ["b"]


async def test_it_is_no_larger_than_asked() -> None:
    assets = [f"photo {number}" for number in range(50)]
    tables = Tables([(asset, "ann", f"of {asset}") for asset in assets], old=assets, new=assets)
    assert len(await drawn(tables, 7)) == 7


async def test_where_both_know_few_the_search_for_them_ends() -> None:
    assets = [f"photo {number}" for number in range(5000)]
    tables = Tables([(asset, "ann", f"of {asset}") for asset in assets], old=assets, new=[])
    assert await drawn(tables, 10) == []
    assert tables.requests == LOOKED_THROUGH * 10 / 100
