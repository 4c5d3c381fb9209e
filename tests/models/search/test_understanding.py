"""Everything but dates: who, where, what, and what is left."""

from __future__ import annotations

from datetime import date

import pytest

from models.search.names import Known
from models.search.understanding import LONGEST_TEXT, understand
from tests.models.search.library import TODAY, ask, written

PEOPLE = """
Anna                               | person anna-1/anna-2                    |
Anna Schmidt                       | person anna-1                           |
anna schmidt on a horse            | person anna-1; 1 horse?                 | on a horse
Annie                              | person anna-1                           |
ANNA                               | person anna-1/anna-2                    |
Anna and Ben                       | person anna-1/anna-2; person ben        |
Anna or Ben                        | person anna-1/anna-2/ben                |
Anna oder Ben am Strand            | person anna-1/anna-2/ben                | am Strand
with Anna or Ben and Zoe           | person anna-1/anna-2/ben; person zoe    |
Anna, Ben                          | person anna-1/anna-2; person ben        |
with Anna & Ben at the beach       | person anna-1/anna-2; person ben        | at the beach
Anna's birthday                    | person anna-1/anna-2                    | birthday
Anna\u2019s birthday               | person anna-1/anna-2                    | birthday
Annas Geburtstag                   | person anna-1/anna-2                    | Geburtstag
Anna Schmidts Hochzeit             | person anna-1                           | Hochzeit
Hans' Garten                       | person hans                             | Garten
Hans in the garden                 | person hans                             | in the garden
the birthday of Ben                | person ben                              | the birthday
zoe                                | person zoe                              |
Zoë                                | person zoe                              |
Zoe\u0308                          | person zoe                              |
Jürgen                             | person juergen                          |
Juergen im Schnee                  | person juergen                          | im Schnee
Jurgen                             | person juergen                          |
Sean O'Brien                       | person obrien                           |
Uncle Bob                          | person bob                              |
uncle at the lake                  |                                         | uncle at the lake
Mum and me                         | person mum                              |
Mama und ich                       | person mum                              |
me at the lake                     |                                         | me at the lake
Anna-Lena                          |                                         | Anna-Lena
Annabelle                          |                                         | Annabelle
without Anna                       | not person anna-1/anna-2                |
party without Anna and Ben         | not person anna-1/anna-2; not person ben | party
neither Anna nor Ben               | not person anna-1/anna-2; not person ben |
weder Anna noch Ben                | not person anna-1/anna-2; not person ben |
party without Anna but with Ben    | not person anna-1/anna-2; person ben    | party
Feier ohne Anna                    | not person anna-1/anna-2                | Feier
Ben but not Anna                   | person ben; not person anna-1/anna-2    |
rose                               | person rose                             |
Rose at the lake                   | person rose                             | at the lake
rose at the lake                   |                                         | rose at the lake
red rose                           |                                         | red rose
with rose at the lake              | person rose                             | at the lake
rose's birthday                    | person rose                             | birthday
rose miller                        | person rose                             |
Anna and rose                      | person anna-1/anna-2; person rose       |
rose in 2019                       | person rose; date                       |
question mark                      |                                         | question mark
Mark with a hat                    | person mark                             | a hat
dogs will bark                     | 1 dog?                                  | dogs will bark
Will with a dog                    | person will; 1 dog?                     | a dog
es wird ernst                      |                                         | es wird ernst
mit Ernst am See                   | person ernst                            | am See
may                                | person may                              |
in May                             | date                                    |
with May                           | person may                              |
photos of May                      | photo; person may                       |
May 2019                           | date                                    |
An der Ostsee                      |                                         | An der Ostsee
an apple                           | 1 apple?                                | an apple
with An at the lake                | person an                               | at the lake
An                                 | person an                               |
may I see                          |                                         | may I see
April                              | person april                            |
in April                           | date                                    |
with April in April                | person april; date                      |
Florence                           | person florence                         |
in Florence                        | place Florence                          |
with Florence in Florence          | person florence; place Florence         |
"""

PLACES = """
in New York                        | place New York                          |
New York                           | place New York                          |
NYC                                | place New York                          |
pizza in New York                  | 1 pizza?; place New York                | pizza
New York pizza                     | 1 pizza?                                | New York pizza
New York-style                     |                                         | New York-style
in york                            | place York                              |
near Berlin                        | near Berlin                             |
bei Berlin im Wald                 | near Berlin                             | im Wald
Berlin 2019                        | place Berlin; date                      |
Urlaub in Berlin                   | place Berlin                            | Urlaub
Berlin last summer                 | place Berlin; date                      |
Berlin summer 2019                 | place Berlin; date                      |
Berlin Anna                        | place Berlin; person anna-1/anna-2      |
Berlin without Anna                | place Berlin; not person anna-1/anna-2  |
Berlin wall                        |                                         | Berlin wall
not in Berlin                      | not place Berlin                        |
Kirche in St. Gallen               | place St. Gallen                        | Kirche
church in St Gallen                | place St. Gallen                        | church
Muenchen                           | place München                           |
in munich at night                 | place München; date                     |
in Berlin or New York              | place Berlin/New York                   |
Berlin und München                 | place Berlin/München                    |
in Atlantis                        |                                         | in Atlantis
hut near the lake                  |                                         | hut near the lake
Christmas Island                   | place Christmas Island                  |
nice weather                       |                                         | nice weather
a nice hat                         |                                         | a nice hat
in Nice                            | place Nice                              |
Anna with two dogs                 | person anna-1/anna-2; 2 dog             | two dogs
Anna in Berlin and Ben             | person anna-1/anna-2; place Berlin; person ben |
"""

THINGS = """
dog                                | 1 dog?                                  | dog
two dogs                           | 2 dog                                   | two dogs
3 cats on a sofa                   | 3 cat; 1 couch?                         | 3 cats on a sofa
a couple of puppies                | 2 dog                                   | a couple of puppies
several bikes                      | 2 bicycle                               | several bikes
a lot of people                    | 3 person                                | a lot of people
at least four birds                | 4 bird                                  | at least four birds
more than two boats                | 3 boat                                  | more than two boats
one dog                            | 1 dog                                   | one dog
a dog                              | 1 dog?                                  | a dog
two black dogs                     | 2 dog                                   | two black dogs
two dogs and three cats            | 2 dog; 3 cat                            | two dogs and three cats
2-3 dogs                           | 2 dog                                   | 2-3 dogs
between two and four dogs          | 2 dog                                   | between two and four dogs
ein bis zwei Hunde                 | 1 dog                                   | ein bis zwei Hunde
um 8 Uhr                           |                                         | um 8 Uhr
two hot dogs                       | 2 hot dog                               | two hot dogs
hot dog                            | 1 hot dog?                              | hot dog
teddy bear                         | 1 teddy bear?                           | teddy bear
plane                              | 1 airplane?                             | plane
TV                                 | 1 tv?                                   | TV
phone                              | 1 cell phone?                           | phone
200 dogs                           | 99 dog                                  | 200 dogs
2000 dogs                          | 1 dog?                                  | 2000 dogs
0 dogs                             | 1 dog?                                  | 0 dogs
beach without dogs                 | not 1 dog                               | beach
no cars or trucks                  | not 1 car; not 1 truck                  |
street but no cars                 | not 1 car                               | street
orange sunset                      |                                         | orange sunset
two oranges                        | 2 orange                                | two oranges
zwei Hunde                         | 2 dog                                   | zwei Hunde
ein Hund                           | 1 dog?                                  | ein Hund
ein paar Fahrräder                 | 2 bicycle                               | ein paar Fahrräder
mindestens drei Vögel              | 3 bird                                  | mindestens drei Vögel
mehr als 2 Schiffe                 | 3 boat                                  | mehr als 2 Schiffe
drei kleine Katzen                 | 3 cat                                   | drei kleine Katzen
Schäferhund                        | 1 dog?                                  | Schäferhund
Seehund im Meer                    |                                         | Seehund im Meer
Handy auf dem Tisch                | 1 cell phone?                           | Handy auf dem Tisch
Strand ohne Hunde                  | not 1 dog                               | Strand
keine Autos                        | not 1 car                               |
"""

THE_REST = """
videos of dogs                     | video; 1 dog?                           | dogs
photos of Anna                     | photo; person anna-1/anna-2             |
show me all photos                 | photo                                   |
pictures from 2019                 | photo; date                             |
beach photos                       | photo                                   | beach
not videos                         | not video                               |
photos and videos of Anna          | person anna-1/anna-2                    |
Fotos oder Videos aus Berlin       | place Berlin                            |
photos and photos                  | photo; photo                            |
photo album                        |                                         | photo album
picture frame on a wall            |                                         | picture frame on a wall
girl holding a photo               | 1 person?                               | girl holding a photo
Fotos von Ben                      | photo; person ben                       |
Videos aus Berlin                  | video; place Berlin                     |
zeig mir alle Bilder vom Strand    | photo                                   | Strand
taken with iPhone 12               | camera Apple iPhone 12                  |
iphone 12 pro                      | camera Apple iPhone 12 Pro              |
sea, shot on the Canon EOS R5      | camera Canon EOS R5                     | sea
mit dem iPhone 12 aufgenommen      | camera Apple iPhone 12                  |
taken with Nikon                   |                                         | taken with Nikon
photos from my Pixel 7             | photo; camera Google Pixel 7            |
shot on iPhone                     | camera iPhone                           |
sunset with my iPhone              | camera iPhone                           | sunset
taken with a Canon                 | camera Canon EOS R5                     |
mit der Canon                      | camera Canon EOS R5                     |
Strand mit der Canon aufgenommen   | camera Canon EOS R5                     | Strand
ohne iPhone 12                     | not camera Apple iPhone 12              |
with the Canon manual              |                                         | with the Canon manual
the Canon                          |                                         | the Canon
a girl with the apple              | 1 person?; 1 apple?                     | a girl with the apple
without people                     | not faces                               |
beach, no people                   | not faces                               | beach
no one at the beach                | not faces                               | at the beach
nobody                             | not faces                               |
niemand am Strand                  | not faces                               | am Strand
Strand ohne Menschen               | not faces                               | Strand
with faces                         | faces                                   |
Bilder mit Gesichtern              | photo; faces                            |
two people                         | 2 person                                | two people
a sign with text                   | writing                                 | a sign
Schild mit Text                    | writing                                 | Schild
sign without text                  | not writing                             | sign
"happy birthday"                   | text happy birthday                     |
\u201chappy birthday\u201d cake    | text happy birthday; 1 cake?            | cake
\u201eAlles Gute\u201c Torte       | text Alles Gute; 1 cake?                | Torte
\u201eAlles Gute\u201d             | text Alles Gute                         |
\u00abbon anniversaire\u00bb       | text bon anniversaire                   |
\u00bbAlles Gute\u00ab             | text Alles Gute                         |
\u2018exit only\u2019 sign         | text exit only                          | sign
\u201aAlles\u2018                  | text Alles                              |
'exit only' sign                   | text exit only                          | sign
rock 'n' roll                      |                                         | rock 'n' roll
"Anna in 2019"                     | text Anna in 2019                       |
sign not "exit"                    | not text exit                           | sign
sale without "exit only" in Berlin | not text exit only; place Berlin        | sale
"" empty                           |                                         | empty
"open end                          |                                         | open end
the who                            |                                         | the who
sunset over the sea                |                                         | sunset over the sea
                                   |                                         |
"""


def rows(table: str) -> list[object]:
    """One per line: the text, what is understood in short, and what is left."""
    cells = [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if "|" in line]
    return [pytest.param(*row, id=row[0]) for row in cells]


@pytest.mark.parametrize(("text", "parts", "left"), rows(PEOPLE + PLACES + THE_REST))
def test_text_asks_for(text: str, parts: str, left: str) -> None:
    assert written(text) == (parts, left)


@pytest.mark.parametrize(("text", "parts", "left"), rows(THINGS))
def test_things_are_conditions_when_counted_or_excluded(text: str, parts: str, left: str) -> None:
    assert written(text) == (parts, left)


def test_understanding_is_written_as_sql_reads_it() -> None:
    text = "two dogs with Ben at the beach last summer"

    assert ask(text).as_json() == {
        "text": text,
        "language": "en",
        "parts": [
            {"kind": "things", "from": 0, "to": 8, "not": False, "class": "dog", "least": 2},
            {"kind": "person", "from": 14, "to": 17, "not": False, "ids": ["ben"], "name": "Ben"},
            {
                "kind": "date",
                "from": 31,
                "to": 42,
                "not": False,
                "since": "2025-06-01",
                "before": "2025-09-01",
            },
        ],
        "semantic": "two dogs at the beach",
    }


def test_every_kind_of_part_is_written_with_its_facts() -> None:
    text = 'videos near Berlin in summer in the morning, a cat, "exit", with text, without people, iPhone 12'

    facts = [
        {key: value for key, value in part.items() if key not in {"from", "to"}}
        for part in ask(text).as_json()["parts"]
    ]

    assert facts == [
        {"kind": "media", "not": False, "media": "video"},
        {
            "kind": "place",
            "not": False,
            "name": "Berlin",
            "names": ["Berlin"],
            "ids": ["berlin"],
            "near": True,
        },
        {"kind": "date", "not": False, "months": [6, 7, 8]},
        {"kind": "date", "not": False, "hours": [5, 6, 7, 8, 9, 10, 11]},
        {"kind": "things", "not": False, "class": "cat", "least": 1, "hint": True},
        {"kind": "text", "not": False, "text": "exit"},
        {"kind": "writing", "not": False},
        {"kind": "faces", "not": True},
        {"kind": "camera", "not": False, "name": "Apple iPhone 12", "names": ["Apple iPhone 12"]},
    ]


@pytest.mark.parametrize(
    ("taken", "parts", "left"),
    [
        ((), ["things", "person", "date"], "two dogs at the beach"),
        ((2,), ["things", "person"], "two dogs at the beach last summer"),
        ((1,), ["things", "date"], "two dogs with Anna at the beach"),
        ((0,), ["person", "date"], "two dogs at the beach"),
        ((0, 1, 2), [], "two dogs with Anna at the beach last summer"),
        ((7, -1), ["things", "person", "date"], "two dogs at the beach"),
    ],
)
def test_part_that_is_taken_out_gives_its_words_back(
    taken: tuple[int, ...], parts: list[str], left: str
) -> None:
    understood = ask("two dogs with Anna at the beach last summer").without(taken)

    assert [part.kind for part in understood.parts] == parts
    assert understood.semantic == left


def test_exclusion_that_is_taken_out_gives_its_words_back() -> None:
    assert ask("beach without dogs").without([0]).semantic == "beach without dogs"


@pytest.mark.parametrize(
    ("text", "asked", "language"),
    [
        ("two dogs at the beach", None, "en"),
        ("zwei Hunde am Strand", None, "de"),
        ("zwei Hunde am Strand", "en", "de"),
        ("two dogs at the beach", "de", "en"),
        ("Anna 2019", None, "en"),
        ("Anna 2019", "de", "de"),
        ("Anna 2019", "fr", "en"),
        ("Anna 2019", "de-AT", "de"),
        ("Weihnachten", None, "de"),
        ("Winter 2020", "de", "de"),
    ],
)
def test_language_is_that_of_the_words_and_else_the_one_asked_for(
    text: str, asked: str | None, language: str
) -> None:
    assert ask(text, asked).language == language


def test_words_of_two_languages_are_both_read() -> None:
    assert [part.kind for part in ask("Weihnachten with Ben").parts] == ["date", "person"]


def test_text_that_is_too_long_is_refused() -> None:
    assert ask("x" * LONGEST_TEXT).parts == ()
    with pytest.raises(ValueError, match="at most 500 characters, this one has 501"):
        ask("x" * (LONGEST_TEXT + 1))


def test_first_name_of_several_is_any_of_them() -> None:
    people = [Known(ids=("1",), names=("Eva Braun",)), Known(ids=("2",), names=("Eva Stein",))]

    (part,) = understand("Eva", today=TODAY, people=people).parts

    assert part.as_json()["ids"] == ["1", "2"]


def test_day_is_the_one_given_and_no_clock_is_read() -> None:
    assert understand("today", today=date(1999, 12, 31)).as_json()["parts"][0]["before"] == "2000-01-01"
