"""Generations of vectors are the project's, and so all tests' of one stack: each test begins without any."""

from __future__ import annotations

from typing import Any

import psycopg


def forget_generations(db: psycopg.Connection[Any]) -> None:
    """Delete all vectors, what is known by them, and the generations they belong to, with their indexes."""
    for table in ("image_embeddings", "face_embeddings"):
        db.execute(f"delete from public.{table}")
    # What is deleted is indexed as long as somebody may see it, and may have another number of dimensions.
    db.execute("truncate kizu.face_vectors")
    db.execute("delete from public.asset_facts where fact in (select fact from public.vector_kinds)")
    db.execute("select kizu.unindex_generation(generation) from public.generations as generation")
    db.execute("delete from public.generations")
