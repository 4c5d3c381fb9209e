"""Judges the moments of generated albums: `python -m scripts.album_lab [SEEDS]`."""

from __future__ import annotations

import sys

from scripts.album_lab.album import album
from scripts.album_lab.judging import judge


def main(seeds: int) -> int:
    """One line a seed; 1 if a story was missed, one of the first ten is false or a bad photo is shown."""
    faults, closest = 0, 2.0
    print("seed  photos  stories  missed  false  bad  closest covers (by chance)")
    for seed in range(seeds):
        written = album(seed)
        verdict = judge(written)
        print(
            f"{seed:4}  {len(written.photos):6}  {verdict.stories:7}  {len(verdict.missed):6}"
            f"  {len(verdict.wrong):5}  {len(verdict.bad):3}"
            f"  {verdict.closest:.3f} ({verdict.by_chance:.3f})",
            *verdict.missed,
            *verdict.wrong,
        )
        faults += len(verdict.missed) + len(verdict.wrong) + len(verdict.bad)
        closest = min(closest, verdict.closest)
    print(f"the two covers of a moment that are most alike have a cosine distance of {closest:.3f}")
    return int(faults > 0)


sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
