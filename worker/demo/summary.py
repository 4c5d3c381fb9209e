"""What there is at the end of the demo: counted from the rows its user sees, and printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from worker import operations
from worker.demo.contact_sheet import Person, Photo, write_contact_sheet
from worker.demo.suggestion import Suggestion, suggest
from worker.files.storage import Files
from worker.library.ingest.report import Report
from worker.local.stack import StackInfo
from worker.log import printable
from worker.project.connection import Connection
from worker.project.tables import Store
from worker.settings import Settings

MOST_PEOPLE: Final = 24
"""People on the page, those with a name first, then by how often they were seen."""
MOST_NAMED: Final = 20
"""Photos that are named because their jobs failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What there is when the queue is empty."""

    assets: int
    jobs: dict[str, int]
    """How many about photos were `completed`, and how many `failed`."""
    errors: dict[str, int]
    """How many jobs failed, by code."""
    damaged: Mapping[str, str]
    """The photos that they were about: their names, and the codes."""
    operations: dict[str, dict[str, Any]]
    """By name: how many photos are `done` and how many `missing`, and `why`."""
    url: str
    thumbnails: int
    web_versions: int
    contact_sheet: Path
    suggestion: Suggestion | None = None
    """A search worth trying first, and its answer."""


async def summarize(
    connection: Connection, files: Files, info: StackInfo, settings: Settings, report: Report
) -> Summary:
    """Count what the user has now, try a search, and make the page that shows it."""
    store = Store(connection)
    derived = [row async for row in store.every("derived_assets", "id,user_id,asset_id,kind,key")]
    tags = [row async for row in store.every("asset_tags", "id,asset_id,tag_type,tag_value")]
    columns = "id,asset_id,object_class,confidence,bounding_box"
    things = [row async for row in store.every("detected_objects", columns)]
    suggestion = await suggest(connection, settings, things)
    photos = await photos_of(store, tags)
    jobs = [
        row async for row in store.every("jobs", "id,asset_id,job_type,status,error_code,result,completed_at")
    ]
    failures = failures_of(jobs)
    failed = Counter(job["error_code"] for job in failures)
    damaged = damaged_of(failures, photos)
    lines = [*report.summary(), *report.complaints()]
    lines += [f"no photo came out of {name}: {code}" for name, code in damaged.items()]
    everybody = (await connection.rpc("list_people", {"p_limit": MOST_PEOPLE}))["people"]
    people = people_of(everybody, derived)
    folder = info.home / "contact-sheet"
    sheet = await write_contact_sheet(folder, files, derived, photos, suggestion, lines, people)
    kinds = Counter(row["kind"] for row in derived)
    return Summary(
        assets=len([row async for row in store.every("assets", "id")]),
        jobs={
            "completed": sum(row["status"] == "completed" and row["asset_id"] is not None for row in jobs),
            "failed": failed.total(),
        },
        errors=dict(failed),
        damaged=damaged,
        operations=operations_of([row for row in jobs if row["job_type"] == "image_ai" and row["result"]]),
        url=info.url,
        thumbnails=kinds["thumbnail"],
        web_versions=kinds["web"],
        contact_sheet=sheet,
        suggestion=suggestion,
    )


def people_of(everybody: Iterable[Mapping[str, Any]], derived: Iterable[Mapping[str, Any]]) -> list[Person]:
    """Those whose best face has a crop; its address ends with the file's key."""
    crops = {row["key"]: row for row in derived if row["kind"] == "face_crop"}
    found = []
    for one in everybody:
        url = (one["representative"] or {}).get("thumbnail_url") or ""
        crop = crops.get(url.partition("/authenticated/")[2].partition("/")[2])
        if crop is not None:
            found.append(Person(name=one["name"], photos=one["photos"], cluster=one["cluster_id"], crop=crop))
    return found


async def photos_of(store: Store, tags: Iterable[Mapping[str, Any]]) -> dict[str, Photo]:
    """The name of each photo and what is known of it: its description, else the names of what it shows."""
    things: dict[str, set[str]] = {}
    for tag in tags:
        things.setdefault(tag["asset_id"], set()).add(tag["tag_value"])
    words = {asset: ", ".join(sorted(names)) for asset, names in things.items()}
    async for row in store.every("image_descriptions", "id,asset_id,description"):
        words[row["asset_id"]] = row["description"]
    return {
        row["id"]: Photo(name=row["file_name"] or "", words=words.get(row["id"], ""))
        async for row in store.every("assets", "id,file_name")
    }


def failures_of(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What failed: a failure counts until a later job of that kind about the photo has ended."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for job in sorted(jobs, key=lambda job: str(job["completed_at"])):
        last[job["asset_id"] or job["id"], job["job_type"]] = job
    return [job for job in last.values() if job["status"] == "failed"]


def damaged_of(failures: Iterable[Mapping[str, Any]], photos: Mapping[str, Photo]) -> dict[str, str]:
    """Which photos failed, the first of them: their names (else their ids), and the codes."""
    codes = {job["asset_id"]: job["error_code"] for job in failures if job["asset_id"] in photos}
    named = {photos[asset].name or asset: str(code) for asset, code in codes.items()}
    return dict(sorted(named.items())[:MOST_NAMED])


def operations_of(jobs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """How many photos each operation has done and misses, by the last of several jobs about a photo."""
    names = {operation.result_key or name: name for name, operation in operations.discover().items()}
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for job in sorted(jobs, key=lambda job: str(job["completed_at"])):
        for name, said in job["result"].items():
            if name not in ("asset_id", "_meta"):
                last[names.get(name, name), job["asset_id"]] = said
    found: dict[str, dict[str, Any]] = {}
    for (name, _), said in last.items():
        entry = found.setdefault(name, {"done": 0, "missing": 0, "why": None})
        entry["done" if said["success"] else "missing"] += 1
        entry["why"] = entry["why"] or said.get("error")
    return dict(sorted(found.items()))


def print_summary(summary: Summary, info: StackInfo, seconds: float) -> None:
    table = Table(title=f"done in {seconds} s", box=None, show_header=False, title_justify="left")
    table.add_row("photos in the library", str(summary.assets))
    table.add_row("thumbnails", str(summary.thumbnails))
    table.add_row("web versions", str(summary.web_versions))
    table.add_row("jobs completed", str(summary.jobs["completed"]))
    table.add_row("jobs failed", str(summary.jobs["failed"]))
    for code, count in sorted(summary.errors.items()):
        names = ", ".join(name for name, why in summary.damaged.items() if why == code)
        table.add_row(f"  {escape(printable(code))}", f"{count} {escape(printable(names))}".rstrip())
    for name, entry in summary.operations.items():
        why = escape(printable(entry["why"]))
        missing = f", {entry['missing']} missing: {why}" if entry["missing"] else ""
        table.add_row(f"  {name}", f"{entry['done']} photos{missing}")
    if summary.suggestion is not None:
        best = ", ".join(summary.suggestion.names)
        table.add_row(f"“{escape(printable(summary.suggestion.sentence))}”", escape(printable(best)))
    table.add_row("files", str(info.home / "storage"))
    table.add_row("contact sheet", str(summary.contact_sheet))
    table.add_row("look closer", "kizu people list, kizu jobs list, kizu jobs stats, kizu local status")
    Console().print(table)
    lacking = [name for name, entry in summary.operations.items() if entry["why"] == "weights_missing"]
    if lacking:
        Console().print(
            f"\nThe models for {', '.join(lacking)} are not on this machine, and no model hub answered. Where"
            " one can be reached, [bold]kizu models pull all[/] fetches them; started again, this enqueues"
            " what photos still lack, as [bold]kizu jobs missing --yes[/] does. Nothing is lost meanwhile."
        )
