#!/usr/bin/env bash
# gpxpy 1.6.2: get_location_at does not interpolate; between two points of a track it answers the later one.
#
# Guess: half-way between two points in time one is half-way between them in space, or at the nearer one. Seen: a
# moment after the first point one is at the second, however far away: photos taken just after a pause of the
# recorder are put where it was switched on again. After the last point the answer is empty.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gpxpy==1.6.2
cd "$folder"
venv/bin/python - <<'PYTHON'
import datetime
import gpxpy

points = ''.join(
    f'<trkpt lat="{lat}" lon="0"><time>2024-06-01T12:{minute:02}:00Z</time></trkpt>' for lat, minute in ((0, 0), (5, 50))
)
track = gpxpy.parse(
    '<gpx version="1.1" creator="x" xmlns="http://www.topografix.com/GPX/1/1">'
    f'<trk><trkseg>{points}</trkseg></trk></gpx>'
)
def latitudes(minute):
    moment = datetime.datetime(2024, 6, 1, 12, minute, tzinfo=datetime.timezone.utc)
    return [place.latitude for place in track.get_location_at(moment)]
found = {minute: latitudes(minute) for minute in (0, 1, 25, 50, 51)}
print('latitude by minute:', found)
assert found == {0: [0.0], 1: [5.0], 25: [5.0], 50: [5.0], 51: []}
PYTHON
