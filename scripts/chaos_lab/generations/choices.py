"""Which models the siege changes between: what selects them, wherever it is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

FOLDER: Final = "siege"
"""Of the embedders, below the model cache."""
EMBEDDERS: Final[Mapping[str, int]] = {"narrow": 384, "wide": 768}
"""Their folders' names and the numbers of their vectors: from the first the library changes to the second."""
PACKS: Final = ("siege-near", "siege-far")
"""The same of faces, in InsightFace's folder; their vectors all have 512 numbers."""
KINDS: Final = ("pictures", "faces")
SETTINGS: Final[Mapping[str, str]] = {
    "embed_model": "open_clip",
    "clip_pretrained": f"{FOLDER}/{next(iter(EMBEDDERS))}",
    "faces_model": "insightface",
    "face_pack": PACKS[0],
}
"""Of the workers; they mean the first models."""


def second(kind: str) -> dict[str, Any]:
    """What `begin_generation` is told of the model that a library changes to."""
    if kind == "pictures":
        name, dimension = list(EMBEDDERS.items())[1]
        return {
            "p_kind": kind,
            "p_version": f"openclip-{name}",
            "p_model": {
                "embed_model": "open_clip",
                "clip_model": "ViT-B-32",
                "clip_pretrained": f"{FOLDER}/{name}",
                "vector_precision": "fp32",
            },
            "p_dimension": dimension,
            "p_new": True,
        }
    return {
        "p_kind": kind,
        "p_version": f"insightface-{PACKS[1]}",
        "p_model": {"faces_model": "insightface", "face_pack": PACKS[1]},
        "p_dimension": 512,
        "p_same_face": 0.55,
        "p_new": True,
    }
