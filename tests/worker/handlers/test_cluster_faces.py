"""What the handler makes of what it reads: numbers for the engine, moves for the database."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from models.people import child
from models.people.scale import Scale
from worker.clustering import Clustered
from worker.context import Context
from worker.core.errors import TooLarge
from worker.core.job import Done, Job, Replace, Staged
from worker.core.record import Record
from worker.handlers import cluster_faces
from worker.settings import Settings
from worker.testing import MemoryRows, MemoryStaging

STATE = {
    "model_version": "m",
    "same": 0.5,
    "maybe": 0.3,
    "margin": 0.05,
    "last_verdict": 7,
    "read_at": "2026-01-01T00:00:00+00:00",
}


def vector(*numbers: float) -> str:
    """As halfvec_send has it."""
    return base64.b64encode(struct.pack(f">HH{len(numbers)}e", len(numbers), 0, *numbers)).decode()


def face(name: str, photo: str, **more: Any) -> dict[str, Any]:
    row = {"id": f"row {name}", "face_id": name, "asset_id": photo, "cluster_id": None, "contact_id": None}
    return {**row, "quality": 0.5, "taken_on": None, "vector": vector(0.6, 0.8), **more}


class Engine:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self, *labels: int, pairs: Sequence[tuple[int, int]] = ()) -> None:
        self.found = Clustered(
            labels=np.array(labels, np.int64),
            pairs=np.array(pairs, np.int64).reshape(-1, 2),
            likeness=np.full(len(pairs), 0.4, np.float32),
        )
        self.asked: dict[str, Any] = {}
        self.scale: Scale | None = None
        self.engine = ""

    async def __call__(
        self, faces: dict[str, Any], scale: Scale, engine: child.Engine, *, threads: int
    ) -> Clustered:
        self.asked, self.scale, self.engine = faces, scale, engine
        return self.found


class Told:
    """A job that ended: its outcome, and the rows that it staged."""

    def __init__(self, done: Done, staging: MemoryStaging, steps: list[tuple[int, str]]) -> None:
        self.done, self.steps = done, steps
        self.rows: list[Any] = []
        if done.writes:
            [self.write] = done.writes
            assert isinstance(self.write, Replace)
            assert isinstance(self.write.rows, Staged)
            self.rows = staging.rows(self.write.rows)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    async def run(engine: Engine, faces: Sequence[Mapping[str, Any]], **verbs: Any) -> Told:
        monkeypatch.setattr(cluster_faces, "cluster", engine)
        told = {
            **dict.fromkeys(("clusters", "births", "pairs", "exclusions"), ()),
            "state": [STATE],
            "faces": faces,
            **verbs,
        }
        staging, steps = MemoryStaging(), []
        context: Any = Context(
            job=Job(table="t", id=UUID(int=1), kind="cluster_faces", user_id=UUID(int=2), epoch=1),
            rows=MemoryRows({f"people_{name}": lambda _, rows=rows: rows for name, rows in told.items()}),
            staging=staging,
            settings=Settings(supabase_url="http://127.0.0.1:1", people_engine="hdbscan"),
            record=Record(),
            progress=lambda percent, step: steps.append((percent, step)),
            **dict.fromkeys(("files", "models", "generations", "pixels", "pictures")),
        )
        return Told(await cluster_faces.HANDLER.perform(context.job, context), staging, steps)

    return run


async def test_the_engine_is_told_numbers(run: Any) -> None:
    engine = Engine(0, 0, -1)
    faces = [
        face("a", "p1", contact_id="Ada", vector=vector(1.0, 0.0)),
        face("b", "p2", quality=None),
        face("c", "p1", taken_on="1999-12-31"),
        face("a", "p9"),
    ]
    pairs = [
        {"face_id": "b", "other_id": "c", "same": True, "verdict_id": 5},
        {"face_id": "a", "other_id": "b", "same": True, "verdict_id": 4},
        {"face_id": "a", "other_id": "c", "same": False, "verdict_id": 6},
        {"face_id": "a", "other_id": "gone", "same": False, "verdict_id": 7},
    ]
    exclusions = [
        {"face_id": "b", "contact_id": "Ada"},
        {"face_id": "gone", "contact_id": "Ada"},
        {"face_id": "b", "contact_id": "Nobody here"},
    ]
    births = [{"contact_id": "Ada", "birth_date": "2000-01-01"}]

    await run(engine, faces, pairs=pairs, exclusions=exclusions, births=births)

    asked = {name: array.tolist() for name, array in engine.asked.items()}
    assert asked.pop("vectors") == [[1.0, 0.0], *[pytest.approx([0.6, 0.8], abs=1e-3)] * 2]
    assert asked == {
        "photos": [0, 1, 0],
        "quality": [0.5, 1.0, 0.5],
        "contacts": [0, -1, -1],
        "same": [[0, 1], [1, 2]],
        "different": [[0, 2]],
        "excluded": [[1, 0], [2, 0]],
    }
    assert engine.scale == Scale(same=0.5, maybe=0.3, margin=0.05)
    assert engine.engine == "hdbscan"


async def test_only_faces_that_move_are_sent_and_ids_stay(run: Any) -> None:
    faces = [face("a", "p1", cluster_id="X"), face("b", "p2", cluster_id="X"), face("c", "p3")]
    faces += [face("d", "p4", cluster_id="Y"), face("e", "p5"), face("f", "p6"), face("g", "p7")]
    clusters = [{"cluster_id": "X", "contact_id": None}, {"cluster_id": "Y", "contact_id": None}]

    told = await run(Engine(0, 0, 0, -1, 1, 1, -1, pairs=[(0, 3)]), faces, clusters=clusters)

    *moves, asked = told.rows
    new = moves[1]["cluster_id"]
    assert moves == [
        {"face_id": "c", "cluster_id": "X", "was": None},
        {"face_id": "e", "cluster_id": new, "was": None, "made": True},
        {"face_id": "f", "cluster_id": new, "was": None, "made": True},
        {"face_id": "d", "cluster_id": None, "was": "Y"},
    ]
    assert str(UUID(new)) == new
    assert asked == {"face_id": "a", "other_id": "d", "likeness": 0.4}
    assert told.done.result == {"faces": 7, "people": 2, "moved": 4}


async def test_a_contacts_faces_come_into_the_contacts_cluster(run: Any) -> None:
    faces = [
        face("a", "p1", contact_id="Ada"),
        face("b", "p2", cluster_id="X"),
        face("c", "p3", cluster_id="X"),
    ]
    clusters = [{"cluster_id": "X", "contact_id": None}, {"cluster_id": "Y", "contact_id": "Ada"}]
    told = await run(Engine(0, 0, 0), faces, clusters=clusters)
    assert {row["cluster_id"] for row in told.rows} == {"Y"}
    assert not any("made" in row for row in told.rows)


async def test_what_is_more_than_a_settlement_writes_is_left_for_another(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_faces, "MOST_MOVES", 4)
    faces = [face("a", "p1"), face("b", "p2", cluster_id="X"), face("c", "p3"), face("d", "p4")]
    faces += [face("e", "p5"), face("f", "p6", contact_id="Ada"), face("g", "p7")]
    clusters = [{"cluster_id": "X", "contact_id": None}]
    pairs = [{"face_id": "e", "other_id": "f", "same": True, "verdict_id": 4}]

    told = await run(Engine(0, -1, 1, 0, 1, 1, 0), faces, clusters=clusters, pairs=pairs)

    assert [row["face_id"] for row in told.rows] == ["a", "d", "g", "e"]
    assert told.write.scope["more"]
    assert told.done.result["moved"] == 4


async def test_the_write_says_what_was_known_when_it_was_read(run: Any) -> None:
    told = await run(Engine(-1), [face("a", "p1")])
    assert told.write.table == "face_clusters"
    known = {name: STATE[name] for name in ("model_version", "last_verdict", "read_at")}
    assert told.write.scope == {**known, "faces": 1, "more": False}
    assert [step for _, step in told.steps] == ["reading", "reading", "clustering", "writing"]
    assert sorted(told.steps, key=lambda step: step[0]) == told.steps


async def test_without_a_generation_there_is_nothing_to_do(run: Any) -> None:
    told = await run(Engine(), [], state=[])
    assert (told.done.result, list(told.done.writes)) == ({"faces": 0, "people": 0, "moved": 0}, [])


async def test_without_faces_the_engine_is_not_asked(run: Any) -> None:
    engine = Engine()
    told = await run(engine, [])
    assert (engine.asked, told.rows) == ({}, [])
    assert told.write.scope["faces"] == 0


async def test_a_library_beyond_all_bounds_is_refused(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_faces, "MOST_FACES", 1)
    with pytest.raises(TooLarge, match="more than 1 faces"):
        await run(Engine(-1, -1), [face("a", "p1"), face("b", "p2")])
