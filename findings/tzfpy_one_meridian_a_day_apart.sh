#!/usr/bin/env bash
# tzfpy 2.1.1 (data 2026e): the same point on the date line, as 180 and as -180 degrees, is in two zones a day apart.
#
# Guess: a longitude of -180 is the one of 180. Seen: on the open sea the first is Etc/GMT+12, twelve hours behind UTC,
# the second Etc/GMT-12, twelve hours ahead. Receivers write either. Ashore, as in Fiji, both answer the same.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tzfpy==2.1.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import tzfpy

west, east = tzfpy.get_tz(-180.0, 0.0), tzfpy.get_tz(180.0, 0.0)
print(west, east)
assert (west, east) == ('Etc/GMT+12', 'Etc/GMT-12')
assert tzfpy.get_tz(-180.0, -16.9) == tzfpy.get_tz(180.0, -16.9) == 'Pacific/Fiji'
PYTHON
