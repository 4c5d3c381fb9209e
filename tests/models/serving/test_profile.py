"""Which models `auto` means on a machine that has, or can fetch, some of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.catalog import discover
from models.selection import select
from models.serving.profile import resolved
from models.settings import ModelSettings
from models.spec import AnySpec, Licence, Variant, WeightFile
from models.tasks import Task
from models.weights.store import Weights
from tests.models.fakes import FREE, Parrot, spec_of

EMBED: Task[Parrot] = Task("embed")
FACES: Task[Parrot] = Task("faces")
HUB = "https://hub.example/clip.bin"


def spec(task: Task[Parrot], profile: Any, **variant: Any) -> AnySpec:
    made = spec_of(task, lambda _: Parrot(), name=f"{profile}-{task.name}")
    chosen = Variant(version=f"{profile}-1", **{"licence": FREE, **variant})
    return replace(made, profile=profile, select=lambda _: chosen)


def best(task: Task[Parrot] = EMBED, **variant: Any) -> AnySpec:
    return spec(task, "best", files=(WeightFile(path="clip.bin", url=HUB),), **variant)


def chosen(
    cache: Path, *specs: AnySpec, status: int | None = 404, **values: Any
) -> tuple[dict[str, str], list[str]]:
    """The model of each task in the resolved settings, and the addresses that were asked."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if status is None:
            raise httpx.ConnectError("no route")
        return httpx.Response(status)

    settings = ModelSettings(_env_file=None, **{"model_profile": "auto", "model_cache_dir": cache, **values})
    weights = Weights(settings, transport=httpx.MockTransport(answer))
    found = resolved(settings, specs, weights)
    tasks = dict.fromkeys(one.task.name for one in specs)
    return {task: select(specs, task, found)[0].name for task in tasks}, asked


@pytest.mark.parametrize(
    ("status", "model"), [(200, "best-embed"), (206, "best-embed"), (404, "free-embed"), (None, "free-embed")]
)
def test_the_reference_model_is_meant_where_its_weights_can_be_fetched(
    tmp_path: Path, status: int | None, model: str
) -> None:
    found, asked = chosen(tmp_path, best(), spec(EMBED, "free"), status=status)
    assert found == {"embed": model}
    assert asked == [HUB]


def test_nobody_is_asked_where_the_weights_are_here(tmp_path: Path) -> None:
    (tmp_path / "clip.bin").write_bytes(b"weights")
    assert chosen(tmp_path, best(), spec(EMBED, "free")) == ({"embed": "best-embed"}, [])


def test_nobody_is_asked_where_downloads_are_off(tmp_path: Path) -> None:
    found = chosen(tmp_path, best(), spec(EMBED, "free"), model_downloads=False)
    assert found == ({"embed": "free-embed"}, [])


def test_a_server_is_asked_once_for_many_commands(tmp_path: Path) -> None:
    for times in (1, 0, 0):
        assert len(chosen(tmp_path, best(), spec(EMBED, "free"))[1]) == times


@pytest.mark.parametrize(
    "refused",
    [
        {"licence": Licence(name="research only", use="non_commercial")},
        {"packages": ("no_such_package",)},
    ],
)
def test_a_model_that_may_not_or_cannot_run_here_gives_way(tmp_path: Path, refused: dict[str, Any]) -> None:
    specs = best(**refused), spec(EMBED, "free")
    assert chosen(tmp_path, *specs, status=200, model_licences=("free",)) == ({"embed": "free-embed"}, [])


def test_a_spare_model_comes_before_the_free_one_and_is_asked_for_like_the_best(tmp_path: Path) -> None:
    agpl = Licence(name="AGPL-3.0", use="copyleft")
    specs = (
        best(licence=agpl),
        spec(EMBED, "free"),
        spec(EMBED, "named"),
        spec(EMBED, "spare", files=(WeightFile(path="spare.bin", url="https://spare.example/spare.bin"),)),
    )
    free = {"model_licences": ("free",)}
    allowed = chosen(tmp_path / "all", *specs, status=200)
    assert allowed == ({"embed": "best-embed"}, [HUB])
    refused = chosen(tmp_path / "reached", *specs, status=200, **free)
    assert refused == ({"embed": "spare-embed"}, ["https://spare.example/spare.bin"])
    away = chosen(tmp_path / "away", *specs, status=None, **free)
    assert away[0] == {"embed": "free-embed"}
    assert chosen(tmp_path / "alone", specs[0], specs[3], status=200, **free)[0] == {"embed": "spare-embed"}


@pytest.mark.parametrize(("licences", "model"), [(("free",), "d_fine"), (("free", "copyleft"), "yolov8")])
def test_objects_are_found_by_d_fine_where_copyleft_is_refused(
    tmp_path: Path, licences: tuple[str, ...], model: str
) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("ultralytics")
    catalog = [spec for spec in discover() if spec.task.name == "objects"]
    settings = ModelSettings(
        _env_file=None, model_cache_dir=tmp_path, model_licences=licences, model_downloads=False
    )
    for spec in catalog:
        for file in spec.select(settings).files:
            path = tmp_path / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert select(catalog, "objects", resolved(settings))[0].name == model


def test_without_a_free_model_that_can_run_the_reference_stays_and_says_what_it_lacks(tmp_path: Path) -> None:
    assert chosen(tmp_path, best(), spec(EMBED, "free", packages=("no_such_package",)))[0] == {
        "embed": "best-embed"
    }
    assert chosen(tmp_path, best()) == ({"embed": "best-embed"}, [])


def test_each_task_is_chosen_for_itself_and_a_name_that_was_given_stays(tmp_path: Path) -> None:
    specs = best(), spec(EMBED, "free"), best(FACES), spec(FACES, "free")
    found, _ = chosen(tmp_path, *specs, embed_model="best-embed")
    assert found == {"embed": "best-embed", "faces": "free-faces"}


def test_where_neither_can_be_had_the_reference_says_what_it_lacks(tmp_path: Path) -> None:
    free = spec(EMBED, "free", files=(WeightFile(path="free.bin", url="https://other.example/free.bin"),))
    found, asked = chosen(tmp_path, best(), free)
    assert found == {"embed": "best-embed"}
    assert asked == [HUB, "https://other.example/free.bin"]


@pytest.mark.parametrize("profile", ["best", "free", "tiny"])
def test_other_profiles_are_left_as_they_are(profile: Any) -> None:
    settings = ModelSettings(_env_file=None, model_profile=profile)
    assert resolved(settings) is settings


def test_what_is_resolved_stays_so(tmp_path: Path) -> None:
    settings = ModelSettings(_env_file=None, model_cache_dir=tmp_path, model_downloads=False)
    once = resolved(settings)
    assert once.model_profile == "best"
    assert resolved(once) is once


def test_every_task_of_the_catalog_has_a_model_under_a_free_licence() -> None:
    settings = ModelSettings(_env_file=None, model_profile="free")
    for task in {found.task.name for found in discover()}:
        assert select(discover(), task, settings)[1].licence.use == "free"
