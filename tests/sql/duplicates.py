"""Photos among which duplicates are looked for: their bytes, looks and times, as workers settle them."""

from __future__ import annotations

import random
import uuid
from typing import Any

from psycopg.types.json import Jsonb

from tests.sql.library import MODEL, like

Json = dict[str, Any]


def bits(seed: object, count: int) -> str:
    """A hash of so many bits that the seed decides."""
    return f"{random.Random(f'{seed}').getrandbits(count):0{count}b}"


def turned(looks: str, count: int, seed: object = 0) -> str:
    """The same hash with `count` bits turned over."""
    places = random.Random(f"{seed}").sample(range(len(looks)), count)
    return "".join(str(1 - int(bit)) if place in places else bit for place, bit in enumerate(looks))


LOOKS, FINE = bits("looks", 64), bits("fine", 256)


class Album:
    """One user's; `photo` adds to it as a worker that has looked at the file."""

    def __init__(self, queue: Any, user: str | None = None) -> None:
        self.queue = queue
        self.user: str = user or queue.user()
        if not queue.value("select count(*) from generations where kind = 'pictures'"):
            queue.generation(MODEL, "pictures", 8)
        self.names: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    def photo(self, name: str, *, stored: bool = True, size: int = 1000, **looks: Any) -> str:
        """A photo that looks as said; unless told, like every other in all but its bytes and its time."""
        known = {
            "sha256": uuid.uuid4().hex * 2,
            "looks": LOOKS,
            "fine": FINE,
            "sharpness": 10,
            "exposure": 0.9,
            "contrast": 50,
            "similarity": 1,
        }
        row = {"user_id": self.user, "path": f"{self.user}/{uuid.uuid4()}.jpg", "media_type": "document"}
        row |= {"taken_at": None, "width": 4000, "height": 3000}
        row |= {column: value for column, value in looks.items() if column not in known}
        known |= {name: value for name, value in looks.items() if name in known}
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        asset = str(
            self.queue.value(f"insert into assets ({names}) values ({places}) returning id", *row.values())
        )
        if stored:
            self.store(row["path"], size)
        self.names[asset], self.ids[name] = name, asset
        self.look(asset, **known)
        return asset

    def store(self, path: str, size: int) -> None:
        self.queue.db.execute(
            "insert into storage.objects (bucket_id, name, metadata) values ('assets', %s, %s)",
            (path, Jsonb({"size": size})),
        )

    def look(self, asset: str, **known: Any) -> None:
        """A worker settles what it found in the photo."""
        kind = self.queue.kind()
        self.queue.enqueue(kind, self.user, asset)
        quality = {name: known[name] for name in ("sharpness", "exposure", "contrast") if name in known}
        writes = [
            {
                "table": "asset_hashes",
                "rows": [{"sha256": known["sha256"], "perceptual_hash": known["looks"]}],
            },
            {"table": "asset_quality", "rows": [{**quality, "fine_hash": known["fine"]}]},
        ]
        if known.get("similarity") is not None:
            vector = {"embedding": like(known["similarity"]), "model_version": MODEL}
            writes.append({"table": "image_embeddings", "scope": {"model_version": MODEL}, "rows": [vector]})
        answer = self.queue.settle(self.queue.take(kind), writes=writes)
        assert answer["answer"] == "settled", answer

    def call(self, function: str, **arguments: Any) -> Any:
        """What a function answers this user's app."""
        names = ", ".join(f"p_{name} => %s" for name in arguments)
        values = [Jsonb(value) if isinstance(value, dict) else value for value in arguments.values()]
        with self.queue.acting("authenticated", self.user):
            return self.queue.value(f"select public.{function}({names})", *values)

    def groups(self, kind: str | None = None, **more: Any) -> list[list[str]]:
        """The groups of one page, each as the names of its members, the best first."""
        answer = self.call("list_duplicates", kind=kind, **more)
        return [self.named(group) for group in answer["groups"]]

    def together(self, kind: str | None = None) -> list[set[str]]:
        """The groups as sets, in no order."""
        return sorted(map(set, self.groups(kind, limit=100)), key=min)

    def named(self, group: Json) -> list[str]:
        return [self.names.get(member["asset_id"], "?") for member in group["members"]]
