"""What a machine says that it can find out, and what it lacks for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from worker import operations
from worker.generations import Generation
from worker.library.abilities import announced, lacks_of, sentences
from worker.settings import Settings

KNOWN = operations.discover()


def settings(cache: Path, **values: Any) -> Settings:
    given = {"model_profile": "tiny", "model_device": "cpu"} | values
    return Settings(_env_file=None, model_cache_dir=cache, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "name", "code"),
    [
        ({"model_downloads": False}, "faces", "weights_missing"),
        ({"model_licences": "free"}, "objects", "licence_refused"),
        ({"face_pack": "nobody", "model_profile": "best"}, "faces", "unknown_model"),
    ],
)
def test_what_is_lacking_has_a_word(tmp_path: Path, changes: dict[str, Any], name: str, code: str) -> None:
    chosen = settings(tmp_path, **({"model_downloads": True} | changes))
    assert lacks_of([KNOWN[name]], chosen)[name].code == code
    assert announced([KNOWN[name]], chosen) == {"facts": {}, "lacks": {name: code}}


def test_weights_that_may_be_fetched_are_no_lack(tmp_path: Path) -> None:
    said = announced([KNOWN["faces"], KNOWN["hashes"]], settings(tmp_path, model_downloads=True))
    assert said["lacks"] == {}
    assert set(said["facts"]) == {"faces", "hashes"}


def test_a_package_that_is_not_installed_is_a_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.selection._is_installed", lambda package: False)
    chosen = settings(tmp_path, model_downloads=True)
    assert lacks_of(KNOWN.values(), chosen)["ocr"].code == "package_missing"


def test_a_description_that_is_composed_needs_what_finds_objects(tmp_path: Path) -> None:
    chosen = settings(tmp_path, model_profile="free", model_downloads=False)
    assert lacks_of([KNOWN["describe"]], chosen)["describe"].code == "weights_missing"
    assert lacks_of([KNOWN["describe"]], settings(tmp_path, model_profile="free", model_downloads=True)) == {}


def generation(**columns: Any) -> Generation:
    row = {"id": 1, "kind": "pictures", "version": "conse-tiny", "model": {"embed_model": "conse"}}
    return Generation(**{**row, "dimension": 4, **columns})


def test_a_sentence_is_said_in_vectors_whose_model_is_here(tmp_path: Path) -> None:
    known = [
        generation(),
        generation(version="away", model={"embed_model": "no_such_model"}),
        generation(kind="faces", version="edgeface-tiny", model={}),
    ]
    assert sentences(settings(tmp_path, model_downloads=True), known) == ["conse-tiny"]
    assert sentences(settings(tmp_path, model_downloads=False), known) == []
