"""Which photos and captions two models are tried with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from worker.generations import Generation
from worker.library.sample import LEAST_CAPTIONS, LOOKED_THROUGH, PHOTOS_EACH, Caption, Sample, draw

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


async def drawn(tables: Any, count: int) -> Sample:
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
    sample = await drawn(tables, 4)
    assert sample.captions == [
        Caption(asset_id="a", user_id="ann", text="a dog on a beach"),
        Caption(asset_id="c", user_id="ben", text="a dog on a beach"),
    ]
    assert sample.photos == ["a", "c", "b", "d"], "those with a caption first, and each once"


async def test_only_photos_that_both_know_are_compared() -> None:
    tables = Tables([("a", "ann", "one"), ("b", "ann", "two")], old="abc", new="bcd")
    sample = await drawn(tables, 10)
    assert [caption.asset_id for caption in sample.captions] == ["b"]
    assert sample.photos == ["b", "c"]


async def test_it_is_no_larger_than_asked() -> None:
    assets = [f"photo {number}" for number in range(50)]
    tables = Tables([(asset, "ann", f"of {asset}") for asset in assets], old=assets, new=assets)
    sample = await drawn(tables, 7)
    assert len(sample.captions) == len(sample.photos) == 7


async def test_where_both_know_few_the_search_for_them_ends() -> None:
    assets = [f"photo {number}" for number in range(5000)]
    tables = Tables([(asset, "ann", f"of {asset}") for asset in assets], old=assets, new=[])
    sample = await drawn(tables, 10)
    assert sample.photos == []
    assert tables.requests == 2 * LOOKED_THROUGH * 10 / 100


def a_sample(captions: int, photos: int) -> Sample:
    return Sample(
        photos=[str(number) for number in range(photos)],
        captions=[Caption(asset_id=str(one), user_id="ann", text=f"of {one}") for one in range(captions)],
        said_of={f"of {one}": {str(one)} for one in range(captions)},
    )


def test_ones_own_captions_are_paired_with_all_other_photos() -> None:
    sample = a_sample(LEAST_CAPTIONS, 30)
    assert len(sample.unlike) == LEAST_CAPTIONS * 29
    assert ("of 3", "3") not in sample.unlike
    assert ("of 3", "4") in sample.unlike


def test_with_few_captions_neutral_sentences_are_paired_with_all_photos() -> None:
    sample = a_sample(LEAST_CAPTIONS - 1, 30)
    assert len(sample.sentences) == 40
    assert len(sample.unlike) == 40 * 30


def test_a_large_sample_has_no_more_pairs_than_are_quickly_compared() -> None:
    assert len(a_sample(0, 1000).unlike) == 40 * PHOTOS_EACH


async def test_a_caption_makes_no_pair_with_any_photo_that_it_was_said_of() -> None:
    assets = [str(number) for number in range(30)]
    texts = ["a dog" if number < 4 else f"of {number}" for number in range(30)]
    tables = Tables(
        [(asset, "ann", text) for asset, text in zip(assets, texts, strict=True)], old=assets, new=assets
    )
    sample = await drawn(tables, 30)
    assert len(sample.captions) == 27
    assert {photo for text, photo in sample.unlike if text == "a dog"} == set(assets[4:])
