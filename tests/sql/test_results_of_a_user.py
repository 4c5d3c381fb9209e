"""Results that belong to a user, and rows that come with their parents: registered, not written by hand."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def tables(new_queue: Any) -> Iterator[tuple[str, str]]:
    """A table of a user's stories and one of their photos, as a migration would make and register them."""
    db = new_queue().db
    stories, photos = f"stories_{uuid.uuid4().hex[:8]}", f"photos_{uuid.uuid4().hex[:8]}"
    db.execute(
        f"""
        create table public.{stories} (
          id uuid primary key default gen_random_uuid(),
          user_id uuid not null references auth.users on delete cascade,
          run_id uuid references public.runs on delete set null,
          kind text not null,
          title text not null,
          unique (id, user_id)
        );
        create table public.{photos} (
          id uuid primary key default gen_random_uuid(),
          user_id uuid not null,
          run_id uuid references public.runs on delete set null,
          story_id uuid not null,
          asset_id uuid not null,
          place int not null,
          foreign key (story_id, user_id) references public.{stories} (id, user_id) on delete cascade,
          foreign key (asset_id, user_id) references public.assets (id, user_id) on delete cascade
        );
        """
    )
    db.execute(
        "insert into result_tables (table_name, mode, owner, columns, scope_columns)"
        " values (%s, 'replace', 'user', '{kind,title}', '{kind}')",
        (stories,),
    )
    db.execute(
        "insert into result_tables (table_name, mode, owner, columns, parent, parent_column)"
        " values (%s, 'replace', 'user', '{asset_id,place}', %s, 'story_id')",
        (photos, stories),
    )
    yield stories, photos
    db.execute("delete from result_tables where table_name = any (%s)", ([photos],))
    db.execute("delete from result_tables where table_name = any (%s)", ([stories],))
    db.execute(f"drop table public.{photos}, public.{stories}")


@pytest.fixture
def settle(queue: Any) -> Any:
    kind = queue.kind()

    def settle(user: str, *writes: dict[str, Any]) -> dict[str, Any]:
        queue.enqueue(kind, user)
        job = queue.take(kind)
        answer = dict(queue.settle(job, writes=writes))
        if answer["answer"] == "refused":
            queue.settle(job, "cancelled")
        return answer

    return settle


def told(queue: Any, tables: tuple[str, str], user: str) -> dict[str, list[str]]:
    """The user's stories, each with its photos in order."""
    stories, photos = tables
    rows = queue.rows(
        "select title, array("
        f"         select asset_id::text from {photos} where story_id = story.id order by place) as assets"
        f"  from {stories} as story where user_id = %s order by title",
        user,
    )
    return {row["title"]: row["assets"] for row in rows}


def story(table: str, photos: str, title: str, *assets: str, kind: str = "trip") -> dict[str, Any]:
    children = [{"asset_id": asset, "place": place} for place, asset in enumerate(assets)]
    return {"kind": kind, "title": title, "children": {photos: children}}


def test_parents_and_children_are_replaced_together_for_their_user_alone(
    queue: Any, tables: tuple[str, str], settle: Any
) -> None:
    stories, photos = tables
    ann, ben = queue.user(), queue.user()
    one, other, bens = queue.asset(ann), queue.asset(ann), queue.asset(ben)
    settle(ben, {"table": stories, "rows": [story(stories, photos, "B", bens)]})
    settle(
        ann,
        {
            "table": stories,
            "scope": {"kind": "trip"},
            "rows": [story(stories, photos, "Rome", one, other), story(stories, photos, "Oslo", other)],
        },
        {"table": stories, "scope": {"kind": "day"}, "rows": [{"kind": "day", "title": "Today"}]},
    )
    assert told(queue, tables, ann) == {"Oslo": [other], "Rome": [one, other], "Today": []}

    settle(ann, {"table": stories, "scope": {"kind": "trip"}, "rows": [story(stories, photos, "Bern", one)]})

    assert told(queue, tables, ann) == {"Bern": [one], "Today": []}
    assert told(queue, tables, ben) == {"B": [bens]}
    assert queue.value(f"select count(*) from {photos} where user_id = %s", ann) == 1
    assert queue.value(f"select count(*) from {photos} where run_id is null") == 0


def test_photo_of_another_user_is_refused_with_everything(
    queue: Any, tables: tuple[str, str], settle: Any
) -> None:
    stories, photos = tables
    ann, ben = queue.user(), queue.user()
    settle(ann, {"table": stories, "rows": [story(stories, photos, "Rome")]})

    answer = settle(ann, {"table": stories, "rows": [story(stories, photos, "Stolen", queue.asset(ben))]})

    assert answer["answer"] == "refused"
    assert told(queue, tables, ann) == {"Rome": []}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"id": str(uuid.uuid4())}, "jobs do not write {stories}.id"),
        ({"children": {"assets": [{}]}}, "rows of {stories} have no children in assets"),
        ({"children": {"{photos}": [{"run_id": "x", "title": "x"}]}}, "jobs do not write {photos}.title"),
        ({"children": {"{photos}": [{"place": 1}]}}, "null value"),
    ],
)
def test_odd_rows_are_refused(
    queue: Any, tables: tuple[str, str], settle: Any, change: dict[str, Any], rule: str
) -> None:
    stories, photos = tables
    names = {"stories": stories, "photos": photos}
    if "children" in change:
        change = {"children": {name.format(**names): rows for name, rows in change["children"].items()}}
    write = {"table": stories, "rows": [{"kind": "trip", "title": "t", **change}]}
    answer = settle(queue.user(), write)
    assert answer["answer"] == "refused"
    assert rule.format(**names) in answer["error"]


def test_children_are_not_written_alone(queue: Any, tables: tuple[str, str], settle: Any) -> None:
    stories, photos = tables
    answer = settle(queue.user(), {"table": photos, "rows": []})
    assert answer["error"] == f"rows of {photos} are written with those of {stories}"


def test_rows_of_a_user_are_not_upserted_because_their_key_may_be_another_users(queue: Any) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="keys_are_within_an_asset"):
        queue.db.execute(
            "insert into result_tables (table_name, mode, owner, columns, key_columns)"
            " values ('t', 'upsert', 'user', '{asset_id,kind}', '{kind}')"
        )


def test_rows_that_keep_their_id_have_no_children(queue: Any) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="only_replaced_rows_have_children"):
        queue.db.execute(
            "insert into result_tables (table_name, mode, columns, parent, parent_column)"
            " values ('t', 'replace', '{place}', 'asset_facts', 'fact_id')"
        )


def test_registration_that_would_let_a_job_write_ownership_is_refused(queue: Any) -> None:
    for columns in ("{user_id}", "{id}", "{asset_id}"):
        with pytest.raises(psycopg.errors.CheckViolation, match="ownership_is_not_written"):
            queue.db.execute(
                "insert into result_tables (table_name, mode, columns) values ('t', 'replace', %s)",
                (columns,),
            )
