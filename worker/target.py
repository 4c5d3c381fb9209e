"""Which project a command talks to: the one in the environment, else the embedded one if it is there."""

from __future__ import annotations

import http.client
import json
from typing import Any

from worker.core.errors import StartupError
from worker.local.installation import Installation, config_path, read_installation
from worker.settings import Settings, read_settings

ANSWER_SECONDS = 5


def read_target(*, running: bool = True, **overrides: Any) -> Settings:
    """The settings; without SUPABASE_URL, those of the embedded Supabase under KIZU_HOME.

    Raises:
        StartupError: a setting is wrong, or no project is configured and none is embedded, or the embedded
            one is stopped, unless it need not be `running`.
    """
    settings = read_settings(**overrides)
    if settings.supabase_url is not None:
        return settings
    embedded = read_installation(config_path(settings.kizu_home))
    if embedded is None:
        raise StartupError("SUPABASE_URL is not set, and there is no embedded Supabase: `kizu local up`")
    if running and not _answers(embedded):
        raise StartupError(
            f"The embedded Supabase under {settings.kizu_home} is stopped: start it with `kizu local up`"
        )
    keys: dict[str, Any] = {
        "supabase_url": embedded.url,
        "supabase_publishable_key": embedded.publishable_key,
    }
    if not settings.needs_publishable_key:
        keys["supabase_secret_key"] = embedded.secret_key
    return read_settings(**keys, **overrides)


def _answers(embedded: Installation) -> bool:
    """Whether it is this installation that answers on its port, and no other that would be told its keys."""
    connection = http.client.HTTPConnection("127.0.0.1", embedded.api_port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/health")
        found = json.loads(connection.getresponse().read(1000))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return isinstance(found, dict) and found.get("instance") == embedded.instance
