"""Sentences as tokens of OpenAI's CLIP, which most of OpenCLIP's models read, without the import of torch.

The library's own tokenizer takes torch and torchvision along, and with them most of the first search's time.
Of 3,000 texts of random characters of ten scripts 2,948 are read as there; the others hold characters that
are not assigned, or were only when one of the two lists of letters was made.
"""

from __future__ import annotations

import gzip
import html
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from tokenizers import Tokenizer

_MERGES_FILE: Final = "bpe_simple_vocab_16e6.txt.gz"
"""In the library's package; after a line of its own, a pair of pieces on each, the most frequent first."""
_MERGES: Final = 48_894
"""The pairs that CLIP uses: of 49,152 tokens, those that are neither one of 256 bytes nor special."""
_START, _END = "<start_of_text>", "<end_of_text>"
_WORD_END: Final = "</w>"
_PATTERN: Final = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
_PRINTABLE: Final = (*range(33, 127), *range(161, 173), *range(174, 256))
"""Bytes that stand for themselves as characters of Latin-1."""
CONTEXT: Final = 77
"""Tokens of a sentence, where an architecture names no other number."""


class Words:
    """CLIP's byte pair encoding of lower-case words; longer sentences lose their end."""

    def __init__(self, context: int) -> None:
        self._context = context
        self._tokenizer = _tokenizer()
        self._end = self._tokenizer.get_vocab_size() - 1
        self._start = self._end - 1

    def __call__(self, sentences: Sequence[str]) -> npt.NDArray[np.int64]:
        """Tokens (sentences, context), with zeros behind the end of each."""
        import numpy as np

        rows = np.zeros((len(sentences), self._context), np.int64)
        for row, sentence in zip(rows, sentences, strict=True):
            words = self._tokenizer.encode(_clean(sentence), add_special_tokens=False).ids
            tokens = [self._start, *words[: self._context - 2], self._end]
            row[: len(tokens)] = tokens
        return rows


def fits(name: str, text: Mapping[str, Any]) -> bool:
    """Whether the library would read sentences so, for an architecture's `text_cfg`."""
    return not (text.get("hf_tokenizer_name") or text.get("tokenizer_kwargs") or "siglip" in name.lower())


def _clean(sentence: str) -> str:
    import ftfy

    fixed = html.unescape(html.unescape(ftfy.fix_text(sentence)))
    return " ".join(fixed.split()).lower()


def _tokenizer() -> Tokenizer:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    spec = importlib.util.find_spec("open_clip")
    assert spec is not None
    assert spec.origin is not None
    packed = Path(spec.origin).with_name(_MERGES_FILE).read_bytes()
    lines = gzip.decompress(packed).decode("utf-8").split("\n")
    merges = [(first, second) for first, second in (line.split() for line in lines[1 : _MERGES + 1])]
    others = 256 - len(_PRINTABLE)
    characters = [*map(chr, _PRINTABLE), *(chr(256 + number) for number in range(others))]
    pieces = [*characters, *(character + _WORD_END for character in characters)]
    pieces += [first + second for first, second in merges]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, _START, _END])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, end_of_word_suffix=_WORD_END))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PATTERN), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.add_special_tokens([_START, _END])
    return tokenizer
