"""A user's people as they are, to be compared with what they were."""

from __future__ import annotations

from typing import Any

QUERIES = {
    "clusters": "select id, name, contact_id, hidden, locked, face_count, representative_face_id, created_at"
    " from public.face_clusters where user_id = %s order by id",
    "contacts": "select id, display_name, birth_date from public.contacts where user_id = %s order by id",
    "exclusions": "select face_id, contact_id, at from kizu.exclusions where user_id = %s order by 1, 2",
    "pairs": "select face_id, other_id, same, verdict_id from kizu.face_pairs"
    " where user_id = %s order by 1, 2",
    "marks": "select face_id, mark, verdict_id from kizu.face_marks where user_id = %s order by 1",
    "tags": "select asset_id, tag_type, tag_value, contact_id, bounding_box::text, face_index, model_version,"
    " tagged_by::text from public.asset_tags where user_id = %s order by 1, 2, 3, 4, 7",
    "faces": "select face_id, model_version, cluster_id, contact_id, recognised"
    " from public.face_embeddings where user_id = %s",
}

STATE = "select " + ", ".join(
    f"(select coalesce(json_agg(found), '[]') from ({query}) as found) as {name}"
    for name, query in QUERIES.items()
)


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What differs between two states, by table: the rows that went and those that came."""
    found = {}
    for name in before:
        old, new = (
            [*rows.items()] if isinstance(rows, dict) else rows for rows in (before[name], after[name])
        )
        went, came = [row for row in old if row not in new], [row for row in new if row not in old]
        if went or came:
            found[name] = {"went": went, "came": came}
    return found


def state(queue: Any, user: str) -> dict[str, Any]:
    """Every row that tells who is who: {table: rows}, and faces as {face_id: {model: (cluster, contact,
    recognised)}}."""
    (found,) = queue.rows(STATE, *[user] * len(QUERIES))
    faces: dict[str, dict[str, tuple[Any, Any, bool]]] = {}
    for row in found["faces"]:
        told = (row["cluster_id"], row["contact_id"], row["recognised"])
        faces.setdefault(row["face_id"], {})[row["model_version"]] = told
    return {**found, "faces": faces}
