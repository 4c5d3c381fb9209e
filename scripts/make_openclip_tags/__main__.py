"""Makes the catalog's list of published OpenCLIP weights from the library's own table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

TAGS: Final = Path(__file__).parents[2] / "models" / "catalog" / "open_clip" / "tags.json"


def tags() -> str:
    """{architecture: {tag: repository, and perhaps a file in it}} as JSON, a tag per line."""
    from models.machine.torch_cpu import make_torchvision_importable

    make_torchvision_importable()
    from open_clip import pretrained

    hubs = {
        model: {tag: weights["hf_hub"] for tag, weights in entries.items()}
        for model, entries in pretrained._PRETRAINED.items()
    }
    return json.dumps(hubs, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    TAGS.write_text(tags(), encoding="utf-8")
