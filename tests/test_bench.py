"""The benchmark program runs; how fast anything is, is its business and not a test's."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image, ImageOps

from scripts.bench_lab.marks import FACES, draw_marks
from scripts.bench_lab.photos import write_photos
from tests.paths import ROOT


def measured(*sections: str, options: Sequence[str] = ()) -> dict[str, Any]:
    ended = subprocess.run(
        [str(ROOT / "scripts" / "bench"), "--quick", *sections, *options, "--json"],
        env={**os.environ, "KIZU_SKIP_INSTALL": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    assert found["quick"] is True
    assert set(found["sections"]) == set(sections)
    return found


@pytest.mark.stack
@pytest.mark.slow
def test_quick_sections_answer_as_one_json_object() -> None:
    found = measured("noop", "fairness", "decoding", "ranking")

    assert found["sections"]["noop"]["requests_per_job"] > 0
    assert found["sections"]["decoding"]["alone_to_first_come"] > 0
    assert found["sections"]["ranking"]["ndcg_all_above_best"] > 0.2  # the same on every machine
    assert set(found["goals"]) >= {"fairness.claims_before_with_one_slot", "noop.requests_per_job"}


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.usefixtures("tiny_models")
def test_both_sides_find_the_same_in_photos() -> None:
    found = measured("images", "profiles", "backfill", "search", "search-fairness")
    assert found["sections"]["search"]["warm_p95_to_tower_and_sql"] > 0
    assert found["sections"]["search"]["cold_command_faster"] > 0
    assert found["sections"]["search-fairness"]["claims_before"] <= 1
    assert found["sections"]["search-fairness"]["crowded_p95_to_alone"] > 0
    assert found["sections"]["profiles"]["free_to_reference"] > 0
    assert found["sections"]["backfill"]["back_fill_to_first_looks"] > 0

    images = found["sections"]["images"]
    assert images["faces_queue"] == images["faces_plain"] == len(FACES)
    assert images["lines_queue"] >= 1
    assert images["lines_plain"] >= 1
    assert images["letters_of_caption_queue"] > 0
    assert images["memory_unloaded"] < images["memory_peak"]
    assert {"images.all_to_plain", "images.all_to_bare_models"} <= set(found["goals"])


@pytest.mark.stack
@pytest.mark.slow
def test_generations_are_searched_and_changed_under_load() -> None:
    found = measured("generations")

    values = found["sections"]["generations"]
    assert (
        values["recall_active_of_1_percent"] == values["recall_other_of_10_percent"] == 1
    )  # compared exactly
    assert min(values["recall_active_of_100_percent"], values["recall_other_of_100_percent"]) > 0.9
    assert values["search_active_to_fixed_of_100_percent_p50"] > 0
    assert values["flip_itself"] > 0
    assert {
        f"generations.{change}_longest_{statement}"
        for change in ("flip", "rollback")
        for statement in ("search", "write")
    } <= set(found["goals"])


@pytest.mark.stack
@pytest.mark.slow
def test_every_user_finds_what_is_nearest() -> None:
    values = measured("recall")["sections"]["recall"]

    for percent in ("0.1", "1", "10", "100"):
        for way in ("rank_search", "one_by_one"):
            assert values[f"{way}_of_{percent}_percent_recall"] == 1  # compared exactly
            assert values[f"{way}_of_{percent}_percent_short_answers"] == 0
        assert values[f"signs_of_{percent}_percent_recall"] > 0.5


@pytest.mark.stack
@pytest.mark.slow
def test_people_are_found_in_turns_and_drawn(tmp_path: Path) -> None:
    found = measured("people", options=("--plots", str(tmp_path)))

    values = found["sections"]["people"]
    assert values["large_graph_f1"] > 0.95
    assert {f"small_{way}_f1" for way in ("graph", "core", "original", "plain", "hdbscan")} <= set(values)
    assert {"1000_exact_to_graph", "1000_hdbscan_to_graph"} <= set(values)
    chart = ElementTree.parse(tmp_path / "people-speed.svg")
    assert len(chart.findall(".//{*}circle")) == 3 * 2


@pytest.mark.stack
@pytest.mark.slow
def test_best_questions_are_worth_more_than_any_and_drawn(tmp_path: Path) -> None:
    found = measured("people-questions", options=("--plots", str(tmp_path)))

    values = found["sections"]["people-questions"]
    assert values["best_f1_after_0"] == values["random_f1_after_0"]
    assert values["best_f1_after_10"] > values["random_f1_after_10"]
    chart = ElementTree.parse(tmp_path / "people-questions.svg")
    assert len(chart.findall(".//{*}polyline")) >= 2


@pytest.mark.stack
@pytest.mark.slow
def test_moments_are_told_beside_reading_alone(tmp_path: Path) -> None:
    found = measured("moments", options=("--plots", str(tmp_path)))

    assert found["sections"]["moments"]["told_at_the_most"] == 10
    assert found["sections"]["moments"]["peak"] > 0
    chart = ElementTree.parse(tmp_path / "moments-growth.svg")
    assert len(chart.findall(".//{*}polyline")) >= 2


def test_marks_are_upright_in_every_photo(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", 3, (640, 480), distinct=1, add=draw_marks)

    for photo in photos:
        with Image.open(photo) as stored:
            assert stored.size == (640, 480)
            seen = ImageOps.exif_transpose(stored)
        for _, x, y in FACES:
            red, green, blue = seen.getpixel((int(x * seen.width), int(y * seen.height)))
            assert min(red, blue) > 200 > 60 > green
    assert seen.size == (480, 640)
