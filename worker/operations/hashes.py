"""What tells a file and its likes again: the digest of its bytes, and the looks of its picture in 64 bits."""

from __future__ import annotations

from models.hashes import bit_string, perceptual_hash
from worker.context import Context
from worker.job import Replace
from worker.operation import Finding, Operation, Scene


async def take_hashes(scene: Scene, context: Context) -> Finding:
    looks = bit_string(await context.in_pixels(perceptual_hash, scene.image))
    return Finding(
        count=1,
        result={"success": True, "sha256": scene.sha256, "perceptual_hash": looks},
        writes=[
            Replace(table="asset_hashes", rows=[{"sha256": scene.sha256, "perceptual_hash": looks}]),
        ],
    )


OPERATION = Operation(name="hashes", long_side=64, run=take_hashes)
