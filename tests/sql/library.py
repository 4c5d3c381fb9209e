"""A user's library as it is searched: photos with what workers found in them and people said of them."""

from __future__ import annotations

import math
import uuid
from typing import Any

from psycopg.types.json import Jsonb

MODEL = "m"
QUERY = "[1,0,0,0,0,0,0,0]"
CUTOFF = 0.25

Json = dict[str, Any]


def like(similarity: float) -> str:
    """A unit vector of 8 numbers whose cosine with QUERY is that."""
    return f"[{similarity},{math.sqrt(1 - similarity**2):.9f},0,0,0,0,0,0]"


class Library:
    """One user's; `photo` adds to it and the others say something of a photo."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.user: str = queue.user()
        for kind in ("pictures", "faces"):
            if not queue.value("select count(*) from generations where kind = %s", kind):
                queue.generation(MODEL, kind, 8)
        queue.db.execute("update generations set cutoff = %s where kind = 'pictures'", (CUTOFF,))
        self._names: dict[str, str] = {}

    def photo(self, name: str, **columns: Any) -> str:
        """An asset of that name, which its id is known by in answers; taken_at is 2020-01-01 unless told."""
        row = {
            "user_id": self.user,
            "path": f"{self.user}/{uuid.uuid4()}.jpg",
            "media_type": "document",
            "taken_at": "2020-01-01T12:00:00Z",
            **columns,
        }
        asset = str(self.insert("assets", **row))
        self._names[asset] = name
        return asset

    def insert(self, table: str, **row: Any) -> Any:
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        key = "asset_id" if table == "asset_facts" else "id"
        values = [Jsonb(value) if isinstance(value, dict) else value for value in row.values()]
        return self.queue.value(f"insert into {table} ({names}) values ({places}) returning {key}", *values)

    def found(self, table: str, asset: str, **row: Any) -> Any:
        """What a worker, or a person, found in the asset."""
        return self.insert(table, user_id=self.user, asset_id=asset, **row)

    def looks(self, asset: str, similarity: float) -> None:
        self.found("image_embeddings", asset, embedding=like(similarity), model_version=MODEL)

    def reads(self, asset: str, text: str) -> None:
        self.found("image_text", asset, extracted_text=text, model_version=uuid.uuid4().hex)

    def describes(self, asset: str, text: str) -> None:
        self.found("image_descriptions", asset, description=text, model_version=uuid.uuid4().hex)

    def tags(self, asset: str, value: str, **row: Any) -> None:
        self.found("asset_tags", asset, **{"tag_type": "object", "tag_value": value, **row})

    def shows(
        self, asset: str, name: str, count: int = 1, confidence: float = 0.9, sure: bool = True
    ) -> None:
        for _ in range(count):
            self.found(
                "detected_objects",
                asset,
                object_class=name,
                confidence=confidence,
                sure=sure,
                bounding_box={},
                model_version=MODEL,
            )

    def contact(self, name: str) -> str:
        return str(self.insert("contacts", user_id=self.user, display_name=name))

    def face(self, asset: str, contact: str | None = None, *, recognised: bool = False) -> str:
        """A face in the asset, of a contact where one is named; answers its face_id."""
        number = self.queue.value("select count(*) from face_embeddings where asset_id = %s", asset)
        row = self.found(
            "face_embeddings",
            asset,
            embedding=like(0.5),
            bounding_box={},
            face_index=number,
            contact_id=contact,
            recognised=recognised,
            model_version=MODEL,
        )
        return str(self.queue.value("select face_id from face_embeddings where id = %s", row))

    def looked_at(self, asset: str, fact: str) -> None:
        self.found("asset_facts", asset, fact=fact, version="1", state="nothing_found")

    def answer(self, understood: Json | None = None, **arguments: Any) -> Json:
        """What rank_search answers this user's app."""
        wish = {"p_understood": Jsonb(understood or {}), **arguments}
        names = ", ".join(f"{name} => %s" for name in wish)
        values = [Jsonb(value) if isinstance(value, dict) else value for value in wish.values()]
        with self.queue.acting("authenticated", self.user):
            answer: Json = self.queue.value(f"select public.rank_search({names})", *values)
        return answer

    def search(self, semantic: str = "", *parts: Json, vector: str | None = None, **more: Any) -> list[str]:
        """The names of the results, in order."""
        return self.named(self.answer(asks(semantic, *parts), p_vector=vector, **more))

    def named(self, answer: Json) -> list[str]:
        return [self._names.get(result["asset_id"], "?") for result in answer["results"]]

    def evidence(self, answer: Json, name: str) -> list[Json]:
        (result,) = [each for each in answer["results"] if self._names[each["asset_id"]] == name]
        return list(result["evidence"])


def asks(semantic: str = "", *parts: Json, **more: Any) -> Json:
    """An understanding."""
    return {"text": semantic, "semantic": semantic, "parts": list(parts), **more}


def part(kind: str, **facts: Any) -> Json:
    """A part; `negated` is the part's `not`."""
    return {"kind": kind, "not": facts.pop("negated", False), **facts}
