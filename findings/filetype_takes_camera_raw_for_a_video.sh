#!/usr/bin/env bash
# filetype 1.2.0: Canon's raw photos (CR3) are video/mp4; ten-bit HEIC and JPEG XL are unknown.
#
# Guess: an ISO media file of a brand that is not listed is None. Seen: any of them is video/mp4 unless a picture's
# brand is known; 'heix', which cameras write for ten-bit HEIC, is None all the same, as are both forms of JPEG XL.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check filetype==1.2.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import filetype

def iso_media(major, *compatible):
    body = b'ftyp' + major + bytes(4) + b''.join(compatible)
    return (len(body) + 4).to_bytes(4, 'big') + body + bytes(300)
files = {
    'CR3': iso_media(b'crx ', b'crx ', b'isom'),
    'HEIC': iso_media(b'heic', b'mif1', b'heic'),
    'HEIC, ten bits': iso_media(b'heix', b'mif1', b'heix'),
    'JPEG XL': b'\xff\x0a' + bytes(300),
}
kinds = {name: filetype.guess_mime(data) or '' for name, data in files.items()}
print(kinds)
assert kinds == {'CR3': 'video/mp4', 'HEIC': 'image/heic', 'HEIC, ten bits': '', 'JPEG XL': ''}, kinds
PYTHON
