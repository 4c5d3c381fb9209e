"""Moments against what is known of an album: what was missed, what is false, and how covers differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from models.moments.covers import candidates_of, with_covers
from models.moments.finding import find_moments
from models.moments.moment import Moment, Settings
from scripts.album_lab.album import Album

FIRST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    stories: int
    missed: Sequence[str]
    """Planted stories that no moment shares most photos with."""
    wrong: Sequence[str]
    """Of the first ten, those that tell nothing that is in the album."""
    bad: Sequence[str]
    """Photos in a moment that are not worth showing."""
    closest: float
    """The smallest cosine distance of two covers of one moment."""
    by_chance: float
    """The same of as many photos of the moments taken by chance."""


def judge(album: Album) -> Verdict:
    everything = _moments(album, Settings(most=None, most_per_kind=None))
    first = _moments(album, Settings())[:FIRST]
    shown = [set(moment.photos) for moment in everything]
    about = {(moment.kind, person) for moment in everything for person in moment.people or ("",)}
    return Verdict(
        stories=len(album.planted) + len(album.about),
        missed=[
            f"{story.kind}: {story.name}"
            for story in album.planted
            if not any(_jaccard(story.photos, photos) > 0.6 for photos in shown)
        ]
        + [f"{kind} {person}".strip() for kind, person in sorted(album.about - about)],
        wrong=[f"{moment.key}: {moment.title}" for moment in first if not _is_true(album, moment)],
        bad=sorted(album.bad & {photo for moment in everything for photo in moment.photos}),
        closest=min(_closest(album, moment.covers) for moment in everything),
        by_chance=min(_closest(album, moment.photos[: len(moment.covers)]) for moment in everything),
    )


def _moments(album: Album, settings: Settings) -> list[Moment]:
    found = find_moments(album.photos, album.people, today=album.today, zone=album.zone, settings=settings)
    rows = [int(photo) for photo in candidates_of(found)]
    return with_covers(found, candidates_of(found), album.vectors[rows])


def _is_true(album: Album, moment: Moment) -> bool:
    photos = set(moment.photos)
    match moment.kind:
        case "trip" | "location" | "event":
            told = ("trip",) if moment.kind == "trip" else ("trip", "location", "event", "on_this_day")
            return any(
                len(photos & story.photos) > 0.9 * len(photos)
                for story in album.planted
                if story.kind in told
            )
        case "people" | "birthday" | "then_and_now":
            who = {person.id: number for number, person in enumerate(album.people)}[moment.people[0]]
            faces = album.photos.faces
            theirs = set(album.photos.ids[faces.photos[faces.people == who]].tolist())
            is_right = who == 0 if moment.kind == "birthday" else bool((album.people[who].name or "").strip())
            return photos <= theirs and is_right
    return moment.kind in {"on_this_day", "season", "year_in_review"}


def _jaccard(one: frozenset[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


def _closest(album: Album, photos: Sequence[str]) -> float:
    vectors = album.vectors[[int(photo) for photo in photos]]
    return min((1 - float(one @ other) for one, other in combinations(np.asarray(vectors), 2)), default=2.0)
