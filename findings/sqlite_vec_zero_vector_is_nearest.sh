#!/usr/bin/env bash
# sqlite-vec 0.1.9: with distance_metric=cosine an all-zero vector is everybody's nearest neighbour.
#
# Guess: a zero vector has no direction, so it comes last, or is refused, as in other stores (hnswlib gives it
# distance 1, pgvector leaves it out of its index). Seen: its distance is NULL, and the KNN query of a vec0 table
# puts it first: with k = 2 it takes the place of a real neighbour. One blank picture whose vector was stored as
# zeros then heads every search.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sqlite-vec==0.1.9 apsw==3.54.1.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import apsw, sqlite_vec

db = apsw.Connection(':memory:')
db.enable_load_extension(True)
db.load_extension(sqlite_vec.loadable_path())
db.execute('create virtual table pictures using vec0(vector float[2] distance_metric=cosine)')
for number, vector in enumerate(['[0,0]', '[1,0]', '[0.8,0.6]', '[-1,0]']):
    db.execute('insert into pictures(rowid, vector) values (?, ?)', (number, vector))
found = list(db.execute("select rowid, distance from pictures where vector match '[1,0]' and k = 2"))
print('two nearest of [1,0]:', found)
assert found == [(0, None), (1, 0.0)], found
PYTHON
