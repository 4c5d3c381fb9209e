"""Where the checkout and the real photos and weights lie, for every test that needs them."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTDATA = Path(os.environ.get("KIZU_TESTDATA") or ROOT.parent / "shared" / "testdata")
"""Real photos, videos and weights; without them a test skips, with a reason."""
