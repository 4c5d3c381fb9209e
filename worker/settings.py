"""Everything that can be set from outside, read once; nothing else looks at the environment."""

from __future__ import annotations

import os
import platform
import re
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    Field,
    HttpUrl,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode, SettingsConfigDict

from models.settings import DAY, ModelSettings
from worker.core.errors import StartupError

MEBIBYTE = 1024 * 1024
CLOSE = 0.8
"""Share of letters that two names have in common (`difflib`) from which one may be meant by the other."""
FOR_SCRIPTS = ("KIZU_TEST", "KIZU_SKIP_INSTALL")


class Settings(ModelSettings):
    """Read from the environment and from `.env`; a wrong value stops the worker with a sentence naming it."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        env_ignore_empty=True,
        allow_inf_nan=False,
        defer_build=True,
    )

    supabase_url: HttpUrl | None = Field(
        None, description="The project's address, e.g. https://xyz.supabase.co."
    )
    supabase_public_url: HttpUrl | None = Field(
        None, description="The address apps use, if it differs from the one this worker uses."
    )
    supabase_secret_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("supabase_secret_key", "supabase_service_role_key"),
        description="Secret key (sb_secret_…); until the end of 2026 also a legacy service-role JWT. This"
        " worker serves every user. Also read as SUPABASE_SERVICE_ROLE_KEY.",
    )
    supabase_publishable_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("supabase_publishable_key", "supabase_anon_key"),
        description="Publishable key (sb_publishable_…), needed with a worker token or an account; until the"
        " end of 2026 also a legacy anon key. Also read as SUPABASE_ANON_KEY.",
    )
    kizu_worker_token: SecretStr | None = Field(
        None,
        description="A JWT with the role kizu_worker (`kizu token mint`): may call the worker verbs and touch"
        " Storage only.",
    )
    kizu_email: str | None = Field(
        None,
        description="E-mail of the user a personal worker signs in as, or of a worker's account"
        " (`kizu token account`).",
    )
    kizu_password: SecretStr | None = Field(None, description="That account's password.")

    worker_id: str = Field(
        default_factory=lambda: re.sub(r"[^A-Za-z0-9._-]+", "-", platform.node()).strip("-") or "worker",
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Name of this worker; several workers need several names. Default: the host name.",
    )
    lanes: Annotated[dict[str, int], NoDecode] = Field(
        default_factory=lambda: {"image": 8, "ai": 4, "video": 1, "interactive": 2},
        description="Slots per lane, as in image=8,ai=4,video=1: a full lane never delays another.",
    )
    poll_interval: float = Field(
        5.0, gt=0, le=300, description="Seconds between looks while Realtime is down."
    )
    poll_interval_realtime: float = Field(
        30.0, gt=0, le=3600, description="Seconds between looks while Realtime is healthy."
    )
    lease_seconds: int = Field(
        60, ge=2, le=3600, description="How long a job stays ours without a heartbeat."
    )
    grace_seconds: float = Field(
        25.0, ge=0, le=3600, description="Time to finish running jobs after SIGTERM."
    )
    wake: Literal["auto", "postgres_changes", "broadcast", "off"] = Field(
        "auto",
        description="How new jobs ring: auto picks broadcast for a worker token, else postgres_changes.",
    )

    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Hosts besides the project's Storage that input URLs may name, comma separated."
    )
    max_download_bytes: int = Field(256 * MEBIBYTE, gt=0, description="Largest file fetched, in bytes.")
    max_image_pixels: int = Field(200_000_000, gt=0, description="Largest picture decoded, in pixels.")
    fetch_timeout: float = Field(120.0, gt=0, le=DAY, description="Seconds a download may take in all.")
    decode_threads: int = Field(
        default_factory=lambda: max(1, os.cpu_count() or 1),
        ge=1,
        le=64,
        description="Pictures decoded and encoded at the same time. Default: the number of cores.",
    )

    orphan_hours: float = Field(
        24.0,
        ge=0,
        le=1_000_000,
        description="Hours a file that no row refers to is left alone by `kizu storage sweep`.",
    )

    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, JSON lines elsewhere."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    kizu_home: Path = Field(
        Path(".kizu"), description="Folder of the embedded Supabase and the worker's state."
    )

    @field_validator("lanes", mode="before")
    @classmethod
    def _read_lanes(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        lanes: dict[str, int] = {}
        for part in filter(None, (part.strip() for part in value.split(","))):
            name, sign, slots = part.partition("=")
            if not sign or not slots.strip().isdigit():
                raise ValueError("expected lanes as name=slots,name=slots")
            lanes[name.strip()] = int(slots)
        return lanes

    @field_validator("lanes")
    @classmethod
    def _check_lanes(cls, lanes: dict[str, int]) -> dict[str, int]:
        if not any(lanes.values()) or not all(0 <= slots <= 100 for slots in lanes.values()):
            raise ValueError("expected at least one lane with 1 to 100 slots")
        return lanes

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _read_hosts(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(host.strip().lower() for host in value.split(",") if host.strip())
        return value

    @model_validator(mode="after")
    def _check_sign_in(self) -> Settings:
        if (self.kizu_email is None) != (self.kizu_password is None):
            raise ValueError("KIZU_EMAIL and KIZU_PASSWORD belong together")
        if self.supabase_url and self.needs_publishable_key and self.supabase_publishable_key is None:
            named = "KIZU_WORKER_TOKEN" if self.kizu_worker_token else "KIZU_EMAIL"
            raise ValueError(f"{named} needs SUPABASE_PUBLISHABLE_KEY beside it")
        return self

    @property
    def needs_publishable_key(self) -> bool:
        return self.kizu_worker_token is not None or self.kizu_email is not None

    @cached_property
    def url(self) -> str:
        """The project's address without a trailing slash."""
        if self.supabase_url is None:
            raise StartupError("SUPABASE_URL is not set: expected the address of a Supabase project")
        return str(self.supabase_url).rstrip("/")

    @cached_property
    def public_url(self) -> str:
        """The address written into rows that apps read, without a trailing slash."""
        return str(self.supabase_public_url).rstrip("/") if self.supabase_public_url else self.url


def unknown_settings() -> dict[str, str | None]:
    """Variables that are probably meant for us and are none of ours, each with the one that may be meant.

    Looked for in the environment and in `.env`: a name much like one of ours, or with our prefix.
    """
    from dotenv import dotenv_values  # needed where a worker starts, not by a quick command

    fields = Settings.model_fields
    known = {name.upper() for name in fields}
    for field in fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            known |= {str(choice).upper() for choice in field.validation_alias.choices}
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))} - known
    close = {name: get_close_matches(name, known, n=1, cutoff=CLOSE) for name in sorted(given)}
    return {
        name: next(iter(alike), None)
        for name, alike in close.items()
        if alike or (name.startswith("KIZU_") and not name.startswith(FOR_SCRIPTS))
    }


def read_settings(**overrides: Any) -> Settings:
    """Read the environment once.

    Raises:
        StartupError: a value is wrong; the message names the variable and what was expected, never the value.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'][:1])).upper() or 'settings'}:"
            f" {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise StartupError(problems) from None
