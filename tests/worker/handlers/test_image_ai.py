"""What the operations make of what the models say; models and Storage are fakes."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image, ImageDraw

from models.errors import DeviceUnavailable as ModelSaysNoDevice
from models.errors import ModelFailed as ModelSaysFailed
from models.errors import WeightsMissing as ModelSaysMissing
from models.frame import Frame
from models.results import Box, Caption, DetectedObject, Face, Reading, TextRegion
from worker.context import Context
from worker.core.errors import (
    BadParams,
    DeviceUnavailable,
    ModelFailed,
    NotAnImage,
    NotFound,
    StorageUnavailable,
    TooSmallToRead,
    UnknownGeneration,
    WeightsMissing,
)
from worker.core.job import Done, Job, Replace, Upsert
from worker.core.record import Record
from worker.files.storage import StoredFile
from worker.generations import Generations
from worker.handlers.image_ai import HANDLER, OPERATIONS
from worker.pictures import Pictures
from worker.pixels import PixelThreads
from worker.settings import Settings
from worker.testing import FakeModels, MemoryGenerations, MemoryRows, MemoryStaging

VECTOR = (0.6, 0.8)
BOX = Box(x=0.4, y=0.4, width=0.1, height=0.2)
FACE = Face(box=BOX, score=0.9, landmarks=((0.5, 0.5),) * 5, embedding=VECTOR, quality=0.6)
DOG = DetectedObject(name="dog", class_id=16, score=0.75, box=BOX)
SIGN = TextRegion(text="EXIT", score=0.8, box=BOX)


class FakeFiles:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.fetched: list[str] = []
        self.stored: dict[str, bytes] = {}
        self.broken = False

    async def fetch(self, source: str, user_id: Any) -> io.BytesIO:
        self.fetched.append(source)
        return io.BytesIO(self.data)

    async def fetch_version(self, source: str, user_id: Any) -> tuple[io.BytesIO, None]:
        return await self.fetch(source, user_id), None

    def stored_object(self, source: str, user_id: Any) -> None:
        return None

    async def upload(self, bucket: str, key: str, data: bytes, mime_type: str) -> StoredFile:
        if self.broken:
            raise StorageUnavailable
        self.stored[key] = data
        digest = hashlib.sha256(data).hexdigest()
        return StoredFile(bucket=bucket, key=key, bytes=len(data), mime_type=mime_type, sha256=digest)

    async def remove(self, bucket: str, keys: list[str]) -> None:
        for key in keys:
            self.stored.pop(key, None)


def photo(width: int = 3000, height: int = 2000, exif_orientation: int = 1) -> bytes:
    image = Image.new("RGB", (width, height), (30, 90, 160))
    ImageDraw.Draw(image).ellipse((width // 3, height // 4, width // 2, height // 2), fill=(250, 220, 40))
    exif = Image.Exif()
    exif[0x0112] = exif_orientation
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80, exif=exif)
    return out.getvalue()


def willing(**changes: Any) -> FakeModels:
    answers: dict[str, Any] = {
        "embed": lambda frame: VECTOR,
        "faces": lambda frame: (FACE, FACE),
        "objects": lambda frame: (DOG, DOG),
        "ocr": lambda frame: Reading(regions=(SIGN,), languages=("en",)),
        "caption": lambda request: Caption(
            text=f"{request.level} words", level=request.level, seconds=1.5, cut_short=False
        ),
    }
    return FakeModels(**{**answers, **changes})


@pytest.fixture
def pixels() -> Iterator[PixelThreads]:
    threads = PixelThreads(1)
    yield threads
    threads.close()


@pytest.fixture
def look(pixels: PixelThreads) -> Any:
    """Runs one job; answers what it returned, the files, the record."""

    async def run(
        params: dict[str, Any],
        models: FakeModels | None = None,
        *,
        files: FakeFiles | None = None,
        attempt: int = 1,
        asset: dict[str, Any] | None = None,
        project: MemoryGenerations | None = None,
        max_image_size: int = 4096,
    ) -> tuple[Done, Context]:
        job = Job(
            table="ai_processing_jobs",
            id=uuid4(),
            kind="image_ai",
            user_id=uuid4(),
            asset_id=uuid4(),
            asset={"path": "someone/photo.jpg"} if asset is None else asset,
            params=params,
            attempt=attempt,
            epoch=3,
        )
        given: Any = files or FakeFiles(photo())
        settings = Settings(supabase_url="http://127.0.0.1:1", worker_id="w1", max_image_size=max_image_size)
        asked = models or willing()
        context: Any = Context(
            job=job,
            files=given,
            models=asked,
            generations=Generations(project or MemoryGenerations(), settings),
            rows=MemoryRows(),
            staging=MemoryStaging(),
            settings=settings,
            pixels=pixels,
            pictures=Pictures(given, pixels, max_pixels=settings.max_image_pixels),
            record=Record(),
            progress=lambda percent, step: None,
        )
        return await HANDLER.perform(job, context), context

    return run


def rows(done: Done, table: str) -> list[Any]:
    [write] = [write for write in done.writes if isinstance(write, Replace) and write.table == table]
    return list(write.rows)


def known(done: Done) -> dict[str, Any]:
    """The facts found out, by name."""
    [facts] = [write for write in done.writes if isinstance(write, Upsert)]
    return {row["fact"]: row for row in facts.rows if row["state"] != "unavailable"}


async def test_all_operations_leave_their_rows(look: Any) -> None:
    done, context = await look({"operations": ["all"]})

    assert rows(done, "image_embeddings") == [
        {"embedding": f"[0.6,0.8{510 * ',0'}]", "model_version": "fake-embed", "weights_digest": "0" * 64}
    ]
    assert [(row["face_index"], row["quality"]) for row in rows(done, "face_embeddings")] == [
        (0, 0.6),
        (1, 0.6),
    ]
    assert [row["object_class"] for row in rows(done, "detected_objects")] == ["dog", "dog"]
    assert [row["tag_value"] for row in rows(done, "asset_tags")] == ["dog"]
    assert rows(done, "image_text")[0]["extracted_text"] == "EXIT"
    assert rows(done, "image_descriptions")[0]["description"] == "medium words"
    assert rows(done, "asset_hashes")[0]["sha256"] == hashlib.sha256(context.files.data).hexdigest()
    assert {name: entry["version"] for name, entry in known(done).items()} == {
        "describe": "fake-caption",
        "embedding": "fake-embed",
        "faces": "fake-faces",
        "hashes": "1",
        "quality": "1",
        "objects": "fake-objects",
        "ocr": "fake-ocr",
    }
    assert {(model["fact"], model["task"]) for model in context.record.models} == {
        ("embedding", "embed"),
        ("faces", "faces"),
        ("objects", "objects"),
        ("ocr", "ocr"),
        ("describe", "caption"),
        ("hashes", "hashes"),
        ("quality", "quality"),
    }


async def test_the_result_is_what_apps_read(look: Any) -> None:
    done, context = await look({"operations": ["all"]})
    result = dict(done.result)
    assert json.dumps(result)
    assert result["asset_id"] == str(context.job.asset_id)
    assert result["embedding"] == {"success": True, "dimension": 2, "stored": True}
    assert result["objects"]["objects"][0] == {"class": "dog", "confidence": 0.75}
    assert result["faces"]["faces"][1]["bounding_box"] == {"x": 0.4, "y": 0.4, "width": 0.1, "height": 0.2}
    assert result["ocr"] == {"success": True, "has_text": True, "text": "EXIT"}
    assert result["description"]["description"] == "medium words"
    assert result["_meta"]["models"] == {
        "clip": "fake-embed",
        "insightface": "fake-faces",
        "ocr": "fake-ocr",
        "vlm": "fake-caption",
        "yolo": "fake-objects",
    }


async def test_no_text_is_a_fact_only_where_text_could_have_been_seen(look: Any) -> None:
    models = willing(ocr=lambda frame: Reading(regions=(), languages=("en",)))
    done, _ = await look({"operations": ["ocr", "hashes"]}, models)
    assert known(done)["ocr"]["state"] == "nothing_found"

    done, _ = await look({"operations": ["ocr", "hashes"]}, models, max_image_size=512)
    assert set(known(done)) == {"hashes"}
    assert done.result["ocr"]["error"] == "too_small_to_read"
    [facts] = [write for write in done.writes if isinstance(write, Upsert)]
    assert [(row["state"], row["reason"]) for row in facts.rows if row["fact"] == "ocr"] == [
        ("unavailable", "too_small_to_read")
    ]
    with pytest.raises(TooSmallToRead):
        await look({"operations": ["ocr"]}, models, max_image_size=512)


@pytest.mark.parametrize("params", [{}, {"operations": []}, {"operations": None}])
async def test_without_a_wish_the_usual_operations_run(look: Any, params: dict[str, Any]) -> None:
    done, _ = await look(params)
    assert set(known(done)) == {"embedding", "faces", "hashes", "objects", "quality"}


async def test_only_what_is_asked_for_is_run(look: Any) -> None:
    models = willing()
    done, _ = await look({"operations": ["ocr"]}, models)
    assert set(known(done)) == {"ocr"}
    assert models.asked == [("ocr", "read")]


@pytest.mark.parametrize(
    "params",
    [
        {"operations": ["telepathy"]},
        {"operations": "all"},
        {"operations": ["all"] * 65},
        {"detail_level": "x"},
    ],
)
async def test_what_nobody_knows_is_refused(look: Any, params: dict[str, Any]) -> None:
    with pytest.raises(BadParams):
        await look(params)


async def test_a_missing_model_leaves_the_others_alone(look: Any) -> None:
    models = willing(faces=ModelSaysMissing("get it with: kizu models pull faces"))
    done, _ = await look({"operations": ["faces", "objects"]}, models)
    assert set(known(done)) == {"objects"}
    assert done.result["faces"]["error"] == "weights_missing"
    [facts] = [write.rows for write in done.writes if isinstance(write, Upsert)]
    unavailable = {"fact": "faces", "version": "", "state": "unavailable", "reason": "weights_missing"}
    assert unavailable in facts
    assert "kizu models pull" in done.result["faces"]["message"]
    assert not any(write.table == "face_embeddings" for write in done.writes)


async def test_without_any_model_the_job_fails(look: Any) -> None:
    with pytest.raises(WeightsMissing, match="pull"):
        await look({"operations": ["faces"]}, willing(faces=ModelSaysMissing("pull it")))


async def test_a_failed_device_costs_no_attempt_where_others_find_something(look: Any) -> None:
    models = willing(faces=ModelSaysNoDevice("CUDA error: no kernel image is available"))
    done, _ = await look({"operations": ["faces", "hashes"]}, models)
    assert set(known(done)) == {"hashes"}
    assert done.result["faces"]["error"] == "device_unavailable"
    with pytest.raises(DeviceUnavailable, match="no kernel image"):
        await look({"operations": ["faces"]}, models)


async def test_what_another_attempt_may_mend_is_tried_again_and_at_last_left_out(look: Any) -> None:
    models = willing(objects=ModelSaysFailed("the process ended"))
    with pytest.raises(ModelFailed):
        await look({"operations": ["objects", "embedding"]}, models)
    done, _ = await look({"operations": ["objects", "embedding"]}, models, attempt=5)
    assert set(known(done)) == {"embedding"}


async def begin(project: MemoryGenerations, kind: str, **choice: str) -> str:
    """A further generation, whose model the fake answers with; answers its version."""
    task = {"pictures": "embed", "faces": "faces"}[kind]
    version = "-".join(["fake", task, *(choice[name] for name in sorted(choice))])
    wish = {"p_kind": kind, "p_version": version, "p_model": choice, "p_dimension": 3, "p_new": True}
    await project("begin_generation", wish, within=1)
    return version


async def two(project: MemoryGenerations, kind: str) -> list[str]:
    return [await begin(project, kind, a_model="old"), await begin(project, kind, a_model="new")]


async def test_first_generation_is_that_of_the_model_that_answered(look: Any) -> None:
    project = MemoryGenerations()
    with pytest.raises(WeightsMissing):
        await look(
            {"operations": ["embedding"]}, willing(embed=ModelSaysMissing("not here")), project=project
        )
    assert project.rows == []
    await look({"operations": ["embedding", "faces"]}, project=project)
    assert {(row["kind"], row["model_version"], row["state"]) for row in project.rows} == {
        ("pictures", "fake-embed", "active"),
        ("faces", "fake-faces", "active"),
    }
    assert project.rows[0]["model"]["embed_model"] == "open_clip"


async def test_who_is_slower_goes_on_with_the_faster_ones_model(look: Any) -> None:
    project = MemoryGenerations()

    async def meanwhile(function: str, params: Any, *, within: float) -> Any:
        if function == "begin_generation":
            await begin(project, "pictures", a_model="faster")
        return await project(function, params, within=within)

    done, _ = await look({"operations": ["embedding"]}, project=meanwhile)
    assert [row["model_version"] for row in rows(done, "image_embeddings")] == ["fake-embed-faster"]


async def test_each_generation_has_its_rows_and_the_active_one_is_the_answer(look: Any) -> None:
    project, models, files = MemoryGenerations(), willing(), FakeFiles(photo())
    old, new = await two(project, "pictures")
    old_faces, new_faces = await two(project, "faces")
    done, context = await look(
        {"operations": ["embedding", "faces", "hashes"]}, models, files=files, project=project
    )
    scopes = [
        (write.table, write.scope["model_version"])
        for write in done.writes
        if isinstance(write, Replace) and write.table != "asset_hashes"
    ]
    assert sorted(scopes) == sorted(
        [("image_embeddings", old), ("image_embeddings", new)]
        + [
            (table, version)
            for table in ("face_embeddings", "derived_assets")
            for version in (old_faces, new_faces)
        ]
    )
    [facts] = [write.rows for write in done.writes if isinstance(write, Upsert)]
    assert sorted((fact["fact"], fact["version"]) for fact in facts) == sorted(
        [("embedding", old), ("embedding", new), ("faces", old_faces), ("faces", new_faces), ("hashes", "1")]
    )
    assert done.result["_meta"]["models"] == {"clip": old, "insightface": old_faces}
    assert len(files.fetched) == 1
    assert len(files.stored) == 4, "each generation's crops have files of their own"
    versions = {model["version"] for model in context.record.models if model["task"] != "hashes"}
    assert versions == {old, new, old_faces, new_faces}


async def test_back_fill_asks_only_the_model_that_is_missing(look: Any) -> None:
    project, models = MemoryGenerations(), willing()
    old, new = await two(project, "pictures")
    done, _ = await look(
        {"operations": ["embedding"], "versions": {"embedding": new}}, models, project=project
    )
    [write] = [write for write in done.writes if isinstance(write, Replace)]
    assert write.scope == {"model_version": new}
    assert models.asked == [("embed", "embed_images")]
    assert old not in str(done)


async def test_a_generation_that_is_no_more_leaves_the_other_operations_alone(look: Any) -> None:
    project = MemoryGenerations()
    await two(project, "pictures")
    done, _ = await look(
        {"operations": ["embedding", "objects"], "versions": {"embedding": "gone"}}, project=project
    )
    assert set(known(done)) == {"objects"}
    assert done.result["embedding"]["error"] == "unknown_generation"
    assert not any(write.table == "image_embeddings" for write in done.writes)


async def test_version_that_is_no_generation_is_refused_before_anything_is_fetched(look: Any) -> None:
    project, files = MemoryGenerations(), FakeFiles(photo())
    await two(project, "pictures")
    wish = {"operations": ["embedding"], "versions": {"embedding": "dropped"}}
    with pytest.raises(UnknownGeneration):
        await look(wish, files=files, project=project)
    assert files.fetched == []
    assert project.calls.count("generations") == 2, "the project was asked again before"


async def test_what_is_kept_beside_holds_nothing_up(look: Any) -> None:
    class Half(FakeModels):
        async def run(self, task: Any, call: Any, item: Any, *, shape: Any = None, choice: Any = None) -> Any:
            if choice and dict(choice.settings) == {"a_model": "new"}:
                raise ModelSaysFailed("it stumbled")
            return await super().run(task, call, item, shape=shape, choice=choice)

    project, models = MemoryGenerations(), Half(embed=lambda frame: VECTOR)
    old, new = await two(project, "pictures")
    done, _ = await look({"operations": ["embedding"]}, models, project=project)
    assert known(done)["embedding"]["version"] == old
    [facts] = [write.rows for write in done.writes if isinstance(write, Upsert)]
    assert {"fact": "embedding", "version": new, "state": "unavailable", "reason": "model_failed"} in facts
    with pytest.raises(ModelFailed):  # asked for it alone, the job is tried again
        await look({"operations": ["embedding"], "versions": {"embedding": new}}, models, project=project)


async def test_nothing_found_is_a_fact(look: Any) -> None:
    models = willing(
        faces=lambda frame: (), objects=lambda frame: (), ocr=lambda frame: Reading(regions=(), languages=())
    )
    done, _ = await look({"operations": ["faces", "objects", "ocr"]}, models)
    assert {name: fact["state"] for name, fact in known(done).items()} == dict.fromkeys(
        ("faces", "objects", "ocr"), "nothing_found"
    )
    assert rows(done, "face_embeddings") == rows(done, "detected_objects") == rows(done, "asset_tags") == []
    assert rows(done, "image_text")[0]["extracted_text"] == ""
    assert done.result["ocr"]["has_text"] is False


async def test_a_blank_picture_is_told_by_its_bytes_alone(look: Any) -> None:
    out = io.BytesIO()
    Image.new("RGB", (300, 200), "grey").save(out, "JPEG")
    done, _ = await look({"operations": ["hashes"]}, files=FakeFiles(out.getvalue()))

    sha256 = hashlib.sha256(out.getvalue()).hexdigest()
    assert rows(done, "asset_hashes") == [{"sha256": sha256, "perceptual_hash": None}]
    assert done.result["hashes"] == {"success": True, "sha256": sha256, "perceptual_hash": None}
    assert known(done)["hashes"]["state"] == "done"


async def test_the_picture_is_upright_and_no_larger_than_needed(look: Any) -> None:
    frames: list[Frame] = []
    models = willing(objects=lambda frame: frames.append(frame) or ())
    await look({"operations": ["objects"]}, models, files=FakeFiles(photo(exif_orientation=6)))
    assert [(frame.width, frame.height) for frame in frames] == [(853, 1280)]
    assert len(frames[0].data) == 853 * 1280 * 3


async def test_a_picture_is_never_scaled_up(look: Any) -> None:
    frames: list[Frame] = []
    models = willing(objects=lambda frame: frames.append(frame) or ())
    await look({"operations": ["objects"]}, models, files=FakeFiles(photo(300, 200)))
    assert (frames[0].width, frames[0].height) == (300, 200)


async def test_faces_have_crops_under_the_attempts_own_path(look: Any) -> None:
    files = FakeFiles(photo())
    done, context = await look({"operations": ["faces"]}, files=files)
    assert sorted(files.stored) == [context.key("face-1-0.jpg"), context.key("face-1-1.jpg")]
    sizes = [Image.open(io.BytesIO(data)).size for data in files.stored.values()]
    assert sizes == [(150, 150)] * 2
    assert [row["key"] for row in rows(done, "derived_assets")] == sorted(files.stored)
    assert rows(done, "face_embeddings")[1]["face_thumbnail_url"].endswith(context.key("face-1-1.jpg"))


async def test_a_crop_that_cannot_be_stored_fails_the_job_and_leaves_no_file(look: Any) -> None:
    files = FakeFiles(photo())
    files.broken = True
    with pytest.raises(StorageUnavailable):
        await look({"operations": ["faces", "embedding"]}, files=files)
    assert files.stored == {}


async def test_the_job_may_name_another_file(look: Any) -> None:
    files = FakeFiles(photo(200, 200))
    await look({"operations": ["hashes"], "image_url": "someone/other.jpg"}, files=files)
    assert files.fetched == ["someone/other.jpg"]


async def test_no_file_at_all_is_not_found(look: Any) -> None:
    with pytest.raises(NotFound):
        await look({}, asset={})


async def test_bytes_that_are_no_picture_fail_the_job(look: Any) -> None:
    with pytest.raises(NotAnImage):
        await look({}, files=FakeFiles(b"<html>no</html>"))


def test_every_operation_says_what_apps_call_it() -> None:
    assert {"describe", "embedding", "faces", "hashes", "objects", "ocr"} <= set(OPERATIONS)


async def test_a_run_says_what_told_each_fact_and_how_it_was_asked(look: Any) -> None:
    def parameters(context: Context) -> dict[str, dict[str, Any]]:
        return {model["fact"]: dict(model["parameters"]) for model in context.record.models}

    _, alone = await look({"operations": ["hashes", "describe"], "detail_level": "brief"})
    _, beside = await look({"operations": ["hashes", "ocr"]})
    assert parameters(alone) == {
        "describe": {"fake": "caption", "caption_level": "brief", "long_side": 1024},
        "hashes": {"long_side": 1024},
    }
    assert parameters(beside)["hashes"] == {"long_side": 64}
    [hashed] = [model for model in beside.record.models if model["fact"] == "hashes"]
    assert (hashed["name"], hashed["version"], hashed["backend"]) == ("kizu", "1", "python")
    assert json.dumps(alone.record.models)
