"""What a bad answer of PostgREST means to the worker; the one place that reads its codes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from worker.core.errors import (
    AuthFailed,
    BadParams,
    Conflict,
    DatabaseUnavailable,
    GenerationAnswers,
    GenerationIncomplete,
    InternalError,
    JobError,
    LeaseLost,
    NotFound,
    PermissionDenied,
    ProjectUnreachable,
    SchemaMissing,
    StartupError,
    TooManyJobs,
    UnknownGeneration,
    UnknownJobType,
)

HOW_TO_MIGRATE = "apply supabase/migrations (`supabase db push`, or `kizu local up`)"

TRANSIENT_STATUSES = frozenset({408, 425, 429})
"""Besides everything from 500 upwards."""
TRANSIENT_CODES = frozenset(
    {"PGRST000", "PGRST001", "PGRST002", "PGRST003", "40001", "40P01", "55P03", "57014"}
)
TRANSIENT_CLASSES = ("08", "53", "57P")
"""SQLSTATE classes: connection lost, out of resources, server shutting down or starting."""

_ITS_OWN = re.compile(r"PGRST\w+|[0-9A-Z]{5}")
"""PostgREST's own codes, and SQLSTATEs, which it passes on."""

MISSING_CODES = frozenset({"PGRST106", "PGRST202", "PGRST203", "PGRST205", "42883", "42P01", "3F000"})
TOKEN_CODES = frozenset({"PGRST300", "PGRST301", "PGRST302", "PGRST303"})

STABLE: Mapping[str, type[JobError]] = {
    cls.code: cls
    for cls in (
        BadParams,
        Conflict,
        GenerationAnswers,
        GenerationIncomplete,
        LeaseLost,
        NotFound,
        TooManyJobs,
        UnknownGeneration,
        UnknownJobType,
    )
}
"""Our own functions raise these words as their message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """PostgREST's error body, or what a gateway in front of it left of one."""

    status: int
    code: str = ""
    message: str = ""
    details: str = ""

    @classmethod
    def read(cls, status: int, body: bytes) -> Refusal:
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            return cls(status=status)
        return cls(
            status=status,
            code=str(fields.get("code") or ""),
            message=str(fields.get("message") or ""),
            details=str(fields.get("details") or ""),
        )

    @property
    def is_transient(self) -> bool:
        return (
            self.status >= 500
            or self.status in TRANSIENT_STATUSES
            or self.code in TRANSIENT_CODES
            or self.code.startswith(TRANSIENT_CLASSES)
        )

    @property
    def is_its_own(self) -> bool:
        """Whether PostgREST or the database said it, and not a proxy on the way."""
        return _ITS_OWN.fullmatch(self.code) is not None

    @property
    def is_about_the_token(self) -> bool:
        # The project's gateway looks at keys before PostgREST does, and says no without a code, in JSON.
        return self.code in TOKEN_CODES or (self.status == 401 and (self.is_its_own or self.message != ""))


def error_of(refusal: Refusal, *, function: str) -> JobError | StartupError:
    """The exception to raise when `function` was answered with `refusal`."""
    said = " ".join(filter(None, (refusal.code, refusal.message))) or f"HTTP {refusal.status}"
    if refusal.is_about_the_token:
        return AuthFailed(f"Supabase refused the worker's key or token: {said}")
    if refusal.code in MISSING_CODES:
        return SchemaMissing(f"The project has no fitting function {function} ({said}): {HOW_TO_MIGRATE}")
    if refusal.code == "PGRST125":
        return StartupError(f"SUPABASE_URL has a path: expected the project's address alone ({said})")
    # First, because a quota's 429 is no pause that a gateway asks for.
    if refusal.code.startswith("PT") and (known := STABLE.get(refusal.message)):
        return known(refusal.details or None)
    if refusal.is_transient:
        return DatabaseUnavailable(f"{function} was answered with {said}")
    if refusal.status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return InternalError(f"{function} was asked with more than something on the way takes: {said}")
    if not refusal.is_its_own:
        return ProjectUnreachable(function, said)
    if refusal.status == 403 or refusal.code == "42501":
        return PermissionDenied(f"The worker's role may not call {function}: {said}")
    return InternalError(f"{function} was refused: {said}")
