#!/usr/bin/env bash
# ImageHash 4.3.2: two crop-resistant hashes that are 5 apart are equal (==).
#
# Guess: == of hashes means the same bits, as it does for ImageHash (phash, dhash, ...). Seen: for ImageMultiHash,
# which crop_resistant_hash answers, == means matches(): at least one segment in common within the default cutoff,
# while the difference of the two is above zero and their strings differ. Hashes of different pictures collapse in
# 'if new in known'.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ImageHash==4.3.2 numpy pillow
cd "$folder"
venv/bin/python - <<'PYTHON'
import imagehash
import numpy
from PIL import Image

noise = numpy.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype='uint8')
picture = Image.fromarray(noise).resize((32, 32)).resize((512, 512))
whole = imagehash.crop_resistant_hash(picture)
part = imagehash.crop_resistant_hash(picture.crop((0, 0, 400, 512)))
print('equal:', whole == part, 'difference:', round(float(whole - part), 2), 'same text:', str(whole) == str(part))
assert whole == part and whole - part > 1 and str(whole) != str(part)
assert part in [whole]
plain = imagehash.phash(picture), imagehash.phash(picture.crop((0, 0, 400, 512)))
assert plain[0] != plain[1]
PYTHON
