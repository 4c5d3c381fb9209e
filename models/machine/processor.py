"""What the processor can do, as far as that decides which backend is fastest."""

from __future__ import annotations

from functools import cache
from pathlib import Path


def has_bf16() -> bool:
    """Whether the processor multiplies bf16 in hardware. Elsewhere bf16 is emulated, and slower than fp32."""
    return not features().isdisjoint({"avx512_bf16", "amx_bf16"})


def has_avx512() -> bool:
    return "avx512f" in features()


@cache
def features() -> frozenset[str]:
    """The processor's features as Linux names them, e.g. `avx2`; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    named = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(named.partition(":")[2].split())
