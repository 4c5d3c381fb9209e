"""Dates in German, as a person says them on a day."""

from __future__ import annotations

import pytest

from tests.models.search.tables import cases, read

# 15 October 2025 is a Wednesday.
DATES = """
heute                                | 2025-10-15 | 2025-10-15
gestern                              | 2025-10-15 | 2025-10-14
vorgestern                           | 2025-10-15 | 2025-10-13
heute Morgen                         | 2025-10-15 | 2025-10-15, hours 5-11
heute früh                           | 2025-10-15 | 2025-10-15, hours 5-11
gestern Abend                        | 2025-10-15 | 2025-10-14, hours 17-21
letzte Nacht                         | 2025-10-15 | 2025-10-14, hours 18-23
vor 3 Tagen                          | 2025-10-15 | 2025-10-12
vor drei Tagen                       | 2025-03-02 | 2025-02-27
vor einer Woche                      | 2025-10-15 | 2025-10-06 to 2025-10-12
vor zwei Wochen                      | 2025-10-15 | 2025-09-29 to 2025-10-05
vor 6 Monaten                        | 2025-10-15 | 2025-04-01 to 2025-04-30
vor einem Monat                      | 2025-03-31 | 2025-02-01 to 2025-02-28
vor einem Jahr                       | 2024-02-29 | 2023-01-01 to 2023-12-31
vor zehn Jahren                      | 2025-10-15 | 2015-01-01 to 2015-12-31
heute vor einem Jahr                 | 2025-10-15 | 2024-10-15
am Tag nach Weihnachten              | 2025-10-15 | 2024-12-27
zwei Tage vor Ostern 2024            | 2025-10-15 | 2024-03-27
die Woche vor Weihnachten 2023       | 2025-10-15 | 2023-12-17 to 2023-12-23
an einem Sonntag                     | 2025-10-15 | weekdays 7
vor ein paar Wochen                  | 2025-10-15 | 2025-09-08 to 2025-10-05
diese Woche                          | 2025-10-15 | 2025-10-13 to 2025-10-19
in diesem Monat                      | 2025-10-15 | 2025-10-01 to 2025-10-31
dieses Jahr                          | 2025-10-15 | 2025-01-01 to 2025-12-31
letzte Woche                         | 2025-10-15 | 2025-10-06 to 2025-10-12
vorige Woche                         | 2025-10-13 | 2025-10-06 to 2025-10-12
vorletzte Woche                      | 2025-10-15 | 2025-09-29 to 2025-10-05
letzten Monat                        | 2025-10-15 | 2025-09-01 to 2025-09-30
im vergangenen Monat                 | 2025-01-31 | 2024-12-01 to 2024-12-31
letztes Jahr                         | 2025-10-15 | 2024-01-01 to 2024-12-31
im letzten Jahr                      | 2025-10-15 | 2024-01-01 to 2024-12-31
vorletztes Jahr                      | 2025-10-15 | 2023-01-01 to 2023-12-31
die letzten 2 Wochen                 | 2025-10-15 | 2025-10-01 to 2025-10-15
in den letzten sieben Tagen          | 2025-10-15 | 2025-10-08 to 2025-10-15
in den letzten drei Jahren           | 2024-02-29 | 2021-02-28 to 2024-02-29
letzten Sommer                       | 2025-10-15 | 2025-06-01 to 2025-08-31
letzter Sommer                       | 2025-07-20 | 2024-06-01 to 2024-08-31
letzten Sommer                       | 2025-09-01 | 2025-06-01 to 2025-08-31
vorletzten Sommer                    | 2025-10-15 | 2024-06-01 to 2024-08-31
letzten Winter                       | 2025-06-01 | 2024-12-01 to 2025-02-28
letzten Winter                       | 2024-06-01 | 2023-12-01 to 2024-02-29
letzten Winter                       | 2025-02-10 | 2023-12-01 to 2024-02-29
letzten Frühling                     | 2025-10-15 | 2025-03-01 to 2025-05-31
letzten Herbst                       | 2025-10-15 | 2024-09-01 to 2024-11-30
diesen Sommer                        | 2025-10-15 | 2025-06-01 to 2025-08-31
diesen Winter                        | 2025-01-15 | 2024-12-01 to 2025-02-28
Sommer 2019                          | 2025-10-15 | 2019-06-01 to 2019-08-31
im Sommer 2019                       | 2025-10-15 | 2019-06-01 to 2019-08-31
im Sommer des Jahres 2019            | 2025-10-15 | 2019-06-01 to 2019-08-31
Winter 2020                          | 2025-10-15 | 2020-12-01 to 2021-02-28
Winter 2019/20                       | 2025-10-15 | 2019-12-01 to 2020-02-29
Herbst 2019                          | 2025-10-15 | 2019-09-01 to 2019-11-30
Frühjahr 2022                        | 2025-10-15 | 2022-03-01 to 2022-05-31
im Sommer letzten Jahres             | 2025-10-15 | 2024-06-01 to 2024-08-31
im Sommer                            | 2025-10-15 | months 6 7 8
im Herbst                            | 2025-10-15 | months 9 10 11
während des Winters                  | 2025-10-15 | months 12 1 2
Sommer                               | 2025-10-15 | months 6 7 8
im Juli                              | 2025-10-15 | months 7
Juli                                 | 2025-10-15 | months 7
im Mai                               | 2025-10-15 | months 5
im März                              | 2025-10-15 | months 3
im Maerz                             | 2025-10-15 | months 3
im Jänner                            | 2025-10-15 | months 1
im Mai und Juni                      | 2025-10-15 | months 5 6
letzten Juli                         | 2025-10-15 | 2025-07-01 to 2025-07-31
letzten Dezember                     | 2025-10-15 | 2024-12-01 to 2024-12-31
Juli 2023                            | 2025-10-15 | 2023-07-01 to 2023-07-31
im Juli letzten Jahres               | 2025-10-15 | 2024-07-01 to 2024-07-31
Feb. 2024                            | 2025-10-15 | 2024-02-01 to 2024-02-29
Dez 2019                             | 2025-10-15 | 2019-12-01 to 2019-12-31
Mai 2020                             | 2025-10-15 | 2020-05-01 to 2020-05-31
3. Juni 2024                         | 2025-10-15 | 2024-06-03
3 Juni 2024                          | 2025-10-15 | 2024-06-03
am dritten Juni 2024                 | 2025-10-15 | 2024-06-03
am 3. Juni                           | 2025-10-15 | 2025-06-03
am 20. Nov.                          | 2025-10-15 | 2024-11-20
erster Mai                           | 2025-10-15 | 2025-05-01
29. Februar                          | 2025-10-15 | 2024-02-29
Sonntag, 3. Juni 2018                | 2025-10-15 | 2018-06-03
Sonntag, den 3. Juni 2018            | 2025-10-15 | 2018-06-03
3.6.2024                             | 2025-10-15 | 2024-06-03
03.06.24                             | 2025-10-15 | 2024-06-03
am 3.6.                              | 2025-10-15 | 2025-06-03
3. 6. 2024 um den See                | 2025-10-15 | 2024-06-03 | um den See
am 25.12.1999                        | 2025-10-15 | 1999-12-25
am 2024-06-03                        | 2025-10-15 | 2024-06-03
im Jahr 2019                         | 2025-10-15 | 2019-01-01 to 2019-12-31
aus dem Jahr 2019                    | 2025-10-15 | 2019-01-01 to 2019-12-31
aus 2019                             | 2025-10-15 | 2019-01-01 to 2019-12-31
die Neunziger                        | 2025-10-15 | 1990-01-01 to 1999-12-31
in den neunziger Jahren              | 2025-10-15 | 1990-01-01 to 1999-12-31
90er                                 | 2025-10-15 | 1990-01-01 to 1999-12-31
90er Jahre                           | 2025-10-15 | 1990-01-01 to 1999-12-31
in den 80ern                         | 2025-10-15 | 1980-01-01 to 1989-12-31
1970er Jahre                         | 2025-10-15 | 1970-01-01 to 1979-12-31
Anfang der 90er                      | 2025-10-15 | 1990-01-01 to 1993-04-30
Anfang 2019                          | 2025-10-15 | 2019-01-01 to 2019-04-30
Mitte 2020                           | 2025-10-15 | 2020-05-01 to 2020-08-31
Ende 2020                            | 2025-10-15 | 2020-09-01 to 2020-12-31
Mitte Juni 2023                      | 2025-10-15 | 2023-06-11 to 2023-06-20
Ende Mai                             | 2025-10-15 | 2025-05-21 to 2025-05-31
Anfang letzten Jahres                | 2025-10-15 | 2024-01-01 to 2024-04-30
am Sonntag                           | 2025-10-15 | 2025-10-12
am Mittwoch                          | 2025-10-15 | 2025-10-15
letzten Mittwoch                     | 2025-10-15 | 2025-10-08
am letzten Sonntag                   | 2025-10-15 | 2025-10-12
Sonntagabend                         | 2025-10-15 | 2025-10-12, hours 17-21
am Sonntag Nachmittag                | 2025-10-15 | 2025-10-12, hours 12-17
sonntags                             | 2025-10-15 | weekdays 7
am Wochenende                        | 2025-10-15 | 2025-10-11 to 2025-10-12
letztes Wochenende                   | 2025-10-19 | 2025-10-11 to 2025-10-12
an Wochenenden                       | 2025-10-15 | weekdays 6 7
am Morgen                            | 2025-10-15 | hours 5-11
abends                               | 2025-10-15 | hours 17-21
nachts                               | 2025-10-15 | hours 20-4
in der Nacht                         | 2025-10-15 | hours 20-4
Weihnachten                          | 2025-10-15 | 2024-12-24 to 2024-12-26
Weihnachten                          | 2026-03-01 | 2025-12-24 to 2025-12-26
zu Weihnachten                       | 2025-12-25 | 2025-12-24 to 2025-12-26
letzte Weihnachten                   | 2025-12-25 | 2024-12-24 to 2024-12-26
Weihnachten 2020                     | 2025-10-15 | 2020-12-24 to 2020-12-26
Weihnachten letztes Jahr             | 2025-10-15 | 2024-12-24 to 2024-12-26
Weihnachten vor zwei Jahren          | 2025-10-15 | 2023-12-24 to 2023-12-26
Heiligabend                          | 2025-10-15 | 2024-12-24
Silvester 2023                       | 2025-10-15 | 2023-12-31
zwischen den Jahren                  | 2025-10-15 | 2024-12-27 to 2024-12-30
Neujahr                              | 2025-10-15 | 2025-01-01
Heilige Drei Könige 2024             | 2025-10-15 | 2024-01-06
Rosenmontag 2025                     | 2025-10-15 | 2025-03-03
Fasching 2025                        | 2025-10-15 | 2025-02-27 to 2025-03-04
Karfreitag 2025                      | 2025-10-15 | 2025-04-18
Ostern 2024                          | 2025-10-15 | 2024-03-29 to 2024-04-01
an Ostern                            | 2025-04-01 | 2024-03-29 to 2024-04-01
Ostermontag 2025                     | 2025-10-15 | 2025-04-21
Christi Himmelfahrt 2025             | 2025-10-15 | 2025-05-29
Pfingsten 2025                       | 2025-10-15 | 2025-06-08 to 2025-06-09
Fronleichnam 2025                    | 2025-10-15 | 2025-06-19
Tag der Deutschen Einheit            | 2025-10-15 | 2025-10-03
Allerheiligen                        | 2025-10-15 | 2024-11-01
Nikolaus 2024                        | 2025-10-15 | 2024-12-06
Advent 2024                          | 2025-10-15 | 2024-12-01 to 2024-12-24
Muttertag 2024                       | 2025-10-15 | 2024-05-12
von Mai bis Juli 2023                | 2025-10-15 | 2023-05-01 to 2023-07-31
Mai bis Juli                         | 2025-10-15 | months 5 6 7
von November bis Februar             | 2025-10-15 | months 11 12 1 2
von November bis Februar 2023        | 2025-10-15 | 2022-11-01 to 2023-02-28
zwischen dem 3. und 5. Juni 2024     | 2025-10-15 | 2024-06-03 to 2024-06-05
vom 3. bis 5. Juni 2024              | 2025-10-15 | 2024-06-03 to 2024-06-05
vom 3. bis zum 5. Juni 2024          | 2025-10-15 | 2024-06-03 to 2024-06-05
3.-5. Juni 2024                      | 2025-10-15 | 2024-06-03 to 2024-06-05
vom 3. Juni bis 5. Juli 2024         | 2025-10-15 | 2024-06-03 to 2024-07-05
3.6.2024 bis 5.7.2024                | 2025-10-15 | 2024-06-03 to 2024-07-05
2019 bis 2021                        | 2025-10-15 | 2019-01-01 to 2021-12-31
zwischen 2019 und 2021               | 2025-10-15 | 2019-01-01 to 2021-12-31
zwischen Weihnachten und Neujahr     | 2025-10-15 | 2024-12-24 to 2025-01-01
von Montag bis Freitag               | 2025-10-15 | 2025-10-06 to 2025-10-10
2019 und 2020                        | 2025-10-15 | 2019-01-01 to 2020-12-31
24.-26.12.2023                       | 2025-10-15 | 2023-12-24 to 2023-12-26
seit einem Jahr                      | 2025-10-15 | 2024-10-15 on
seit 3 Wochen                        | 2025-10-15 | 2025-09-24 on
vor mehr als zwei Jahren             | 2025-10-15 | up to 2023-10-14
älter als 2 Jahre                    | 2025-10-15 | up to 2023-10-14
2020 oder früher                     | 2025-10-15 | up to 2020-12-31
im Spätsommer 2020                   | 2025-10-15 | 2020-06-01 to 2020-08-31
seit 2020                            | 2025-10-15 | 2020-01-01 on
seit Mai                             | 2025-10-15 | 2025-05-01 on
seit letztem Sommer                  | 2025-10-15 | 2025-06-01 on
ab 2020                              | 2025-10-15 | 2020-01-01 on
von 2020 an                          | 2025-10-15 | 2020-01-01 on
vor März 2021                        | 2025-10-15 | up to 2021-02-28
vor 2010                             | 2025-10-15 | up to 2009-12-31
vor Weihnachten                      | 2025-10-15 | up to 2024-12-23
nach 2015                            | 2025-10-15 | 2016-01-01 on
bis 2019                             | 2025-10-15 | up to 2019-12-31
bis Ende Mai 2020                    | 2025-10-15 | up to 2020-05-31
"""

WITH_MORE = """
Fotos aus 2019                     | 2025-10-15 | 2019-01-01 to 2019-12-31 |
Bilder vom letzten Sommer          | 2025-10-15 | 2025-06-01 to 2025-08-31 |
Strand in der Nacht                | 2025-10-15 | hours 20-4               | Strand
Wasserfall im Mai                  | 2025-10-15 | months 5                 | Wasserfall
buntes Laub im Herbst              | 2025-10-15 | months 9 10 11           | buntes Laub
Weihnachten mit der Familie        | 2025-10-15 | 2024-12-24 to 2024-12-26 | der Familie
Sonnenuntergang nicht in 2020      | 2025-10-15 | not 2020-01-01 to 2020-12-31 | Sonnenuntergang
wandern letzten Sommer morgens     | 2025-10-15 | 2025-06-01 to 2025-08-31; hours 5-11 | wandern
Reise ans Meer (Juli 2021)         | 2025-10-15 | 2021-07-01 to 2021-07-31 | Reise ans Meer
2000 Menschen im Stadion           | 2025-10-15 | nothing                  | 2000 Menschen im Stadion
vor Jahren                         | 2025-10-15 | nothing                  | vor Jahren
was haben wir Weihnachten gemacht  | 2025-10-15 | 2024-12-24 to 2024-12-26 |
um 8 Uhr                           | 2025-10-15 | nothing                  | um 8 Uhr
Weihnachtsbaum                     | 2025-10-15 | nothing                  | Weihnachtsbaum
Herbstlaub                         | 2025-10-15 | nothing                  | Herbstlaub
ein Strauß Mai Glöckchen           | 2025-10-15 | nothing                  | ein Strauß Mai Glöckchen
der Herbst des Lebens              | 2025-10-15 | nothing                  | der Herbst des Lebens
die Sekunde davor                  | 2025-10-15 | nothing                  | die Sekunde davor
das letzte Einhorn                 | 2025-10-15 | nothing                  | das letzte Einhorn
Guten Morgen                       | 2025-10-15 | nothing                  | Guten Morgen
vor dem Haus                       | 2025-10-15 | nothing                  | vor dem Haus
nach Hause                         | 2025-10-15 | nothing                  | nach Hause
von oben bis unten                 | 2025-10-15 | nothing                  | von oben bis unten
"""


@pytest.mark.parametrize(("phrase", "today", "expected", "left"), cases(DATES + WITH_MORE))
def test_phrase_is_the_date_that_a_person_means(phrase: str, today: str, expected: str, left: str) -> None:
    assert read(phrase, today, "de") == (expected, left, "de")
