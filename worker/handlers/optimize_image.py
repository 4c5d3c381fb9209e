"""Makes a photo fit for screens: a square thumbnail, a web version, and what the file says of itself.

Upright size, time, place and camera of the photo go into its asset row in the transaction that ends the job,
with the name of the place and the offset of its clocks; what a person said of time and place stays. The film
within a motion photo becomes a part of the asset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC
from functools import lru_cache, partial
from typing import IO, Any

import structlog
from pydantic import BaseModel, ConfigDict, Field

from models.pictures.capture import Capture, Origin, read_capture
from models.pictures.moments import Moment, Precision
from models.pictures.motion import Film, film_within
from models.pictures.picture import THUMBNAIL_SIDE, WEB_SIDE, Picture, thumbnail, web_version
from worker import derived, origins, whereabouts
from worker.context import Context
from worker.core.errors import PackageMissing
from worker.core.handler import ADDRESS, Handler
from worker.core.job import Done, Replace, Update
from worker.decoding import Need
from worker.files.storage import StoredFile
from worker.whereabouts import Whereabouts

log = structlog.get_logger(__name__)


class Params(BaseModel):
    """The params of an `optimize_image` job."""

    model_config = ConfigDict(extra="ignore")

    input_url: str | None = Field(None, json_schema_extra=ADDRESS)
    """Where the photo is, if not where its asset says: a storage key, a URL or a data URL."""
    input_orientation: Any = Field(None, json_schema_extra={"type": "integer", "minimum": 1, "maximum": 8})
    """EXIF orientation 1 to 8, in place of the file's own; anything else is ignored, as apps rely on."""
    needs_web_version: bool = False
    generate_thumbnail: bool = True
    generate_web_version: bool = True

    @property
    def wants_web_version(self) -> bool:
        return self.needs_web_version and self.generate_web_version

    @property
    def need(self) -> Need:
        return Need.of(
            short_side=THUMBNAIL_SIDE if self.generate_thumbnail else 1,
            long_side=WEB_SIDE if self.wants_web_version else None,
            orientation=self.input_orientation,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Everything made of one photo: JPEG bytes by kind, upright size in pixels, its capture, its film."""

    files: Mapping[str, bytes]
    width: int
    height: int
    capture: Capture
    film: Film | None


async def optimize(params: Params, context: Context) -> Done:
    source = context.source(params.input_url)
    context.progress(10, "downloading")
    async with AsyncExitStack() as stack:
        with context.record.stage("fetch"):
            picture = await stack.enter_async_context(context.picture(source, params.need))
            origin = await origins.read(context)
        context.progress(20, "processing")
        with context.record.stage("render"):
            rendered = await picture.see(partial(render, params, origin))
        with context.record.stage("locate"):
            there = await locate(rendered.capture, context)
    context.progress(90, "uploading")
    with context.record.stage("upload"):
        stored = await derived.store(context, rendered.files)
    context.record.count("files", len(stored))
    return answer(stored, rendered, there, context.settings.public_url)


async def locate(capture: Capture, context: Context) -> Whereabouts | None:
    """What is known of where the photo was taken; None if nothing says where, or no data is installed."""
    if capture.place is None:
        return None
    language = str(context.job.asset.get("language") or "")
    try:
        (there,) = await asyncio.to_thread(whereabouts.locate, [capture.place], language)
    except PackageMissing as error:
        _complain(str(error))
        return None
    return there


def render(params: Params, origin: Origin, picture: Picture, file: IO[bytes]) -> Rendered:
    """The files made of a decoded photo; blocks."""
    makers = {
        "thumbnail": thumbnail if params.generate_thumbnail else None,
        "web": web_version if params.wants_web_version else None,
    }
    return Rendered(
        files={kind: make(picture) for kind, make in makers.items() if make},
        width=picture.width,
        height=picture.height,
        capture=read_capture(picture.metadata, origin),
        film=film_within(file, picture.format, picture.metadata.xmp),
    )


def answer(
    stored: Mapping[str, StoredFile], rendered: Rendered, there: Whereabouts | None, public_url: str
) -> Done:
    """The job's outcome: addresses for apps, rows of derived files, and columns of the asset."""
    urls = {kind: derived.url(file, public_url) for kind, file in stored.items()}
    columns = {"thumbnail": "thumbnail", "web": "web_uri"}
    return Done(
        result={
            "thumbnail_url": urls.get("thumbnail"),
            "web_url": urls.get("web"),
            "width": rendered.width,
            "height": rendered.height,
        },
        writes=[
            *(
                Replace(table="derived_assets", scope={"kind": kind}, rows=[derived.row(file)])
                for kind, file in stored.items()
            ),
            Replace(
                table="asset_parts",
                scope={"kind": "motion"},
                rows=[asdict(rendered.film)] if rendered.film else [],
            ),
            Update(
                table="assets",
                set={
                    **{columns[kind]: url for kind, url in urls.items()},
                    "width": rendered.width,
                    "height": rendered.height,
                    "image_processing_status": "completed",
                },
            ),
            Replace(table="asset_captures", rows=to_rows(rendered.capture, there)),
        ],
    )


def to_rows(capture: Capture, there: Whereabouts | None = None) -> list[dict[str, Any]]:
    """The times that were told, the most trustworthy first, the place and the camera."""
    zone = there.zone if there else ""
    rows: list[dict[str, Any]] = [
        {
            **_time(told.moment, zone),
            "taken_at_precision": told.moment.precision,
            "taken_at_source": told.source,
        }
        for told in capture.times
    ]
    if capture.place:
        latitude, longitude = capture.place
        named = {"location_name": there.name, "located_by": there.data} if there else {}
        rows.append(
            {"latitude": latitude, "longitude": longitude, "place_source": capture.place_source, **named}
        )
    if capture.camera:
        rows.append({"camera": capture.camera})
    return rows


def _time(moment: Moment, zone: str) -> dict[str, Any]:
    """An instant and its offset, which a moment to the minute has from the zone if nothing else says it.

    Without either the wall clock counts as UTC, and the offset stays null.
    """
    if zone and moment.offset_minutes is None and moment.precision in (Precision.SECOND, Precision.MINUTE):
        timed = whereabouts.zoned(moment.at, zone)
        return {
            "taken_at": timed.at.isoformat(),
            "taken_at_offset_minutes": timed.offset_minutes,
            "taken_at_zone": zone,
        }
    at = moment.at if moment.at.tzinfo else moment.at.replace(tzinfo=UTC)
    return {"taken_at": at.isoformat(), "taken_at_offset_minutes": moment.offset_minutes}


@lru_cache(maxsize=1)
def _complain(reason: str) -> None:
    """Log once what this machine lacks: it lacks it for every photo."""
    log.warning("photos get no names of places", reason=reason)


HANDLER = Handler(
    kind="optimize_image",
    version="4",
    lane="image",
    table="image_processing_jobs",
    params=Params,
    run=optimize,
    timeout_seconds=300.0,
)
