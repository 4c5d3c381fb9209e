"""`kizu people questions`, `answer`, `history` and `undo`: what is asked, and what was said."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from worker.commands.people.asking import call, given, of_user, paged, share, tell, tell_of_more
from worker.output import as_json, print_json, print_table, say

MOST_TOLD = 100
"""Faces of a verdict that the database names."""


@click.command()
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@of_user
@as_json
def questions(limit: int, user: UUID | None, as_json: bool) -> None:
    """The comparisons worth most: whether two faces are one person, with a crop of each.

    `kizu people answer FACE OTHER same|different|ignore` answers one. A crop's address wants the token of its
    owner, as any file in Storage.
    """
    answer = call("list_face_questions", given(limit=limit), user=user)
    if as_json:
        print_json(answer)
        return
    if not answer["questions"]:
        say("nothing is worth asking")
        return
    rows = [
        {
            "face": question["face"]["face_id"],
            "other": question["other"]["face_id"],
            "likeness": share(question["likeness"]),
            "gain": f"{question['gain']:.1f}",
            "of": question["face"]["name"],
            "and": question["other"]["name"],
            "crop": question["face"]["thumbnail_url"],
            "other crop": question["other"]["thumbnail_url"],
        }
        for question in answer["questions"]
    ]
    print_table(rows, ["face", "other", "likeness", "gain", "of", "and", "crop", "other crop"])


@click.command()
@click.argument("face", type=click.UUID)
@click.argument("other", type=click.UUID)
@click.argument("answer", type=click.Choice(["same", "different", "ignore"]))
@of_user
@as_json
def answer(face: UUID, other: UUID, answer: str, user: UUID | None, as_json: bool) -> None:
    """Say whether two faces are one person; `ignore`: not to be asked again."""
    args = given(face_id=face, other_id=other, answer=answer)
    tell(call("answer_face_question", args, user=user), as_json)


@click.command()
@paged(500)
@of_user
@as_json
def history(limit: int, after: Any, user: UUID | None, as_json: bool) -> None:
    """What people said of faces, the newest first; `kizu people undo ID` takes one back."""
    answer = call("list_verdicts", given(limit=limit, after=after), user=user)
    if as_json:
        print_json(answer)
        return
    rows = [
        {
            **verdict,
            "faces": len(verdict["faces"]) if len(verdict["faces"]) < MOST_TOLD else f"{MOST_TOLD} or more",
            "undone": "undone" if verdict["undone"] else None,
        }
        for verdict in answer["verdicts"]
    ]
    print_table(rows, ["id", "at", "verdict", "faces", "contact_id", "cluster_id", "undoes", "undone"])
    tell_of_more(answer)


@click.command()
@click.argument("verdict", type=click.IntRange(1), required=False)
@of_user
@as_json
def undo(verdict: int | None, user: UUID | None, as_json: bool) -> None:
    """Take back what was said last, or the VERDICT of that number in `kizu people history`."""
    tell(call("undo_verdict", given(verdict_id=verdict), user=user), as_json)
