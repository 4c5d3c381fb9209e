"""`kizu search`: The photos that TEXT asks for, by what they show and say, who is there, where and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import click

from worker.commands.jobs import with_connection
from worker.commands.people.asking import given, of_whom, paged, tell_of_more
from worker.library.asking import search
from worker.log import printable
from worker.output import as_json, print_json, print_table, say
from worker.project.connection import Connection

LONGEST: Final = 500
"""Characters of a query; models read some seventy words at most."""
LEFT_OUT: Final[Mapping[str, str]] = {
    "picture": "what pictures show was left out",
    "person": "who is in pictures was left out",
    "understanding": "the words were taken as they are: no worker has said what they mean",
}
CUT_SHORT: Final[Mapping[str, str]] = {
    "picture": "only the 1,000 pictures that are most like the words were looked at",
    "text": "only some of the very many texts with these words were looked at",
}
SHOWN: Final[Mapping[str, Callable[[Any], str]]] = {
    "person": lambda part: part["name"],
    "place": lambda part: part["name"],
    "camera": lambda part: part["name"],
    "things": lambda part: f"{part['class']} ({part['least']} or more)",
    "text": lambda part: f'"{part["text"]}"',
    "media": lambda part: part["media"],
    "date": lambda part: " ".join(
        f"{name} {value if isinstance(value, str) else ','.join(map(str, value))}"
        for name in ("since", "before", "months", "weekdays", "hours")
        if (value := part.get(name))
    ),
}
"""What each kind of part says, for people."""


@click.command("search")
@click.argument("text", metavar="TEXT...", nargs=-1, required=True)
@click.option(
    "--today", type=click.DateTime(["%Y-%m-%d"]), help="The day that it is. Default: as in the zone."
)
@click.option("--zone", default="UTC", show_default=True, help="The time zone of days, e.g. Europe/Berlin.")
@click.option("--language", help="The language of words that do not tell, e.g. de.")
@click.option("--hemisphere", type=click.Choice(["north", "south"]), help="Where summer is as meant.")
@click.option("--without", type=int, multiple=True, help="Take out the part of this number, as understood.")
@click.option("--as-written", is_flag=True, help="Take no word for another one of the library.")
@click.option(
    *("--wait", "seconds"),
    type=click.FloatRange(0, 600),
    default=10.0,
    show_default=True,
    help="Seconds to wait for a worker.",
)
@click.option("--user", type=click.UUID, help="Whose photos: for the project's secret key.")
@paged(200)
@as_json
def search_command(
    text: tuple[str, ...],
    today: datetime | None,
    zone: str,
    language: str | None,
    hemisphere: str | None,
    without: tuple[int, ...],
    as_written: bool,
    seconds: float,
    user: UUID | None,
    limit: int,
    after: Any,
    as_json: bool,
) -> None:
    """The photos that TEXT asks for, by what they show and say, who is there, where and when.

    A worker of the project understands the words, here or elsewhere; without one, the database answers by the
    words alone, and what that leaves out is said.
    """
    query = " ".join(" ".join(text).split())
    if not 0 < len(query) <= LONGEST:
        raise click.UsageError(f"TEXT has {len(query)} characters: expected 1 to {LONGEST}")
    question = given(
        text=query,
        today=today.date().isoformat() if today else None,
        zone=zone,
        language=language,
        hemisphere=hemisphere,
        without=list(without) or None,
    )

    async def act(connection: Connection) -> dict[str, Any]:
        of = of_whom(connection, user)
        page = given(limit=limit, after=after, as_written=as_written or None)
        return await search(connection, {**question, **of}, page, wait=seconds)

    answer = with_connection(act)
    if as_json:
        print_json(answer)
        return
    tell_understood(answer["understood"])
    rows = [
        {
            "rank": rank,
            "photo": row["file_name"] or row["path"],
            "taken": (row["taken_at"] or "")[:10],
            "evidence": ", ".join(map(evidence, row["evidence"])),
            "asset": row["asset_id"],
        }
        for rank, row in enumerate(answer["results"], 1)
    ]
    print_table(rows, ["rank", "photo", "taken", "evidence", "asset"])
    for one in answer["corrected"]:
        words = f"{one['from']} was taken for {one['to']}: --as-written looks for it as it is"
        say(printable(words), err=True)
    tell_left_out(answer)
    tell_of_more(answer)


def tell_understood(understood: Mapping[str, Any]) -> None:
    """A line per part, with the number that takes it out, and one for the words that are left."""
    for number, part in enumerate(understood["parts"]):
        kind = part["kind"]
        words = [str(number), "not" if part["not"] else "", kind, SHOWN.get(kind, lambda part: "")(part)]
        say(printable(" ".join(filter(None, words))))
    if understood["parts"] and understood["semantic"]:
        say(printable(f"and {understood['semantic']}"))


def tell_left_out(answer: Mapping[str, Any]) -> None:
    """What the answer lacks, and why, as an error's line."""
    for name in answer["left_out"]:
        why = f" ({answer['lacks']})" if name == "picture" and answer["lacks"] else ""
        say(f"kizu: {LEFT_OUT.get(name, f'{name} was left out')}{why}", err=True)
    if answer["lacks"] == "unknown_generation":
        say("kizu: no model has seen a picture yet: `kizu jobs missing embedding --yes`", err=True)
    for name in answer["cut_short"]:
        say(f"kizu: {CUT_SHORT.get(name, f'not all was looked at: {name}')}: say more", err=True)
    if answer["timed_out"] and (answer["job"] or {}).get("attended") is False:
        say("kizu: no worker is there to say what the words mean: `kizu worker` starts one", err=True)
    elif answer["timed_out"]:
        say(
            "kizu: no worker answered in time: is one running, with a slot in the lane `interactive`?",
            err=True,
        )


def evidence(one: Mapping[str, Any]) -> str:
    """Why a photo was found, in some words."""
    details: Sequence[Any] = (one.get("similarity"), one.get("name"), one.get("class"), one.get("excerpt"))
    shown = [f"{detail:.3f}" if isinstance(detail, float) else str(detail) for detail in details if detail]
    return " ".join([one["source"], *shown])


COMMAND = search_command
