"""`kizu people list` and `show`: who is in the photos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import click

from worker.commands.people.asking import call, given, of_user, paged, person, share, tell, tell_of_more
from worker.output import as_json, print_json, print_table


@click.command("list")
@click.option("--hidden", is_flag=True, help="Those who are hidden, instead.")
@paged(500)
@of_user
@as_json
def list_people(hidden: bool, limit: int, after: Any, user: UUID | None, as_json: bool) -> None:
    """Everybody: first those with a name, then strangers by how often they were seen."""
    answer = call("list_people", given(limit=limit, after=after, hidden=hidden), user=user)
    if as_json:
        print_json(answer)
        return
    print_table(map(_shown, answer["people"]), ["id", "name", "faces", "photos", "birth_date", "is"])
    tell_of_more(answer)


def _shown(person: Mapping[str, Any]) -> dict[str, Any]:
    states = [state for state in ("hidden", "locked") if person[state]]
    return {**person, "id": person["cluster_id"], "is": " ".join(states) or None}


@click.command()
@person
@paged(500)
@of_user
@as_json
def show(person: str, limit: int, after: Any, user: UUID | None, as_json: bool) -> None:
    """One person and their faces: how good each is, how like the others, and whether somebody said it."""
    answer = call("show_person", given(limit=limit, after=after), user=user, cluster_id=person)
    if as_json:
        print_json(answer)
        return
    tell({**answer["person"], "representative": None}, as_json=False)
    rows = [
        {
            **face,
            "said": "said" if face["said"] else "recognised" if face["contact_id"] else None,
            "quality": share(face["quality"]),
            "similarity": share(face["similarity"]),
        }
        for face in answer["faces"]
    ]
    columns = ["face_id", "asset_id", "said", "quality", "similarity", "thumbnail_url"]
    print_table(rows, columns, title="faces")
    tell_of_more(answer)
