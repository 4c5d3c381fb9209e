"""All thumbnails on one local page, to look at what was made."""

from __future__ import annotations

import asyncio
import html
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from worker.core.errors import JobError
from worker.files.storage import Files

PAGE = """<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kizu: {count} photos</title>
<style>
  body {{ margin: 2rem; font: 16px/1.5 system-ui, sans-serif; background: #111; color: #ddd }}
  main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 6px }}
  img {{ width: 100%; display: block; border-radius: 4px }}
</style>
<h1>{count} photos</h1>
<main>
{images}
</main>
"""


async def write_contact_sheet(folder: Path, files: Files, derived: Iterable[Mapping[str, Any]]) -> Path:
    """Fetch the thumbnails among the derived assets into `folder`; answers the page that shows them."""
    await asyncio.to_thread(_make_empty, folder)
    names: list[str] = []
    for row in derived:
        if row["kind"] != "thumbnail":
            continue
        try:
            file = await files.fetch(row["key"], row["user_id"])
        except JobError:
            continue  # removed in the meantime
        with file:
            name = f"{row['asset_id']}.jpg"
            await asyncio.to_thread((folder / name).write_bytes, file.read())
            names.append(name)
    images = "\n".join(f'  <img loading="lazy" src="{html.escape(name)}" alt="">' for name in names)
    page = folder / "index.html"
    await asyncio.to_thread(page.write_text, PAGE.format(count=len(names), images=images), "utf-8")
    return page


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
