"""Where the files of models are, whether they are what they should be, and how they come here.

A file lies below the cache folder at its `WeightFile.path`. It is the right one if its SHA-256 is the
catalog's; or, where the catalog knows none, that of the first download; or one that a person vouched for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import structlog

from models.errors import BadWeights, WeightsMissing
from models.settings import ModelSettings
from models.spec import Variant, WeightFile
from models.weights import digests
from models.weights.download import Progress, Transport, bare, fetch, make_client
from models.weights.failures import FailureNote
from models.weights.lock import alone
from models.weights.packages import is_package, locate
from models.weights.placing import Wanted
from models.weights.reach import answers

log = structlog.get_logger()

State: TypeAlias = Literal["present", "missing", "bad"]
Look: TypeAlias = Literal["never", "once", "anew"]
"""Whether a file is read for its digest: `once` believes the note of what was found before."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What was found out about one file."""

    file: WeightFile
    path: Path
    state: State
    problem: str = ""
    """Why it is missing or bad, and what helps."""
    sha256: str | None = None
    """None: not there, or not looked at."""


class Weights:
    """The files of models, below one folder. Used by several threads and processes at once."""

    def __init__(self, settings: ModelSettings, *, transport: Transport | None = None) -> None:
        self._cache = settings.model_cache_dir.absolute()
        self._downloads = settings.model_downloads
        self._transport = transport

    def paths(self, variant: Variant) -> Mapping[str, Path]:
        """The paths of verified files by `WeightFile.path`, fetched if missing and MODEL_DOWNLOADS allows it.

        Raises:
            WeightsMissing: a file is not here and cannot, or may not, be fetched.
            BadWeights: a file is not what it should be, or would run code that nobody vouched for.
        """
        if self._downloads:
            self._fetch(variant, _ignore, patient=False)
        return self._verified(variant)

    def pull(self, variant: Variant, progress: Progress | None = None) -> Mapping[str, Path]:
        """The paths of files that a person asked for; missing ones are fetched, whatever the settings say.

        Raises as `paths` does.
        """
        self._fetch(variant, progress or _ignore, patient=True)
        return self._verified(variant)

    def digest(self, variant: Variant) -> str | None:
        """The SHA-256 over the digests of all files in order (hexadecimal, one a line); None without files.

        Raises:
            WeightsMissing: a file is not here. Nothing is fetched.
        """
        if not variant.files:
            return None
        lines = []
        for file in variant.files:
            path = self._path(file)
            if not path.is_file():
                raise WeightsMissing(self._absent(file, variant))
            lines.append(f"{digests.digest_of(path)}\n")
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def missing(self, variant: Variant) -> tuple[WeightFile, ...]:
        """The files that are not there; the content of the others is not read."""
        return tuple(file for file in variant.files if not self._path(file).is_file())

    def obstacle(self, variant: Variant) -> str:
        """Why files that are not here will not come by themselves; empty where they are here or will. Blocks.

        The server of a file is asked whether it has it; its answer is believed for some minutes.
        """
        for file in self.missing(variant):
            if file.url is None or not self._downloads:
                return self._absent(file, variant)
            failure = self._failure(file.url, [file]).recent()
            if failure is not None:
                return str(failure)
            if not answers(file.url, self._cache, self._transport):
                server = urlsplit(file.url).hostname or f"the index of {urlsplit(file.url).scheme} packages"
                return f"{server} does not answer, or no longer has {_name(file.url)}"
        return ""

    def states(self, variant: Variant, *, thorough: bool = False) -> tuple[FileState, ...]:
        """The state of each file; `thorough` reads them all, otherwise what was found before counts."""
        return tuple(
            self._state(file, variant, look="anew" if thorough else "never") for file in variant.files
        )

    def trust(self, path: Path) -> str:
        """Vouch for a file: what is in it now may be used, pickled or not. Answers its SHA-256."""
        return digests.trust(self._cache, path)

    def _path(self, file: WeightFile) -> Path:
        return self._cache / file.path

    def _verified(self, variant: Variant) -> Mapping[str, Path]:
        for file in variant.files:
            found = self._state(file, variant, look="anew" if file.pickled else "once")
            if found.state == "missing":
                raise WeightsMissing(found.problem)
            if found.state == "bad":
                raise BadWeights(found.problem)
        return {file.path: self._path(file) for file in variant.files}

    def _state(self, file: WeightFile, variant: Variant, *, look: Look) -> FileState:
        path = self._path(file)
        if not path.is_file():
            return FileState(file, path, "missing", self._absent(file, variant))
        if look == "never" and not digests.has_digest(path):
            return FileState(file, path, "present")
        try:
            found = digests.digest_of(path, anew=look == "anew")
        except OSError as error:
            return FileState(file, path, "bad", f"{path} cannot be read: {error.strerror or error}")
        problem = self._doubt(file, path, found, variant)
        return FileState(file, path, "bad" if problem else "present", problem, found)

    def _doubt(self, file: WeightFile, path: Path, found: str, variant: Variant) -> str:
        """The reason why a file with that digest must not be used; empty if it may."""
        if digests.is_trusted(self._cache, found):
            return ""
        expected = file.sha256 or digests.first_digest(path)
        remedy = f"`kizu models trust {path}`, if you know where it is from"
        if expected is not None and found != expected:
            again = f"delete it and run `kizu models pull {variant.version}`, or " if file.url else ""
            return f"{path} has SHA-256 {found}, expected {expected}: {again}{remedy}"
        if file.pickled and file.sha256 is None:
            return f"{path} may run code when it is loaded, and SHA-256 {found} is not known: {remedy}"
        return ""

    def _absent(self, file: WeightFile, variant: Variant) -> str:
        what = f"{variant.version} needs {self._path(file)}, which is not there"
        if file.path.startswith("tiny/"):
            return f"{what}: `scripts/make-test-models {self._cache}` writes it"
        if file.url is None:
            return f"{what}, and it is not to be had by download: put it there"
        what = f"{what}: `kizu models pull {variant.version}` fetches it"
        failure = self._failure(file.url, [file]).recent()
        return f"{what}; just now, {failure}" if failure else what

    def _failure(self, url: str, files: list[WeightFile]) -> FailureNote:
        path = self._path(files[0]).with_name(f".{_name(url)}.failed")
        return FailureNote(path, url, {file.path: self._wanted(file).sha256 for file in files})

    def _fetch(self, variant: Variant, progress: Progress, *, patient: bool) -> None:
        """Fetch what is missing, one download for all files of an archive.

        Only the `patient` are told why that failed; to the others the file is missing.
        """
        missing: dict[str, list[WeightFile]] = {}
        for file in self.missing(variant):
            if file.url is not None:
                missing.setdefault(file.url, []).append(file)
        for url, files in missing.items():
            error = None if patient else self._failure(url, files).recent()
            if error is None:
                try:
                    self._fetch_from(url, files, progress)
                    continue
                except (WeightsMissing, BadWeights) as failure:
                    error = failure
                self._failure(url, files).write(error)
                log.warning("weights download failed", model=variant.version, reason=str(error))
            if patient or isinstance(error, BadWeights):
                raise type(error)(*error.args)
            return

    def _fetch_from(self, url: str, files: list[WeightFile], progress: Progress) -> None:
        name = _name(url)
        with alone(self._path(files[0]).parent, name):
            still = [file for file in files if not self._path(file).is_file()]
            if not still:
                return  # another process was faster
            wanted = [self._wanted(file) for file in still]
            with make_client(self._transport) as client:
                address = locate(url, client) if is_package(url) else url
                log.info("weights download started", file=name, host=urlsplit(bare(address)).netloc)
                try:
                    fetched = fetch(address, wanted, progress, client=client)
                except BadWeights as error:
                    changed = [file for file in still if file.sha256 is None and self._wanted(file).sha256]
                    if not changed:
                        raise
                    note = digests.note_of(self._path(changed[0]))
                    raise BadWeights(f"{error}; if its maker has published another, delete {note}") from error
            self._failure(url, files).remove()
            for path, digest in fetched.items():
                digests.remember(path, digest)

    def _wanted(self, file: WeightFile) -> Wanted:
        path = self._path(file)
        return Wanted(
            path, file.member, file.sha256 or digests.first_digest(path), file.size, file.archive_sha256
        )


def _name(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]


def _ignore(name: str, done: int, total: int | None) -> None:
    return
