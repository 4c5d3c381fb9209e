"""What a search reads: its own user's rows that match, whatever lies beside and the planner believes."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from psycopg.types.json import Jsonb

from tests.sql.library import QUERY, Library, asks, like, part

pytestmark = pytest.mark.stack

MANY = 1_500
TABLES = (
    "{assets,asset_tags,asset_facts,image_text,image_descriptions,image_embeddings,detected_objects,"
    "face_embeddings,contacts,kizu.face_vectors}"
)

READ = f"""
    select sum(pg_stat_get_xact_tuples_returned(id)
               + pg_stat_get_xact_tuples_fetched(id) + of_indexes)::int
      from unnest('{TABLES}'::regclass[]) as id,
           lateral (select coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0) as of_indexes
                      from pg_index where indrelid = id) as indexes
"""

SCANS = f"select sum(pg_stat_get_xact_numscans(id))::int from unnest('{TABLES}'::regclass[]) as id"


@pytest.fixture
def large(queue: Any) -> Library:
    """A library of MANY photos, each with everything that the small one has a few of."""
    library = Library(queue)
    anna = library.contact("Anna")
    queue.db.execute("set session_replication_role = replica")
    queue.db.execute(
        "insert into assets"
        " (user_id, path, media_type, taken_at, location_name, latitude, longitude, file_name)"
        " select %(user)s::uuid, %(user)s::text || '/' || n, 'photo',"
        "        '2019-01-01'::timestamptz + n * interval '1 hour',"
        "        'Rome, Italy', 41.9, 12.5, 'IMG_' || n || '.jpg' from generate_series(1, %(many)s) as n",
        {"user": library.user, "many": MANY},
    )
    for table, columns, values in (
        ("image_text", "extracted_text, model_version", "'happy birthday kite', 'm'"),
        ("image_descriptions", "description, model_version", "'a dog at the beach', 'm'"),
        ("asset_tags", "tag_type, tag_value, created_by", "'object', 'dog', null"),
        (
            "detected_objects",
            "object_class, confidence, bounding_box, model_version",
            "'dog', 0.9, '{}', 'm'",
        ),
        (
            "image_embeddings",
            "embedding, model_version",
            "('[' || 0.9 || ',' || random() || ',' || random() || ',0,0,0,0,0]')::extensions.vector, 'm'",
        ),
        (
            "face_embeddings",
            "embedding, bounding_box, model_version, contact_id, recognised",
            f"'{like(0.5)}', '{{}}', 'm', '{anna}', true",
        ),
        ("asset_facts", "fact, version, state", "'faces', '1', 'done'"),
    ):
        queue.db.execute(
            f"insert into {table} (user_id, asset_id, {columns})"
            f" select user_id, id, {values} from assets where user_id = %s",
            (library.user,),
        )
    queue.db.execute("reset session_replication_role")
    return library


BELIEFS = ("analyzed", "taken for empty")


def believe(queue: Any, what: str) -> None:
    match what:
        case "analyzed":
            queue.db.execute(
                "analyze assets, asset_tags, image_text, image_descriptions, image_embeddings,"
                " detected_objects, face_embeddings"
            )
        case "taken for empty":
            queue.db.execute(
                "update pg_class set reltuples = 0, relpages = 0"
                " where oid = any (%(tables)s::regclass[]) or oid in"
                " (select indexrelid from pg_index where indrelid = any (%(tables)s::regclass[]))",
                {"tables": TABLES},
            )


def read(library: Library, understood: Any, **arguments: Any) -> tuple[list[str], int, int]:
    """What is found, how many rows and index entries are read, and how often a table from end to end."""
    wish = {"p_understood": Jsonb(understood), **arguments}
    names = ", ".join(f"{name} => %s" for name in wish)
    db = library.queue.db
    answer = None
    counted = []
    for _ in range(2):  # to plan a statement for the first time is to peek at the ends of indexes
        with db.transaction():
            before = library.queue.value(READ), library.queue.value(SCANS)
            with library.queue.acting("authenticated", library.user):
                answer = library.queue.value(f"select public.rank_search({names})", *wish.values())
            db.execute("reset role")
            counted = [library.queue.value(READ) - before[0], library.queue.value(SCANS) - before[1]]
    return library.named(answer), counted[0], counted[1]


class Small(NamedTuple):
    library: Library
    anna: str


@pytest.fixture
def small(queue: Any, large: Library) -> Small:
    """Three photos of which all that is asked below is true, and three of which nothing is."""
    library = Library(queue)
    anna = library.contact("Anna")
    for number in range(3):
        asset = library.photo(
            f"{number}",
            media_type="photo",
            taken_at=f"2019-01-0{number + 1}",
            location_name="Rome, Italy",
            latitude=41.9,
            longitude=12.5,
            file_name=f"IMG_{number}.jpg",
        )
        library.reads(asset, "happy birthday kite")
        library.describes(asset, "a dog at the beach")
        library.tags(asset, "dog", created_by=None)
        library.shows(asset, "dog")
        library.face(asset, anna, recognised=True)
        library.looks(asset, 0.9 - number / 10)
        library.photo(f"other {number}", taken_at="2000-01-01")
    return Small(library, anna)


@pytest.mark.parametrize("belief", BELIEFS)
def test_a_small_library_beside_a_large_one_reads_only_its_own(queue: Any, small: Small, belief: str) -> None:
    believe(queue, belief)
    month = part("date", since="2019-01-01", before="2019-02-01")
    for semantic, parts, vector in (
        ("kite", [], None),
        ("happy kite dog beach rome", [], None),
        ("kit", [], None),
        ("birthday", [], QUERY),
        ("", [part("text", text="happy birthday")], None),
        ("", [part("things", **{"class": "dog"})], None),
        ("", [part("place", name="Rome")], None),
        ("", [part("place", name="Rome", near=True)], None),
        ("", [part("person", ids=[small.anna])], None),
        ("", [month], None),
        ("kite", [month], QUERY),
        ("kite", [part("faces"), part("writing"), part("media", media="photo")], QUERY),
    ):
        found, rows, scans = read(small.library, asks(semantic, *parts), p_vector=vector)
        assert set(found) == {"0", "1", "2"}, (semantic, parts)
        assert scans == 0, (semantic, parts)
        assert rows < 600, (semantic, parts)


@pytest.mark.parametrize("belief", BELIEFS)
def test_a_page_of_the_newest_reads_a_page(queue: Any, large: Library, belief: str) -> None:
    believe(queue, belief)
    for parts in ([part("date", since="2019-02-01")], [part("media", media="photo")], [part("writing")]):
        found, rows, scans = read(large, asks("", *parts), p_limit=20)
        assert len(found) == 20, parts
        assert scans == 0, parts
        assert rows < 1_000, parts
    deep = {"at": "2019-01-20T00:00:00Z", "id": "00000000-0000-0000-0000-000000000000"}
    found, rows, scans = read(large, asks("", part("media", media="photo")), p_limit=20, p_after=Jsonb(deep))
    assert (len(found), scans) == (20, 0)
    assert rows < 1_000


def test_a_large_library_is_searched_by_the_vector_index_with_its_parts(queue: Any, large: Library) -> None:
    """The parts are asked about within the index's scan: few of what is near are meant, and all are found."""
    queue.db.execute("set kizu.test_exact = 10")
    films = [f"film {number}" for number in range(40)]
    for number, name in enumerate(films):
        large.looks(large.photo(name, media_type="video"), 0.7 - number / 1000)
    try:
        film = part("media", media="video")
        found, _, scans = read(large, asks("", film), p_vector=QUERY, p_limit=200)
    finally:
        queue.db.execute("reset kizu.test_exact")
    assert scans == 0
    assert found == films


def test_only_where_pictures_are_near_is_read_what_else_is_known_of_them(large: Library) -> None:
    """The 1,000 nearest of MANY are, twice: while they are found, and when all sources are fused."""
    looked_up = (
        "select sum(pg_stat_get_xact_tuples_fetched(indexrelid))::int"
        "  from pg_index where indrelid = 'assets'::regclass"
    )
    db, queue = large.queue.db, large.queue
    with db.transaction():
        before = queue.value(looked_up)
        with queue.acting("authenticated", large.user):
            queue.value(
                "select public.rank_search(%s, p_vector => %s, p_limit => 1)", Jsonb(asks("seal")), QUERY
            )
        db.execute("reset role")
        assert queue.value(looked_up) - before < 2 * 1_000 + 20 < 1_000 + MANY


def test_a_vector_lies_in_its_row(queue: Any) -> None:
    """Of 512 numbers, as the models have: read from elsewhere each would take several times as long."""
    elsewhere = (
        "select pg_relation_size(reltoastrelid) from pg_class where oid = 'image_embeddings'::regclass"
    )
    user = queue.user()
    queue.generation(
        "long", new=bool(queue.value("select count(*) from generations where kind = 'pictures'"))
    )
    before = queue.value(elsewhere)
    for _ in range(20):
        queue.db.execute(
            "insert into image_embeddings (user_id, asset_id, model_version, embedding)"
            " select %s, %s, 'long', array_agg(random())::extensions.vector from generate_series(1, 512)",
            (user, queue.asset(user)),
        )
    assert queue.value(elsewhere) == before


FETCHED = f"select sum(pg_stat_get_xact_tuples_fetched(id))::int from unnest('{TABLES}'::regclass[]) as id"


@pytest.mark.parametrize("words", ["img 7", "rome img"])
def test_a_word_of_most_texts_reads_some_of_them(queue: Any, words: str) -> None:
    library = Library(queue)
    queue.db.execute("set session_replication_role = replica")
    queue.db.execute(
        "insert into assets (user_id, path, media_type, file_name, location_name)"
        " select %(user)s::uuid, %(user)s || '/' || n, 'photo', 'IMG_' || n, 'Rome'"
        "   from generate_series(1, 12000) as n",
        {"user": library.user},
    )
    queue.db.execute("reset session_replication_role")
    queue.db.execute("analyze assets")
    with queue.db.transaction():
        before = queue.value(FETCHED)
        library.answer(asks(f"{words} "))
        queue.db.execute("reset role")
        assert queue.value(FETCHED) - before < 15_000
