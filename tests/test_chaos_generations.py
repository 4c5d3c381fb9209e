"""The siege of changing models: its checks find what they are there to find."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest
from PIL import Image
from psycopg.types.json import Jsonb

from models.people.clustering import CORE_QUALITY
from models.people.quality import sharpness
from scripts.chaos_lab.generations.library import LATE, PEOPLE, count_vectors, look, name_faces, note_moment
from scripts.chaos_lab.generations.schema import SCHEMA
from scripts.chaos_lab.generations.searches import Search, note_searches
from scripts.chaos_lab.generations.siege import judged
from scripts.chaos_lab.images.photos import HEIGHT, WIDTH, draw_people
from scripts.chaos_lab.images.trial import path_of
from scripts.chaos_lab.verdict import GENERATION_CHECKS
from tests.sql.pictures import unit
from worker.local.stack import StackInfo

pytestmark = pytest.mark.stack

Db = psycopg.AsyncConnection[Any]

FIRST = {"pictures": "near-pictures", "faces": "near-faces"}
SECOND = {"pictures": "far-pictures", "faces": "far-faces"}
DIMENSIONS = {"near-pictures": 8, "near-faces": 12, "far-pictures": 16, "far-faces": 12}
PLACES = {0: 0.1, 1: 0.4, LATE: 0.7}
"""Where each person's face begins, from the left and from above."""
OLD, OTHER, NEW = "11111111", "22222222", "33333333"
"""How the ids of the photos begin: two that were there before, one of them with who is named late."""
UNGUARDED = "set local session_replication_role = replica;"
"""Without the triggers that pass over what comes late."""
FACE = "what = 'face' and detail ->> 'face_index' = '0'"

FORGERIES = [
    ("lost", "a vector is missing at the end", "delete from chaos.kept where moment = 'dropped'"),
    (
        "lost",
        "a photo has no vector of the second generation while there are two",
        f"delete from chaos.kept where moment = 'whole' and model_version = '{SECOND['pictures']}'",
    ),
    (
        "lost",
        "one face of several is missing",
        "update chaos.kept set vectors = vectors - 1 where kind = 'faces' and moment = 'whole'",
    ),
    ("lost", "a job failed", "update public.jobs set status = 'failed', error_code = 'unknown_generation'"),
    ("lost", "a job still waits", "update public.jobs set status = 'pending', completed_at = null"),
    (
        "lost",
        "a job of a generation that goes on was cancelled",
        (
            "update public.jobs set status = 'cancelled',"
            f' params = \'{{"versions": {{"embedding": "{SECOND["pictures"]}"}}}}\''
        ),
    ),
    ("doubled", "a photo has a vector twice", "update chaos.kept set vectors = 2 where kind = 'pictures'"),
    ("doubled", "a face is there twice", "update chaos.kept set vectors = vectors + 1 where kind = 'faces'"),
    ("failed", "a search was refused", "update chaos.searches set error = 'Refused: 400' where id = 1"),
    (
        "failed",
        "nobody was there while the gateway was",
        "update chaos.searches set unreachable = true where id = 1",
    ),
    ("failed", "the gateway came back before", "update chaos.outages set ended = ended - interval '10 s'"),
    (
        "mixed",
        "another version came",
        f"update chaos.searches set versions = '{{{SECOND['pictures']}}}' where id = 1",
    ),
    (
        "mixed",
        "two versions came",
        "update chaos.searches set versions = versions || '{another}' where id = 1",
    ),
    ("mixed", "a photo came twice", "update chaos.searches set photos = photos || photos where id = 1"),
    ("fewer", "a photo was not found again", "update chaos.searches set photos = photos[2:] where id = 2"),
    ("fewer", "nothing was found any more", "update chaos.searches set photos = '{}' where id = 2"),
    (
        "fewer",
        "who stayed with a generation lost a photo",
        "update chaos.searches set photos = photos[2:] where line <> '' and id > 4",
    ),
    (
        "unnamed",
        "a name is gone after the flip",
        f"update chaos.seen set detail = detail - 'contact_id' where moment = 'flipped' and {FACE}",
    ),
    (
        "unnamed",
        "a face is gone after the flip back",
        f"delete from chaos.seen where moment = 'rolled back' and {FACE}",
    ),
    (
        "unnamed",
        "what the user said is only believed",
        (
            "update chaos.seen set detail = detail || '{\"recognised\": true}'"
            f" where moment = 'dropped' and {FACE}"
        ),
    ),
    (
        "unnamed",
        "who was named after the flip is not after the flip back",
        (
            "update chaos.seen set detail = detail - 'contact_id' where moment = 'rolled back'"
            f" and asset_id::text like '{OTHER}%' and what = 'face'"
        ),
    ),
    (
        "unrecognised",
        "nobody is recognised on a new photo",
        (
            "update chaos.seen set detail = detail - 'contact_id'"
            f" where asset_id::text like '{NEW}%' and what = 'face' and moment = 'dropped'"
        ),
    ),
    (
        "unrecognised",
        "a stranger is taken for somebody",
        (
            "update chaos.seen set detail = detail || jsonb_build_object('contact_id', gen_random_uuid())"
            f" where asset_id::text like '{OTHER}%' and what = 'face' and moment = 'before'"
        ),
    ),
    (
        "changed",
        "an answer is another",
        (
            "update chaos.seen set detail = detail || '{\"similarity\": 0.1}'"
            " where moment = 'rolled back' and what = 'search'"
        ),
    ),
    (
        "changed",
        "a contact is gone",
        "delete from chaos.seen where moment = 'rolled back' and what = 'contact'",
    ),
    (
        "changed",
        "a face is elsewhere",
        (
            "update chaos.seen set detail = jsonb_set(detail, '{bounding_box,x}', '0.11')"
            f" where moment = 'rolled back' and {FACE} and asset_id::text like '{OLD}%'"
        ),
    ),
    (
        "changed",
        "there is a face more",
        (
            "insert into chaos.seen select moment, what, asset_id, detail || '{\"face_index\": 7}'"
            f" from chaos.seen where moment = 'rolled back' and {FACE} and asset_id::text like '{OLD}%'"
        ),
    ),
    (
        "changed",
        "a tag is gone",
        (
            "insert into chaos.seen select 'before', 'tag', asset_id, '{}' from chaos.photos"
            f" where asset_id::text like '{OLD}%'"
        ),
    ),
    (
        "left_over",
        "a fact is left",
        (
            f"{UNGUARDED} insert into public.asset_facts (user_id, asset_id, fact, version, state)"
            f" select user_id, asset_id, fact, '{FIRST['pictures']}', state from public.asset_facts"
            " where fact = 'embedding' limit 1"
        ),
    ),
    (
        "left_over",
        "a crop is left",
        (
            f"{UNGUARDED} insert into public.derived_assets"
            " (user_id, asset_id, kind, bucket, key, bytes, mime_type, model_version)"
            " select user_id, asset_id, 'face_crop', 'assets', user_id || '/crop', 1, 'image/jpeg',"
            f" '{FIRST['faces']}' from public.asset_facts limit 1"
        ),
    ),
    (
        "left_over",
        "the generation is still being dropped",
        f"update public.generations set state = 'dropping' where model_version = '{FIRST['faces']}'",
    ),
]


@pytest.fixture
async def changed(stack: StackInfo) -> AsyncIterator[Db]:
    """Three photos whose models changed as they should; afterwards all of it is undone."""
    async with (
        await psycopg.AsyncConnection.connect(stack.database_url, autocommit=True) as db,
        db.transaction(force_rollback=True),
    ):
        # Those of other tests are none of the forgeries' business.
        for table in ("jobs", "image_embeddings", "face_embeddings", "generations"):
            await db.execute(f"delete from public.{table}")
        await db.execute(SCHEMA)
        story = Story(db, uuid4())
        await story.tell()
        yield db


class Story:
    """What the siege does, with workers that are a few statements."""

    def __init__(self, db: Db, user_id: UUID) -> None:
        self._db = db
        self._user = user_id

    async def tell(self) -> None:
        await self._db.execute("insert into auth.users (id) values (%s)", [self._user])
        for versions in (FIRST, SECOND):
            for kind, version in versions.items():
                await self._db.execute(
                    "select public.begin_generation(%s, %s, '{}', %s, p_new => true)",
                    [kind, version, DIMENSIONS[version]],
                )
        old, other = await self._photo(OLD, (0, 1)), await self._photo(OTHER, (1, LATE))
        for person in (0, 1):
            await name_faces(self._db, self._user, person)
        await look(self._db, self._user, "before")
        await self._flip(SECOND)
        await look(self._db, self._user, "flipped")
        await name_faces(self._db, self._user, LATE, late=True)
        new = await self._photo(NEW, (0, LATE))
        await self._flip(FIRST)
        await look(self._db, self._user, "rolled back")
        await self._flip(SECOND)
        await look(self._db, self._user, "flipped again")
        await note_moment(self._db, "whole")
        await count_vectors(self._db, "whole", [*FIRST.items(), *SECOND.items()])
        for kind, version in FIRST.items():
            await self._drop(kind, version)
        await look(self._db, self._user, "dropped")
        await count_vectors(self._db, "dropped", list(SECOND.items()))
        await self._search([old, other], [old, other, new])

    async def _photo(self, begins: str, people: tuple[int, ...]) -> UUID:
        """Uploaded, and looked at by both generations' models."""
        asset = UUID(begins + uuid4().hex[8:])
        await self._db.execute("insert into chaos.photos (asset_id) values (%s)", [asset])
        for person in people:
            await self._db.execute(
                "insert into chaos.faces (asset_id, person, x, y) values (%s, %s, %s, %s)",
                [asset, person, PLACES[person] + 0.1, PLACES[person] + 0.1],
            )
        await self._db.execute(
            "insert into public.assets (id, user_id, path, media_type) values (%s, %s, %s, 'photo')",
            [asset, self._user, path_of(self._user, asset)],
        )
        for versions in (FIRST, SECOND):
            await self._look_at(asset, people, versions)
        await self._db.execute(
            "update public.jobs set status = 'completed', completed_at = now() where asset_id = %s", [asset]
        )
        return asset

    async def _look_at(self, asset: UUID, people: tuple[int, ...], versions: dict[str, str]) -> None:
        pictures, faces = versions["pictures"], versions["faces"]
        await self._db.execute(
            "insert into public.image_embeddings (user_id, asset_id, embedding, model_version)"
            " values (%s, %s, %s, %s)",
            [self._user, asset, unit(asset, DIMENSIONS[pictures]), pictures],
        )
        rows = [
            {
                "face_index": index,
                "embedding": unit(f"{faces} {person}", DIMENSIONS[faces]),
                "bounding_box": {"x": PLACES[person], "y": PLACES[person], "width": 0.2, "height": 0.2},
                "confidence": 0.9,
                "same_face": 0.9,
                "model_version": faces,
            }
            for index, person in enumerate(people)
        ]
        await self._db.execute(
            "select kizu.replace_faces(%s, %s, %s, null, %s)",
            [Jsonb(rows), self._user, asset, Jsonb({"model_version": faces})],
        )
        for fact, version in (("embedding", pictures), ("faces", faces)):
            await self._db.execute(
                "insert into public.asset_facts (user_id, asset_id, fact, version, state)"
                " values (%s, %s, %s, %s, 'done')",
                [self._user, asset, fact, version],
            )

    async def _flip(self, versions: dict[str, str]) -> None:
        for kind, version in versions.items():
            await self._db.execute(
                "select public.flip_generation(id) from public.generations"
                " where kind = %s and model_version = %s",
                [kind, version],
            )

    async def _drop(self, kind: str, version: str) -> None:
        await self._db.execute(
            "insert into chaos.dropped (kind, model_version) values (%s, %s)", [kind, version]
        )
        done = False
        while not done:
            answer = await self._db.execute(
                "select public.drop_generation(id) -> 'done' from public.generations"
                " where kind = %s and model_version = %s",
                [kind, version],
            )
            [[done]] = await answer.fetchall()

    async def _search(self, before: list[UUID], after: list[UUID]) -> None:
        """Before and after the flip, while the gateway is away, and by an app that stays with the first."""
        began = datetime.now(UTC)
        stories = [("", FIRST, before), ("", SECOND, before), ("", SECOND, after), ("stays", FIRST, before)]
        searches = [
            Search(
                line=line,
                began=began + timedelta(seconds=10 * number),
                ended=began + timedelta(seconds=10 * number + 5),
                version=versions["pictures"],
                unreachable=number == 2,
                versions=[versions["pictures"]],
                photos=photos,
            )
            for number, (line, versions, photos) in enumerate([*stories, stories[-1]])
        ]
        await note_searches(self._db, searches)
        await self._db.execute(
            "insert into chaos.outages (began, ended) values (%s, %s)",
            [began + timedelta(seconds=19), began + timedelta(seconds=24)],
        )


async def test_an_honest_change_passes(changed: Db) -> None:
    verdict = await judged(changed, 1.0, 4)
    assert verdict.is_clean, verdict.broken
    assert (verdict.photos, verdict.searches, verdict.kills) == (3, 5, 4)
    assert json.loads(json.dumps(verdict.as_json()))["lost"] == 0


async def test_faces_may_be_clustered_anew_meanwhile(changed: Db) -> None:
    """As they are after every flip; whether that is over before the flip back is chance."""
    await changed.execute(
        "update chaos.seen set detail = detail || jsonb_build_object('cluster_id', gen_random_uuid())"
        " where moment = 'rolled back' and what = 'face'"
    )
    assert (await judged(changed, 1.0, 4)).is_clean


@pytest.mark.parametrize(
    ("check", "forgery"), [pytest.param(c, sql, id=f"{c}: {why}") for c, why, sql in FORGERIES]
)
async def test_a_forgery_is_found(changed: Db, check: str, forgery: str) -> None:
    await changed.execute(forgery)
    assert (await judged(changed, 1.0, 4)).broken[check]


def test_every_check_has_a_forgery() -> None:
    assert {check for check, _, _ in FORGERIES} == {check.name for check in GENERATION_CHECKS}


@pytest.mark.parametrize("person", PEOPLE)
def test_every_face_that_is_drawn_is_good_enough_to_be_somebody(person: tuple[int, int, int]) -> None:
    side = 56  # of what the narrower detector's box has for its middle, which is magenta all over
    for seed in range(6):
        photo = draw_people([person], random.Random(seed))
        pixels = np.array(Image.open(BytesIO(photo.data)))
        [(x, y)] = photo.faces
        left, top = round(x * WIDTH) - side // 2, round(y * HEIGHT) - side // 2
        assert sharpness(pixels[top : top + side, left : left + side]) > 2 * CORE_QUALITY
