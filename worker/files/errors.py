"""What a bad answer of Storage means; its HTTP status alone says too little."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from worker.core.errors import JobError, NotFound, StorageUnavailable, TooLarge
from worker.files.sources import ASSETS_BUCKET

NO_OBJECT: Final = frozenset({"not_found", "NoSuchKey", "InvalidKey"})
NO_BUCKET: Final = frozenset({"Bucket not found", "NoSuchBucket"})
TOO_LARGE: Final = frozenset({"Payload too large", "EntityTooLarge"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRefusal:
    """A refusal of Storage, which sends many failures as HTTP 400 with the true status in the body."""

    status: int
    error: str = ""
    message: str = ""
    is_its_own: bool = False
    """Whether Storage itself said it: by a `statusCode` in the body, or by one of its codes.

    Proxies and gateways on the way send neither. Source: `renderableError` in supabase/storage.
    """

    @classmethod
    def read(cls, http_status: int, body: bytes) -> StorageRefusal:
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            return cls(status=http_status)
        inner = str(fields.get("statusCode", ""))
        has_status = len(inner) == 3 and inner.isascii() and inner.isdigit()
        error = str(fields.get("error") or fields.get("code") or "")
        return cls(
            status=int(inner) if has_status else http_status,
            error=error,
            message=str(fields.get("message") or ""),
            is_its_own=has_status or error in NO_OBJECT | NO_BUCKET | TOO_LARGE,
        )

    @property
    def is_about_the_token(self) -> bool:
        """Whether the token is expired or revoked, as opposed to a policy that says no."""
        said = f"{self.error} {self.message}".lower()
        return self.status in (400, 401, 403) and any(word in said for word in ("jwt", '"exp"', "token"))

    def __str__(self) -> str:
        who = "Storage" if self.is_its_own else "something in front of Storage"
        return " ".join(filter(None, (who, "answered", str(self.status), self.error, self.message)))


def download_error(refusal: StorageRefusal, bucket: str) -> JobError:
    """The exception to raise when an object of `bucket` could not be read.

    Only Storage itself knows that there is no such file. That the bucket of all photos is missing says
    nothing about one of them.
    """
    gone = NO_OBJECT if bucket == ASSETS_BUCKET else NO_OBJECT | NO_BUCKET
    if refusal.is_its_own and refusal.error in gone:
        return NotFound("The file is not in Storage")
    return StorageUnavailable(str(refusal))


def upload_error(refusal: StorageRefusal) -> JobError:
    """The exception to raise when an object could not be written."""
    if refusal.is_its_own and (refusal.status == 413 or refusal.error in TOO_LARGE):
        return TooLarge("The result is larger than Storage accepts")
    return StorageUnavailable(str(refusal))
