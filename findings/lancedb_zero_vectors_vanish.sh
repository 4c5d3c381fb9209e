#!/usr/bin/env bash
# LanceDB 0.40.0: a search by cosine distance leaves zero vectors out, and a zero query finds nothing at all.
#
# Guess: four rows and limit 4 give four rows, the zero vector last. Seen: three rows without a word; asked with a
# zero vector (a sentence of which no word was known), the answer is empty, though every row is there.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check lancedb==0.40.0 pyarrow
cd "$folder"
venv/bin/python - <<'PYTHON'
import tempfile
import lancedb

table = lancedb.connect(tempfile.mkdtemp()).create_table(
    'pictures',
    [{'id': n, 'vector': v} for n, v in enumerate([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])],
)
def search(vector):
    return [row['id'] for row in table.search(vector).metric('cosine').limit(4).to_list()]
print(table.count_rows(), 'rows; found for [1,0]:', search([1.0, 0.0]), 'for [0,0]:', search([0.0, 0.0]))
assert table.count_rows() == 4 and search([1.0, 0.0]) == [1, 2, 3] and search([0.0, 0.0]) == []
PYTHON
