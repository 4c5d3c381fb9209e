"""Which of PostgREST's answers may heal, and what the others mean."""

from __future__ import annotations

import json

import pytest

from worker.core.errors import (
    AuthFailed,
    BadParams,
    Conflict,
    DatabaseUnavailable,
    InternalError,
    NotFound,
    PermissionDenied,
    ProjectUnreachable,
    SchemaMissing,
    StartupError,
    TooManyJobs,
    UnknownJobType,
)
from worker.project.rpc_errors import Refusal, error_of

TABLE = [
    (503, "PGRST000", "no connection", DatabaseUnavailable),
    (503, "PGRST001", "no connection", DatabaseUnavailable),
    (503, "PGRST002", "schema cache", DatabaseUnavailable),
    (504, "PGRST003", "pool timeout", DatabaseUnavailable),
    (500, "40001", "serialization failure", DatabaseUnavailable),
    (500, "40P01", "deadlock", DatabaseUnavailable),
    (400, "40P01", "deadlock, whatever the status", DatabaseUnavailable),
    (500, "55P03", "lock timeout", DatabaseUnavailable),
    (500, "57014", "statement timeout", DatabaseUnavailable),
    (500, "57P01", "shutting down", DatabaseUnavailable),
    (503, "53300", "too many connections", DatabaseUnavailable),
    (503, "08006", "connection lost", DatabaseUnavailable),
    (408, "", "", DatabaseUnavailable),
    (429, "", "slow down", DatabaseUnavailable),
    (500, "", "", DatabaseUnavailable),
    (502, "", "", DatabaseUnavailable),
    (503, "", "name resolution failed", DatabaseUnavailable),
    (520, "", "", DatabaseUnavailable),
    (544, "", "", DatabaseUnavailable),
    (401, "PGRST301", "bad JWT", AuthFailed),
    (401, "PGRST303", "JWT expired", AuthFailed),
    (401, "42501", "permission denied (as anon)", AuthFailed),
    (401, "", "Invalid API key", AuthFailed),
    (403, "42501", "permission denied", PermissionDenied),
    (403, "", "forbidden", ProjectUnreachable),
    (413, "", "Payload Too Large", InternalError),  # asking again is no use
    (403, "1020", "a firewall's", ProjectUnreachable),
    (404, "PGRST125", "invalid path", StartupError),
    (404, "PGRST202", "no function", SchemaMissing),
    (404, "42883", "no function", SchemaMissing),
    (404, "PGRST205", "no table", SchemaMissing),
    (404, "", "", ProjectUnreachable),
    (401, "", "", ProjectUnreachable),
    (407, "", "", ProjectUnreachable),
    (301, "", "", ProjectUnreachable),
    (404, "PT404", "not_found", NotFound),
    (400, "PT400", "bad_params", BadParams),
    (400, "PT400", "unknown_job_type", UnknownJobType),
    (409, "PT409", "conflict", Conflict),
    (503, "PT503", "database_busy", DatabaseUnavailable),
    (429, "PT429", "too_many_jobs", TooManyJobs),
    (429, "", "too_many_jobs", DatabaseUnavailable),
    (400, "P0001", "something a function raised", InternalError),
    (409, "23505", "duplicate", InternalError),
    (400, "22P02", "not a uuid", InternalError),
]


@pytest.mark.parametrize(("status", "code", "message", "error"), TABLE)
def test_answer_means(status: int, code: str, message: str, error: type[Exception]) -> None:
    body = json.dumps({"code": code, "message": message, "details": None, "hint": None}).encode()
    assert type(error_of(Refusal.read(status, body), function="claim_jobs")) is error


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b"\xff"])
def test_bodies_that_are_not_postgrests_are_no_refusals(body: bytes) -> None:
    assert type(error_of(Refusal.read(503, body), function="f")) is DatabaseUnavailable
    for status in (301, 401, 403, 404):
        assert type(error_of(Refusal.read(status, body), function="f")) is ProjectUnreachable


def test_missing_function_says_how_to_get_it() -> None:
    error = error_of(Refusal(status=404, code="PGRST202", message="no"), function="claim_jobs")
    assert "claim_jobs" in str(error)
    assert "supabase/migrations" in str(error)


def test_details_of_a_stable_code_become_the_message() -> None:
    error = error_of(
        Refusal(status=400, code="PT400", message="bad_params", details="which: a number"), function="f"
    )
    assert str(error) == "which: a number"
