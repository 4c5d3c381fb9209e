"""What `kizu people` asks of the database and says of its answer; tests/acceptance has it on a stack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from worker.commands.people import people
from worker.core.errors import BadParams, NotFound
from worker.project.caller import Caller

ADA, BOB, STRANGER = (f"{letter * 8}-0000-4000-8000-00000000000{letter}" for letter in "abc")
F, G = UUID(int=1), UUID(int=2)


def person(cluster: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"contact_id": None, "birth_date": None, "hidden": False, "locked": False}
    return {"cluster_id": cluster, "name": name, "faces": 3, "photos": 2, **nothing, **more}


EVERYBODY = [person(ADA, "Ada"), person(STRANGER)]
HIDDEN = [person(BOB, "Bob\x1b[2J", hidden=True)]


class Database:
    """Answers each function with what it is told, one answer after another where it is told several."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {
            "list_people": [{"people": EVERYBODY, "next": None}, {"people": HIDDEN, "next": None}]
        }
        self.asked: list[tuple[str, Any]] = []
        self.caller = Caller("user", UUID(int=9))

    async def rpc(self, function: str, params: Any = None) -> Any:
        self.asked.append((function, params))
        answers = self.answers.get(function, [{"status": "done"}])
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()

    def with_connection(act: Callable[[Any], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await act(SimpleNamespace(rpc=database.rpc, caller=database.caller))

        return asyncio.run(run())

    for module in ("asking", "clusters", "tags"):
        monkeypatch.setattr(f"worker.commands.people.{module}.with_connection", with_connection)
    return database


def kizu_people(*arguments: object) -> Result:
    return CliRunner().invoke(people, list(map(str, arguments)))


@pytest.mark.parametrize(
    ("arguments", "function", "params"),
    [
        (["list", "--limit", 5], "list_people", {"p_limit": 5, "p_hidden": False}),
        (["list", "--hidden", "--after", '{"faces": 3}'], "list_people", {"p_after": {"faces": 3}}),
        (["name", ADA, "Ada"], "name_person", {"p_cluster_id": UUID(ADA), "p_name": "Ada"}),
        (["name", ADA, "--contact", F], "name_person", {"p_cluster_id": UUID(ADA), "p_contact_id": F}),
        (["name", ADA, "--nobody"], "name_person", {"p_cluster_id": UUID(ADA)}),
        (["merge", ADA, BOB, STRANGER], "merge_people", {"p_into": UUID(ADA)}),
        (["merge", ADA, BOB, STRANGER], "merge_people", {"p_others": [UUID(BOB), UUID(STRANGER)]}),
        (["split", ADA, F, G], "split_person", {"p_cluster_id": UUID(ADA), "p_face_ids": (F, G)}),
        (["split", ADA, F, "--name", "Bob"], "split_person", {"p_name": "Bob"}),
        (["hide", ADA], "hide_person", {"p_cluster_id": UUID(ADA), "p_hidden": True}),
        (["hide", ADA, "--off"], "hide_person", {"p_hidden": False}),
        (["lock", ADA], "lock_person", {"p_cluster_id": UUID(ADA), "p_locked": True}),
        (["lock", ADA, "--off"], "lock_person", {"p_locked": False}),
        (["assign", F, G, "--name", "Ada"], "assign_faces", {"p_face_ids": (F, G), "p_name": "Ada"}),
        (["assign", F, "--contact", G], "assign_faces", {"p_contact_id": G}),
        (["exclude", F, "--person", ADA], "exclude_faces", {"p_face_ids": (F,), "p_cluster_id": UUID(ADA)}),
        (["exclude", F, "--contact", G], "exclude_faces", {"p_contact_id": G}),
        (["remove", F, G], "remove_faces", {"p_face_ids": (F, G)}),
        (["mark", "not-a-face", F], "mark_faces", {"p_face_ids": (F,), "p_mark": "not_a_face"}),
        (["mark", "none", F], "mark_faces", {"p_mark": None}),
        (
            ["answer", F, G, "same"],
            "answer_face_question",
            {"p_face_id": F, "p_other_id": G, "p_answer": "same"},
        ),
        (["undo"], "undo_verdict", {}),
        (["undo", 7], "undo_verdict", {"p_verdict_id": 7}),
        (["cluster"], "cluster_people", {}),
        (["cluster", "--user", F], "cluster_people", {"p_user": F}),
    ],
)
def test_each_word_is_one_call(
    database: Database, arguments: list[object], function: str, params: dict[str, Any]
) -> None:
    said = kizu_people(*arguments, "--json")
    assert said.exit_code == 0, said.output
    [(asked, given)] = database.asked
    assert asked == function
    assert {name: given.get(name, "left out") for name in params} == params
    assert json.loads(said.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ["name", ADA],
        ["name", ADA, "Ada", "--nobody"],
        ["assign", F],
        ["assign", F, "--name", "Ada", "--contact", G],
        ["assign", "--name", "Ada"],
        ["assign", "7", "--name", "Ada"],
        ["exclude", F],
        ["merge", ADA],
        ["mark", "nose", F],
        ["answer", F, G, "maybe"],
        ["undo", "0"],
        ["list", "--after", "{"],
        ["list", "--limit", "501"],
        ["clear"],
    ],
)
def test_wrong_usage_asks_nothing(database: Database, arguments: list[object]) -> None:
    said = kizu_people(*arguments)
    assert said.exit_code == 2, said.output
    assert database.asked == []


@pytest.mark.usefixtures("database")
def test_who_asks_for_a_clustering_hears_that_it_takes_a_worker() -> None:
    assert "a worker does it" in kizu_people("cluster").stdout


@pytest.mark.parametrize("arguments", [["list"], ["lock", "Ada"], ["sync"], ["clear", "--yes"], ["cluster"]])
def test_who_is_no_user_says_whose_people_are_meant(database: Database, arguments: list[str]) -> None:
    database.caller = Caller("service")
    said = kizu_people(*arguments)
    assert said.exit_code == 2
    assert "KIZU_EMAIL and KIZU_PASSWORD" in said.output
    assert "--user" in said.output
    assert database.asked == []


@pytest.mark.parametrize(
    ("wanted", "cluster"),
    [("Ada", ADA), ("ada", ADA), ("aaaa", ADA), ("BBBBBBBB-0", BOB), ("cccc", STRANGER)],
)
def test_a_person_is_meant_by_name_or_by_the_beginning_of_an_id(
    database: Database, wanted: str, cluster: str
) -> None:
    assert kizu_people("lock", wanted, "--user", F).exit_code == 0
    assert database.asked == [
        ("list_people", {"p_user": F, "p_limit": 500, "p_hidden": False}),
        ("list_people", {"p_user": F, "p_limit": 500, "p_hidden": True}),
        ("lock_person", {"p_cluster_id": UUID(cluster), "p_locked": True, "p_user": F}),
    ]


def test_everybody_is_looked_through_page_by_page_and_once(database: Database) -> None:
    following = {"faces": 3, "cluster_id": ADA}
    database.answers["list_people"] = [
        {"people": EVERYBODY[:1], "next": following},
        {"people": EVERYBODY[1:], "next": None},
        {"people": [], "next": None},
    ]
    assert kizu_people("merge", "Ada", "cccc").exit_code == 0
    assert [params.get("p_after") for _, params in database.asked] == [None, following, None, None]
    assert database.asked[-1] == ("merge_people", {"p_into": UUID(ADA), "p_others": [UUID(STRANGER)]})


def test_who_may_be_two_is_nobody_and_both_are_named(database: Database) -> None:
    namesake = "dddddddd-0000-4000-8000-000000000000"
    database.answers["list_people"] = [
        {"people": EVERYBODY, "next": None},
        {"people": [person(namesake, "Ada", hidden=True)], "next": None},
        {"people": [person(namesake, "Ada", hidden=True)], "next": None},
        {"people": [], "next": None},
    ]
    said = kizu_people("lock", "Ada")
    assert isinstance(said.exception, BadParams)
    assert str(said.exception) == (
        f"'Ada' may be {ADA} (Ada, 3 faces) or {namesake} (Ada, 3 faces): name one by the beginning of its id"
    )
    assert kizu_people("lock", "dddd").exit_code == 0
    assert [name for name, _ in database.asked] == ["list_people"] * 4 + ["lock_person"]


def test_of_many_candidates_the_first_are_named(database: Database) -> None:
    many = [person(f"aaaa{number:04}-0000-4000-8000-000000000000") for number in range(14)]
    database.answers["list_people"] = [{"people": many, "next": None}, {"people": [], "next": None}]
    said = str(kizu_people("lock", "aaaa").exception)
    assert said.count("no name") == 10
    assert "or 4 more" in said


@pytest.mark.parametrize("wanted", ["Eve", "aaa", "ffff"])
def test_whom_nobody_knows_is_not_found(database: Database, wanted: str) -> None:
    said = kizu_people("hide", wanted)
    assert isinstance(said.exception, NotFound)
    assert [name for name, _ in database.asked] == ["list_people", "list_people"]


def test_a_name_goes_before_an_id_that_begins_like_it(database: Database) -> None:
    beca = person("dddddddd-0000-4000-8000-000000000000", "Beca")
    begins = person("becabeca-0000-4000-8000-000000000000")
    database.answers["list_people"] = [{"people": [begins, beca], "next": None}, {"people": [], "next": None}]
    assert kizu_people("lock", "beca").exit_code == 0
    assert database.asked[-1][1]["p_cluster_id"] == UUID(beca["cluster_id"])


def test_people_are_listed_and_what_comes_after_is_said(database: Database) -> None:
    database.answers["list_people"] = [
        {"people": [EVERYBODY[0], *HIDDEN, EVERYBODY[1]], "next": {"faces": 3}}
    ]
    said = kizu_people("list")
    head, ada, bob, stranger, more = said.output.splitlines()
    assert head.split() == ["id", "name", "faces", "photos", "birth_date", "is"]
    assert ada.split() == [ADA, "Ada", "3", "2"]
    assert bob.split()[-1] == "hidden"
    assert "\x1b" not in said.output
    assert stranger.split() == [STRANGER, "3", "2"]
    assert more == "more with --after '{\"faces\": 3}'"
    assert json.loads(kizu_people("list", "--json").stdout) == database.answers["list_people"][0]


def test_a_person_is_shown_with_what_is_known_of_each_face(database: Database) -> None:
    face = {
        "face_id": str(F),
        "asset_id": str(G),
        "bounding_box": {},
        "thumbnail_url": "http://crop",
        "quality": 0.5,
        "contact_id": str(G),
        "said": True,
        "similarity": 0.871,
    }
    guess = {**face, "said": False, "quality": None}
    database.answers["show_person"] = [{"person": EVERYBODY[0], "faces": [face, guess], "next": None}]
    said = kizu_people("show", ADA).output
    assert "name: Ada" in said
    assert said.splitlines()[-2].split() == [str(F), str(G), "said", "0.50", "0.87", "http://crop"]
    assert said.splitlines()[-1].split() == [str(F), str(G), "recognised", "0.87", "http://crop"]


def test_questions_show_both_crops(database: Database) -> None:
    def face(number: UUID, name: str | None) -> dict[str, Any]:
        return {"face_id": str(number), "name": name, "thumbnail_url": f"http://crop/{number}"}

    database.answers["list_face_questions"] = [
        {"questions": [{"face": face(F, None), "other": face(G, "Ada"), "likeness": 0.456, "gain": 7.04}]},
        {"questions": []},
    ]
    said = kizu_people("questions").output.splitlines()[-1]
    assert said.split() == [str(F), str(G), "0.46", "7.0", "Ada", f"http://crop/{F}", f"http://crop/{G}"]
    assert "nothing is worth asking" in kizu_people("questions").output


def test_verdicts_are_listed_with_how_many_faces_they_are_about(database: Database) -> None:
    verdict = {"id": 7, "verdict": "is", "contact_id": str(F), "cluster_id": None, "undoes": None}
    many = {**verdict, "id": 8, "at": "now", "faces": [str(F)] * 100, "undone": True}
    few = {**verdict, "id": 9, "at": "now", "faces": [str(F)], "undone": False, "undoes": 8}
    database.answers["list_verdicts"] = [{"verdicts": [few, many], "next": None}]
    _, first, second = kizu_people("history").output.splitlines()
    assert first.split() == ["9", "now", "is", "1", str(F), "8"]
    assert second.split() == ["8", "now", "is", "100", "or", "more", str(F), "undone"]


def test_a_verbs_answer_is_said_without_what_is_empty(database: Database) -> None:
    answer = {"status": "assigned", "contact_id": None, "recognised": 0, "faces": [str(F)], "left": {}}
    database.answers["assign_faces"] = [answer]
    said = kizu_people("assign", F, "--name", "Ada").output
    assert said.splitlines() == ["status: assigned", "recognised: 0", f'faces: ["{F}"]']


def test_clearing_goes_on_until_nothing_is_left(database: Database) -> None:
    database.answers["clear_people"] = [
        {"verdict_id": 7, "faces": 2000, "more": True},
        {"verdict_id": 8, "faces": 3, "more": True},
        {"verdict_id": None, "faces": 0, "more": False},
    ]
    said = kizu_people("clear", "--yes", "--user", F, "--json")
    assert json.loads(said.stdout) == {"verdict_ids": [7, 8], "faces": 2003}
    assert database.asked == [("clear_people", {"p_user": F})] * 3


def tag(status: str, why: str | None = None) -> dict[str, Any]:
    return {"name": "Ada", "face_id": str(F), "overlap": 0.512, "status": status, "why": why}


def synced(*tags: dict[str, Any], after: Any = None) -> dict[str, Any]:
    counts = {
        status: sum(one["status"] == status for one in tags) for status in ("link", "linked", "no_face")
    }
    return {
        "assets": [{"asset_id": str(G), "tags": list(tags)}],
        "summary": {"tags": len(tags), **counts},
        "next": after,
    }


def test_tags_name_faces_page_by_page_and_only_by_yes(database: Database) -> None:
    following = {"asset_id": str(G)}
    pages = [
        synced(tag("link"), tag("linked"), after=following),
        synced(tag("conflict", "somebody_else"), tag("no_face")),
    ]
    database.answers["preview_tag_sync"] = list(pages)
    said = kizu_people("sync").output.splitlines()
    assert [line.split() for line in said[1:3]] == [
        [str(G), "Ada", str(F), "0.51", "link"],
        [str(G), "Ada", str(F), "0.51", "conflict", "somebody_else"],
    ]
    assert said[3:] == ["1 of 4 tags would name a face; add --yes; 1 did before, 1 are about none"]
    assert [params for _, params in database.asked] == [
        {"p_limit": 200},
        {"p_limit": 200, "p_after": following},
    ]

    database.asked.clear()
    database.answers["apply_tag_sync"] = [synced(tag("link"))]
    answer = json.loads(kizu_people("sync", G, "--yes", "--json").stdout)
    assert (answer["dry_run"], answer["summary"]["link"]) == (False, 1)
    assert database.asked == [("apply_tag_sync", {"p_limit": 200, "p_asset_ids": (G,)})]
