"""From folders to photos: each file looked at, and put together with those that belong to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.library.ingest.looking import Left, Look, look
from worker.library.ingest.pairing import Pairing, Photo, cluster
from worker.library.ingest.walking import Listing, walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A photo, and the folder it lies in."""

    photo: Photo
    folder: str = ""
    is_named: bool = False
    """Whether somebody named this very file."""

    @property
    def files(self) -> list[Look]:
        return [self.photo.main, *(part.file for part in self.photo.parts)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """What is no photo, and part of none."""

    left: Left
    is_named: bool = False


def find(paths: Sequence[Path]) -> Iterator[Found | Unused]:
    """Everything below the paths, as it is met; blocks. Content decides what is a picture, not the ending."""
    for listing in walk(paths):
        for item in _in(listing):
            if isinstance(item, Photo):
                yield Found(photo=item, folder=listing.folder, is_named=listing.is_named)
            else:
                yield Unused(left=item, is_named=listing.is_named)


def _in(listing: Listing) -> Iterator[Photo | Left]:
    yield from listing.left
    pairing = Pairing()
    for names in cluster(listing.names):
        looked_at = [look(listing.path / name, follow=listing.is_named) for name in names]
        yield from (left for left in looked_at if isinstance(left, Left))
        photos, unused = pairing.add([file for file in looked_at if isinstance(file, Look)])
        yield from photos
        yield from unused
    photos, unused = pairing.finish()
    yield from photos
    yield from unused
