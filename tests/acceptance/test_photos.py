"""From upload to thumbnail: the real daemon, the real queue, real files."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from PIL import Image, ImageChops, ImageStat

from models.pictures.picture import Picture, open_picture
from tests.acceptance.library import Library, drain, jpeg, personal, service
from tests.paths import TESTDATA
from worker import decoding
from worker.local.stack import mint_token
from worker.project.connection import Connection
from worker.settings import read_settings
from worker.testing import FakeModels

pytestmark = pytest.mark.stack

CAPTURE = (
    "taken_at",
    "taken_at_offset_minutes",
    "taken_at_precision",
    "taken_at_source",
    "latitude",
    "longitude",
    "place_source",
)

needs_testdata = pytest.mark.skipif(not TESTDATA.exists(), reason="the folder of real photos is not here")


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference per channel, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


async def test_an_uploaded_photo_gets_its_files_and_facts(library: Library) -> None:
    exif = Image.Exif()
    exif.update({0x010F: "Google", 0x0110: "Pixel 7"})
    exif.get_ifd(0x8769).update({0x9003: "2024:07:14 18:30:00", 0x9011: "+02:00"})
    exif.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 30.0), 3: "E", 4: (151.0, 12.0, 36.0)})
    asset_id = library.add(jpeg(6000, 3000, exif=exif))
    await drain(service(library.stack))

    job, asset = library.job(asset_id), library.asset(asset_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    assert job["result"]["thumbnail_url"] == asset["thumbnail"]
    assert (asset["width"], asset["height"]) == (6000, 3000)
    assert asset["image_processing_status"] == "completed"
    assert asset["taken_at"] == datetime(2024, 7, 14, 16, 30, tzinfo=UTC)
    assert asset["taken_at_offset_minutes"] == 120
    assert (asset["taken_at_precision"], asset["taken_at_source"], asset["place_source"]) == (
        "second",
        "original",
        "file",
    )
    assert (round(asset["latitude"], 4), round(asset["longitude"], 4)) == (-33.8583, 151.21)
    assert asset["camera"] == "Google Pixel 7"
    thumbnail, web = library.made(asset_id, "thumbnail"), library.made(asset_id, "web")
    assert (thumbnail.size, web.size) == ((300, 300), (4096, 2048))
    for image in (thumbnail, web):
        assert image.format == "JPEG"
        assert not image.getexif()
        assert "icc_profile" not in image.info
    rows = library.db.execute(
        "select d.kind, d.key, d.bytes > 0, length(d.sha256), r.job_id = %s from derived_assets d"
        " join runs r on r.id = d.run_id where d.asset_id = %s order by d.kind",
        [job["id"], asset_id],
    ).fetchall()
    path = f"{library.user_id}/processed/{asset_id}/{job['id']}.{job['lease_epoch']}"
    assert rows == [
        ("thumbnail", f"{path}/thumbnail.jpg", True, 64, True),
        ("web", f"{path}/web.jpg", True, 64, True),
    ]


async def test_both_jobs_of_an_upload_are_one_download_and_one_decoding(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []
    sent: list[tuple[str, str]] = []
    stream = Connection.stream

    def opened(source: Any, **options: Any) -> Picture:
        begun.append(options)
        return open_picture(source, **options)

    def noted(self: Connection, method: str, path: str, **options: Any) -> Any:
        sent.append((method, path))
        return stream(self, method, path, **options)

    monkeypatch.setattr(decoding, "open_picture", opened)
    monkeypatch.setattr(Connection, "stream", noted)
    picture = io.BytesIO()
    Image.effect_noise((4000, 3000), 40).save(picture, "PNG", compress_level=1)  # a third of a second
    asset_id = library.add(picture.getvalue())
    await drain(service(library.stack, lanes={"image": 2, "ai": 2}), models=FakeModels())

    jobs = library.db.execute(
        "select job_type, status from jobs where asset_id = %s order by 1", [asset_id]
    ).fetchall()
    assert jobs == [("image_ai", "completed"), ("optimize_image", "completed")]
    assert sorted(method for method, path in sent if asset_id in path) == ["GET", "HEAD"]
    assert len(begun) == 1


async def test_what_a_person_corrected_stays(library: Library) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2024:07:14 18:30:00"
    asset_id = library.add(jpeg(exif=exif), taken_at="1999-12-31T23:00:00+00:00")
    await drain(service(library.stack))
    asset = library.asset(asset_id)
    assert (asset["taken_at"], asset["taken_at_source"]) == (
        datetime(1999, 12, 31, 23, tzinfo=UTC),
        "person",
    )


async def test_sidecar_and_name_tell_what_the_file_does_not(library: Library) -> None:
    takeout = {
        "photoTakenTime": {"timestamp": "1717236000"},
        "geoData": {"latitude": 43.51, "longitude": 11.0},
    }
    beside, gone = library.add(jpeg(), file_name="IMG-20190102-WA0003.jpg"), library.add(jpeg())
    library.add_part(beside, "sidecar", json.dumps(takeout).encode())
    library.add_part(gone, "sidecar", None)
    named = library.add(jpeg(), file_name="IMG-20190102-WA0003.jpg", file_modified_at="2020-01-01T00:00:00Z")
    dated = library.add(jpeg(), file_name="IMG_0001.jpg", file_modified_at="2020-01-01T00:00:00Z")
    await drain(service(library.stack))

    told = {
        name: tuple(library.asset(asset_id)[column] for column in CAPTURE)
        for name, asset_id in {"beside": beside, "named": named, "dated": dated, "gone": gone}.items()
    }
    assert told == {
        "beside": (datetime(2024, 6, 1, 10, tzinfo=UTC), 120, "second", "sidecar", 43.51, 11.0, "sidecar"),
        "named": (datetime(2019, 1, 2, tzinfo=UTC), None, "day", "file_name", None, None, None),
        "dated": (datetime(2020, 1, 1, tzinfo=UTC), None, "second", "file_time", None, None, None),
        "gone": (None,) * 7,
    }


async def test_a_second_run_replaces_the_first(library: Library) -> None:
    asset_id = library.add(jpeg())
    await drain(service(library.stack))
    first = library.asset(asset_id)["thumbnail"]
    library.db.execute("select enqueue_job('optimize_image', %s, p_force => true)", [asset_id])
    await drain(service(library.stack))
    rows = library.db.execute(
        "select kind, key from derived_assets where asset_id = %s order by kind", [asset_id]
    ).fetchall()
    assert [kind for kind, _ in rows] == ["thumbnail", "web"]
    assert library.asset(asset_id)["thumbnail"] != first
    assert library.asset(asset_id)["thumbnail"].endswith(rows[0][1])


async def test_only_what_is_asked_for_is_made(library: Library) -> None:
    asset_id = library.add(jpeg())
    library.ask(asset_id, needs_web_version=False)
    await drain(service(library.stack))
    assert library.made(asset_id, "thumbnail").size == (300, 300)
    assert library.asset(asset_id)["web_uri"] is None


async def test_a_small_photo_is_not_made_larger(library: Library) -> None:
    asset_id = library.add(jpeg(120, 80))
    await drain(service(library.stack))
    assert library.made(asset_id, "thumbnail").size == (80, 80)
    assert library.made(asset_id, "web").size == (120, 80)


async def test_a_given_orientation_is_applied_once(library: Library) -> None:
    picture = Image.new("RGB", (400, 300), "white")
    picture.paste("red", (0, 0, 400, 60))  # up, as it should be seen
    turned = {6: 90, 3: 180, 8: 270, 1: 0}
    assets = {}
    for orientation, degrees in turned.items():
        data = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 5  # wrong on purpose: what the job says counts
        picture.rotate(degrees, expand=True).save(data, "JPEG", exif=exif)
        asset_id = library.add(data.getvalue())
        library.ask(asset_id, input_orientation=orientation)
        assets[asset_id] = orientation
    await drain(service(library.stack))
    for asset_id, orientation in assets.items():
        seen = library.made(asset_id, "thumbnail")
        red, _green, _blue = seen.getpixel((150, 20))
        assert red > 200, orientation
        assert min(seen.getpixel((150, 250))) > 200, orientation
        assert (library.asset(asset_id)["width"], library.asset(asset_id)["height"]) == (400, 300)


@needs_testdata
async def test_nine_orientations_of_one_photo_are_one_thumbnail(library: Library) -> None:
    photos = sorted((TESTDATA / "photos" / "orientation").glob("*.jpg"))
    assert len(photos) == 9
    assets = [library.add(photo.read_bytes()) for photo in photos]
    await drain(service(library.stack))
    first, *others = [library.made(asset_id, "thumbnail") for asset_id in assets]
    assert [round(difference(first, other), 2) for other in others if difference(first, other) > 3] == []
    assert len({(library.asset(one)["width"], library.asset(one)["height"]) for one in assets}) == 1


@needs_testdata
async def test_every_real_photo_ends_well_or_with_a_reason(library: Library) -> None:
    photos = [photo for photo in sorted((TESTDATA / "photos").rglob("*.*")) if "video" not in photo.parts]
    assets = {photo.name: library.add(photo.read_bytes()) for photo in photos}
    await drain(service(library.stack))
    ended = {name: library.job(asset_id) for name, asset_id in assets.items()}
    failed = {name: job["error_code"] for name, job in ended.items() if job["status"] != "completed"}
    not_pictures = {name for name in assets if Path(name).suffix in (".txt", ".md", ".json", "")}
    assert {name: code for name, code in failed.items() if name not in not_pictures | {"corrupted.jpg"}} == {}
    assert {failed[name] for name in not_pictures} <= {"not_an_image"}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"input_url": "http://169.254.169.254/latest/meta-data"}, "forbidden_url"),
        ({"input_url": "file:///etc/passwd"}, "forbidden_url"),
        ({"input_url": "http://127.0.0.1:1/x.jpg"}, "forbidden_url"),
        ({"input_url": "data:image/png;base64,bm90IGFuIGltYWdl"}, "not_an_image"),
        ({"generate_thumbnail": "perhaps"}, "bad_params"),
    ],
)
async def test_a_bad_job_fails_with_its_code(library: Library, params: dict[str, Any], code: str) -> None:
    asset_id = library.add(jpeg())
    library.ask(asset_id, **params)
    await drain(service(library.stack))
    job = library.job(asset_id)
    assert (job["status"], job["error_code"], job["attempts"]) == ("failed", code, 1)
    assert library.asset(asset_id)["image_processing_status"] == "failed"


async def test_another_users_file_is_out_of_reach_even_for_a_worker_that_could_read_it(
    join: Callable[[], Library],
) -> None:
    victim, thief = join(), join()
    stolen = victim.asset(victim.add(jpeg()))["path"]
    public = f"{victim.stack.url}/storage/v1/object/authenticated/assets/{stolen}"
    loot = [thief.add(jpeg()), thief.add(jpeg())]
    for asset_id, source in zip(loot, (stolen, public), strict=True):
        thief.ask(asset_id, input_url=source)
    await drain(service(victim.stack))
    assert {thief.job(asset_id)["error_code"] for asset_id in loot} == {"forbidden_url"}


async def test_a_vanished_file_is_not_found(library: Library) -> None:
    asset_id = library.add(jpeg())
    library.db.execute(
        "update assets set path = %s where id = %s", [f"{library.user_id}/originals/gone", asset_id]
    )
    await drain(service(library.stack))
    assert library.job(asset_id)["error_code"] == "not_found"


async def test_a_photo_in_the_job_itself_is_read(library: Library) -> None:
    asset_id = library.add(jpeg())
    library.ask(asset_id, input_url="data:image/jpeg;base64," + base64.b64encode(jpeg(700, 350)).decode())
    await drain(service(library.stack))
    assert library.asset(asset_id)["width"] == 700


async def test_personal_workers_process_their_own_users_jobs_only(join: Callable[[], Library]) -> None:
    one, two = join(), join()
    mine = [one.add(jpeg()) for _ in range(3)]
    theirs = [two.add(jpeg()) for _ in range(3)]
    await drain(personal(one, worker_id="nas"))
    assert {one.job(asset_id)["status"] for asset_id in mine} == {"completed"}
    assert {two.job(asset_id)["status"] for asset_id in theirs} == {"pending"}
    await drain(personal(two, worker_id="nas"))  # the same name: two users may both have a "nas"
    assert {two.job(asset_id)["status"] for asset_id in theirs} == {"completed"}
    owners = one.db.execute(
        "select owner::text from workers where worker_id = 'nas' and owner in (%s, %s)",
        [one.user_id, two.user_id],
    ).fetchall()
    assert {owner for (owner,) in owners} == {one.user_id, two.user_id}


async def test_the_narrow_worker_role_does_the_whole_job(library: Library) -> None:
    asset_id = library.add(jpeg())
    await drain(
        read_settings(
            _env_file=None,
            supabase_url=library.stack.url,
            supabase_publishable_key=library.stack.publishable_key,
            kizu_worker_token=mint_token(library.stack, role="kizu_worker"),
        )
    )
    assert library.job(asset_id)["status"] == "completed"
    assert library.made(asset_id, "thumbnail").size == (300, 300)


def test_the_narrow_worker_role_reads_no_table(library: Library) -> None:
    token = mint_token(library.stack, role="kizu_worker")
    headers = {"apikey": library.stack.publishable_key, "authorization": f"Bearer {token}"}
    for table in ("assets", "jobs", "runs", "workers", "image_processing_jobs"):
        answer = httpx.get(f"{library.stack.url}/rest/v1/{table}?select=*", headers=headers, timeout=30)
        assert (answer.status_code, json.loads(answer.content)["code"]) == (403, "42501"), table


async def test_the_ledger_tells_what_each_attempt_took(library: Library) -> None:
    asset_id = library.add(jpeg())
    await drain(service(library.stack, worker_id="ledger"))
    cursor: psycopg.Cursor[Any] = library.db.execute(
        "select handler, handler_version, outcome, worker_id, timings, counts, attempt"
        " from runs where asset_id = %s",
        [asset_id],
    )
    ((handler, version, outcome, worker, timings, counts, attempt),) = cursor.fetchall()
    assert (handler, version, outcome, worker, attempt) == ("optimize_image", "4", "done", "ledger", 1)
    assert set(timings) == {"fetch", "locate", "render", "upload"}
    assert counts == {"files": 2}
