"""Names of people, places and cameras, found in a text in time that does not depend on how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.search.languages import LANGUAGES
from models.search.words import LONGEST_RUN, Run, fold, plain, tokens

_SHORTEST_GENITIVE = 4  # letters, so that Das is nobody's
_NO_FIRST_NAMES = frozenset[str]().union(
    *(language.titles | language.leading | language.pronouns for language in LANGUAGES.values())
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Somebody or something of the library: its ids and every name it goes by."""

    ids: tuple[str, ...] = ()
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A name in a text: the place of the token where it ends, how many words it has, and who bears it."""

    end: int
    words: int
    ids: tuple[str, ...]
    name: str
    """As the library writes what was said."""
    shown: str
    """The first name of its first bearer."""
    genitive: bool
    """Whether the text has an s more: Annas."""


class Names:
    """An index of names by their words. Built once for a library, as 100,000 names take a second or so."""

    def __init__(self, known: Iterable[Known], *, first_names: bool = False) -> None:
        """With `first_names` the first word of a longer name is a name as well, if it is no title.

        Names of more than eight words are cut to them; names without a letter or a figure are left out.
        """
        self._ids: dict[str, dict[str, None]] = {}
        self._spelled: dict[str, tuple[str, str]] = {}
        self._longest: dict[str, int] = {}
        for bearer in known:
            for name in bearer.names:
                self._add(name, bearer, first_names=first_names)

    def at(self, run: Run, *, genitive: bool = False) -> Found | None:
        """The longest name that the run begins with; with `genitive` also with an s at its end."""
        for keys in (run.folded, run.plain) if run.folded else ():
            firsts = (keys[0], keys[0][:-1]) if genitive else (keys[0],)
            longest = max(self._longest.get(first, 0) for first in firsts)
            for count in range(min(longest, len(keys)), 0, -1):
                key = keys[count - 1]
                if key in self._ids:
                    return self._found(key, run.ends[count - 1], count)
                if genitive and _may_be_a_genitive(key) and key[:-1] in self._ids:
                    return self._found(key[:-1], run.ends[count - 1], count, genitive=True)
        return None

    def _found(self, key: str, end: int, words: int, *, genitive: bool = False) -> Found:
        name, shown = self._spelled[key]
        return Found(
            end=end, words=words, ids=tuple(self._ids[key]), name=name, shown=shown, genitive=genitive
        )

    def _add(self, name: str, bearer: Known, *, first_names: bool) -> None:
        pieces = name.split()
        if not all(map(str.isalnum, pieces)):
            pieces = [token.text for token in tokens(name) if token.word]
        pieces = pieces[:LONGEST_RUN]
        if not pieces:
            return
        self._put(pieces, name.strip(), bearer)
        first = pieces[0]
        if first_names and len(pieces) > 1 and len(first) > 1 and fold(first) not in _NO_FIRST_NAMES:
            self._put([first], first, bearer)

    def _put(self, pieces: Sequence[str], name: str, bearer: Known) -> None:
        for key in {" ".join(map(fold, pieces)), " ".join(map(plain, pieces))}:
            self._ids.setdefault(key, {}).update(dict.fromkeys(bearer.ids))
            self._spelled.setdefault(key, (name, bearer.names[0]))
            first = key.partition(" ")[0]
            self._longest[first] = max(self._longest.get(first, 0), len(pieces))


def _may_be_a_genitive(key: str) -> bool:
    return key[-1] == "s" and len(key.rpartition(" ")[2]) >= _SHORTEST_GENITIVE
