"""Tags that people drew name the faces in their boxes: when drawn, when faces are found, and by tag sync."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.conftest import Queue
from tests.sql.people import contact, face, faces_of, look, somebody
from tests.sql.people_invariants import violations

pytestmark = pytest.mark.stack

Box = dict[str, float]


def box(x: float, y: float = 0.2, width: float = 0.2, height: float = 0.2) -> Box:
    return {"x": x, "y": y, "width": width, "height": height}


LEFT, MIDDLE, RIGHT = box(0.05), box(0.4), box(0.7)
FAR = box(0.1, 0.8, 0.1, 0.1)


@pytest.fixture(autouse=True)
def model(queue: Any) -> int:
    """The generation of faces that answers."""
    return int(queue.generation("m", "faces"))


@pytest.fixture
def user(queue: Any) -> Any:
    made = str(queue.user())
    yield made
    assert violations(queue, made) == []


@pytest.fixture
def ada(queue: Any, user: str) -> str:
    return contact(queue, user, "Ada")


@pytest.fixture
def bob(queue: Any, user: str) -> str:
    return contact(queue, user, "Bob")


def photo(queue: Any, user: str, *boxes: Box, size: tuple[int, int] | None = None) -> str:
    """A photo in which strangers' faces were found."""
    asset = str(queue.asset(user))
    if size:
        queue.db.execute("update assets set width = %s, height = %s where id = %s", (*size, asset))
    find(queue, user, asset, *boxes)
    return asset


def find(queue: Any, user: str, asset: str, *boxes: Box) -> None:
    """Finds faces in a photo; who is in the same box is the same when it is looked at again."""
    if boxes:
        look(
            queue,
            user,
            asset,
            *(face(n, where, somebody(hash((asset, str(where))))) for n, where in enumerate(boxes)),
        )


def draw(queue: Any, user: str, asset: str, who: str, where: Any, *, before: bool = False) -> str:
    """A tag as its owner draws it; `before`: as it was drawn when nothing looked at tags yet."""
    if before:
        queue.db.execute("alter table asset_tags disable trigger faces_are_named_by_a_new_tag")
    try:
        with queue.acting("authenticated", user):
            return str(
                queue.value(
                    "insert into asset_tags"
                    " (user_id, asset_id, tag_type, tag_value, contact_id, bounding_box)"
                    " values (%s, %s, 'person', 'somebody', %s, %s) returning id",
                    user,
                    asset,
                    who,
                    Jsonb(where),
                )
            )
    finally:
        if before:
            queue.db.execute("alter table asset_tags enable trigger faces_are_named_by_a_new_tag")


def said(queue: Any, asset: str) -> list[str | None]:
    """Who people said that each face of a photo is."""
    return [
        str(row["contact_id"]) if row["contact_id"] and not row["recognised"] else None
        for row in faces_of(queue, asset)
    ]


def sync(queue: Any, user: str, verb: str = "preview", **arguments: Any) -> dict[str, Any]:
    names = ", ".join(f"{name} => %s" for name in arguments)
    with queue.acting("authenticated", user):
        return dict(queue.value(f"select {verb}_tag_sync({names})", *arguments.values()))


def statuses(answer: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {tag["tag_id"]: (tag["status"], tag["why"]) for a in answer["assets"] for tag in a["tags"]}


def assign(queue: Any, user: str, asset: str, place: int, who: str | None) -> Any:
    with queue.acting("authenticated", user):
        return queue.value("select assign_face(%s, %s)", faces_of(queue, asset)[place]["face_id"], who)


def test_a_tag_names_the_face_that_it_is_drawn_around(queue: Any, user: str, ada: str) -> None:
    asset = photo(queue, user, LEFT, RIGHT)
    draw(queue, user, asset, ada, box(0.66, 0.15, 0.3, 0.4))
    assert said(queue, asset) == [None, ada]
    [verdict] = queue.rows(
        "select verdict, contact_id::text, said_by::text from face_verdicts where user_id = %s", user
    )
    assert verdict == {"verdict": "is", "contact_id": ada, "said_by": user}
    with queue.acting("authenticated", user):
        assert queue.value(
            "select count(*) from asset_tags where asset_id = %s and created_by is null and contact_id = %s",
            asset,
            ada,
        )


def test_a_face_that_is_found_later_is_named_by_the_tag(queue: Any, user: str, ada: str, bob: str) -> None:
    asset = photo(queue, user)
    draw(queue, user, asset, ada, LEFT)
    draw(queue, user, asset, bob, FAR)
    find(queue, user, asset, LEFT, RIGHT)
    assert said(queue, asset) == [ada, None]
    find(queue, user, asset, LEFT, RIGHT)
    assert said(queue, asset) == [ada, None]
    assert queue.value("select count(*) from face_verdicts where user_id = %s", user) == 1


def test_a_named_face_is_known_elsewhere_once_names_are_spread(queue: Any, user: str, ada: str) -> None:
    asset, other = str(queue.asset(user)), str(queue.asset(user))
    look(queue, user, asset, face(0, LEFT, somebody(1)))
    look(queue, user, other, face(0, LEFT, somebody(1, blur=0.2)))
    draw(queue, user, asset, ada, LEFT)
    with queue.acting("authenticated", user):
        queue.value("select spread_names()")
    [known] = faces_of(queue, other)
    assert (str(known["contact_id"]), known["recognised"]) == (ada, True)


def test_a_tag_that_is_moved_or_given_to_somebody_names(queue: Any, user: str, ada: str, bob: str) -> None:
    asset = photo(queue, user, LEFT, RIGHT)
    moved, given = draw(queue, user, asset, ada, FAR), draw(queue, user, asset, ada, FAR)
    with queue.acting("authenticated", user):
        queue.db.execute("update asset_tags set bounding_box = %s where id = %s", (Jsonb(LEFT), moved))
        queue.db.execute(
            "update asset_tags set bounding_box = %s, contact_id = %s where id = %s",
            (Jsonb(RIGHT), bob, given),
        )
    assert said(queue, asset) == [ada, bob]


def test_tags_and_faces_are_matched_so_that_most_fits(queue: Any, user: str, ada: str, bob: str) -> None:
    """The best pair first would give Ada the right face, and Bob none."""
    one, other = box(0.10), box(0.22)
    asset = photo(queue, user, one, other)
    tags = {
        ada: draw(queue, user, asset, ada, box(0.20), before=True),
        bob: draw(queue, user, asset, bob, box(0.28), before=True),
    }
    answer = sync(queue, user)
    faces = [str(row["face_id"]) for row in faces_of(queue, asset)]
    matches = {tag["tag_id"]: tag["face_id"] for tag in answer["assets"][0]["tags"]}
    assert matches == {tags[ada]: faces[0], tags[bob]: faces[1]}


def test_columns_are_assigned_as_well_as_can_be(queue: Any) -> None:
    numbers = random.Random(7)
    for rows, columns in itertools.product(range(1, 6), repeat=2):
        weights = [
            [numbers.choice([0.0, round(numbers.random(), 3)]) for _ in range(columns)] for _ in range(rows)
        ]
        found = queue.value(
            "select kizu.assign_columns(%s, %s, %s::float8[])", rows, columns, list(itertools.chain(*weights))
        )
        given = [place for place in found if place is not None]
        assert len(set(given)) == len(given)
        assert all(weights[row][place - 1] > 0 for row, place in enumerate(found) if place)
        total = sum(weights[row][place - 1] for row, place in enumerate(found) if place)
        padded = [[*row, *[0.0] * rows] for row in weights]
        best = max(
            sum(padded[row][place] for row, place in enumerate(places))
            for places in itertools.permutations(range(columns + rows), rows)
        )
        assert total == pytest.approx(best)


@pytest.mark.parametrize(
    ("drawn", "size", "status", "why"),
    [
        (LEFT, None, "link", None),
        ({"x": 100, "y": 400, "width": 400, "height": 400}, (2000, 2000), "link", None),
        ({"x": 1, "y": 0.2, "width": 0.2, "height": 0.2}, (2000, 2000), "skipped", "outside"),
        ({"x": 100, "y": 400, "width": 400, "height": 400}, None, "skipped", "size_unknown"),
        ({"x": 5000, "y": 400, "width": 400, "height": 400}, (2000, 2000), "skipped", "outside"),
        ({"x": 0.05, "y": 0.2, "width": 0, "height": 0.2}, None, "skipped", "bad_box"),
        ({"x": "0.05", "y": 0.2, "width": 0.2, "height": 0.2}, None, "skipped", "bad_box"),
        ({"left": 0.05, "top": 0.2}, None, "skipped", "bad_box"),
        ([0.05, 0.2, 0.2, 0.2], None, "skipped", "bad_box"),
        (box(0.17, 0.2), None, "weak", None),
        (box(0.14, 0.2), None, "link", None),
        (FAR, None, "no_face", None),
    ],
)
def test_a_box_is_in_shares_or_in_pixels_and_never_guessed(
    queue: Any, user: str, ada: str, drawn: Any, size: Any, status: str, why: str | None
) -> None:
    asset = photo(queue, user, LEFT, size=size)
    tag = draw(queue, user, asset, ada, drawn, before=True)
    assert statuses(sync(queue, user)) == {tag: (status, why)}
    sync(queue, user, "apply")
    assert said(queue, asset) == [ada if status == "link" else None]


def test_half_of_the_smaller_box_is_enough_when_it_is_drawn(
    queue: Any, user: str, ada: str, bob: str
) -> None:
    """A box around head and shoulders is far larger than the face (IoU 0.06), but holds it all."""
    asset = photo(queue, user, box(0.1, 0.1, 0.1, 0.1), RIGHT)
    draw(queue, user, asset, ada, box(0.0, 0.0, 0.4, 0.4))
    assert said(queue, asset) == [ada, None]
    draw(queue, user, asset, bob, box(0.83, 0.2))  # 0.35 of it
    assert said(queue, asset) == [ada, None]
    draw(queue, user, asset, bob, box(0.81, 0.2))  # 0.45
    assert said(queue, asset) == [ada, bob]


Before = Callable[[Any, str, str, str, str], Any]
CONFLICTS: dict[str, tuple[Before, str]] = {
    "somebody_else": (
        lambda queue, user, asset, ada, bob: assign(queue, user, asset, 0, bob),
        "somebody_else",
    ),
    "another_face": (lambda queue, user, asset, ada, bob: assign(queue, user, asset, 1, ada), "another_face"),
    "marked": (
        lambda queue, user, asset, ada, bob: mark(queue, user, asset, 0, "ignored"),
        "marked",
    ),
    "excluded": (
        lambda queue, user, asset, ada, bob: [assign(queue, user, asset, 0, who) for who in (ada, None)],
        "not_them",
    ),
    "undone": (
        lambda queue, user, asset, ada, bob: [assign(queue, user, asset, 0, ada), undo(queue, user)],
        "not_them",
    ),
}


def mark(queue: Any, user: str, asset: str, place: int, what: str) -> None:
    with queue.acting("authenticated", user):
        queue.value("select mark_faces(%s::uuid[], %s)", [faces_of(queue, asset)[place]["face_id"]], what)


def undo(queue: Any, user: str) -> Any:
    with queue.acting("authenticated", user):
        return queue.value("select undo_verdict()")


@pytest.mark.parametrize("what", CONFLICTS)
def test_what_people_said_is_not_overwritten(queue: Any, user: str, ada: str, bob: str, what: str) -> None:
    say, why = CONFLICTS[what]
    asset = photo(queue, user, LEFT, RIGHT)
    tag = draw(queue, user, asset, ada, LEFT, before=True)
    say(queue, user, asset, ada, bob)
    former = said(queue, asset)
    assert statuses(sync(queue, user)) == {tag: ("conflict", why)}
    sync(queue, user, "apply")
    find(queue, user, asset, LEFT, RIGHT)
    assert said(queue, asset) == former


def test_a_tag_that_is_drawn_after_it_was_denied_names(queue: Any, user: str, ada: str) -> None:
    asset = photo(queue, user, LEFT)
    assign(queue, user, asset, 0, ada)
    assign(queue, user, asset, 0, None)
    draw(queue, user, asset, ada, LEFT)
    assert said(queue, asset) == [ada]


def test_a_preview_tells_everything_and_apply_does_just_that(
    queue: Any, user: str, ada: str, bob: str
) -> None:
    one, other = photo(queue, user, LEFT, MIDDLE, RIGHT), photo(queue, user, LEFT)
    eve = contact(queue, user, "Eve")
    linked = draw(queue, user, one, ada, LEFT)
    again = draw(queue, user, one, ada, box(0.06), before=True)
    link = draw(queue, user, one, bob, MIDDLE, before=True)
    gone = draw(queue, user, one, eve, FAR, before=True)
    clash = draw(queue, user, other, bob, LEFT, before=True)
    assign(queue, user, other, 0, eve)

    preview = sync(queue, user)
    assert said(queue, one) == [ada, None, None]
    assert statuses(preview) == {
        linked: ("linked", None),
        again: ("no_face", None),
        link: ("link", None),
        gone: ("no_face", None),
        clash: ("conflict", "somebody_else"),
    }
    assert preview["summary"] == {
        "assets": 2, "tags": 5, "faces": 4, "link": 1, "linked": 1, "weak": 0, "conflict": 1, "no_face": 2,
        "skipped": 0, "no_tag": 1,
    }  # fmt: skip
    assert preview["next"] is None
    [told] = [asset for asset in preview["assets"] if asset["asset_id"] == one]
    faces = faces_of(queue, one)
    assert [(row["face_id"], row["contact_id"], row["said"], row["tag_id"]) for row in told["faces"]] == [
        (str(faces[0]["face_id"]), ada, True, linked),
        (str(faces[1]["face_id"]), None, False, link),
        (str(faces[2]["face_id"]), None, False, None),
    ]
    [row] = [tag for tag in told["tags"] if tag["tag_id"] == link]
    assert row == {
        "tag_id": link, "contact_id": bob, "name": "Bob", "bounding_box": MIDDLE,
        "face_id": str(faces[1]["face_id"]), "overlap": 1, "status": "link", "why": None,
    }  # fmt: skip

    assert sync(queue, user, "apply") == preview
    assert said(queue, one) == [ada, bob, None]
    assert said(queue, other) == [eve]
    verdicts = queue.value("select count(*) from face_verdicts where user_id = %s", user)
    second = sync(queue, user, "apply")
    assert second["summary"] == preview["summary"] | {"link": 0, "linked": 2}
    assert queue.value("select count(*) from face_verdicts where user_id = %s", user) == verdicts


def test_pages_reach_every_photo(queue: Any, user: str, ada: str) -> None:
    assets = sorted(photo(queue, user, LEFT) for _ in range(5))
    for asset in assets:
        draw(queue, user, asset, ada, LEFT, before=True)
    after, seen = None, []
    while True:
        page = sync(queue, user, "apply", p_limit=2, p_after=Jsonb(after))
        seen += [asset["asset_id"] for asset in page["assets"]]
        after = page["next"]
        if after is None:
            break
    assert seen == assets
    assert [said(queue, asset) for asset in assets] == [[ada]] * 5


def test_more_than_a_thousand_tags_are_all_seen(queue: Any, user: str, ada: str) -> None:
    queue.db.execute(
        "insert into assets (user_id, path, media_type)"
        " select %s, %s || '/' || n || '.jpg', 'document' from generate_series(1, 1100) as n",
        (user, user),
    )
    queue.db.execute(
        "insert into asset_tags"
        " (user_id, asset_id, tag_type, tag_value, contact_id, bounding_box, created_by)"
        " select user_id, id, 'person', 'Ada', %s, %s, user_id from assets where user_id = %s",
        (ada, Jsonb(LEFT), user),
    )
    after, tags, pages = None, 0, 0
    while pages == 0 or after:
        page = sync(queue, user, p_limit=1000, p_after=Jsonb(after))
        assert len(page["assets"]) <= 200
        tags, pages, after = tags + page["summary"]["no_face"], pages + 1, page["next"]
    assert (tags, pages) == (1100, 6)


def test_only_those_photos_are_seen_that_are_asked_for(queue: Any, user: str, ada: str) -> None:
    one, other = photo(queue, user, LEFT), photo(queue, user, LEFT)
    for asset in (one, other):
        draw(queue, user, asset, ada, LEFT, before=True)
    answer = sync(queue, user, "apply", p_asset_ids=[one])
    assert [asset["asset_id"] for asset in answer["assets"]] == [one]
    assert (said(queue, one), said(queue, other)) == ([ada], [None])


@pytest.mark.parametrize("verb", ["preview", "apply"])
def test_what_is_anothers_is_not_there(queue: Any, user: str, ada: str, verb: str) -> None:
    another = str(queue.user())
    asset = photo(queue, user, LEFT)
    draw(queue, user, asset, ada, LEFT, before=True)
    with pytest.raises(psycopg.Error, match="not_found") as caught:
        sync(queue, another, verb, p_asset_ids=[asset])
    assert caught.value.sqlstate == "PT404"
    assert sync(queue, another, verb, p_user=user)["assets"] == []
    assert said(queue, asset) == [None]
    with queue.acting("service_role"):
        assert queue.value(f"select {verb}_tag_sync(p_user => %s)", user)["summary"]["link"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"p_after": Jsonb({"asset_id": "x"})},
        *({"p_after": Jsonb(after)} for after in ([], "x", 3, {})),
        {"p_asset_ids": ["00000000-0000-0000-0000-000000000000"] * 1001},
    ],
)
def test_bad_arguments_are_refused(queue: Any, user: str, arguments: dict[str, Any]) -> None:
    for verb in ("preview", "apply"):
        with pytest.raises(psycopg.Error, match="bad_params") as caught:
            sync(queue, user, verb, **arguments)
        assert caught.value.sqlstate == "PT400"
        with pytest.raises(psycopg.Error, match="bad_params"), queue.acting("service_role"):
            queue.value(f"select {verb}_tag_sync()")


def test_a_tag_of_ours_says_nothing(queue: Any, user: str, ada: str) -> None:
    asset = photo(queue, user, LEFT)
    queue.db.execute(
        "insert into asset_tags"
        " (user_id, asset_id, tag_type, tag_value, contact_id, bounding_box, created_by)"
        " values (%s, %s, 'person', 'Ada', %s, %s, null)",
        (user, asset, ada, Jsonb(LEFT)),
    )
    assert sync(queue, user)["assets"] == []
    assert said(queue, asset) == [None]


def test_a_tag_waits_for_who_changes_people(
    queue: Any, user: str, ada: str, connect: Callable[[], psycopg.Connection]
) -> None:
    """And is not there without its name: it is refused as busy, to be drawn again."""
    asset = photo(queue, user, LEFT)
    holder = Queue(connect())
    with holder.db.transaction():
        holder.value("select pg_advisory_xact_lock(kizu.faces_of(%s))", user)
        with pytest.raises(psycopg.Error, match="database_busy") as caught:
            draw(queue, user, asset, ada, LEFT)
    assert caught.value.sqlstate == "PT503"
    assert queue.value("select count(*) from asset_tags where asset_id = %s", asset) == 0
    draw(queue, user, asset, ada, LEFT)
    assert said(queue, asset) == [ada]
