"""What a bad answer of Storage means; its HTTP status alone says too little."""

from __future__ import annotations

import json
from dataclasses import dataclass

from worker.core.errors import JobError, NotFound, StorageUnavailable, TooLarge


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRefusal:
    """A refusal of Storage, which sends many failures as HTTP 400 with the true status in the body."""

    status: int
    error: str = ""
    message: str = ""

    @classmethod
    def read(cls, http_status: int, body: bytes) -> StorageRefusal:
        try:
            fields = json.loads(body)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            return cls(status=http_status)
        inner = str(fields.get("statusCode", ""))
        return cls(
            status=int(inner) if inner.isascii() and inner.isdigit() else http_status,
            error=str(fields.get("error") or fields.get("code") or ""),
            message=str(fields.get("message") or ""),
        )

    @property
    def is_about_the_token(self) -> bool:
        """Whether the token is expired or revoked, as opposed to a policy that says no."""
        said = f"{self.error} {self.message}".lower()
        return self.status in (400, 401, 403) and any(word in said for word in ("jwt", '"exp"', "token"))

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.status), self.error, self.message)))


def download_error(refusal: StorageRefusal) -> JobError:
    """The exception to raise when an object could not be read."""
    if refusal.status in (404, 410) or refusal.error in ("not_found", "NoSuchKey", "InvalidKey"):
        return NotFound("The file is not in Storage")
    return StorageUnavailable(f"Storage answered {refusal}")


def upload_error(refusal: StorageRefusal) -> JobError:
    """The exception to raise when an object could not be written."""
    if refusal.status == 413:
        return TooLarge("The result is larger than Storage accepts")
    return StorageUnavailable(f"Storage answered {refusal}")
