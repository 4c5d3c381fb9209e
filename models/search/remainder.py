"""What is left of a text when parts are cut out, without the words that only led to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from models.search.languages import LANGUAGES
from models.search.quotes import QUOTES
from models.search.words import Token, tokens

_LEADING = frozenset[str]().union(*(language.leading for language in LANGUAGES.values()))
_TRAILING = frozenset[str]().union(*(language.trailing for language in LANGUAGES.values()))


def remainder(text: str, cut: Sequence[tuple[int, int]], passed_over: Collection[int] = ()) -> str:
    """The text without these spans of code points and without the words that begin where it says."""
    return written(text, left(tokens(text), cut, passed_over))


def left(
    found: Sequence[Token], cut: Iterable[tuple[int, int]], passed_over: Collection[int] = ()
) -> list[Token]:
    """The tokens outside of these spans; words like `with the` before a span go too, and `and` after it."""
    gone = [token.text in QUOTES for token in found]  # those of a pair are cut; what is left is a slip
    spans = sorted(cut)
    at = 0
    for start, end in spans:
        while at < len(found) and found[at].end <= start:
            at += 1
        first = at
        while at < len(found) and found[at].start < end:
            gone[at] = True
            at += 1
        before = first - 1
        while before >= 0 and not gone[before] and is_leading(found[before]):
            gone[before] = True
            before -= 1
        after = at
        while after < len(found) and _is_trailing(found[after]):
            gone[after] = True
            after += 1
    kept = [
        token for token, out in zip(found, gone, strict=True) if not out and token.start not in passed_over
    ]
    if len(kept) < len(found) and all(is_leading(token) for token in kept):
        return []
    return kept


def written(text: str, kept: Sequence[Token]) -> str:
    """The tokens as the text has them, one space where it has white space or where something was cut out."""
    pieces: list[str] = []
    for at, token in enumerate(kept):
        if at and (token.start > kept[at - 1].end):
            pieces.append(" ")
        pieces.append(text[token.start : token.end])
    return "".join(pieces)


def is_leading(token: Token) -> bool:
    """Whether the token says nothing without what follows it."""
    return token.punctuation or token.folded in _LEADING


def _is_trailing(token: Token) -> bool:
    return token.punctuation or token.folded in _TRAILING
