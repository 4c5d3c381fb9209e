"""The user's photos: uploaded one after the other, some of their faces named, and looked at now and then."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from psycopg.types.json import Jsonb

from scripts.chaos_lab.crowd import User
from scripts.chaos_lab.generations.searches import MOST, question
from scripts.chaos_lab.images.photos import Colour, draw_people
from scripts.chaos_lab.images.trial import path_of
from scripts.chaos_lab.images.witness import BUCKET
from worker.local.stack import StackInfo

PEOPLE: tuple[Colour, ...] = ((220, 20, 20), (20, 220, 20), (20, 20, 220), (250, 250, 250))
"""No two of them are alike for the recognisers."""
LATE = 3
"""The one whom the user names after the flip, and nobody until then; on every fifth photo."""
NAMED = 3
"""So many of the first and of the last faces of a person they name."""
QUESTIONS = 3
"""Searches per look."""
Db = psycopg.AsyncConnection[Any]


class Uploads:
    """The photos of one user; `db` is a superuser's connection that nobody else uses meanwhile."""

    def __init__(self, info: StackInfo, db: Db, user: User, dice: random.Random) -> None:
        self.photos = 0
        self._info = info
        self._db = db
        self._user = user
        self._dice = dice
        self._http = httpx.AsyncClient(
            base_url=f"{info.url}/storage/v1/object/{BUCKET}/",
            headers={
                "apikey": info.secret_key,
                "authorization": f"Bearer {info.secret_key}",
                "content-type": "image/jpeg",
                "x-upsert": "true",
            },
            timeout=30,
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    @asynccontextmanager
    async def going_on(self, every: float) -> AsyncIterator[None]:
        """A photo every so many seconds until the context ends, the last one to its end."""
        stop = asyncio.Event()

        async def work() -> None:
            while not stop.is_set():
                await asyncio.gather(self.upload(), asyncio.sleep(every))

        task = asyncio.create_task(work())
        try:
            yield
        finally:
            stop.set()
            await task

    async def upload(self) -> None:
        """One photo with up to three people; sent again while nobody is there to take it."""
        people = self._dice.sample(range(LATE), self._dice.randint(0, LATE))
        if self.photos % 5 == 0:
            people[:1] = [LATE]
        self.photos += 1
        photo = await asyncio.to_thread(draw_people, [PEOPLE[who] for who in people], self._dice)
        asset = uuid4()
        path = path_of(self._user.id, asset)
        while True:
            try:
                (await self._http.post(path, content=photo.data)).raise_for_status()
                break
            except httpx.TransportError:
                await asyncio.sleep(0.2)
        async with self._db.transaction(), self._db.cursor() as cursor:
            await cursor.execute("insert into chaos.photos (asset_id) values (%s)", [asset])
            await cursor.executemany(
                "insert into chaos.faces (asset_id, person, x, y) values (%s, %s, %s, %s)",
                [(asset, who, x, y) for who, (x, y) in zip(people, photo.faces, strict=True)],
            )
            await cursor.execute(
                "insert into public.assets (id, user_id, path, media_type) values (%s, %s, %s, 'photo')",
                [asset, self._user.id, path],
            )


NAME = """
with
contact as (
  insert into public.contacts (user_id, display_name) values (%(user)s, %(name)s) returning id
),
known as (
  insert into chaos.people (person, contact_id, late) select %(person)s, id, %(late)s from contact
),
chosen as (
  select asset_id, id
    from (select drawn.asset_id,
                 face.id,
                 row_number() over (order by uploaded_at) as from_first,
                 row_number() over (order by uploaded_at desc) as from_last
            from chaos.faces as drawn
            join chaos.photos as photo using (asset_id)
            join public.face_embeddings as face
              on face.asset_id = drawn.asset_id
             and face.model_version = kizu.answering('faces')
             and chaos.covers(face.bounding_box, drawn.x, drawn.y)
           where drawn.person = %(person)s) as shown
   where least(from_first, from_last) <= %(most)s
),
noted as (
  insert into chaos.names (asset_id, person) select asset_id, %(person)s from chosen
)
update public.face_embeddings as face
   set contact_id = contact.id, recognised = false
  from contact, chosen
 where face.id = chosen.id
"""


async def name_faces(db: Db, user_id: UUID, person: int, *, late: bool = False) -> None:
    """Say who the person is on some photos, old and new, as an app does for its user."""
    await db.execute(
        NAME, {"user": user_id, "name": f"person {person}", "person": person, "most": NAMED, "late": late}
    )


SEE = """
select 'face' as what, asset_id, to_jsonb(face) - array['embedding', 'run_id'] as detail
  from public.face_embeddings as face
 union all
select 'tag', asset_id, to_jsonb(tag) - array['id', 'run_id', 'created_at'] from public.asset_tags as tag
 union all
select 'contact', id, to_jsonb(contact) from public.contacts as contact
 union all
select 'search', found.asset_id, jsonb_build_object('question', number, 'similarity', found.similarity)
  from unnest(%s::extensions.vector[]) with ordinality as question (vector, number)
 cross join public.search_image_embeddings(question.vector, %s, -1) as found
"""


async def look(db: Db, user_id: UUID, moment: str) -> None:
    """Note all that the user sees by SQL, at one time."""
    claims = {"role": "authenticated", "sub": str(user_id)}
    async with db.transaction():
        await db.execute(
            "select set_config('request.jwt.claims', %s, true), set_config('role', 'authenticated', true)",
            [json.dumps(claims)],
        )
        active = await db.execute(
            "select (one ->> 'dimension')::int from jsonb_array_elements(public.generations()) as one"
            " where one ->> 'kind' = 'pictures' and one ->> 'state' = 'active'"
        )
        [dimension] = (await active.fetchall())[0]
        questions = [question(number, dimension) for number in range(QUESTIONS)]
        seen = await (await db.execute(SEE, [questions, MOST])).fetchall()
        await db.execute("reset role")
    await note_moment(db, moment)
    async with db.cursor() as cursor:
        await cursor.executemany(
            "insert into chaos.seen (moment, what, asset_id, detail) values (%s, %s, %s, %s)",
            [(moment, what, asset, Jsonb(detail)) for what, asset, detail in seen],
        )


async def note_moment(db: Db, moment: str) -> None:
    await db.execute("insert into chaos.moments (name) values (%s)", [moment])


COUNT = """
with
living as (
  insert into chaos.living (moment, kind, model_version)
  select %(moment)s, kind, version
    from unnest(%(kinds)s::text[], %(versions)s::text[]) as given (kind, version)
),
vectors as (
  select 'pictures' as kind, model_version, asset_id from public.image_embeddings
   union all
  select 'faces', model_version, asset_id from public.face_embeddings
)
insert into chaos.kept (moment, kind, model_version, asset_id, vectors)
select %(moment)s, kind, model_version, asset_id, count(*)
  from vectors
 where asset_id in (select asset_id from chaos.photos)
 group by kind, model_version, asset_id
"""


async def count_vectors(db: Db, moment: str, living: Sequence[tuple[str, str]]) -> None:
    """Note how many vectors each photo has, at a moment that was noted before.

    `living` are the generations, as (kind, version), that each photo should have vectors of.
    """
    kinds, versions = zip(*living, strict=True)
    await db.execute(COUNT, {"moment": moment, "kinds": list(kinds), "versions": list(versions)})
