#!/usr/bin/env bash
# astral 3.2: asked in UTC, the sunset of a day in America comes before its sunrise; and noon may be tomorrow.
#
# Guess: sun() answers the events of one day in their order. Seen: each event is moved by whole days until it falls
# on the date asked for, in the zone asked for. In UTC, which is the default, the sunset of 1 June in Los Angeles is
# the one of the evening before. In the place's own zone all is in order, but for noon where the zone is a day ahead
# of its longitude: in Kiritimati (UTC+14) the noon of 1 June is 2 June. Photos told apart by 'before
# sunset' go wrong where the date was asked for in UTC.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check astral==3.2 tzdata
cd "$folder"
venv/bin/python - <<'PYTHON'
import datetime, zoneinfo
from astral import Observer
from astral.sun import sun

day = datetime.date(2024, 6, 1)
angeles = sun(Observer(34.05, -118.24), date=day)
print({name: f'{moment:%d %H:%M}' for name, moment in angeles.items()})
assert angeles['sunset'] < angeles['dawn'] and angeles['sunset'].date() == day
zone = zoneinfo.ZoneInfo('Pacific/Kiritimati')
island = sun(Observer(1.87, -157.4), date=day, tzinfo=zone)
print({name: f'{moment:%d %H:%M}' for name, moment in island.items()})
assert island['sunrise'].date() == island['sunset'].date() == day
assert island['noon'].date() == day + datetime.timedelta(days=1)
PYTHON
