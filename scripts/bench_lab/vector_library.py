"""A library of many drawn vectors in a database of its own, written as fast as Postgres takes them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import numpy as np
import psutil
import psycopg
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from scripts.bench_lab.lab import Lab
from scripts.bench_lab.measure import Measure
from scripts.bench_lab.vectors import Floats, Model, Nearest
from worker.local.stack import LocalStack

BYTES_BESIDE = 1_500
"""Of HNSW's graph for each vector, beside its numbers, while it is built in memory; generously."""

Rows = NDArray[Any]


@contextmanager
def large_stack(lab: Lab, vectors: int, dimension: int) -> Iterator[str]:
    """The superuser's address of a fresh database, with memory as it has where so much is hosted."""
    lab.tell("starting a stack for a library")
    stack = LocalStack(lab.home / "library")
    settings = {
        "shared_buffers": min(psutil.virtual_memory().total // 4, 4 << 30) >> 20,
        "maintenance_work_mem": max(vectors * (4 * dimension + BYTES_BESIDE) >> 20, 64),
        "max_wal_size": 8192,
    }
    try:
        with psycopg.connect(stack.up().database_url, autocommit=True) as db:
            for name, megabytes in settings.items():
                db.execute(f"alter system set {name} = '{megabytes}MB'")
        stack.down()
        yield stack.up().database_url
    finally:
        stack.down()


def indexed(db: psycopg.Connection[Any], definition: str, index: str, name: str) -> list[Measure]:
    """By one process, as a generation's index is."""
    db.execute("set max_parallel_maintenance_workers = 0")
    begin = time.perf_counter()
    db.execute(definition.encode())
    seconds = time.perf_counter() - begin
    size = value_of(db, "select pg_relation_size(%s::regclass)", index) / 2**20
    return [
        Measure(name=f"index_{name}_built_within", value=seconds, unit="s"),
        Measure(name=f"index_{name}_size", value=size, unit="MiB"),
    ]


def become(db: psycopg.Connection[Any], role: str, user: UUID | None) -> None:
    db.execute(
        "select set_config('role', %s, false), set_config('request.jwt.claims', %s, false)",
        [role, json.dumps({"role": role} | ({"sub": str(user)} if user else {}))],
    )


def begin_generation(
    db: psycopg.Connection[Any], version: str, dimension: int, *, new: bool = True
) -> dict[str, Any]:
    begun: dict[str, Any] = value_of(
        db,
        "select public.begin_generation('pictures', %s, %s, %s, p_new => %s)",
        version,
        Jsonb({"embed_model": version}),
        dimension,
        new,
    )
    return begun


def add_photos(db: psycopg.Connection[Any], assets: Rows, owners: Rows) -> None:
    with untriggered(db):
        db.execute("create temporary table photos (id uuid, user_id uuid) on commit drop")
        _copy(db, "photos", {"id": assets, "user_id": owners})
        db.execute("insert into auth.users (id) select distinct user_id from photos")
        db.execute(
            "insert into public.assets (id, user_id, path)"
            " select id, user_id, user_id || '/' || id from photos"
        )


def add_vectors(
    db: psycopg.Connection[Any], model: Model, version: str, owners: Rows, assets: Rows, nearest: Nearest
) -> None:
    with untriggered(db):
        for start, vectors in model.blocks():
            nearest.look_at(start, vectors)
            here = slice(start, start + len(vectors))
            _copy(
                db,
                "public.image_embeddings",
                {
                    "user_id": owners[here],
                    "asset_id": assets[here],
                    "embedding": _as_sent(vectors),
                    "model_version": np.full(len(vectors), version.encode()),
                },
            )
        db.execute(
            "insert into public.asset_facts (asset_id, user_id, fact, version, state)"
            " select asset_id, user_id, 'embedding', model_version, 'done'"
            "   from public.image_embeddings where model_version = %s",
            [version],
        )


@contextmanager
def untriggered(db: psycopg.Connection[Any]) -> Iterator[None]:
    with db.transaction():
        db.execute("set local session_replication_role = replica")
        yield


def _copy(db: psycopg.Connection[Any], table: str, columns: Mapping[str, Rows]) -> None:
    """Rows whose values have one width in each column, as Postgres sends them in binary."""
    kinds: list[tuple[str, str]] = [("columns", ">i2")]
    for name, values in columns.items():
        kinds += [(f"width of {name}", ">i4"), (name, values.dtype.str)]
    rows = np.empty(len(next(iter(columns.values()))), kinds)
    rows["columns"] = len(columns)
    for name, values in columns.items():
        rows[f"width of {name}"] = values.dtype.itemsize
        rows[name] = values
    with (
        db.cursor() as cursor,
        cursor.copy(f"copy {table} ({', '.join(columns)}) from stdin (format binary)") as copy,
    ):
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff")


def draw_ids(random: np.random.Generator, size: int) -> Rows:
    """UUIDs as 16 bytes each; the last 8 are the place among them."""
    ids = np.stack([random.integers(0, 2**63, size), np.arange(size)], axis=1).astype(">i8")
    return ids.view("V16")[:, 0]


def as_uuids(ids: Rows) -> list[UUID]:
    return [UUID(bytes=found.tobytes()) for found in ids]


def _as_sent(vectors: Floats) -> Rows:
    sent = np.zeros(
        len(vectors), [("dimension", ">i2"), ("unused", ">i2"), ("numbers", ">f4", vectors.shape[1])]
    )
    sent["dimension"] = vectors.shape[1]
    sent["numbers"] = vectors
    return sent.view(f"V{sent.dtype.itemsize}")


def as_text(vector: Floats) -> str:
    return "[" + ",".join(f"{number:.9g}" for number in vector.tolist()) + "]"


def value_of(db: psycopg.Connection[Any], query: str, *parameters: Any) -> Any:
    row = db.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]
