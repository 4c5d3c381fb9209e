"""Which project a command talks to: the one in the environment, else the embedded one if it is there."""

from __future__ import annotations

from typing import Any

from worker.core.errors import StartupError
from worker.local.installation import config_path, read_installation
from worker.settings import Settings, read_settings


def read_target(**overrides: Any) -> Settings:
    """The settings; without SUPABASE_URL, those of the embedded Supabase under KIZU_HOME.

    Raises:
        StartupError: a setting is wrong, or no project is configured and none is embedded.
    """
    settings = read_settings(**overrides)
    if settings.supabase_url is not None:
        return settings
    embedded = read_installation(config_path(settings.kizu_home))
    if embedded is None:
        raise StartupError("SUPABASE_URL is not set, and there is no embedded Supabase: `kizu local up`")
    keys: dict[str, Any] = {
        "supabase_url": embedded.url,
        "supabase_publishable_key": embedded.publishable_key,
    }
    if not settings.needs_publishable_key:
        keys["supabase_secret_key"] = embedded.secret_key
    return read_settings(**keys, **overrides)
