"""German."""

from __future__ import annotations

from datetime import date
from typing import Final

from models.moments.languages.words import Words

_MONTHS: Final = (
    "Januar", "Februar", "März", "April", "Mai", "Juni",
    "Juli", "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip


def _day(day: date) -> str:
    return f"{day.day}. {_MONTHS[day.month - 1]}"


def _days(first: date, last: date) -> str:
    until = f"{_day(last)} {last.year}"
    if first == last:
        return until
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}.\u2013{until}"
    since = _day(first) if first.year == last.year else f"{_day(first)} {first.year}"
    return f"{since} \u2013 {until}"


GERMAN: Final = Words(
    code="de",
    photos=("{n} Foto", "{n} Fotos"),
    years_old=("{n} Jahr alt", "{n} Jahre alt"),
    years_ago_today=("Heute vor {n} Jahr", "Heute vor {n} Jahren"),
    years_ago_this_week=("Diese Woche vor {n} Jahr", "Diese Woche vor {n} Jahren"),
    years_apart=("{name} \u2014 {n} Jahr dazwischen", "{name} \u2014 {n} Jahre dazwischen"),
    from_place="{photos} aus {place}",
    in_place="{photos} in {place}",
    at_place="{photos} in {place}",
    and_so="{one} und {other}",
    visits=("Erlebnisse in {place}", "Erinnerungen an {place}", "Zeit in {place}", "Tage in {place}"),
    day_out="Ein Ausflug",
    with_person="Momente mit {name}",
    someone="Jemand",
    then_and_now="Damals und heute",
    trip="Reise nach {place}",
    trip_anywhere="Unterwegs",
    birthday="Alles Gute zum Geburtstag, {name}!",
    seasons={
        "spring": "Frühling {year}",
        "summer": "Sommer {year}",
        "autumn": "Herbst {year}",
        "winter": "Winter {year}",
    },
    year_in_review="Jahresrückblick {year}",
    recent="Neueste Fotos",
    parts_of_day=("{weekday}morgen", "{weekday}nachmittag", "{weekday}abend"),
    event_at="{event} in {place}",
    event_on="{event}, {day}",
    weekdays=("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    day=_day,
    days=_days,
    new_moments=("Neuer Moment", "Neue Momente"),
    moments_wait=("1 neuer Moment wartet auf dich.", "{count} neue Momente warten auf dich."),
)
