#!/usr/bin/env bash
# h3 4.5.0: a latitude of 91 degrees is no error: it is a cell on the other side of the pole.
#
# Guess: latitudes beyond 90 are refused, as NaN is. Seen: any finite number has a cell, so that coordinates in the
# wrong order (Tokyo as 139.7, 35.7) become a place in the Pacific instead of an error; great_circle_distance
# answers NaN for one such pair and a wrong number for another.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check h3==4.5.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import math
import h3

over = h3.latlng_to_cell(91, 10, 9)
print('91, 10 is', h3.cell_to_latlng(over), '; 139.7, 35.7 is', h3.cell_to_latlng(h3.latlng_to_cell(139.7, 35.7, 5)))
assert over == h3.latlng_to_cell(89, 190, 9)
try:
    h3.latlng_to_cell(float('nan'), 10, 9)
except h3.H3LatLngDomainError as error:
    print('nan is', type(error).__name__)
else:
    raise AssertionError('NaN has a cell')
assert math.isnan(h3.great_circle_distance((91, 10), (89, 190)))
PYTHON
