"""Everything that can go wrong with a job: a stable code, one sentence, and whether trying again could help.

    JobError
    ├── permanent: NotFound, ForbiddenUrl, TooLarge, NotAnImage, Unreadable, UnsupportedFormat,
    │              TooSmallToRead, BadParams, UnknownJobType, UnknownModel, UnknownGeneration,
    │              GenerationIncomplete, GenerationAnswers, Conflict, BadWeights,
    │              PackageMissing, LicenceRefused, ResultRefused, TooManyJobs
    └── transient: TimedOut, OutOfMemory, DiskFull, WeightsMissing, DeviceUnavailable, ServerUnavailable,
                   ModelFailed, StorageUnavailable, SourceRefused, DatabaseUnavailable, LeaseLost,
                   InternalError

The codes are a contract with apps: they stand in `error_code`, in logs, and in the tables of `ERRORS.md`.
"""

from __future__ import annotations

from typing import ClassVar

HOST = "host "
"""Begins the name of an outside host as a dependency, `host NAME:PORT`."""
MEMORY = "memory "
"""Begins the name of so much free memory as a dependency, `memory MEBIBYTES`."""


class JobError(Exception):
    """A job could not be done."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False
    dependency: str | None = None
    """What the job needed and did not get; `core.outages` finds out whether it fails for every job."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class NotFound(JobError):
    """The file or row the job is about does not exist (any more)."""

    code = "not_found"


class ForbiddenUrl(JobError):
    """The job points at a place this worker must not fetch from."""

    code = "forbidden_url"


class TooLarge(JobError):
    """The file has more bytes or pixels than this worker accepts."""

    code = "too_large"


class NotAnImage(JobError):
    """The bytes are something else than an image."""

    code = "not_an_image"


class Unreadable(JobError):
    """The bytes begin like an image but are truncated or corrupt."""

    code = "unreadable"


class UnsupportedFormat(JobError):
    """The bytes are an image in a format or variant no decoder here understands."""

    code = "unsupported_format"


class TooSmallToRead(JobError):
    """No text was found, and the picture was looked at too small for most of what there may be."""

    code = "too_small_to_read"


class BadParams(JobError):
    """The job's parameters are not what its kind expects."""

    code = "bad_params"


class UnknownJobType(JobError):
    """No handler of this worker knows the job's kind."""

    code = "unknown_job_type"


class WeightsMissing(JobError):
    """The model's weights are not on this machine and may not be downloaded."""

    code = "weights_missing"
    retryable = True


class UnknownModel(JobError):
    """The worker's settings name a model that nobody knows."""

    code = "unknown_model"


class UnknownGeneration(JobError):
    """The model version is no generation of vectors that is kept, or no longer."""

    code = "unknown_generation"


class GenerationIncomplete(JobError):
    """The generation lacks photos that the one that answers knows."""

    code = "generation_incomplete"


class GenerationAnswers(JobError):
    """The generation answers searches and cannot be dropped."""

    code = "generation_answers"


class Conflict(JobError):
    """What was asked contradicts what is there; the message says which."""

    code = "conflict"


class BadWeights(JobError):
    """The model's files are damaged, or of another model, or would run code that nobody vouched for."""

    code = "bad_weights"


class PackageMissing(JobError):
    """A library that the model needs is not installed."""

    code = "package_missing"


class LicenceRefused(JobError):
    """The worker's settings do not allow the model's licence."""

    code = "licence_refused"


class ModelFailed(JobError):
    """The model raised, or the process it ran in ended."""

    code = "model_failed"
    retryable = True


class DeviceUnavailable(JobError):
    """The device that models run on is not there, or its driver has failed."""

    code = "device_unavailable"
    retryable = True


class ServerUnavailable(JobError):
    """The server that runs a model does not answer, or not this worker."""

    code = "server_unavailable"
    retryable = True


class OutOfMemory(JobError):
    """There was not enough memory to finish the job."""

    code = "out_of_memory"
    retryable = True


class MemoryShort(OutOfMemory):
    """There was not the memory just now that decoding a picture, or clustering faces, takes."""

    STEP: ClassVar[int] = 256
    """Jobs that take about as much wait for the same."""

    def __init__(self, mebibytes: int) -> None:
        super().__init__(f"it takes {mebibytes} MiB of memory, which are not free just now")
        self.dependency = f"{MEMORY}{-(-mebibytes // self.STEP) * self.STEP}"


class TimedOut(JobError):
    """The job took longer than its kind allows."""

    code = "timeout"
    retryable = True


class StorageTimedOut(TimedOut):
    """A file did not go to or come from Storage in time."""

    dependency = "storage"


class DiskFull(JobError):
    """The worker's disk, or its quota, has no room for the file."""

    code = "disk_full"
    retryable = True
    dependency = "disk"


class StorageUnavailable(JobError):
    """Storage, or the server a file was to come from, did not answer as it should."""

    code = "storage_unavailable"
    retryable = True
    dependency = "storage"


class SourceUnavailable(StorageUnavailable):
    """The server that a file was to come from did not answer as it should."""

    def __init__(self, message: str, host: str) -> None:
        super().__init__(message)
        self.dependency = f"{HOST}{host}"


class SourceRefused(JobError):
    """The server that a file was to come from does not give it to this worker."""

    code = "source_refused"
    retryable = True


class DatabaseUnavailable(JobError):
    """The database could not be reached or was too busy."""

    code = "database_unavailable"
    retryable = True


class ProjectUnreachable(DatabaseUnavailable):
    """Something else than the project answered."""

    def __init__(self, call: str, said: str) -> None:
        super().__init__(
            f"{call} was answered with {said}, which the project did not say: either something on the way"
            " answers in its place for now, or SUPABASE_URL is not the address of a Supabase project"
        )


class ResultRefused(JobError):
    """The database refused the result rows, because they break one of its rules."""

    code = "result_refused"


class TooManyJobs(JobError):
    """The user has as many jobs pending as they may have, so nothing was enqueued."""

    code = "too_many_jobs"


class LeaseLost(JobError):
    """Another worker had taken the job over; this attempt's result was thrown away."""

    code = "lease_lost"
    retryable = True


class InternalError(JobError):
    """A defect in the worker; the log has the traceback."""

    code = "internal_error"
    retryable = True


class StartupError(Exception):
    """The worker cannot start; the message says what to change. Never retried."""

    code: ClassVar[str] = "startup_failed"


class AuthFailed(StartupError):
    """Supabase refused the worker's key, token or password."""

    code = "auth_failed"


class SchemaMissing(StartupError):
    """The project lacks a table or function of ours: its migrations have not been applied."""

    code = "schema_missing"


class PermissionDenied(StartupError):
    """The worker's role may not do this."""

    code = "permission_denied"


DATABASE_CODES = {
    "worker_lost": "The worker that held the job stopped answering three times in a row.",
    "cancelled": "The owner of the job asked to stop it.",
    "source_changed": "The asset's file was replaced while the job looked at it.",
}
"""Codes that are set by SQL or only logged, and their sentences."""
