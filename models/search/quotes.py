"""Text in quotes of any kind."""

from __future__ import annotations

_CLOSING = {
    '"': '"',
    "\u201c": "\u201d\u201c",  # English; the second where both are the same
    "\u201d": "\u201d",
    "\u201e": '\u201c\u201d\u201f"',  # German, Polish
    "\u00ab": "\u00bb",
    "\u00bb": "\u00ab",
    "\u2039": "\u203a",
    "\u203a": "\u2039",
    "\u2018": "\u2019",
    "\u201a": "\u2018\u2019",
    "'": "'",
    "\u300c": "\u300d",
}
QUOTES = frozenset("".join(_CLOSING) + "".join(_CLOSING.values())) - frozenset("'\u2018\u2019")
"""Those that are quotes and nothing else."""
_ALSO_APOSTROPHES = frozenset("'\u2018\u2019\u201a")


def quoted(text: str) -> list[tuple[int, int, str]]:
    """Where each stretch between quotes begins and ends, quotes included, and the words between them.

    A quote that is an apostrophe as well opens after white space only, closes before it or a comma only, and
    holds two characters at least.
    """
    closes_at: dict[str, list[int]] = {}
    for at, letter in enumerate(text):
        closes_at.setdefault(letter, []).append(at)
    next_of = dict.fromkeys(closes_at, 0)
    parts: list[tuple[int, int, str]] = []
    at = 0
    while at < len(text):
        closing = _CLOSING.get(text[at])
        end = _close(text, at, closing, closes_at, next_of) if closing and _opens(text, at) else None
        if end is None:
            at += 1
            continue
        inside = text[at + 1 : end].strip()
        if inside:
            parts.append((at, end + 1, inside))
        at = end + 1
    return parts


def _close(
    text: str, at: int, closing: str, closes_at: dict[str, list[int]], next_of: dict[str, int]
) -> int | None:
    """The first place after this one that closes it. Places are only ever passed once."""
    candidates = []
    for letter in closing:
        places = closes_at.get(letter, [])
        index = next_of.get(letter, 0)
        while index < len(places) and (places[index] <= at or not _closes(text, places[index])):
            index += 1
        next_of[letter] = index
        if index < len(places):
            candidates.append(places[index])
    end = min(candidates, default=None)
    return None if end is None or (text[at] in _ALSO_APOSTROPHES and end - at < 3) else end


def _opens(text: str, at: int) -> bool:
    if text[at] not in _ALSO_APOSTROPHES:
        return True
    return (at == 0 or not text[at - 1].isalnum()) and at + 1 < len(text) and not text[at + 1].isspace()


def _closes(text: str, at: int) -> bool:
    if text[at] not in _ALSO_APOSTROPHES:
        return True
    return not text[at - 1].isspace() and (at + 1 == len(text) or not text[at + 1].isalnum())
