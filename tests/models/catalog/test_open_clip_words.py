"""CLIP's words without its library: the tokens are those that the library makes."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from models.catalog.open_clip.words import CONTEXT, Words, fits

pytestmark = pytest.mark.skipif(find_spec("open_clip") is None, reason="open_clip is not installed")

SENTENCES = [
    "",
    "a dog",
    "A DOG's life, isn't it?",
    "  two   dogs\n",
    "it\u2019s 2019: 123456",
    "don't you'll they've I'm he'd we're",
    "naïve café ÅÄÖ schön Größe İstanbul",
    "日本語 の写真 مرحبا Ελλάδα Привет",
    "🐶🐕 dog ½ ﬁ",
    "&amp;amp; &lt;b&gt; foo_bar-baz/qux \u2026\u2014\u2013\u201c\u201d",
    "\u200b zero\u00a0width",
    "word " * 500,
    "<end_of_text> x<start_of_text>y <END_OF_TEXT>",
]


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: ascii(sentence)[:30])
@pytest.mark.parametrize("context", [CONTEXT, 8])
def test_tokens_are_the_librarys(sentence: str, context: int) -> None:
    from models.machine.torch_cpu import make_torchvision_importable

    make_torchvision_importable()
    from open_clip.tokenizer import SimpleTokenizer

    expected = SimpleTokenizer(context_length=context)([sentence]).numpy()
    assert np.array_equal(Words(context)([sentence]), expected)


def test_several_sentences_are_as_many_rows() -> None:
    tokens = Words(CONTEXT)(SENTENCES[:3])
    assert tokens.shape == (3, CONTEXT)
    assert tokens.dtype == np.int64
    assert Words(CONTEXT)([]).shape == (0, CONTEXT)


def test_neither_the_library_nor_torch_is_imported() -> None:
    code = (
        "import sys; from models.catalog.open_clip.words import Words; Words(77)(['a dog']);"
        " print({'torch', 'open_clip', 'torchvision'} & set(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert ran.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("name", "text", "fit"),
    [
        ("ViT-B-32", {"context_length": 77}, True),
        ("ViT-B-32", {}, True),
        ("xlm-roberta-base-ViT-B-32", {"hf_tokenizer_name": "xlm-roberta-base"}, False),
        ("ViT-H-14-CLIPA", {"tokenizer_kwargs": {"reduction_mask": "syntax"}}, False),
        ("ViT-B-16-SigLIP-i18n-256", {}, False),
    ],
)
def test_only_what_reads_clips_words_is_read_so(name: str, text: dict[str, object], fit: bool) -> None:
    assert fits(name, text) is fit
