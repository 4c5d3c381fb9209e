#!/usr/bin/env bash
# qdrant-client 1.20.0, in-memory mode: MatchExcept(['Rome']) and must_not(Rome) are two different questions.
#
# Guess: 'any place except Rome' is the same as 'not Rome'. Seen: MatchExcept wants a value that is another one: a
# photo without a place is left out, and one with the places Rome and Oslo is found; must_not does the opposite in
# both cases.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check qdrant-client==1.20.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from qdrant_client import QdrantClient, models

client = QdrantClient(':memory:')
client.create_collection('photos', vectors_config=models.VectorParams(size=2, distance=models.Distance.COSINE))
payloads = {1: {'place': 'Rome'}, 2: {'place': 'Oslo'}, 3: {}, 4: {'place': ['Rome', 'Oslo']}}
client.upsert('photos', [models.PointStruct(id=n, vector=[1, 0], payload=p) for n, p in payloads.items()])
def found(**filters):
    answer = client.query_points('photos', query=[1, 0], query_filter=models.Filter(**filters))
    return sorted(point.id for point in answer.points)
other = models.FieldCondition(key='place', match=models.MatchExcept(**{'except': ['Rome']}))
rome = models.FieldCondition(key='place', match=models.MatchValue(value='Rome'))
print('except Rome:', found(must=[other]), 'must not be Rome:', found(must_not=[rome]))
assert found(must=[other]) == [2, 4] and found(must_not=[rome]) == [2, 3]
PYTHON
