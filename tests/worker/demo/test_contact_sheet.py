from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from worker.core.errors import NotFound
from worker.demo.contact_sheet import MOST_FACES, Person, Photo, write_contact_sheet
from worker.demo.suggestion import Suggestion


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
    photos = {"a": Photo(name="z.jpg", words="A dog."), "b": Photo(name="b.jpg", words="")}
    page = await write_contact_sheet(tmp_path / "sheet", files, rows, photos, None)
    assert page == tmp_path / "sheet" / "index.html"
    assert sorted(path.name for path in page.parent.iterdir()) == ["a.jpg", "b.jpg", "index.html"]
    assert (page.parent / "b.jpg").read_bytes() == b"2"
    text = page.read_text()
    assert "<h1>2 photos</h1>" in text
    assert text.index('src="b.jpg"') < text.index('src="a.jpg"'), "in the order of their names"
    assert "<b>z.jpg</b>A dog." in text


async def test_nothing_is_left_of_an_older_page(tmp_path: Path) -> None:
    (tmp_path / "sheet" / "deep").mkdir(parents=True)
    (tmp_path / "sheet" / "old.jpg").touch()
    nothing: Any = Files()
    page = await write_contact_sheet(tmp_path / "sheet", nothing, [], {}, None)
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    assert "<h1>0 photos</h1>" in page.read_text()
    assert page.parent.stat().st_mode & 0o077 == 0, "and it is nobody else's"


async def test_a_search_and_the_faces_come_first(tmp_path: Path) -> None:
    files: Any = Files(one=b"1", two=b"2", face=b"3")
    rows = [row("thumbnail", "a", "one"), row("thumbnail", "b", "two"), row("face_crop", "a", "face")]
    found = Suggestion(sentence="a dog", found=["b", "gone"], names=["b.jpg", "gone.jpg"])
    text = (await write_contact_sheet(tmp_path / "sheet", files, rows, {}, found)).read_text()
    search, faces, everything = text.split("<h2>")[1:]
    assert "<q>a dog</q>" in search
    assert (search.count("<img"), faces.count("<img"), everything.count("<img")) == (1, 1, 2)
    assert 'src="b.jpg"' in search
    assert 'src="face-0.jpg"' in faces


async def test_people_are_shown_by_their_best_face_with_or_without_a_name(tmp_path: Path) -> None:
    files: Any = Files(ada=b"1", eve=b"2")

    def person(name: str | None, photos: int, key: str) -> Person:
        cluster = f"{key:.<8}-0000-4000-8000-000000000000"
        return Person(name=name, photos=photos, cluster=cluster, crop=row("face_crop", "a", key))

    people = [person("<Ada>", 3, "ada"), person(None, 2, "gone"), person(None, 1, "eve")]
    page = await write_contact_sheet(tmp_path / "sheet", files, [], {}, None, (), people)
    _, shown, _ = page.read_text().split("<h2>")
    assert [line.partition("<figcaption>")[2] for line in shown.splitlines() if "<figure>" in line] == [
        "<b>&lt;Ada&gt;</b>3 photos · ada.....</figcaption></figure>",
        "<b>Who is this?</b>1 photo · eve.....</figcaption></figure>",
    ]
    assert "kizu people name eve..... NAME" in shown, "of those shown, the first without a name"
    assert (page.parent / "person-2.jpg").read_bytes() == b"2"


async def test_where_everybody_has_a_name_nobody_is_asked_for(tmp_path: Path) -> None:
    files: Any = Files(ada=b"1")
    people = [Person(name="Ada", photos=3, cluster="a" * 36, crop=row("face_crop", "a", "ada"))]
    page = await write_contact_sheet(tmp_path / "sheet", files, [], {}, None, (), people)
    assert "kizu people name" not in page.read_text()


async def test_what_users_wrote_is_only_shown(tmp_path: Path) -> None:
    files: Any = Files(one=b"1")
    photos = {"a": Photo(name="<script>.jpg", words='say "hi" & <b>bold</b>')}
    text = (
        await write_contact_sheet(tmp_path / "s", files, [row("thumbnail", "a", "one")], photos, None)
    ).read_text()
    assert "<script>" not in text
    assert 'alt="say &quot;hi&quot; &amp; &lt;b&gt;bold&lt;/b&gt;"' in text


async def test_of_very_many_faces_some_are_shown(tmp_path: Path) -> None:
    files: Any = Files(face=b"1")
    rows = [row("face_crop", str(number), "face") for number in range(MOST_FACES + 5)]
    page = await write_contact_sheet(tmp_path / "s", files, rows, {}, None)
    assert len(list(page.parent.glob("face-*.jpg"))) == MOST_FACES
