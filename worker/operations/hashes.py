"""Hashes a picture: SHA-256 of the file's bytes, and 64 bits that near-duplicates share most of.

A blank picture has no such bits, so that it is nobody's duplicate but by its bytes.
"""

from __future__ import annotations

from models.pictures.detail import Detail
from models.pictures.hashes import bit_string, perceptual_hash
from worker.context import Context
from worker.core.job import Replace
from worker.operations.operation import Finding, Operation, SharedPicture


async def take_hashes(picture: SharedPicture, context: Context) -> Finding:
    looks = bit_string(await context.in_pixels(perceptual_hash, picture.frames["hashes"].image()))
    return Finding(
        count=1,
        result={"success": True, "sha256": picture.sha256, "perceptual_hash": looks},
        writes=[
            Replace(table="asset_hashes", rows=[{"sha256": picture.sha256, "perceptual_hash": looks}]),
        ],
    )


OPERATION = Operation(name="hashes", detail=Detail(long_side=64), run=take_hashes)
