"""Makes the catalog's list of ImageNet's classes, in WordNet's words, from the copy that timm brings."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Final

CLASSES: Final = Path(__file__).parents[2] / "models" / "catalog" / "conse" / "classes.json"
NOTICE: Final = (
    "WordNet Release 3.0 This software and database is being provided to you, the LICENSEE, by Princeton "
    "University under the following license. By obtaining, using and/or copying this software and database, "
    "you agree that you have read, understood, and will comply with these terms and conditions.: Permission "
    "to use, copy, modify and distribute this software and database and its documentation for any purpose "
    "and without fee or royalty is hereby granted, provided that you agree to comply with the following "
    "copyright notice and statements, including the disclaimer, and that the same appear on ALL copies of "
    "the software, database and documentation, including modifications that you make for internal use or "
    "for distribution. WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. THIS "
    'SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR '
    "WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION, PRINCETON UNIVERSITY MAKES NO "
    "REPRESENTATIONS OR WARRANTIES OF MERCHANT- ABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE "
    "USE OF THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY PATENTS, "
    "COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS. The name of Princeton University or Princeton may not be used "
    "in advertising or publicity pertaining to distribution of the software and/or database. Title to "
    "copyright in this software, database and any associated documentation shall at all times remain with "
    "Princeton University and LICENSEE agrees to preserve same."
)


def classes() -> str:
    """{"notice": ..., "classes": [[lemma, definition], ...]} as JSON, a class per line."""
    spec = importlib.util.find_spec("timm")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "data" / "_info"
    synsets = (folder / "imagenet_synsets.txt").read_text().split()
    lemmas, definitions = (
        dict(
            line.split("\t", 1)
            for line in (folder / f"imagenet_synset_to_{name}.txt").read_text().splitlines()
        )
        for name in ("lemma", "definition")
    )
    lines = ",\n".join(json.dumps([lemmas[one], definitions[one]], ensure_ascii=False) for one in synsets)
    return f'{{"notice": {json.dumps(NOTICE)},\n"classes": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    CLASSES.write_text(classes(), encoding="utf-8")
