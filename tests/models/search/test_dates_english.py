"""Dates in English, as a person says them on a day."""

from __future__ import annotations

import pytest

from tests.models.search.tables import cases, read

# 15 October 2025 is a Wednesday.
DATES = """
today                          | 2025-10-15 | 2025-10-15
yesterday                      | 2025-10-15 | 2025-10-14
the day before yesterday       | 2025-10-15 | 2025-10-13
tonight                        | 2025-10-15 | 2025-10-15, hours 17-23
last night                     | 2025-10-15 | 2025-10-14, hours 18-23
yesterday morning              | 2025-10-15 | 2025-10-14, hours 5-11
this morning                   | 2025-10-15 | 2025-10-15, hours 5-11
3 days ago                     | 2025-10-15 | 2025-10-12
three days ago                 | 2025-03-02 | 2025-02-27
a week ago                     | 2025-10-15 | 2025-10-06 to 2025-10-12
two weeks ago                  | 2025-10-15 | 2025-09-29 to 2025-10-05
6 months ago                   | 2025-10-15 | 2025-04-01 to 2025-04-30
a month ago                    | 2025-03-31 | 2025-02-01 to 2025-02-28
a year ago                     | 2024-02-29 | 2023-01-01 to 2023-12-31
10 years ago                   | 2025-10-15 | 2015-01-01 to 2015-12-31
a couple of days ago           | 2025-10-15 | 2025-10-12 to 2025-10-13
a year ago today               | 2025-10-15 | 2024-10-15
the day after Christmas        | 2025-10-15 | 2024-12-27
two days before Easter 2024    | 2025-10-15 | 2024-03-27
the week before Christmas 2023 | 2025-10-15 | 2023-12-17 to 2023-12-23
on a Sunday                    | 2025-10-15 | weekdays 7
a few weeks ago                | 2025-10-15 | 2025-09-08 to 2025-10-05
this week                      | 2025-10-15 | 2025-10-13 to 2025-10-19
this month                     | 2025-10-15 | 2025-10-01 to 2025-10-31
this year                      | 2025-10-15 | 2025-01-01 to 2025-12-31
last week                      | 2025-10-15 | 2025-10-06 to 2025-10-12
last week                      | 2025-10-13 | 2025-10-06 to 2025-10-12
last month                     | 2025-10-15 | 2025-09-01 to 2025-09-30
last month                     | 2025-01-31 | 2024-12-01 to 2024-12-31
last year                      | 2025-10-15 | 2024-01-01 to 2024-12-31
last decade                    | 2025-10-15 | 2010-01-01 to 2019-12-31
last 2 weeks                   | 2025-10-15 | 2025-10-01 to 2025-10-15
the last 7 days                | 2025-10-15 | 2025-10-08 to 2025-10-15
past month                     | 2025-03-31 | 2025-02-28 to 2025-03-31
in the last three years        | 2024-02-29 | 2021-02-28 to 2024-02-29
last summer                    | 2025-10-15 | 2025-06-01 to 2025-08-31
last summer                    | 2025-07-20 | 2024-06-01 to 2024-08-31
last summer                    | 2025-09-01 | 2025-06-01 to 2025-08-31
last winter                    | 2025-06-01 | 2024-12-01 to 2025-02-28
last winter                    | 2024-06-01 | 2023-12-01 to 2024-02-29
last winter                    | 2025-02-10 | 2023-12-01 to 2024-02-29
last spring                    | 2025-10-15 | 2025-03-01 to 2025-05-31
last fall                      | 2025-10-15 | 2024-09-01 to 2024-11-30
this summer                    | 2025-10-15 | 2025-06-01 to 2025-08-31
this winter                    | 2025-01-15 | 2024-12-01 to 2025-02-28
summer 2019                    | 2025-10-15 | 2019-06-01 to 2019-08-31
summer of 2019                 | 2025-10-15 | 2019-06-01 to 2019-08-31
summer '19                     | 2025-10-15 | 2019-06-01 to 2019-08-31
winter 2020                    | 2025-10-15 | 2020-12-01 to 2021-02-28
winter 2019/20                 | 2025-10-15 | 2019-12-01 to 2020-02-29
fall 2019                      | 2025-10-15 | 2019-09-01 to 2019-11-30
in the summer of last year     | 2025-10-15 | 2024-06-01 to 2024-08-31
in summer                      | 2025-10-15 | months 6 7 8
in fall                        | 2025-10-15 | months 9 10 11
during the winter              | 2025-10-15 | months 12 1 2
summer                         | 2025-10-15 | months 6 7 8
in July                        | 2025-10-15 | months 7
July                           | 2025-10-15 | months 7
in May                         | 2025-10-15 | months 5
in May and June                | 2025-10-15 | months 5 6
last July                      | 2025-10-15 | 2025-07-01 to 2025-07-31
last December                  | 2025-10-15 | 2024-12-01 to 2024-12-31
July 2023                      | 2025-10-15 | 2023-07-01 to 2023-07-31
july last year                 | 2025-10-15 | 2024-07-01 to 2024-07-31
Feb 2024                       | 2025-10-15 | 2024-02-01 to 2024-02-29
Dec. 2019                      | 2025-10-15 | 2019-12-01 to 2019-12-31
may 2020                       | 2025-10-15 | 2020-05-01 to 2020-05-31
2024-06                        | 2025-10-15 | 2024-06-01 to 2024-06-30
2024-06-03                     | 2025-10-15 | 2024-06-03
3 June 2024                    | 2025-10-15 | 2024-06-03
3rd of June 2024               | 2025-10-15 | 2024-06-03
the third of June              | 2025-10-15 | 2025-06-03
June 3, 2024                   | 2025-10-15 | 2024-06-03
June 3rd                       | 2025-10-15 | 2025-06-03
Nov 20                         | 2025-10-15 | 2024-11-20
29 February                    | 2025-10-15 | 2024-02-29
Sunday, 3 June 2018            | 2025-10-15 | 2018-06-03
6/3/2024                       | 2025-10-15 | 2024-06-03
25/12/2023                     | 2025-10-15 | 2023-12-25
12/25/23                       | 2025-10-15 | 2023-12-25
3.6.2024                       | 2025-10-15 | 2024-06-03
4th of July                    | 2025-10-15 | 2025-07-04
2019                           | 2025-10-15 | 2019-01-01 to 2019-12-31
in the year 2019               | 2025-10-15 | 2019-01-01 to 2019-12-31
Q3 2023                        | 2025-10-15 | 2023-07-01 to 2023-09-30
in the mid-nineties            | 2025-10-15 | 1993-05-01 to 1996-08-31
class of '98                   | 2025-10-15 | 1998-01-01 to 1998-12-31 | class
this past summer               | 2025-10-15 | 2025-06-01 to 2025-08-31
more than 2 years ago          | 2025-10-15 | up to 2023-10-14
older than 2 years             | 2025-10-15 | up to 2023-10-14
less than a week ago           | 2025-10-15 | 2025-10-08 on
2020 or earlier                | 2025-10-15 | up to 2020-12-31
2020 and later                 | 2025-10-15 | 2020-01-01 on
the nineties                   | 2025-10-15 | 1990-01-01 to 1999-12-31
90s                            | 2025-10-15 | 1990-01-01 to 1999-12-31
the '80s                       | 2025-10-15 | 1980-01-01 to 1989-12-31
2010s                          | 2025-10-15 | 2010-01-01 to 2019-12-31
in the early 2000s             | 2025-10-15 | 2000-01-01 to 2003-04-30
early 2019                     | 2025-10-15 | 2019-01-01 to 2019-04-30
late 2020                      | 2025-10-15 | 2020-09-01 to 2020-12-31
mid-June 2023                  | 2025-10-15 | 2023-06-11 to 2023-06-20
end of May 2023                | 2025-10-15 | 2023-05-21 to 2023-05-31
early last year                | 2025-10-15 | 2024-01-01 to 2024-04-30
on Sunday                      | 2025-10-15 | 2025-10-12
on Wednesday                   | 2025-10-15 | 2025-10-15
last Wednesday                 | 2025-10-15 | 2025-10-08
last Sunday                    | 2025-10-15 | 2025-10-12
Sunday morning                 | 2025-10-15 | 2025-10-12, hours 5-11
on Sundays                     | 2025-10-15 | weekdays 7
at the weekend                 | 2025-10-15 | 2025-10-11 to 2025-10-12
last weekend                   | 2025-10-19 | 2025-10-11 to 2025-10-12
weekends                       | 2025-10-15 | weekdays 6 7
in the morning                 | 2025-10-15 | hours 5-11
at night                       | 2025-10-15 | hours 20-4
christmas                      | 2025-10-15 | 2024-12-24 to 2024-12-26
christmas                      | 2026-03-01 | 2025-12-24 to 2025-12-26
Christmas                      | 2025-12-25 | 2025-12-24 to 2025-12-26
last Christmas                 | 2025-12-25 | 2024-12-24 to 2024-12-26
Christmas 2020                 | 2025-10-15 | 2020-12-24 to 2020-12-26
Christmas two years ago        | 2025-10-15 | 2023-12-24 to 2023-12-26
Christmas Eve                  | 2025-10-15 | 2024-12-24
New Year's Eve 2023            | 2025-10-15 | 2023-12-31
New Year                       | 2025-10-15 | 2024-12-31 to 2025-01-01
New Year                       | 2025-12-31 | 2025-12-31 to 2026-01-01
Easter 2024                    | 2025-10-15 | 2024-03-29 to 2024-04-01
Easter                         | 2025-04-01 | 2024-03-29 to 2024-04-01
Good Friday 2025               | 2025-10-15 | 2025-04-18
Pentecost 2025                 | 2025-10-15 | 2025-06-08 to 2025-06-09
Thanksgiving 2024              | 2025-10-15 | 2024-11-28
Halloween                      | 2025-10-15 | 2024-10-31
Mother's Day 2024              | 2025-10-15 | 2024-05-12
Valentine's Day                | 2025-10-15 | 2025-02-14
Labor Day 2024                 | 2025-10-15 | 2024-09-02
Memorial Day 2024              | 2025-10-15 | 2024-05-27
from May to July 2023          | 2025-10-15 | 2023-05-01 to 2023-07-31
May to July                    | 2025-10-15 | months 5 6 7
from November to February      | 2025-10-15 | months 11 12 1 2
from November to February 2023 | 2025-10-15 | 2022-11-01 to 2023-02-28
from June 2023 to August       | 2025-10-15 | 2023-06-01 to 2023-08-31
between 3 and 5 June 2024      | 2025-10-15 | 2024-06-03 to 2024-06-05
3-5 June 2024                  | 2025-10-15 | 2024-06-03 to 2024-06-05
June 3-5, 2024                 | 2025-10-15 | 2024-06-03 to 2024-06-05
June 3 to July 5, 2024         | 2025-10-15 | 2024-06-03 to 2024-07-05
2019-2021                      | 2025-10-15 | 2019-01-01 to 2021-12-31
between 2019 and 2021          | 2025-10-15 | 2019-01-01 to 2021-12-31
from 2021 to 2019              | 2025-10-15 | 2019-01-01 to 2021-12-31
from Christmas to New Year     | 2025-10-15 | 2024-12-24 to 2025-01-01
from Monday to Friday          | 2025-10-15 | 2025-10-06 to 2025-10-10
summer 2019 until winter 2020  | 2025-10-15 | 2019-06-01 to 2021-02-28
2019 and 2020                  | 2025-10-15 | 2019-01-01 to 2020-12-31
Jan-Mar 2020                   | 2025-10-15 | 2020-01-01 to 2020-03-31
since 2020                     | 2025-10-15 | 2020-01-01 on
since May                      | 2025-10-15 | 2025-05-01 on
since last summer              | 2025-10-15 | 2025-06-01 on
from 2020 on                   | 2025-10-15 | 2020-01-01 on
before March 2021              | 2025-10-15 | up to 2021-02-28
before 2010                    | 2025-10-15 | up to 2009-12-31
after 2015                     | 2025-10-15 | 2016-01-01 on
after Christmas                | 2025-10-15 | 2024-12-27 on
until 2019                     | 2025-10-15 | up to 2019-12-31
until the end of May 2020      | 2025-10-15 | up to 2020-05-31
"""

WITH_MORE = """
2019 dogs                          | 2025-10-15 | 2019-01-01 to 2019-12-31 | dogs
photos from 2019                   | 2025-10-15 | 2019-01-01 to 2019-12-31 |
beach at night                     | 2025-10-15 | hours 20-4               | beach
snow in the early morning          | 2025-10-15 | hours 5-11               | snow
waterfall in May                   | 2025-10-15 | months 5                 | waterfall
leaves in fall                     | 2025-10-15 | months 9 10 11           | leaves
Christmas with the family          | 2025-10-15 | 2024-12-24 to 2024-12-26 | the family
sunset not in 2020                 | 2025-10-15 | not 2020-01-01 to 2020-12-31 | sunset
hiking last summer in the mornings | 2025-10-15 | 2025-06-01 to 2025-08-31; hours 5-11 | hiking
our trip to the sea (July 2021)    | 2025-10-15 | 2021-07-01 to 2021-07-31 | our trip to the sea
2000 people in a stadium           | 2025-10-15 | nothing                  | 2000 people in a stadium
spring water bottle                | 2025-10-15 | nothing                  | spring water bottle
Spring water bottle                | 2025-10-15 | nothing                  | Spring water bottle
girl in spring dress               | 2025-10-15 | nothing                  | girl in spring dress
may I see the sea                  | 2025-10-15 | nothing                  | may I see the sea
a tree may fall                    | 2025-10-15 | nothing                  | a tree may fall
fall leaves                        | 2025-10-15 | nothing                  | fall leaves
kids fall into the water           | 2025-10-15 | nothing                  | kids fall into the water
soldiers march                     | 2025-10-15 | nothing                  | soldiers march
waterfall                          | 2025-10-15 | nothing                  | waterfall
a second chance                    | 2025-10-15 | nothing                  | a second chance
Sunday best                        | 2025-10-15 | nothing                  | Sunday best
after Christmas dinner             | 2025-10-15 | nothing                  | after Christmas dinner
before spring cleaning             | 2025-10-15 | nothing                  | before spring cleaning
after the summer                   | 2025-10-15 | 2025-09-01 on            |
Thanksgiving dinner 2023           | 2025-10-15 | 2023-01-01 to 2023-12-31 | Thanksgiving dinner
Halloween costumes                 | 2025-10-15 | nothing                  | Halloween costumes
days ago                           | 2025-10-15 | nothing                  | days ago
what did we do last Christmas      | 2025-10-15 | 2024-12-24 to 2024-12-26 |
photos from our trip in May 2019   | 2025-10-15 | 2019-05-01 to 2019-05-31 | our trip
christmas tree                     | 2025-10-15 | nothing                  | christmas tree
in christmas jumpers               | 2025-10-15 | nothing                  | in christmas jumpers
new york                           | 2025-10-15 | nothing                  | new york
the last supper                    | 2025-10-15 | nothing                  | the last supper
this old house                     | 2025-10-15 | nothing                  | this old house
a man in his thirties              | 2025-10-15 | nothing                  | a man in his thirties
night sky                          | 2025-10-15 | nothing                  | night sky
price $2019                        | 2025-10-15 | nothing                  | price $2019
31 February 2024                   | 2025-10-15 | 2024-02-01 to 2024-02-29 | 31
IMG_2019.jpg                       | 2025-10-15 | nothing                  | IMG_2019.jpg
"""

SOUTH = """
last winter | 2025-10-15 | 2025-06-01 to 2025-08-31
spring 2020 | 2025-10-15 | 2020-09-01 to 2020-11-30
fall 2020   | 2025-10-15 | 2020-03-01 to 2020-05-31
"""


@pytest.mark.parametrize(("phrase", "today", "expected", "left"), cases(DATES + WITH_MORE))
def test_phrase_is_the_date_that_a_person_means(phrase: str, today: str, expected: str, left: str) -> None:
    assert read(phrase, today, "en") == (expected, left, "en")


@pytest.mark.parametrize(("phrase", "today", "expected", "left"), cases(SOUTH))
def test_seasons_of_the_south(phrase: str, today: str, expected: str, left: str) -> None:
    assert read(phrase, today, "en", "south") == (expected, left, "en")
