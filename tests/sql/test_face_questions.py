"""Users are asked about the faces whose answers settle most, and about nothing that is settled."""

from __future__ import annotations

import itertools
import json
import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from models.people.gain import gain
from models.people.scale import Scale
from tests.sql.people import HERE, THERE, contact, face, faces_of, look, somebody
from tests.sql.people_invariants import violations
from tests.sql.pictures import text

pytestmark = pytest.mark.stack

SCALE = Scale(same=0.55, maybe=0.40, margin=0.05)
"""As kizu.face_scale has it for a model that says nothing."""


@pytest.fixture(autouse=True)
def model(queue: Any) -> int:
    """The generation of faces that answers."""
    return int(queue.generation("m", "faces"))


@pytest.fixture
def user(queue: Any) -> str:
    return str(queue.user())


@pytest.fixture
def speaker(queue: Any, user: str) -> Iterator[str]:
    """A user of whose people all that was said holds after the story."""
    yield user
    assert violations(queue, user) == []


@pytest.fixture
def strangers() -> Callable[[], str]:
    """A face after the other, each as like all others (cosine 0.47) as it is worth asking about."""
    seeds, common = itertools.count(1), numbers_of(somebody(0))

    def mixed() -> str:
        own = numbers_of(somebody(next(seeds)))
        return text([0.47**0.5 * ours + 0.53**0.5 * mine for ours, mine in zip(common, own, strict=True)])

    return mixed


def numbers_of(vector: str) -> list[float]:
    return list(json.loads(vector))


Strangers = Callable[[], str]


def photo(queue: Any, user: str, *vectors: str) -> list[str]:
    """A photo of faces about which nothing is asked yet; answers their face_ids."""
    asset = str(queue.asset(user))
    look(queue, user, asset, *(face(n, (HERE, THERE)[n], vector) for n, vector in enumerate(vectors)))
    queue.db.execute("delete from kizu.face_questions where user_id = %s", (user,))
    return [str(row["face_id"]) for row in faces_of(queue, asset)]


def cluster(queue: Any, user: str, faces: list[str], **columns: Any) -> str:
    """A person with these faces, as somebody's clustering leaves them."""
    columns = {"user_id": user, **columns}
    names, places = ", ".join(columns), ", ".join(["%s"] * len(columns))
    made = queue.value(
        f"insert into face_clusters ({names}) values ({places}) returning id", *columns.values()
    )
    queue.db.execute("select kizu.move_faces(%s, %s::uuid[], %s)", (user, faces, made))
    return str(made)


def person(queue: Any, user: str, strangers: Strangers, faces: int, **columns: Any) -> list[str]:
    found = [photo(queue, user, strangers())[0] for _ in range(faces)]
    if faces > 1 or columns:
        cluster(queue, user, found, **columns)
    return found


def doubt(queue: Any, user: str, one: str, other: str, likeness: float = 0.5) -> None:
    """A candidate, as whoever places or clusters faces leaves it."""
    first, second = sorted((one, other))
    queue.db.execute(
        "insert into kizu.face_questions (face_id, other_id, user_id, asset_id, other_asset, likeness)"
        " select one.face_id, other.face_id, one.user_id, one.asset_id, other.asset_id, %s"
        "   from face_embeddings as one, face_embeddings as other"
        "  where one.face_id = %s and other.face_id = %s"
        "     on conflict (face_id, other_id) do update set likeness = excluded.likeness",
        (likeness, first, second),
    )


def ask(queue: Any, user: str, limit: int = 100) -> list[dict[str, Any]]:
    with queue.acting("authenticated", user):
        return list(queue.value("select list_face_questions(%s)", limit)["questions"])


def asked(queue: Any, user: str, limit: int = 100) -> list[set[str]]:
    return [{row["face"]["face_id"], row["other"]["face_id"]} for row in ask(queue, user, limit)]


def test_a_question_shows_both_faces_and_what_an_answer_settles(
    queue: Any, user: str, strangers: Strangers
) -> None:
    ada = contact(queue, user)
    known = person(queue, user, strangers, 3, contact_id=ada)
    unknown = person(queue, user, strangers, 2)
    queue.db.execute(
        "update face_embeddings set face_thumbnail_url = 'https://x/' || face_id where user_id = %s", (user,)
    )
    doubt(queue, user, known[0], unknown[0], 0.5)

    [question] = ask(queue, user)

    assert question["likeness"] == pytest.approx(0.5)
    assert question["gain"] == pytest.approx(gain(0.7, SCALE, faces=3, others=2, named=2), rel=1e-5)
    for side, face_id, name in (("face", unknown[0], None), ("other", known[0], "Ada")):
        [row] = queue.rows(
            "select face_id::text, asset_id::text, cluster_id::text from face_embeddings where face_id = %s",
            face_id,
        )
        assert question[side] == {
            **row,
            "thumbnail_url": f"https://x/{face_id}",
            "bounding_box": HERE,
            "name": name,
        }


def test_the_best_gain_is_asked_first(queue: Any, user: str, strangers: Strangers) -> None:
    small, large = (person(queue, user, strangers, n) for n in (2, 6))
    one, other, third = (person(queue, user, strangers, 1) for _ in range(3))
    doubt(queue, user, one[0], other[0])
    doubt(queue, user, small[0], large[0])
    doubt(queue, user, third[0], large[1])
    assert asked(queue, user) == [{small[0], large[0]}, {third[0], large[1]}, {one[0], other[0]}]
    assert asked(queue, user, limit=1) == [{small[0], large[0]}]


def test_two_clusters_are_asked_about_once(queue: Any, user: str, strangers: Strangers) -> None:
    one, other = (person(queue, user, strangers, 3) for _ in range(2))
    for n in range(3):
        doubt(queue, user, one[n], other[n], 0.45 + n / 100)
    assert asked(queue, user) == [{one[2], other[2]}]
    assert queue.value("select list_face_questions(p_user => %s)", user)["questions"] == ask(queue, user)


Moot = Callable[[Any, str, list[str], list[str]], Any]


def say(sql: str) -> Moot:
    """What somebody said, as SQL with faces and assets of both sides, and a verdict."""

    def act(queue: Any, user: str, one: list[str], other: list[str]) -> None:
        first, second = sorted((one[0], other[0]))
        assets = {
            str(row["face_id"]): row["asset_id"]
            for row in queue.rows("select face_id, asset_id from face_embeddings where user_id = %s", user)
        }
        queue.db.execute(
            sql,
            {
                "user": user,
                "one": one[0],
                "other": other[0],
                "other_member": other[1],
                "one_member": one[1],
                "first": first,
                "second": second,
                "asset": assets[first],
                "other_asset": assets[second],
                "asset_of_one": assets[one[0]],
                "asset_of_member": assets[one[1]],
                "asset_of_other_member": assets[other[1]],
                "verdict": queue.value(
                    "insert into face_verdicts (user_id, verdict) values (%s, 'ignore') returning id", user
                ),
            },
        )

    return act


PAIR = (
    "insert into kizu.{table} (face_id, other_id, user_id, asset_id, other_asset, {same} verdict_id)"
    " values (%(first)s, %(second)s, %(user)s, %(asset)s, %(other_asset)s, {value} %(verdict)s)"
)
MEMBERS = (
    "insert into kizu.{table} (face_id, other_id, user_id, asset_id, other_asset, {same} verdict_id)"
    " select least(%(one_member)s::uuid, %(other_member)s), greatest(%(one_member)s::uuid, %(other_member)s),"
    "        %(user)s, case when one_first then one else other end,"
    "        case when one_first then other else one end,"
    "        {value} %(verdict)s"
    "   from (select %(one_member)s::uuid < %(other_member)s::uuid as one_first,"
    "                %(asset_of_member)s::uuid as one, %(asset_of_other_member)s::uuid as other) as pair"
)
DIFFERENT = {"table": "face_pairs", "same": "same,", "value": "false,"}
UNASKED = {"table": "unasked_pairs", "same": "", "value": ""}
CLUSTER = "(select cluster_id from face_embeddings where face_id = %({})s limit 1)"
NAMED = "with made as (insert into contacts (user_id, display_name) values (%(user)s, {name}) returning id)"
NAME_ONE = (
    NAMED + " update face_clusters set contact_id = made.id from made where face_clusters.id = " + CLUSTER
)
EXCLUDE = (
    "insert into kizu.exclusions (face_id, contact_id, asset_id, user_id)"
    " select %({})s, contact_id, %(asset_of_{})s, user_id from face_clusters where id = "
    + CLUSTER.format("other")
)

MOOT: dict[str, Moot] = {
    "different": say(PAIR.format(**DIFFERENT)),
    "never asked again": say(PAIR.format(**UNASKED)),
    "different members": say(MEMBERS.format(**DIFFERENT)),
    "members not asked about": say(MEMBERS.format(**UNASKED)),
    "marked": say(
        "insert into kizu.face_marks (face_id, user_id, asset_id, mark, verdict_id)"
        " values (%(one)s, %(user)s, %(asset_of_one)s, 'not_a_face', %(verdict)s)"
    ),
    "hidden": say(f"update face_clusters set hidden = true where id = {CLUSTER.format('one')}"),
    "locked": say(f"update face_clusters set locked = true where id = {CLUSTER.format('other')}"),
    "one cluster": lambda queue, user, one, other: cluster(queue, user, one + other),
    "two people": lambda queue, user, one, other: [
        say(NAME_ONE.format(side, name="'" + side + "'"))(queue, user, one, other)
        for side in ("one", "other")
    ],
    "two names": lambda queue, user, one, other: [
        say(f"update face_clusters set name = '{side}' where id = {CLUSTER.format(side)}")(
            queue, user, one, other
        )
        for side in ("one", "other")
    ],
    "excluded": lambda *world: [
        say(NAME_ONE.format("other", name="'Ada'"))(*world),
        say(EXCLUDE.format("one", "one"))(*world),
    ],
    "a member excluded": lambda *world: [
        say(NAME_ONE.format("other", name="'Ada'"))(*world),
        say(EXCLUDE.format("one_member", "member"))(*world),
    ],
    "photo gone": say("delete from assets where id = %(asset)s"),
    "face gone": say("delete from face_embeddings where face_id = %(one)s"),
    "of a video": say("update face_embeddings set is_from_video = true where face_id = %(one)s"),
}


@pytest.mark.parametrize("what", MOOT)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_nothing_is_asked_that_is_settled(
    queue: Any, user: str, strangers: Strangers, what: str, before: bool
) -> None:
    one, other = (person(queue, user, strangers, size) for size in (2, 3))
    if before:
        MOOT[what](queue, user, one, other)
        if not queue.value("select count(*) = 5 from face_embeddings where user_id = %s", user):
            return  # nobody is there to be asked about
        doubt(queue, user, one[0], other[0])
    else:
        doubt(queue, user, one[0], other[0])
        assert asked(queue, user) == [{one[0], other[0]}]
        MOOT[what](queue, user, one, other)
    assert asked(queue, user) == []


def test_nobody_is_asked_about_people_who_are_not_alike(queue: Any, user: str) -> None:
    """However alike two of their faces are."""
    one, other = (photo(queue, user, somebody(seed))[0] for seed in (1, 2))
    doubt(queue, user, one, other, 0.54)
    assert asked(queue, user) == []


def test_faces_of_one_photo_are_two_people(queue: Any, user: str, strangers: Strangers) -> None:
    one, other = photo(queue, user, strangers(), strangers())
    doubt(queue, user, one, other)
    assert asked(queue, user) == []
    # Nor are clusters that share a photo.
    apart = [photo(queue, user, strangers())[0] for _ in range(2)]
    cluster(queue, user, [one, apart[0]])
    cluster(queue, user, [other, apart[1]])
    doubt(queue, user, apart[0], apart[1])
    assert asked(queue, user) == []


def test_a_face_that_could_not_be_told_is_asked_about(queue: Any, user: str, strangers: Strangers) -> None:
    ada = contact(queue, user)
    known, unsure = person(queue, user, strangers, 2, contact_id=ada)
    queue.db.execute("update face_embeddings set contact_id = %s where face_id = %s", (ada, known))
    doubt(queue, user, known, unsure)
    [question] = ask(queue, user)
    assert (question["face"]["face_id"], question["other"]["face_id"]) == (unsure, known)
    # By the middle of their cluster, which is near to both, they are one person.
    assert question["gain"] == pytest.approx(gain(1.0, SCALE, faces=1, others=1, named=1), rel=1e-5)


def test_gains_follow_the_clusters(queue: Any, user: str, strangers: Strangers) -> None:
    """A gain that is kept is not further off than a cluster may have grown before it is weighed again."""
    grows, stays, one, other = (person(queue, user, strangers, size) for size in (2, 3, 3, 3))
    more = [photo(queue, user, strangers())[0] for _ in range(8)]
    doubt(queue, user, grows[0], stays[0])
    doubt(queue, user, one[0], other[0])
    assert asked(queue, user) == [{one[0], other[0]}, {grows[0], stays[0]}]
    to = queue.value("select cluster_id from face_embeddings where face_id = %s", grows[0])
    for n in range(0, 8, 2):
        queue.db.execute("select kizu.move_faces(%s, %s::uuid[], %s)", (user, more[n : n + 2], to))
        [kept] = [
            row["gain"]
            for row in queue.rows(
                "select gain from kizu.face_questions where %s in (face_id, other_id)", grows[0]
            )
        ]
        true = gain(0.7, SCALE, faces=4 + n, others=3)
        assert true / 2 <= kept <= true * 2
    assert asked(queue, user) == [{grows[0], stays[0]}, {one[0], other[0]}]


def test_questions_are_their_users(queue: Any, user: str, strangers: Strangers) -> None:
    another = str(queue.user())
    one, other = (person(queue, user, strangers, 1) for _ in range(2))
    doubt(queue, user, one[0], other[0])
    with queue.acting("authenticated", another):
        assert queue.value("select list_face_questions(p_user => %s)", user) == {"questions": []}
    with queue.acting("service_role"):
        assert len(queue.value("select list_face_questions(p_user => %s)", user)["questions"]) == 1
    with pytest.raises(psycopg.Error, match="bad_params") as caught, queue.acting("service_role"):
        queue.value("select list_face_questions()")
    assert caught.value.sqlstate == "PT400"


def test_sql_and_python_expect_the_same_gain(queue: Any) -> None:
    numbers = random.Random(1)
    for _ in range(200):
        likeness, faces, others = numbers.uniform(0.3, 0.7), numbers.randint(1, 999), numbers.randint(1, 999)
        named = numbers.choice([0, faces, others])
        assert queue.value(
            "select kizu.question_gain(%s, %s, %s, %s, %s, %s)",
            likeness, SCALE.maybe, SCALE.same, faces, others, named,
        ) == pytest.approx(gain(likeness, SCALE, faces=faces, others=others, named=named))  # fmt: skip
    assert queue.rows("select maybe, same, margin from kizu.face_scale('m')") == [
        {"maybe": pytest.approx(SCALE.maybe), "same": SCALE.same, "margin": SCALE.margin}
    ]


def rows_read(queue: Any, act: Callable[[], Any]) -> int:
    """Rows that a transaction reads of what questions are asked from."""
    count = """
        select sum(pg_stat_get_xact_tuples_returned(id) + pg_stat_get_xact_tuples_fetched(id)
                   + (select coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0)
                        from pg_index where indrelid = id))::int
          from unnest('{kizu.face_questions,kizu.face_pairs,kizu.unasked_pairs,kizu.exclusions,
                        public.face_embeddings,public.face_clusters}'::regclass[]) as id
    """
    with queue.db.transaction():
        before = queue.value(count)
        act()
        return int(queue.value(count) - before)


def test_a_list_reads_no_more_of_many_questions_than_of_few(
    queue: Any, user: str, strangers: Strangers
) -> None:
    for _ in range(120):
        photo(queue, user, strangers())

    def fill(share: float) -> int:
        return int(
            queue.db.execute(
                "insert into kizu.face_questions"
                "  (face_id, other_id, user_id, asset_id, other_asset, likeness)"
                " select one.face_id, other.face_id, one.user_id, one.asset_id, other.asset_id,"
                "        0.4 + 0.15 * random()"
                "   from face_embeddings as one join face_embeddings as other on one.face_id < other.face_id"
                "  where one.user_id = %s and other.user_id = %s"
                "    and abs(hashtext(one.face_id::text || other.face_id)) %% 1000 < %s"
                "     on conflict do nothing",
                (user, user, 1000 * share),
            ).rowcount
        )

    few = fill(0.14)
    of_few = rows_read(queue, lambda: queue.value("select list_face_questions(20, %s)", user))
    many = few + fill(1)
    of_many = rows_read(queue, lambda: queue.value("select list_face_questions(20, %s)", user))
    assert (few < 1200, many) == (True, 7140)
    # Seven times as many; entries of rows that were weighed anew are walked over, too.
    assert of_many < 2 * of_few, (of_few, of_many)


def test_many_candidates_of_two_clusters_hide_no_other_question(
    queue: Any, user: str, strangers: Strangers
) -> None:
    one, other = (person(queue, user, strangers, 25) for _ in range(2))
    little = [person(queue, user, strangers, 1)[0] for _ in range(2)]
    for mine, theirs in itertools.product(one, other):
        doubt(queue, user, mine, theirs, 0.5)
    doubt(queue, user, little[0], little[1])
    assert queue.value("select count(*) from kizu.face_questions where user_id = %s", user) == 626
    first, second = asked(queue, user)
    assert first <= {*one, *other}
    assert second == set(little)


def answer(queue: Any, user: str, one: str, other: str, what: str, **more: Any) -> dict[str, Any]:
    arguments = {"p_face_id": one, "p_other_id": other, "p_answer": what, **more}
    names = ", ".join(f"{name} => %s" for name in arguments)
    with queue.acting("authenticated", user):
        return dict(queue.value(f"select answer_face_question({names})", *arguments.values()))


def name(queue: Any, user: str, face_id: str, who: str) -> str:
    with queue.acting("authenticated", user):
        return str(queue.value("select assign_face(%s, p_name => %s)", face_id, who)["contact_id"])


def of(queue: Any, face_id: str) -> tuple[str | None, str | None, bool]:
    """A face's cluster and contact, and whether the contact was said."""
    [row] = queue.rows(
        "select distinct cluster_id::text as a, contact_id::text as b,"
        "       contact_id is not null and not recognised as c"
        "  from face_embeddings where face_id = %s",
        face_id,
    )
    return row["a"], row["b"], row["c"]


def verdicts(queue: Any, user: str) -> list[str]:
    return [
        row["verdict"]
        for row in queue.rows("select verdict from face_verdicts where user_id = %s order by id", user)
    ]


def test_same_makes_one_person_of_two(queue: Any, speaker: str, strangers: Strangers) -> None:
    small, large = (person(queue, speaker, strangers, size) for size in (2, 3))
    doubt(queue, speaker, small[0], large[1])
    to = of(queue, large[0])[0]
    told = answer(queue, speaker, small[0], large[1], "same")
    assert (told["answer"], told["cluster_id"]) == ("same", to)
    assert {of(queue, one)[0] for one in small + large} == {to}
    assert queue.value(
        "select count(*) from kizu.face_pairs where same and verdict_id = %s"
        " and face_id = least(%s::uuid, %s) and other_id = greatest(%s::uuid, %s)",
        told["verdict_id"], small[0], large[1], small[0], large[1],
    ) == 1  # fmt: skip
    assert ask(queue, speaker) == []


def test_same_gives_a_face_by_itself_the_name(queue: Any, speaker: str, strangers: Strangers) -> None:
    known, alone = (person(queue, speaker, strangers, 1)[0] for _ in range(2))
    ada = name(queue, speaker, known, "Ada")
    doubt(queue, speaker, known, alone)
    told = answer(queue, speaker, known, alone, "same")
    assert of(queue, alone) == of(queue, known) == (told["cluster_id"], ada, True)
    assert verdicts(queue, speaker) == ["is", "same"]


def test_same_gives_a_whole_cluster_the_name(queue: Any, speaker: str, strangers: Strangers) -> None:
    known = person(queue, speaker, strangers, 1)[0]
    unknown = person(queue, speaker, strangers, 3)
    ada = name(queue, speaker, known, "Ada")
    answer(queue, speaker, unknown[1], known, "same")
    assert {of(queue, one)[:2] for one in unknown} == {(of(queue, known)[0], ada)}


def test_same_makes_a_person_of_two_faces(queue: Any, speaker: str, strangers: Strangers) -> None:
    one, other = (person(queue, speaker, strangers, 1)[0] for _ in range(2))
    made = answer(queue, speaker, one, other, "same")["cluster_id"]
    assert made is not None
    assert of(queue, one) == of(queue, other) == (made, None, False)


def test_same_tells_who_could_not_be_told(queue: Any, speaker: str, strangers: Strangers) -> None:
    known, unsure = person(queue, speaker, strangers, 2)
    ada = name(queue, speaker, known, "Ada")
    assert of(queue, unsure) == (of(queue, known)[0], None, False)
    doubt(queue, speaker, known, unsure)
    assert asked(queue, speaker) == [{known, unsure}]
    answer(queue, speaker, unsure, known, "same")
    assert of(queue, unsure)[1:] == (ada, True)
    assert ask(queue, speaker) == []


def test_different_keeps_apart_and_is_not_asked_again(queue: Any, speaker: str, strangers: Strangers) -> None:
    one, other = (person(queue, speaker, strangers, size) for size in (2, 3))
    doubt(queue, speaker, one[0], other[0])
    told = answer(queue, speaker, one[0], other[0], "different")
    assert told["cluster_id"] is None
    doubt(queue, speaker, one[1], other[1])
    assert ask(queue, speaker) == []
    assert of(queue, one[0])[0] == of(queue, one[1])[0] != of(queue, other[0])[0]
    assert answer(queue, speaker, other[0], one[0], "different")["verdict_id"] is None
    assert verdicts(queue, speaker) == ["different"]


def test_different_parts_who_is_together(queue: Any, speaker: str, strangers: Strangers) -> None:
    known, wrong, third = person(queue, speaker, strangers, 3)
    ada = name(queue, speaker, known, "Ada")
    cluster_id = of(queue, known)[0]
    answer(queue, speaker, known, wrong, "different")
    assert of(queue, wrong) == (None, None, False)
    assert of(queue, known) == (cluster_id, ada, True)
    assert of(queue, third)[0] == cluster_id
    assert queue.value(
        "select count(*) from kizu.exclusions where face_id = %s and contact_id = %s", wrong, ada
    )


def test_what_was_said_later_holds(queue: Any, speaker: str, strangers: Strangers) -> None:
    one, other = (person(queue, speaker, strangers, 1)[0] for _ in range(2))
    for what, together in (("same", True), ("different", False), ("same", True), ("different", False)):
        answer(queue, speaker, one, other, what)
        assert (of(queue, one)[0] is not None and of(queue, one)[0] == of(queue, other)[0]) == together
        assert violations(queue, speaker) == []
    assert verdicts(queue, speaker) == ["same", "different"] * 2


def test_ignore_asks_no_more_and_changes_nothing(queue: Any, speaker: str, strangers: Strangers) -> None:
    one, other, third = (person(queue, speaker, strangers, 2) for _ in range(3))
    doubt(queue, speaker, one[0], other[0])
    doubt(queue, speaker, one[0], third[0])
    former = [of(queue, face_id) for face_id in one + other]
    told = answer(queue, speaker, one[0], other[0], "ignore")
    assert told["cluster_id"] is None
    assert [of(queue, face_id) for face_id in one + other] == former
    doubt(queue, speaker, one[1], other[1])
    assert asked(queue, speaker) == [{one[0], third[0]}]
    assert queue.value("select count(*) from kizu.face_marks where user_id = %s", speaker) == 0
    assert answer(queue, speaker, one[0], other[0], "ignore")["verdict_id"] is None


STATE = {
    "public.face_embeddings": "face_id, cluster_id, contact_id, recognised",
    "public.face_clusters": "id, name, contact_id, face_count",
    "kizu.face_pairs": "face_id, other_id, same",
    "kizu.unasked_pairs": "face_id, other_id",
    "kizu.exclusions": "face_id, contact_id",
}


def state(queue: Any, user: str) -> list[list[dict[str, Any]]]:
    return [
        queue.rows(f"select {columns} from {table} where user_id = %s order by 1, 2", user)
        for table, columns in STATE.items()
    ]


@pytest.mark.parametrize("what", ["same", "different", "ignore"])
@pytest.mark.parametrize("case", ["clusters", "faces", "named", "unsure"])
def test_an_answer_that_is_taken_back_is_undone(
    queue: Any, speaker: str, strangers: Strangers, what: str, case: str
) -> None:
    one, other = (person(queue, speaker, strangers, 1 if case == "faces" else 2) for _ in range(2))
    if case in ("named", "unsure"):
        name(queue, speaker, one[0], "Ada")
    pair = (one[0], one[1] if case == "unsure" else other[0])
    doubt(queue, speaker, *pair)
    former = state(queue, speaker)
    assert set(pair) in asked(queue, speaker)
    answer(queue, speaker, *pair, what)
    assert set(pair) not in asked(queue, speaker)
    assert violations(queue, speaker) == []
    with queue.acting("authenticated", speaker):
        queue.value("select undo_verdict()")
    assert state(queue, speaker) == former
    assert set(pair) in asked(queue, speaker)


def test_answers_that_cannot_be_are_refused(queue: Any, speaker: str, strangers: Strangers) -> None:
    ada, bob = (person(queue, speaker, strangers, 1)[0] for _ in range(2))
    one, other = photo(queue, speaker, strangers(), strangers())
    name(queue, speaker, ada, "Ada")
    name(queue, speaker, bob, "Bob")
    for pair, what, code, message in (
        ((ada, bob), "same", "PT409", "conflict"),
        ((one, other), "same", "PT409", "conflict"),
        ((ada, ada), "same", "PT400", "bad_params"),
        ((ada, bob), "maybe", "PT400", "bad_params"),
        ((ada, bob), None, "PT400", "bad_params"),
        ((ada, str(uuid.uuid4())), "same", "PT404", "not_found"),
    ):
        with pytest.raises(psycopg.Error, match=message) as caught:
            answer(queue, speaker, *pair, what)  # type: ignore[arg-type]
        assert caught.value.sqlstate == code, (what, message)
    assert verdicts(queue, speaker) == ["is", "is"]


@pytest.mark.parametrize("what", ["same", "different", "ignore"])
def test_nobody_answers_for_another(queue: Any, speaker: str, strangers: Strangers, what: str) -> None:
    another = str(queue.user())
    mine, mine_too = (person(queue, another, strangers, 1)[0] for _ in range(2))
    one, other = (person(queue, speaker, strangers, 1)[0] for _ in range(2))
    for pair in ((one, other), (mine, one), (one, mine)):
        with pytest.raises(psycopg.Error, match="not_found") as caught:
            answer(queue, another, *pair, what, p_user=speaker)
        assert caught.value.sqlstate == "PT404"
    for pair in ((one, mine), (mine, one)):
        with pytest.raises(psycopg.Error, match="not_found"), queue.acting("service_role"):
            queue.value("select answer_face_question(%s, %s, %s)", *pair, what)
    assert verdicts(queue, speaker) == []
    assert (
        queue.value("select count(*) from kizu.face_pairs where user_id in (%s, %s)", speaker, another) == 0
    )
    with queue.acting("service_role"):
        assert queue.value("select answer_face_question(%s, %s, %s)", one, other, what)["verdict_id"]
        queue.value("select answer_face_question(%s, %s, %s, %s)", mine, mine_too, what, another)


def test_nothing_is_left_of_a_photo_that_goes(queue: Any, speaker: str, strangers: Strangers) -> None:
    faces = [person(queue, speaker, strangers, 1)[0] for _ in range(4)]
    doubt(queue, speaker, faces[0], faces[1])
    doubt(queue, speaker, faces[2], faces[3])
    answer(queue, speaker, faces[2], faces[3], "ignore")
    with queue.acting("authenticated", speaker):
        for face_id in (faces[0], faces[2]):
            queue.db.execute(
                "delete from assets where id = (select asset_id from face_embeddings where face_id = %s)",
                (face_id,),
            )
    for table in ("face_questions", "unasked_pairs"):
        assert queue.value(f"select count(*) from kizu.{table} where user_id = %s", speaker) == 0
    queue.db.execute("delete from auth.users where id = %s", (speaker,))
    assert queue.value("select count(*) from kizu.unasked_pairs where user_id = %s", speaker) == 0
