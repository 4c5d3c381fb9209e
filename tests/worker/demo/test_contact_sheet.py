from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from worker.core.errors import NotFound
from worker.demo.contact_sheet import write_contact_sheet


class Files:
    """Has the files it was given, and no others."""

    def __init__(self, **files: bytes) -> None:
        self._files = files

    async def fetch(self, key: str, user_id: str) -> io.BytesIO:
        assert user_id == "someone"
        if key not in self._files:
            raise NotFound
        return io.BytesIO(self._files[key])


def row(kind: str, asset: str, key: str) -> dict[str, Any]:
    return {"kind": kind, "asset_id": asset, "key": key, "user_id": "someone"}


async def test_the_page_shows_the_thumbnails_that_are_there(tmp_path: Path) -> None:
    files: Any = Files(one=b"1", two=b"2", web=b"3")
    rows = [
        row("thumbnail", "a", "one"),
        row("web", "a", "web"),
        row("thumbnail", "gone", "removed meanwhile"),
        row("thumbnail", "b", "two"),
    ]
    page = await write_contact_sheet(tmp_path / "sheet", files, rows)
    assert page == tmp_path / "sheet" / "index.html"
    assert sorted(path.name for path in page.parent.iterdir()) == ["a.jpg", "b.jpg", "index.html"]
    assert (page.parent / "b.jpg").read_bytes() == b"2"
    text = page.read_text()
    assert "<h1>2 photos</h1>" in text
    assert text.index('src="a.jpg"') < text.index('src="b.jpg"')


async def test_nothing_is_left_of_an_older_page(tmp_path: Path) -> None:
    (tmp_path / "sheet" / "deep").mkdir(parents=True)
    (tmp_path / "sheet" / "old.jpg").touch()
    nothing: Any = Files()
    page = await write_contact_sheet(tmp_path / "sheet", nothing, [])
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    assert "<h1>0 photos</h1>" in page.read_text()
    assert page.parent.stat().st_mode & 0o077 == 0, "and it is nobody else's"
