"""Clusters faces in a process of its own: arrays come in on standard input and go out on standard output.

Such a process can be ended at any moment, and neither the time for which a library holds its interpreter nor
its memory is any trouble to the worker that waits for it.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from typing import Any, Final, Literal, TypeAlias

from models.errors import PackageMissing
from models.people.clustering import cluster
from models.people.faces import Faces, Verdicts
from models.people.scale import Scale

Engine: TypeAlias = Literal["graph", "hdbscan"]
NO_MEMORY: Final = 3
"""Exit code where the machine has too little memory."""
NO_PACKAGE: Final = 4
"""Exit code where the engine's package is not installed."""
POLITENESS: Final = 10
"""Added to the process's niceness: nobody waits for it as for a photo."""
WATCH_SECONDS: Final = 1.0


def pack(**arrays: Any) -> bytes:
    """Arrays by name as one run of bytes."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, Any]:
    """What `pack` was given.

    Raises:
        ValueError: it is not that.
    """
    import numpy as np

    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)


def question(faces: dict[str, Any], scale: Scale, engine: Engine) -> bytes:
    """What the process is given: `faces` are `vectors` of any float type and the other arrays of `Faces` and
    `Verdicts`, by name."""
    return pack(**faces, scale=[scale.same, scale.maybe, scale.margin], engine=engine)


def answer(data: bytes) -> bytes:
    """The labels and questions of a clustering: `labels` (n,), `pairs` (q, 2) and `likeness` (q,)."""
    import numpy as np

    told = unpack(data)
    del data
    vectors = told.pop("vectors").astype(np.float32)
    vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    faces = Faces(vectors=vectors, photos=told["photos"], quality=told["quality"], contacts=told["contacts"])
    verdicts = Verdicts(same=told["same"], different=told["different"], excluded=told["excluded"])
    same, maybe, margin = map(float, told["scale"])
    scale = Scale(same=same, maybe=maybe, margin=margin)
    clusters = cluster(faces, verdicts, scale, engine=str(told["engine"]))
    asked = list(clusters.questions)
    return pack(
        labels=np.asarray(clusters.labels, np.int64),
        pairs=np.asarray([(one, other) for one, other, _ in asked], np.int64).reshape(-1, 2),
        likeness=np.asarray([cosine for _, _, cosine in asked], np.float32),
    )


def main() -> int:
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    os.nice(POLITENESS)
    try:
        sys.stdout.buffer.write(answer(sys.stdin.buffer.read()))
    except MemoryError:
        return NO_MEMORY
    except PackageMissing as error:
        sys.stderr.write(f"{error}\n")
        return NO_PACKAGE
    return 0


def _end_with(parent: int) -> None:
    """End this process when the one that started it is gone."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
