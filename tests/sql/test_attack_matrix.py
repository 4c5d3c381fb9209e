"""Every table and every verb by everybody who may call and everything they may try: just this is allowed.

A table or a function that is not listed here fails the test, so that nothing new is reachable by accident.
"""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

pytestmark = pytest.mark.stack

CALLERS = ("anon", "owner", "another", "kizu_worker", "personal_worker", "service_role")
VERBS = ("select", "insert", "update", "delete")

LIBRARY = {"owner": set(VERBS), "service_role": set(VERBS)}
READ_ONLY = {"owner": {"select"}, "service_role": {"select"}}
JOB_TABLE = {"owner": {"select"}, "service_role": set(VERBS)}
RULES = {"service_role": {"select"}}

# What each caller may do to a row that belongs to `owner`. Whoever is missing may do nothing.
TABLES: dict[str, dict[str, set[str]]] = {
    "actions_log": JOB_TABLE,
    "ai_processing_jobs": JOB_TABLE,
    "album_assets": LIBRARY,
    "albums": LIBRARY,
    "asset_captures": {},
    "asset_places": {},
    "asset_facts": READ_ONLY,
    "asset_hashes": READ_ONLY,
    "asset_parts": LIBRARY,
    "asset_quality": READ_ONLY,
    "asset_tags": LIBRARY,
    "assets": LIBRARY,
    "contacts": LIBRARY,
    "derived_assets": READ_ONLY,
    "detected_objects": READ_ONLY,
    "extracted_text": READ_ONLY,
    "face_clusters": READ_ONLY,
    "face_embeddings": READ_ONLY,
    "face_verdict_faces": READ_ONLY,
    "face_verdicts": READ_ONLY,
    "facts": RULES,
    "generations": RULES,
    "image_descriptions": READ_ONLY,
    "image_embeddings": READ_ONLY,
    "image_processing_jobs": JOB_TABLE,
    "image_text": READ_ONLY,
    "job_events": READ_ONLY,
    "job_kinds": RULES,
    "jobs": READ_ONLY,
    "moment_assets": LIBRARY,
    "moments": LIBRARY,
    "notification_queue": JOB_TABLE,
    "profiles": LIBRARY,
    "queries": READ_ONLY,
    "queue_settings": {"service_role": {"select", "update"}},
    "read_verbs": RULES,
    "result_tables": RULES,
    "runs": READ_ONLY,
    "vector_kinds": RULES,
    "video_transcoding_jobs": JOB_TABLE,
    "workers": READ_ONLY,
}

EVERY_WORKER = {"kizu_worker", "owner", "another", "personal_worker", "service_role"}
USERS = {"owner", "another", "personal_worker", "service_role"}

# Who may call. What a call then reaches is told by test_attacks.py.
FUNCTIONS: dict[str, set[str]] = {
    "announce_worker": EVERY_WORKER,
    "announced_facts": USERS,
    "answer_face_question": USERS,
    "apply_tag_sync": USERS,
    "ask_search": USERS,
    "assign_face": USERS,
    "assign_faces": USERS,
    "begin_generation": EVERY_WORKER,
    "calibrate_generation": {"service_role"},
    "cancel_job": USERS,
    "claim_jobs": EVERY_WORKER,
    "cluster_after_flip": EVERY_WORKER,
    "cluster_people": USERS,
    "clear_people": USERS,
    "compare_neighbours": {"service_role"},
    "compare_people": {"service_role"},
    "dismiss_moment": USERS,
    "do_chores": EVERY_WORKER,
    "drop_generation": {"service_role"},
    "enqueue_job": USERS,
    "enqueue_missing": USERS,
    "exclude_faces": USERS,
    "extend_leases": EVERY_WORKER,
    "fill_generation": {"kizu_worker", "service_role"},
    "find_originals": USERS - {"service_role"},
    "flip_generation": {"service_role"},
    "generate_moments": USERS,
    "generation_progress": {"service_role"},
    "generations": EVERY_WORKER,
    "hide_person": USERS,
    "import_photos": USERS - {"service_role"},
    "job_stats": USERS,
    "keep_duplicates": USERS,
    "keep_cutoff": EVERY_WORKER,
    "link_tags": USERS,
    "list_duplicates": USERS,
    "list_face_questions": USERS,
    "list_missing_files": USERS,
    "list_moments": USERS,
    "list_orphans": EVERY_WORKER,
    "list_people": USERS,
    "list_runs": USERS,
    "list_things": USERS,
    "list_unnamed_files": USERS,
    "list_verdicts": USERS,
    "locate_photos": USERS,
    "lock_person": USERS,
    "lose_claims": EVERY_WORKER,
    "preview_tag_sync": USERS,
    "mark_faces": USERS,
    "measure_background": EVERY_WORKER,
    "merge_people": USERS,
    "moment_settings": USERS,
    "name_person": USERS,
    "prune_by_policy": EVERY_WORKER,
    "prune_jobs": {"service_role"},
    "queue_health": {"kizu_worker", "service_role"},
    "rank_search": USERS,
    "read_for_job": EVERY_WORKER,
    "release_jobs": EVERY_WORKER,
    "remove_faces": USERS,
    "rescue_jobs": {"kizu_worker", "service_role"},
    "resolve_duplicates": USERS,
    "retry_jobs": USERS,
    "roll_back_runs": USERS,
    "rollback_generation": {"service_role"},
    "save_moment": USERS,
    "search": USERS,
    "search_alike": USERS,
    "search_image_embeddings": USERS,
    "set_moment_settings": USERS,
    "set_worker_account": {"service_role"},
    "settle_jobs": EVERY_WORKER,
    "show_moment": USERS,
    "show_person": USERS,
    "split_person": USERS,
    "spread_names": EVERY_WORKER,
    "stage_for_job": EVERY_WORKER,
    "suggest_search": USERS,
    "take_trash": EVERY_WORKER,
    "trash_waiting": USERS,
    "undo_verdict": USERS,
    "unmeasured_generations": EVERY_WORKER,
    "vector_dimensions": EVERY_WORKER,
    "view_moment": USERS,
}

CALLS: dict[str, tuple[str, list[Any]]] = {
    "announce_worker": ("select announce_worker(%s)", ["w"]),
    "announced_facts": ("select announced_facts()", []),
    "answer_face_question": ("select answer_face_question(%s, %s, 'same')", [uuid.uuid4(), uuid.uuid4()]),
    "apply_tag_sync": ("select apply_tag_sync()", []),
    "ask_search": ("select ask_search('')", []),
    "assign_face": ("select assign_face(%s)", [uuid.uuid4()]),
    "assign_faces": ("select assign_faces(array[%s]::uuid[])", [uuid.uuid4()]),
    "begin_generation": ("select begin_generation('none', 'm', '{}', 1)", []),
    "calibrate_generation": ("select calibrate_generation(0, null, '{}')", []),
    "cancel_job": ("select cancel_job(%s)", [uuid.uuid4()]),
    "claim_jobs": ("select claim_jobs('w', array['none'], 1, 60)", []),
    "cluster_after_flip": ("select cluster_after_flip()", []),
    "cluster_people": ("select cluster_people()", []),
    "clear_people": ("select clear_people()", []),
    "compare_neighbours": ("select compare_neighbours(0, 0)", []),
    "compare_people": ("select compare_people(0, 0)", []),
    "dismiss_moment": ("select dismiss_moment(%s)", [uuid.uuid4()]),
    "do_chores": ("select do_chores(1)", []),
    "drop_generation": ("select drop_generation(0)", []),
    "enqueue_job": ("select enqueue_job('no_such_kind')", []),
    "enqueue_missing": ("select enqueue_missing('{}')", []),
    "exclude_faces": ("select exclude_faces(array[%s]::uuid[], null, %s)", [uuid.uuid4(), uuid.uuid4()]),
    "extend_leases": ("select extend_leases('w', 60, '[]')", []),
    "fill_generation": ("select fill_generation(0)", []),
    "find_originals": ("select find_originals('{}')", []),
    "flip_generation": ("select flip_generation(0)", []),
    "generate_moments": ("select generate_moments()", []),
    "generation_progress": ("select generation_progress(0)", []),
    "generations": ("select generations()", []),
    "hide_person": ("select hide_person(%s)", [uuid.uuid4()]),
    "import_photos": ("select import_photos('[]')", []),
    "job_stats": ("select job_stats()", []),
    "keep_duplicates": ("select keep_duplicates(array[%s, %s]::uuid[])", [uuid.uuid4(), uuid.uuid4()]),
    "keep_cutoff": ("select keep_cutoff(0, 0, 1)", []),
    "link_tags": ("select link_tags('[]')", []),
    "list_duplicates": ("select list_duplicates()", []),
    "list_face_questions": ("select list_face_questions()", []),
    "list_missing_files": ("select list_missing_files()", []),
    "list_moments": ("select list_moments()", []),
    "list_orphans": ("select list_orphans()", []),
    "list_people": ("select list_people()", []),
    "list_runs": ("select list_runs()", []),
    "list_things": ("select list_things()", []),
    "list_unnamed_files": ("select list_unnamed_files()", []),
    "list_verdicts": ("select list_verdicts()", []),
    "locate_photos": ("select locate_photos()", []),
    "lock_person": ("select lock_person(%s)", [uuid.uuid4()]),
    "lose_claims": ("select lose_claims('no such worker', %s)", [uuid.uuid4()]),
    "preview_tag_sync": ("select preview_tag_sync()", []),
    "mark_faces": ("select mark_faces(array[%s]::uuid[], null)", [uuid.uuid4()]),
    "measure_background": ("select measure_background(0, '{}')", []),
    "merge_people": ("select merge_people(%s, array[%s]::uuid[])", [uuid.uuid4(), uuid.uuid4()]),
    "moment_settings": ("select moment_settings()", []),
    "name_person": ("select name_person(%s)", [uuid.uuid4()]),
    "prune_by_policy": ("select prune_by_policy(1, true)", []),
    "prune_jobs": ("select prune_jobs(interval '100 years')", []),
    "queue_health": ("select queue_health()", []),
    "rank_search": ("select rank_search('{}')", []),
    "read_for_job": ("select read_for_job('w', 'ai_processing_jobs', %s, 1, 'asset_facts')", [uuid.uuid4()]),
    "release_jobs": ("select release_jobs('no such worker')", []),
    "remove_faces": ("select remove_faces(array[%s]::uuid[])", [uuid.uuid4()]),
    "rescue_jobs": ("select rescue_jobs(0)", []),
    "resolve_duplicates": ("select resolve_duplicates(%s, array[%s]::uuid[])", [uuid.uuid4(), uuid.uuid4()]),
    "retry_jobs": ("select retry_jobs(%s)", [Jsonb({"ids": []})]),
    "roll_back_runs": ("select roll_back_runs(%s)", [Jsonb({"ids": []})]),
    "rollback_generation": ("select rollback_generation('none')", []),
    "save_moment": ("select save_moment(%s)", [uuid.uuid4()]),
    "search": ("select search('')", []),
    "search_alike": ("select search_alike()", []),
    "search_image_embeddings": ("select search_image_embeddings(null)", []),
    "set_moment_settings": ("select set_moment_settings('{}')", []),
    "set_worker_account": ("select set_worker_account('nobody@example.test')", []),
    "settle_jobs": ("select settle_jobs('w', '[]')", []),
    "show_moment": ("select show_moment(%s)", [uuid.uuid4()]),
    "show_person": ("select show_person(%s)", [uuid.uuid4()]),
    "split_person": ("select split_person(%s, array[%s]::uuid[])", [uuid.uuid4(), uuid.uuid4()]),
    "spread_names": ("select spread_names()", []),
    "stage_for_job": (
        "select stage_for_job('w', 'ai_processing_jobs', %s, 1, 'rows', 0, '[]')",
        [uuid.uuid4()],
    ),
    "suggest_search": ("select suggest_search('a')", []),
    "take_trash": ("select take_trash()", []),
    "trash_waiting": ("select trash_waiting()", []),
    "undo_verdict": ("select undo_verdict(0)", []),
    "unmeasured_generations": ("select unmeasured_generations()", []),
    "vector_dimensions": ("select vector_dimensions()", []),
    "view_moment": ("select view_moment(%s)", [uuid.uuid4()]),
}

VECTOR = "[" + ",".join(["0.5"] * 512) + "]"


class World:
    """One row of `owner` in every table, and how to try the four verbs on it."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.owner, self.another = queue.user(), queue.user()
        self.asset = queue.asset(self.owner)
        for kind in ("pictures", "faces"):
            queue.generation("m", kind)
        self.job = queue.enqueue(queue.kind(), self.owner, self.asset)
        self.album = queue.value(
            "insert into albums (user_id, title) values (%s, 't') returning id", self.owner
        )
        self.verdict = queue.value(
            "insert into face_verdicts (user_id, verdict) values (%s, 'clear') returning id", self.owner
        )
        self.moment = queue.value(
            "insert into moments (user_id, title, grouping_type) values (%s, 't', 'event') returning id",
            self.owner,
        )
        self.keys = {table: self._key(table) for table in TABLES}
        self.owned = {table for table in TABLES if "user_id" in self.row(table)}

    def row(self, table: str) -> dict[str, Any]:
        """A further row of `owner`, as an insert would name it."""
        owner, asset = self.owner, self.asset
        fact = {"user_id": owner, "asset_id": asset, "model_version": uuid.uuid4().hex}
        return {
            "ai_processing_jobs": {"user_id": owner, "job_type": "image_ai"},
            "album_assets": {"user_id": owner, "album_id": self.album, "asset_id": asset},
            "actions_log": {"user_id": owner, "action_type": "t", "entity_type": "moment"},
            "albums": {"user_id": owner, "title": "t"},
            "asset_captures": {"user_id": owner, "asset_id": asset},
            "asset_places": {"user_id": owner, "asset_id": asset},
            "asset_facts": {
                "user_id": owner,
                "asset_id": asset,
                "fact": "hashes",
                "version": "1",
                "state": "done",
            },
            "asset_hashes": {"user_id": owner, "asset_id": asset, "sha256": "0" * 64},
            "asset_parts": {
                "user_id": owner,
                "asset_id": asset,
                "kind": "live",
                "path": f"{owner}/{uuid.uuid4()}.mov",
            },
            "asset_quality": {
                "user_id": owner,
                "asset_id": asset,
                "sharpness": 1,
                "exposure": 1,
                "contrast": 1,
            },
            "asset_tags": {
                "user_id": owner,
                "asset_id": asset,
                "tag_type": "object",
                "tag_value": uuid.uuid4().hex,
            },
            "assets": {"user_id": owner, "path": f"{owner}/{uuid.uuid4()}.jpg", "media_type": "document"},
            "contacts": {"user_id": owner, "display_name": "n"},
            "derived_assets": {
                "user_id": owner,
                "asset_id": asset,
                "kind": "web",
                "bucket": "assets",
                "key": f"{owner}/{uuid.uuid4()}",
                "bytes": 1,
                "mime_type": "image/jpeg",
            },
            "detected_objects": {**fact, "object_class": "cat", "confidence": 1, "bounding_box": Jsonb({})},
            "extracted_text": {**fact, "extracted_text": "x"},
            "face_clusters": {"user_id": owner},
            "face_embeddings": {
                **fact,
                "model_version": "m",
                "embedding": VECTOR,
                "bounding_box": Jsonb({}),
                "face_index": uuid.uuid4().int % 100_000,
            },
            "face_verdict_faces": {
                "verdict_id": self.verdict,
                "user_id": owner,
                "asset_id": asset,
                "face_id": uuid.uuid4(),
            },
            "face_verdicts": {"user_id": owner, "verdict": "clear"},
            "facts": {"fact": f"t_{uuid.uuid4().hex}", "kind": "image_ai", "media": ["image"]},
            "generations": {
                "kind": "pictures",
                "model_version": uuid.uuid4().hex,
                "dimension": 1,
                "state": "filling",
            },
            "image_descriptions": {**fact, "description": "d"},
            "image_embeddings": {**fact, "model_version": "m", "embedding": VECTOR},
            "image_processing_jobs": {"user_id": owner},
            "image_text": {**fact, "extracted_text": "x"},
            "job_events": {
                "job_id": self.job,
                "user_id": owner,
                "status": "pending",
                "progress": 0,
                "attempt": 0,
                "epoch": 0,
            },
            "job_kinds": {"kind": f"t_{uuid.uuid4().hex}", "table_name": "ai_processing_jobs"},
            "jobs": {"user_id": owner, "job_type": "image_ai"},
            "moment_assets": {"user_id": owner, "moment_id": self.moment, "asset_id": asset},
            "moments": {"user_id": owner, "title": "t", "grouping_type": "event"},
            "notification_queue": {"recipient_user_id": owner, "notification_type": "moment", "title": "t"},
            "profiles": {"id": owner},
            "queries": {
                "user_id": owner,
                "text": uuid.uuid4().hex,
                "language": "",
                "hemisphere": "north",
                "without": "{}",
                "words": "",
                "understood": "{}",
            },
            "queue_settings": {"name": f"t_{uuid.uuid4().hex}", "value": 1, "says": "t"},
            "read_verbs": {"verb": f"t_{uuid.uuid4().hex}", "reader": "r"},
            "result_tables": {"table_name": uuid.uuid4().hex, "mode": "update", "columns": []},
            "runs": {
                "job_id": uuid.uuid4(),
                "job_table": "ai_processing_jobs",
                "epoch": 1,
                "attempt": 1,
                "user_id": owner,
                "kind": "image_ai",
                "worker_id": "w",
                "outcome": "done",
                "started_at": "now",
                "finished_at": "now",
            },
            "vector_kinds": {"kind": uuid.uuid4().hex, "fact": "hashes", "table_name": uuid.uuid4().hex},
            "video_transcoding_jobs": {"user_id": owner},
            "workers": {"owner": owner, "worker_id": uuid.uuid4().hex},
        }[table]

    def attempt(self, table: str, verb: str) -> bool:
        """Whether the session's role gets to the owner's row: it is read, written, or gone."""
        name = sql.Identifier("public", table)
        column, key = self.keys[table]
        written = column if table not in self.owned else "user_id"
        where = sql.SQL("where {} = {}").format(sql.Identifier(column), sql.Literal(key))
        statements = {
            "select": sql.SQL("select from {} {}").format(name, where),
            "update": sql.SQL("update {} set {} = {} {}").format(
                name, sql.Identifier(written), sql.Identifier(written), where
            ),
            "delete": sql.SQL("delete from {} {}").format(name, where),
        }
        if verb != "insert":
            return self.queue.db.execute(statements[verb]).rowcount > 0
        row = self.row(table)
        if table in (
            "profiles",
            "asset_facts",
            "asset_hashes",
            "asset_quality",
            "image_embeddings",
            "moment_assets",
        ):  # there is one, and there can be only one
            self.queue.db.execute("reset role")
            self.queue.db.execute(statements["delete"])
            self.queue.db.execute("select set_config('role', %s, true)", (self.role,))
        insert = sql.SQL("insert into {} ({}) values ({})").format(
            name,
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        )
        return self.queue.db.execute(insert, list(row.values())).rowcount > 0

    def allowed(self, caller: str, table: str, verb: str) -> bool:
        """Tries it in a transaction that is always rolled back."""
        role, user = self.identity(caller)
        self.role = role
        try:
            with self.queue.db.transaction(force_rollback=True), self.queue.acting(role, user):
                return self.attempt(table, verb)
        except psycopg.errors.InsufficientPrivilege:
            return False

    def identity(self, caller: str) -> tuple[str, str | None]:
        return {
            "anon": ("anon", None),
            "owner": ("authenticated", self.owner),
            "another": ("authenticated", self.another),
            "kizu_worker": ("kizu_worker", None),
            "personal_worker": ("authenticated", self.another),
            "service_role": ("service_role", None),
        }[caller]

    def _key(self, table: str) -> tuple[str, Any]:
        """A column and its value that find the owner's row, made where there is none yet."""
        known = {
            "albums": ("id", self.album),
            "asset_captures": ("asset_id", self.asset),
            "asset_places": ("asset_id", self.asset),
            "assets": ("id", self.asset),
            "extracted_text": ("user_id", self.owner),  # the row of image_text
            "facts": ("fact", "hashes"),
            "generations": ("model_version", "m"),
            "job_kinds": ("kind", "image_ai"),
            "jobs": ("id", self.job),
            "moments": ("id", self.moment),
            "queue_settings": ("name", "pending_jobs_per_user"),
            "read_verbs": ("verb", "asset_facts"),
            "result_tables": ("table_name", "assets"),
            "vector_kinds": ("kind", "pictures"),
        }
        if table in known:
            return known[table]
        row = self.row(table)
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        key = {"asset_facts": "asset_id", "face_verdict_faces": "face_id", "queries": "text"}.get(table, "id")
        insert = f"insert into public.{table} ({names}) values ({places}) returning {key}"
        return key, self.queue.value(insert, *row.values())


@pytest.fixture
def world(queue: Any) -> World:
    return World(queue)


def test_the_matrix_lists_every_table_and_view(queue: Any) -> None:
    found = queue.rows(
        "select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'p', 'v', 'm', 'f')"
    )
    assert {row["relname"] for row in found} == set(TABLES)


def test_the_matrix_lists_every_function(queue: Any) -> None:
    found = queue.rows(
        "select proname from pg_proc as p where pronamespace = 'public'::regnamespace"
        " and not exists (select from pg_depend where objid = p.oid and deptype = 'e')"
    )
    assert sorted(row["proname"] for row in found) == sorted(FUNCTIONS)
    assert set(CALLS) == set(FUNCTIONS)


def test_rows_are_reached_by_exactly_these(world: World) -> None:
    wrong = [
        f"{caller} {'may' if may else 'may not'} {verb} {table}"
        for table, rules in TABLES.items()
        for caller in CALLERS
        for verb in VERBS
        if (may := world.allowed(caller, table, verb)) != (verb in rules.get(caller, set()))
    ]
    assert wrong == []


def test_verbs_are_called_by_exactly_these(world: World) -> None:
    wrong = []
    for name, allowed in FUNCTIONS.items():
        statement, arguments = CALLS[name]
        for caller in CALLERS:
            try:
                with (
                    world.queue.db.transaction(force_rollback=True),
                    world.queue.acting(*world.identity(caller)),
                ):
                    world.queue.db.execute(statement, arguments)
                may = True
            except psycopg.errors.InsufficientPrivilege:
                may = False
            except psycopg.Error as error:  # called, and answered with an error of its own
                may = (error.sqlstate or "").startswith("PT")
            if may != (caller in allowed):
                wrong.append(f"{caller} {'may' if may else 'may not'} call {name}")
    assert wrong == []


def test_nobody_has_a_right_that_the_matrix_does_not_give(queue: Any) -> None:
    """The grants themselves, because row policies could hide one that is too wide."""
    roles = {
        "anon": "anon",
        "authenticated": "owner",
        "kizu_worker": "kizu_worker",
        "service_role": "service_role",
    }
    rights = ("select", "insert", "update", "delete", "truncate", "references", "trigger")
    wide = queue.rows(
        "select role, table_name, privilege from unnest(%s::text[]) as role,"
        " unnest(%s::text[]) as table_name, unnest(%s::text[]) as privilege"
        " where has_table_privilege(role, 'public.' || table_name, privilege)",
        list(roles),
        list(TABLES),
        list(rights),
    )
    assert [
        row
        for row in wide
        if row["privilege"] not in TABLES[row["table_name"]].get(roles[row["role"]], set())
    ] == []


def test_internal_functions_cannot_be_called(queue: Any) -> None:
    for role in ("anon", "authenticated", "kizu_worker"):
        for function in (
            "kizu.now()",
            "kizu.caller_scope()",
            "kizu.rescue(null, null, 1)",
            "kizu.custom_access_token_hook('{}')",
        ):
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                queue.acting(role, "00000000-0000-0000-0000-000000000001"),
            ):
                queue.db.execute(f"select {function}")


def test_a_signed_in_role_without_a_user_is_refused(queue: Any) -> None:
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="signed-in user"),
        queue.acting("authenticated"),
    ):
        queue.claim("image_ai")


FOLDERS = ("assets", "thumbnails", "avatars", "face-thumbnails")


@pytest.mark.parametrize("bucket", [*FOLDERS, "somebody-elses"])
def test_files_are_reached_by_exactly_these(queue: Any, bucket: str) -> None:
    owner, another = queue.user(), queue.user()
    original, derived = f"{owner}/originals/x.jpg", f"{owner}/processed/a/1.1/web.jpg"
    mine = bucket in FOLDERS
    queue.db.execute(
        "insert into storage.buckets (id, name) values (%s, %s) on conflict do nothing", (bucket, bucket)
    )
    expected = {
        ("anon", None): {original: set(), derived: set()},
        ("authenticated", owner): {original: set(VERBS), derived: set(VERBS)},
        ("authenticated", another): {original: set(), derived: set()},
        ("kizu_worker", None): {original: {"select"}, derived: set(VERBS)},
    }
    wrong = []
    try:
        for (role, user), paths in expected.items():
            for path, rights in paths.items():
                for verb in VERBS:
                    may = _reaches_file(queue, role, user, bucket, path, verb)
                    if may != (mine and verb in rights):
                        wrong.append(f"{role} {'may' if may else 'may not'} {verb} {path}")
    finally:
        queue.db.execute("delete from storage.buckets where id = 'somebody-elses'")
    assert wrong == []


def _reaches_file(queue: Any, role: str, user: str | None, bucket: str, path: str, verb: str) -> bool:
    insert = "insert into storage.objects (bucket_id, name) values (%s, %s)"
    statements = {
        "select": "select from storage.objects where bucket_id = %s and name = %s",
        "insert": insert,
        "update": "update storage.objects set name = name where bucket_id = %s and name = %s",
        "delete": "delete from storage.objects where bucket_id = %s and name = %s",
    }
    try:
        with queue.db.transaction(force_rollback=True):
            if verb != "insert":
                queue.db.execute(insert, (bucket, path))
            with queue.acting(role, user):
                return queue.db.execute(statements[verb], (bucket, path)).rowcount > 0
    except psycopg.errors.InsufficientPrivilege:
        return False


@pytest.mark.parametrize(
    ("role", "topic", "hears"),
    [
        ("kizu_worker", "kizu:jobs", True),
        ("kizu_worker", "other", False),
        ("authenticated", "kizu:jobs", False),
        ("anon", "kizu:jobs", False),
    ],
)
def test_the_bell_is_heard_by_the_narrow_role_only(queue: Any, role: str, topic: str, hears: bool) -> None:
    user = queue.user()
    with queue.db.transaction(force_rollback=True):
        queue.db.execute("select realtime.send('{}', 'wake', %s, true)", (topic,))
        with queue.acting(role, user):
            queue.db.execute("select set_config('realtime.topic', %s, true)", (topic,))
            heard = queue.value("select count(*) from realtime.messages where topic = %s", topic)
    assert (heard > 0) == hears
