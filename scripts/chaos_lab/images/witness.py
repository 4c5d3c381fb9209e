"""What only Storage and the machine know, put where SQL can judge it."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import httpx
import psutil

from scripts.chaos_lab import hosts
from scripts.chaos_lab.trial import Scene

BUCKET = "assets"
LAST_BREATH_SECONDS = 5.0
"""How long a host may take to notice that its worker is gone."""
FILES = """
select path from chaos.photos
 union
select key from public.derived_assets where asset_id in (select asset_id from chaos.photos)
"""


def witness(scene: Scene) -> None:
    note_survivors(scene)
    note_files(scene)


def note_survivors(scene: Scene) -> None:
    """Hosts of our workers, all of which have ended; then end them."""
    _, alive = psutil.wait_procs(hosts.ours(scene.logs), timeout=LAST_BREATH_SECONDS)
    for host in alive:
        command = hosts.command_of(host)
        scene.db.execute("insert into chaos.survivors (pid, command) values (%s, %s)", [host.pid, command])
        host.kill()


def note_files(scene: Scene) -> None:
    """Every file that a row speaks of, as Storage gives it out."""
    headers = {"apikey": scene.stack.secret_key, "authorization": f"Bearer {scene.stack.secret_key}"}
    keys = [key for (key,) in scene.db.execute(FILES)]
    with (
        httpx.Client(base_url=scene.stack.url, headers=headers, timeout=30, trust_env=False) as http,
        scene.db.cursor() as cursor,
    ):
        for key in keys:
            answer = http.get(f"/storage/v1/object/authenticated/{BUCKET}/{quote(key)}")
            found = answer.content if answer.is_success else None
            cursor.execute(
                "insert into chaos.files (key, bytes, sha256) values (%s, %s, %s)",
                [key, found and len(found), found and hashlib.sha256(found).hexdigest()],
            )
