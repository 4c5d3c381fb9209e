"""What tests of models share: libraries that are silent."""

from __future__ import annotations

from models.machine.quiet import silence
from tests.conftest import TINY_MODELS

silence(TINY_MODELS)
