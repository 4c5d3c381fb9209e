"""`kizu moments`: See the moments of your photos, save or dismiss them, and have them looked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import click

from worker.commands.people.asking import call, given, of_user, paged, tell, tell_of_more
from worker.log import printable
from worker.output import Group, as_json, print_json, print_table, say

MOST: Final = 100
"""Moments of a page."""
MOST_PHOTOS: Final = 500
SWITCHES: Final = (
    *("enabled", "location", "people", "events", "on_this_day", "then_and_now", "trips", "birthdays"),
    *("reviews", "named_people_only", "notify"),
)
"""Settings that are on or off."""
moment = click.argument("moment", type=click.UUID)


@click.group(cls=Group)
def moments() -> None:
    """See the moments of your photos, save or dismiss them, and have them looked for.

    A moment is meant by its id. They are looked for every day at your own time (`kizu moments settings`), and
    expire unless they are saved.
    """


@moments.command("list")
@click.option("--saved", is_flag=True, help="Only those that are saved.")
@paged(MOST)
@of_user
@as_json
def list_moments(saved: bool, limit: int, after: Any, user: UUID | None, as_json: bool) -> None:
    """The feed: the newest first, and of one day the best first."""
    answer = call("list_moments", given(saved=saved or None, limit=limit, after=after), user=user)
    if as_json:
        print_json(answer)
        return
    rows = [
        {
            "moment": one["title"],
            "about": one["subtitle"],
            "kind": one["grouping_type"],
            "photos": one["photos"],
            "expires": "saved" if one["is_saved"] else (one["expires_at"] or "")[:10],
            "id": one["id"],
        }
        for one in answer["moments"]
    ]
    print_table(rows, ["moment", "about", "kind", "photos", "expires", "id"])
    tell_of_more(answer)


@moments.command()
@moment
@paged(MOST_PHOTOS)
@of_user
@as_json
def show(moment: UUID, limit: int, after: Any, user: UUID | None, as_json: bool) -> None:
    """A moment with its photos in order; covers have a star."""
    answer = call("show_moment", given(moment_id=str(moment), limit=limit, after=after), user=user)
    if as_json:
        print_json(answer)
        return
    shown = answer["moment"]
    say(printable(f"{shown['title']}: {shown['subtitle'] or shown['grouping_type']}"))
    rows = [
        {
            "photo": photo["path"],
            "cover": "*" if photo["asset_id"] in shown["cover_asset_ids"] else None,
            "taken": (photo["taken_at"] or "")[:19],
            "asset": photo["asset_id"],
        }
        for photo in answer["photos"]
    ]
    print_table(rows, ["photo", "cover", "taken", "asset"])
    tell_of_more(answer)


@moments.command()
@of_user
@as_json
def generate(user: UUID | None, as_json: bool) -> None:
    """Have moments looked for now; a worker does it, and once more on a day changes nothing."""
    tell(call("generate_moments", {}, user=user), as_json)


@moments.command()
@click.option("--undo", is_flag=True, help="Let it expire again.")
@moment
@of_user
@as_json
def save(moment: UUID, undo: bool, user: UUID | None, as_json: bool) -> None:
    """Keep a moment for good."""
    args = given(moment_id=str(moment), saved=False if undo else None)
    _tell_state(call("save_moment", args, user=user), as_json)


@moments.command()
@click.option("--undo", is_flag=True, help="Show it again.")
@moment
@of_user
@as_json
def dismiss(moment: UUID, undo: bool, user: UUID | None, as_json: bool) -> None:
    """Take a moment out of the feed."""
    args = given(moment_id=str(moment), dismissed=False if undo else None)
    _tell_state(call("dismiss_moment", args, user=user), as_json)


@moments.command()
@click.option("--time", help="When they are looked for, such as 09:00.")
@click.option("--zone", help="Whose time that is, such as Europe/Berlin.")
@click.option("--language", help="Of titles, such as en or de.")
@click.option("--days", type=click.IntRange(1, 365), help="After which they expire.")
@click.option(
    "--quiet", metavar="FROM-UNTIL", help="No notification meanwhile, such as 22:00-08:00; or: none."
)
@click.option("--on", multiple=True, type=click.Choice(SWITCHES), help="Turn a switch on.")
@click.option("--off", multiple=True, type=click.Choice(SWITCHES), help="Turn a switch off.")
@of_user
@as_json
def settings(
    time: str | None,
    zone: str | None,
    language: str | None,
    days: int | None,
    quiet: str | None,
    on: tuple[str, ...],
    off: tuple[str, ...],
    user: UUID | None,
    as_json: bool,
) -> None:
    """How you want moments: without an option as it is, else what is to be otherwise."""
    wanted = {
        "moments_time": time,
        "zone": zone,
        "language": language,
        "auto_delete_days": days,
        **dict.fromkeys(on, True),
        **dict.fromkeys(off, False),
    }
    wanted = {name: value for name, value in wanted.items() if value is not None}
    if quiet is not None:
        begin, _, end = (None, "", None) if quiet == "none" else quiet.partition("-")
        wanted |= {"quiet_from": begin, "quiet_until": end}
    if wanted:
        tell(call("set_moment_settings", given(settings=wanted), user=user), as_json)
    else:
        tell(call("moment_settings", {}, user=user), as_json)


def _tell_state(moment: Mapping[str, Any], as_json: bool) -> None:
    state = {name: moment[name] for name in ("id", "title", "is_saved", "expires_at", "dismissed_at")}
    tell(moment if as_json else state, as_json)


COMMAND = moments
