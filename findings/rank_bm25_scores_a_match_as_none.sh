#!/usr/bin/env bash
# rank-bm25 0.2.2: in a small library a text with the word scores no more than one without it, or less than 0.
#
# Guess: whatever the scale, a text that has the word scores above one that has not, as in Lucene or bm25s. Seen: a
# word that half of the texts have scores 0, like no match at all; where every text has it, the match is negative, so
# that a filter 'score > 0' finds nothing. Captions of one album are such a library.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rank-bm25==0.2.2 numpy
cd "$folder"
venv/bin/python - <<'PYTHON'
from rank_bm25 import BM25Okapi

half = BM25Okapi([['dog', 'beach'], ['cat', 'sofa']]).get_scores(['dog']).tolist()
every = BM25Okapi([['dog', 'beach'], ['dog', 'park']]).get_scores(['dog']).tolist()
print('one of two has it:', half, 'both have it:', every)
assert half == [0.0, 0.0] and max(every) < 0
PYTHON
