"""Random histories of a library's people: photos come, are looked at again and go, people say who is who and
take it back, models change, and all are clustered anew while this goes on. After each step the rules hold;
what is taken back at once leaves no trace.

A few by default, always the same; KIZU_HISTORIES=1000 for many that are new each time.
"""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.types.json import Jsonb

from tests.sql.clusters import Clustering, clusters_of
from tests.sql.conftest import Queue, settlement
from tests.sql.people_invariants import locked_faces, violations
from tests.sql.people_state import changes, state
from worker.handlers.cluster_faces import moves_of, questions_of

pytestmark = [pytest.mark.stack, pytest.mark.slow]

HISTORIES = int(os.environ.get("KIZU_HISTORIES", "36"))  # about 40 s of processor time
STEPS = 30
DIMENSION = 16  # few enough that strangers are alike at times
PEOPLE = 4
MODELS = ("m", "n")
SAME = (0.55, 0.5)
REFUSALS = {"PT400", "PT404", "PT409"}
BUSY = "PT503"
WORKERS = 3

number = st.integers(0, 2**32)  # a seed
people = st.lists(  # in a photo: who, how blurred, of what quality
    st.tuples(
        st.integers(0, PEOPLE - 1), st.sampled_from([0.0, 0.3, 0.6, 1.0]), st.sampled_from([0.2, 0.6, 0.9])
    ),
    min_size=1,
    max_size=3,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Somebody in a photo: where, who, and how they look there."""

    place: int
    person: int
    noise: int
    blur: float
    quality: float

    def row(self, index: int, model: str, shift: float) -> dict[str, Any]:
        return {
            "face_index": index,
            "embedding": self.vector(model),
            "bounding_box": {"x": 0.3 * self.place + shift, "y": 0.1, "width": 0.2, "height": 0.2},
            "confidence": 0.9,
            "quality": self.quality,
            "model_version": model,
        }

    def vector(self, model: str) -> str:
        centre, chance = random.Random(f"{self.person} {model}"), random.Random(f"{self.noise} {model}")
        drawn = [centre.gauss(0, 1) + self.blur * chance.gauss(0, 1) for _ in range(DIMENSION)]
        length = sum(value**2 for value in drawn) ** 0.5
        return "[" + ",".join(f"{value / length:.6f}" for value in drawn) + "]"


def some(values: Sequence[Any], chosen: int, most: int = 3) -> list[Any]:
    """Up to so many of them, at random."""
    chance = random.Random(chosen)
    return chance.sample(values, min(chance.randint(1, most), len(values)))


class Histories(RuleBasedStateMachine):
    """One user's library. What a rule is about is chosen by a number, so that a history can be told again."""

    queue: Queue
    others: Sequence[Queue]
    """Connections of others who work at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = self.queue.kind()
        self.user = self.queue.user()
        self.noise = itertools.count()
        self.photos: dict[str, list[Spot]] = {}
        self.order: dict[str, int] = {}  # of faces, as they came
        self.answering = 0
        self.clustering: Clustering | None = None
        self.generations = [
            self.queue.generation(model, "faces", DIMENSION, p_same_face=same)
            for model, same in zip(MODELS, SAME, strict=True)
        ]
        self.contacts = [self.contact(name) for name in ("Ada", "Bob", "Cay")]

    def contact(self, name: str) -> str:
        query = "insert into contacts (user_id, display_name) values (%s, %s) returning id"
        return str(self.queue.value(query, self.user, name))

    def teardown(self) -> None:
        self.queue.close()
        self.queue.users.clear()
        self.queue.kinds.clear()

    # What is chosen from, in an order that does not depend on ids.

    def faces(self) -> list[str]:
        rows = self.queue.rows(
            "select distinct on (face_id) face_id, asset_id, face_index from face_embeddings"
            " where user_id = %s order by face_id, model_version",
            self.user,
        )
        places = {asset: place for place, asset in enumerate(self.photos)}
        for row in sorted(rows, key=lambda row: (places[str(row["asset_id"])], row["face_index"])):
            self.order.setdefault(str(row["face_id"]), len(self.order))
        return sorted((str(row["face_id"]) for row in rows), key=self.order.__getitem__)

    def clusters(self) -> list[tuple[str, list[str]]]:
        self.faces()
        rows = self.queue.rows(
            "select cluster_id, array_agg(distinct face_id) as faces from face_embeddings"
            " where user_id = %s and cluster_id is not null group by cluster_id",
            self.user,
        )
        members = {
            str(row["cluster_id"]): sorted(map(str, row["faces"]), key=self.order.__getitem__) for row in rows
        }
        return sorted(members.items(), key=lambda cluster: self.order[cluster[1][0]])

    def some_faces(self, chosen: int) -> list[str]:
        return some(self.faces(), chosen)

    def a_cluster(self, chosen: int) -> tuple[str | None, list[str]]:
        return next(iter(some(self.clusters(), chosen)), (None, []))

    # What happens by itself.

    def check(self, locked: dict[str, frozenset[str]] | None = None) -> None:
        assert violations(self.queue, self.user, locked) == []

    def look(self, asset: str, model: str, *, without: int | None = None, shift: float = 0.0) -> None:
        locked = locked_faces(self.queue, self.user)
        self.looking(asset, model, without=without, shift=shift)(self.queue)
        self.check(locked)

    def looking(
        self, asset: str, model: str, *, without: int | None = None, shift: float = 0.0
    ) -> Callable[[Queue], None]:
        """What a worker that has looked at a photo has yet to do."""
        seen = [spot for spot in self.photos[asset] if spot.place != without]
        rows = [spot.row(index, model, shift) for index, spot in enumerate(seen)]
        self.queue.enqueue(self.kind, self.user, asset)
        job = self.queue.take(self.kind)
        write = {"table": "face_embeddings", "rows": rows, "scope": {"model_version": model}}
        return self.settling(settlement(job, writes=[write]))

    def settling(self, item: Mapping[str, Any]) -> Callable[[Queue], None]:
        """As a worker does it: again where others have what it needs."""

        def settle(queue: Queue) -> None:
            while True:
                with suppress(psycopg.errors.LockNotAvailable):
                    (answer,) = queue.value("select public.settle_jobs('w1', %s)", Jsonb([item]))
                    assert answer["answer"] == "settled", answer
                    return

        return settle

    @initialize(photos=st.lists(st.tuples(people, st.booleans()), min_size=5, max_size=8))
    def a_library(self, photos: list[tuple[list[tuple[int, float, float]], bool]]) -> None:
        for who, both in photos:
            self.arrive(who, both)

    @rule(who=people, both=st.booleans())
    def a_photo_comes(self, who: list[tuple[int, float, float]], both: bool) -> None:
        self.arrive(who, both)

    def arrive(self, people: list[tuple[int, float, float]], both: bool) -> None:
        asset = self.photo(people)
        self.look(asset, MODELS[self.answering])
        if both:
            self.look(asset, MODELS[1 - self.answering])

    def photo(self, people: list[tuple[int, float, float]]) -> str:
        asset = self.queue.asset(self.user)
        self.photos[asset] = [
            Spot(place=place, person=person, noise=next(self.noise), blur=blur, quality=quality)
            for place, (person, blur, quality) in enumerate(people)
        ]
        return asset

    @precondition(lambda self: self.photos)
    @rule(
        chosen=number,
        model=st.sampled_from(MODELS),
        without=st.sampled_from([None, None, 0, 1]),
        shift=st.sampled_from([0.0, 0.02]),
    )
    def a_photo_is_looked_at_again(self, chosen: int, model: str, without: int | None, shift: float) -> None:
        self.look(list(self.photos)[chosen % len(self.photos)], model, without=without, shift=shift)

    @precondition(lambda self: self.photos)
    @rule(chosen=number)
    def a_photo_goes(self, chosen: int) -> None:
        locked = locked_faces(self.queue, self.user)
        asset = list(self.photos)[chosen % len(self.photos)]
        with self.queue.acting("authenticated", self.user):
            self.queue.db.execute("delete from assets where id = %s", (asset,))
        del self.photos[asset]
        self.check(locked)

    @precondition(lambda self: self.photos)
    @rule()
    def the_model_changes(self) -> None:
        self.answering = 1 - self.answering
        self.queue.value("select public.flip_generation(%s, true)", self.generations[self.answering])
        self.check()

    @rule()
    def names_are_spread(self) -> None:
        locked = locked_faces(self.queue, self.user)
        with self.queue.acting("authenticated", self.user):
            while self.queue.value("select spread_names()")["more"]:
                pass
        self.check(locked)

    @rule()
    def a_clustering_begins(self) -> None:
        self.clustering = Clustering(self.queue, self.user)

    @precondition(lambda self: self.clustering)
    @rule()
    def a_clustering_ends(self) -> None:
        """What it read may be long past."""
        locked = locked_faces(self.queue, self.user)
        self.finishing()(self.queue)
        self.check(locked)

    @rule()
    def all_are_clustered(self) -> None:
        """Nobody else does anything meanwhile, so that who keeps most of their faces keeps their id."""
        locked = locked_faces(self.queue, self.user)
        before = clusters_of(self.queue, self.user)
        named = self.named()
        self.clustering = Clustering(self.queue, self.user)
        self.finishing()(self.queue)
        self.check(locked)
        after = clusters_of(self.queue, self.user)
        former, later = Counter(before.values()), Counter(after.values())
        for (old, new), shared in Counter((before[face], after[face]) for face in after).items():
            if old and new and 2 * shared > former[old] and 2 * shared > later[new]:
                assert self.of_other_contacts(old, new, named) or old == new
        assert self.named().items() >= named.items()

    def named(self) -> Mapping[str, str]:
        """The contact of each cluster that has one; it may be without faces if nobody was said to be them."""
        rows = self.queue.rows(
            "select id::text, contact_id::text from face_clusters"
            " where user_id = %s and contact_id is not null",
            self.user,
        )
        return {row["id"]: row["contact_id"] for row in rows}

    def of_other_contacts(self, old: str, new: str, named: Mapping[str, str]) -> bool:
        """Whether one of them is somebody whom the other is not: their faces go to who has the name."""
        return named.get(old) != self.named().get(new)

    def finishing(self) -> Callable[[Queue], None]:
        """What a worker that has clustered has yet to do."""
        assert self.clustering is not None
        run, self.clustering = self.clustering, None
        library, clustered = run.think()
        moves = moves_of(library, clustered) if clustered else []
        questions = questions_of(library, clustered) if clustered else []
        return self.settling(settlement(run.job, writes=[run.write(moves, questions)]))

    @precondition(lambda self: len(self.photos) > WORKERS)
    @rule(chosen=number, who=people, model=st.sampled_from(MODELS))
    def much_happens_at_once(self, chosen: int, who: list[tuple[int, float, float]], model: str) -> None:
        """Workers settle photos and a clustering while somebody speaks of the same people."""
        chance = random.Random(chosen)
        going, again = chance.sample(list(self.photos), 2)
        faces, cluster = some(self.faces(), chosen), self.a_cluster(chosen)[0]
        acts: list[Callable[[Queue], None]] = [
            self.looking(self.photo(who), MODELS[self.answering]),
            self.looking(again, model),
            self.saying("assign_faces", faces, self.contacts[chosen % len(self.contacts)]),
            self.saying("remove_faces", faces),
            self.saying(
                "merge_people", cluster, [other for other, _ in self.clusters() if other != cluster][:2]
            ),
            self.saying("undo_verdict"),
            self.deleting(going),
        ]
        if self.clustering is None:
            self.clustering = Clustering(self.queue, self.user)
        at_once = [self.finishing(), *chance.sample(acts, WORKERS - 1)]
        if at_once.count(acts[-1]):
            del self.photos[going]
        with ThreadPoolExecutor(WORKERS) as pool:
            done = [pool.submit(act, queue) for act, queue in zip(at_once, self.others, strict=True)]
        for one in done:
            one.result()
        self.check()

    def saying(self, verb: str, *arguments: Any) -> Callable[[Queue], None]:
        places = ", ".join(["%s"] * len(arguments))

        def say(queue: Queue) -> None:
            try:
                with queue.acting("authenticated", self.user):
                    queue.value(f"select {verb}({places})", *arguments)
            except psycopg.DatabaseError as refusal:
                if refusal.sqlstate not in {*REFUSALS, BUSY}:
                    raise

        return say

    def deleting(self, asset: str) -> Callable[[Queue], None]:
        def delete(queue: Queue) -> None:
            with queue.acting("authenticated", self.user):
                queue.db.execute("delete from assets where id = %s", (asset,))

        return delete

    # What people say.

    def say(self, verb: str, *, and_back: bool = False, **arguments: Any) -> None:
        """Says it; with `and_back` takes it back at once. What is refused changes nothing."""
        before = self.state()
        names = ", ".join(f"{name} => %s" for name in arguments)
        try:
            with self.queue.acting("authenticated", self.user):
                answer = self.queue.value(f"select {verb}({names})", *arguments.values())
        except psycopg.DatabaseError as refusal:
            if refusal.sqlstate not in REFUSALS:
                raise
            assert changes(before, self.state()) == {}
            return
        self.check()
        if and_back and answer.get("verdict_id") and verb != "undo_verdict":
            with self.queue.acting("authenticated", self.user):
                self.queue.value("select undo_verdict()")
            self.check()
            assert changes(before, self.state()) == {}

    def state(self) -> dict[str, Any]:
        return state(self.queue, self.user)

    @rule(chosen=number, who=st.integers(0, 3), and_back=st.booleans())
    def faces_are_named(self, chosen: int, who: int, and_back: bool) -> None:
        self.say(
            "assign_faces",
            and_back=and_back,
            p_face_ids=self.some_faces(chosen),
            p_contact_id=[*self.contacts, None][min(who, len(self.contacts))],
        )

    @rule(chosen=number, who=st.integers(0, 2), and_back=st.booleans())
    def faces_are_not_somebody(self, chosen: int, who: int, and_back: bool) -> None:
        self.say(
            "exclude_faces",
            and_back=and_back,
            p_face_ids=self.some_faces(chosen),
            p_contact_id=self.contacts[who % len(self.contacts)],
        )

    @rule(chosen=number, where=number, and_back=st.booleans())
    def faces_are_not_of_a_cluster(self, chosen: int, where: int, and_back: bool) -> None:
        cluster, members = self.a_cluster(where)
        faces = some(members if chosen % 2 else self.faces(), chosen)
        self.say("exclude_faces", and_back=and_back, p_face_ids=faces, p_cluster_id=cluster)

    @rule(chosen=number, and_back=st.booleans())
    def faces_are_removed(self, chosen: int, and_back: bool) -> None:
        self.say("remove_faces", and_back=and_back, p_face_ids=self.some_faces(chosen))

    @rule(into=number, others=number, and_back=st.booleans())
    def people_are_merged(self, into: int, others: int, and_back: bool) -> None:
        target, _ = self.a_cluster(into)
        merged = [cluster for cluster, _ in self.clusters() if cluster != target]
        self.say("merge_people", and_back=and_back, p_into=target, p_others=some(merged, others, 2))

    @rule(
        where=number, chosen=number, name=st.sampled_from([None, None, "Ada", "Bob"]), and_back=st.booleans()
    )
    def a_person_is_split(self, where: int, chosen: int, name: str | None, and_back: bool) -> None:
        cluster, members = self.a_cluster(where)
        self.say(
            "split_person",
            and_back=and_back,
            p_cluster_id=cluster,
            p_face_ids=some(members, chosen),
            p_name=name,
        )

    @rule(where=number, who=st.integers(0, 3), and_back=st.booleans())
    def a_person_is_named(self, where: int, who: int, and_back: bool) -> None:
        self.say(
            "name_person",
            and_back=and_back,
            p_cluster_id=self.a_cluster(where)[0],
            p_contact_id=[*self.contacts, None][min(who, len(self.contacts))],
        )

    @rule(
        where=number,
        verb=st.sampled_from(["hide_person", "lock_person"]),
        value=st.booleans(),
        and_back=st.booleans(),
    )
    def a_person_is_hidden_or_locked(self, where: int, verb: str, value: bool, and_back: bool) -> None:
        name = {"hide_person": "p_hidden", "lock_person": "p_locked"}[verb]
        self.say(verb, and_back=and_back, p_cluster_id=self.a_cluster(where)[0], **{name: value})

    @rule(chosen=number, mark=st.sampled_from(["ignored", "not_a_face", None]), and_back=st.booleans())
    def faces_are_marked(self, chosen: int, mark: str | None, and_back: bool) -> None:
        self.say("mark_faces", and_back=and_back, p_face_ids=self.some_faces(chosen), p_mark=mark)

    @rule(and_back=st.booleans())
    def all_begins_anew(self, and_back: bool) -> None:
        self.say("clear_people", and_back=and_back)

    @rule(chosen=st.one_of(st.none(), number))
    def something_is_taken_back(self, chosen: int | None) -> None:
        verdicts = self.queue.rows("select id from face_verdicts where user_id = %s order by id", self.user)
        which = verdicts[chosen % len(verdicts)]["id"] if verdicts and chosen is not None else None
        self.say("undo_verdict", p_verdict_id=which)

    @rule(chosen=number)
    def a_tag_is_deleted(self, chosen: int) -> None:
        """As apps do it; who was tagged is so no more."""
        tags = self.queue.rows(
            "select tag.id, tag.asset_id, tag.contact_id from asset_tags as tag where tag.user_id = %s"
            " and tag_type = 'person' and created_by is null"
            " and coalesce(model_version, %s) = %s order by tag.tag_value, tag.created_at",
            self.user,
            MODELS[self.answering],
            MODELS[self.answering],
        )
        places = {asset: place for place, asset in enumerate(self.photos)}
        tags.sort(key=lambda tag: (places[str(tag["asset_id"])], self.contacts.index(str(tag["contact_id"]))))
        if tags:
            tag = tags[chosen % len(tags)]
            with self.queue.acting("authenticated", self.user):
                self.queue.db.execute("delete from asset_tags where id = %s", (tag["id"],))
            self.check()
            there = (
                "select from face_embeddings where asset_id = %s and contact_id = %s and model_version = %s"
            )
            assert not self.queue.rows(there, tag["asset_id"], tag["contact_id"], MODELS[self.answering])

    @rule(who=number)
    def a_contact_goes(self, who: int) -> None:
        place = who % len(self.contacts)
        with self.queue.acting("authenticated", self.user):
            self.queue.db.execute("delete from contacts where id = %s", (self.contacts[place],))
        self.contacts[place] = self.contact(("Ada", "Bob", "Cay")[place])
        self.check()

    @rule(who=number, year=st.sampled_from([1990, 2010, None]))
    def a_birth_date_is_known(self, who: int, year: int | None) -> None:
        with self.queue.acting("authenticated", self.user):
            self.queue.db.execute(
                "update contacts set birth_date = %s where id = %s",
                (f"{year}-01-01" if year else None, self.contacts[who % len(self.contacts)]),
            )
        self.check()


@pytest.fixture
def others(new_queue: Callable[[], Queue]) -> Sequence[Queue]:
    return [new_queue() for _ in range(WORKERS)]


def test_whatever_happens_the_rules_hold(queue: Queue, others: Sequence[Queue]) -> None:
    Histories.queue, Histories.others = queue, others
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            derandomize="KIZU_HISTORIES" not in os.environ,
            deadline=None,
            database=None,
            phases=(Phase.generate,),  # shrinking one takes as long as a thousand others
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
