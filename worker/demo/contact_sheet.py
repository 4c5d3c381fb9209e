"""One local page of what was found: a search and its answer, the people, the faces, every photo with its
words, and what did not come in."""

from __future__ import annotations

import asyncio
import html
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from worker.core.errors import JobError
from worker.demo.suggestion import Suggestion
from worker.files.storage import Files
from worker.log import printable

MOST_FACES: Final = 60
"""Shown on the page; each is a file to fetch."""
PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kizu: {count} photos</title>
<style>
  :root {{ color-scheme: dark }}
  body {{ margin: 2rem auto; max-width: 90rem; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif;
         background: #111; color: #ddd }}
  h2 {{ margin: 2.5rem 0 .75rem; font-size: 1.2rem; font-weight: 600 }}
  q {{ color: #fff }}
  .grid {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); gap: 1rem }}
  .faces {{ grid-template-columns: repeat(auto-fill, 72px); gap: .5rem }}
  figure {{ margin: 0 }}
  img {{ width: 100%; aspect-ratio: 1; object-fit: cover; display: block; border-radius: 6px;
        background: #222 }}
  .people {{ grid-template-columns: repeat(auto-fill, 136px) }}
  .faces img, .people img {{ border-radius: 50% }}
  .people figcaption {{ text-align: center }}
  figcaption {{ font-size: .8rem; line-height: 1.35; padding-top: .35rem; overflow-wrap: anywhere;
               color: #aaa }}
  pre {{ overflow-x: auto; font-size: .8rem; color: #aaa }}
  figcaption b {{ display: block; font-weight: 600; color: #ddd }}
</style>
<h1>{count} photos</h1>
{sections}
</html>
"""


NAMING: Final = (
    "<p>Say who somebody is: <code>kizu people name {id} NAME</code>. "
    "Then <code>./scripts/run</code> makes this page again.</p>"
)
BEGINNING: Final = 8
"""Characters of an id that are shown, its first group; `kizu people` asks where two people begin alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """What the page says of a photo."""

    name: str
    words: str
    """A description, or what else is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is in several photos."""

    name: str | None
    photos: int
    cluster: str
    """Whom `kizu people` means by it, or by how it begins."""
    crop: Mapping[str, Any]
    """The derived file that shows them best."""


async def write_contact_sheet(
    folder: Path,
    files: Files,
    derived: Iterable[Mapping[str, Any]],
    photos: Mapping[str, Photo],
    suggestion: Suggestion | None,
    imported: Sequence[str] = (),
    people: Sequence[Person] = (),
) -> Path:
    """Fetch thumbnails and faces among the derived assets into `folder`; answers the page that shows them.

    `photos` are by asset id; what is not there any more is left out. `imported` says what became of files.
    """
    await asyncio.to_thread(_make_empty, folder)
    shown: set[str] = set()
    faces: list[str] = []
    for row in derived:
        asset, face = row["asset_id"], f"face-{len(faces)}.jpg"
        if row["kind"] == "thumbnail" and await _keep(folder, files, row, f"{asset}.jpg"):
            shown.add(asset)
        elif row["kind"] == "face_crop" and len(faces) < MOST_FACES:
            faces += [face] if await _keep(folder, files, row, face) else []
    sections = []
    if suggestion is not None:
        found = [asset for asset in suggestion.found if asset in shown]
        sections.append(_section(f"<q>{html.escape(suggestion.sentence)}</q>", _figures(found, photos)))
    known = [
        (one, _figure(name, one.name or "Who is this?", _words_of(one)))
        for number, one in enumerate(people)
        if await _keep(folder, files, one.crop, name := f"person-{number}.jpg")
    ]
    if known:
        sections.append(_section("People", [figure for _, figure in known], "grid people"))
    strangers = [one for one, _ in known if one.name is None]
    if strangers:
        sections.append(NAMING.format(id=_text(_beginning(strangers[0]))))
    if faces:
        sections.append(_section("Faces", [_figure(name, "", "") for name in faces], "grid faces"))
    ordered = sorted(shown, key=lambda asset: (_name(asset, photos), asset))
    sections.append(_section("All of them", _figures(ordered, photos)))
    if len(imported) > 1:  # more than how many pictures there were
        sections.append(_lines("Import", imported))
    page = folder / "index.html"
    text = PAGE.format(count=len(shown), sections="\n".join(sections))
    await asyncio.to_thread(page.write_text, text, "utf-8")
    return page


async def _keep(folder: Path, files: Files, row: Mapping[str, Any], name: str) -> bool:
    """Fetch a derived file into the folder, unless it was removed in the meantime."""
    try:
        file = await files.fetch(row["key"], row["user_id"])
    except JobError:
        return False
    with file:
        await asyncio.to_thread((folder / name).write_bytes, file.read())
    return True


def _figures(assets: Iterable[str], photos: Mapping[str, Photo]) -> list[str]:
    return [
        _figure(f"{asset}.jpg", _name(asset, photos), photos[asset].words if asset in photos else "")
        for asset in assets
    ]


def _name(asset: str, photos: Mapping[str, Photo]) -> str:
    return photos[asset].name if asset in photos else ""


def _words_of(person: Person) -> str:
    return f"{person.photos} photo{'' if person.photos == 1 else 's'} · {_beginning(person)}"


def _beginning(person: Person) -> str:
    return person.cluster[:BEGINNING]


def _figure(file: str, name: str, words: str) -> str:
    caption = f"<b>{_text(name)}</b>{_text(words)}" if name or words else ""
    caption = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'  <figure><img loading="lazy" src="{_text(file)}" alt="{_text(words)}">{caption}</figure>'


def _section(heading: str, figures: Iterable[str], classes: str = "grid") -> str:
    return "\n".join([f"<h2>{heading}</h2>", f'<div class="{classes}">', *figures, "</div>"])


def _lines(heading: str, lines: Sequence[str]) -> str:
    return "\n".join([f"<h2>{heading}</h2>", "<pre>", *map(_text, lines), "</pre>"])


def _text(words: str) -> str:
    return html.escape(printable(words))


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
