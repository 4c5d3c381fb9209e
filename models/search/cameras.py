"""Cameras in a text: by their whole names or, after words such as `with my`, by what these begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from models.search.languages.language import Language, known_words
from models.search.names import Known, Names
from models.search.query import CameraPart
from models.search.words import Line


@dataclass(frozen=True, slots=True)
class Cameras:
    """The cameras of a library, by the names that say which one is meant, and by those of several."""

    whole: Names
    """By name, and by what follows the maker's if that holds a letter and two words."""
    kinds: Names
    """By what names begin with, the maker's included and not: Canon, Canon EOS, EOS, iPhone."""

    @classmethod
    def of(cls, cameras: Iterable[str]) -> Cameras:
        whole, kinds = [], []
        for camera in cameras:
            words = camera.split()
            model = " ".join(words[1:])
            is_told = len(words) > 2 and any(map(str.isalpha, model))
            whole.append(Known(ids=(camera,), names=(camera, model) if is_told else (camera,)))
            beginnings = [
                " ".join(words[start:end])
                for start in (0, 1)
                for end in range(start + 1, len(words) + 1)
                if words[start].isalpha() and (start, end) != (0, len(words))
            ]
            kinds += [Known(ids=(camera,), names=(beginning,)) for beginning in beginnings]
        return cls(Names(whole), Names(kinds))


def camera_at(
    found: Line, at: int, cameras: Cameras, language: Language, *, ends_a_phrase: Callable[[int], bool]
) -> tuple[int, CameraPart] | None:
    """The known camera, or kind of camera, that is named from this token on, and where that ends."""
    run = found.run(at)
    taken, owned = language.taken_with.at(run), language.by_camera.at(run)
    start = max(led[0] if led else at for led in (taken, owned))
    if taken and start < len(found) and found[start].folded in language.articles:
        start += 1
    name = cameras.whole.at(found.run(start))
    kind = cameras.kinds.at(found.run(start)) if taken or owned else None
    if kind and not taken and kind.words == 1 and found[start].folded in known_words(language):
        kind = None
    if kind and (not name or kind.words > name.words):
        end = _end(found, kind.end, language)
        if end == kind.end and not ends_a_phrase(end):
            return None
        name = kind
    elif not name:
        return None
    part = CameraPart(
        start=found[at].start,
        end=found[_end(found, name.end, language) - 1].end,
        name=name.ids[0] if len(name.ids) == 1 else name.name,
        names=name.ids,
    )
    return _end(found, name.end, language), part


def _end(found: Line, end: int, language: Language) -> int:
    """After a word that may follow a camera: mit dem iPhone aufgenommen."""
    return end + 1 if end < len(found) and found[end].folded in language.taken else end
