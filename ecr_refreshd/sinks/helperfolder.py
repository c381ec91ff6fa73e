"""The folder from which our credential helper answers without asking anybody: one file per host.

Only this user may enter it, and nothing in it is followed elsewhere. A file is complete before it has its name,
and its mtime is the end of what it says: the helper compares it with that of a file it has just touched.
"""

# Names are wanted, of which there may be a thousand; pathlib would make an object of each.
# ruff: noqa: PTH208

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from ecr_refreshd.core import helperanswer
from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.dockerentry import decoded
from ecr_refreshd.core.helperanswer import Answer
from ecr_refreshd.core.hosts import parse
from ecr_refreshd.core.model import ABSENT, Entry, EntryKind, Refusal, View, fingerprint
from ecr_refreshd.errors import SinkUnwritable
from ecr_refreshd.sinks.lock import locked

_MOST = 1 << 17
"""Bytes: thirty times the longest token seen."""
_NEW = ".new-"


class HelperFolder:
    """The folder, implementing `core.ports.Sink`.

    Args:
        path: of the folder; it is made when there is something to put into it.
        lock_folder: where the locks among our own processes lie.
    """

    def __init__(self, path: str, lock_folder: str) -> None:
        self._path = path
        self._lock_folder = lock_folder
        self._hosts: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The folder."""
        return self._path

    def look(self, hosts: Sequence[str]) -> View:
        """Return what the helper would answer about these hosts. Raises SinkUnwritable."""
        self._hosts = tuple(hosts)
        return self._view()

    def write(self, delivery: Delivery) -> View:
        """Make all of these the helper's answers. Raises SinkUnwritable, SinkContended."""
        self._hosts = tuple(dict.fromkeys([*self._hosts, *delivery.tokens, *delivery.refusals]))
        self._prepare()
        try:
            with locked(self._lock_folder, os.fsencode(self._path)):
                for host, auth in delivery.tokens.items():
                    ends = delivery.ends[host]
                    self._put(host, helperanswer.token_file(host, auth, ends), ends)
                for host, refusal in delivery.refusals.items():
                    self._put(host, helperanswer.refusal_file(refusal), refusal.until)
                for host in delivery.removed | delivery.released:
                    self._file(host).unlink(missing_ok=True)
                self._sync()
        except OSError as error:
            raise self._refused(error) from error
        return self._view()

    def folders(self) -> frozenset[str]:
        """Return the folder itself; what is above it is seen when it comes."""
        return frozenset({self._path})

    def answer(self, host: str) -> Answer | None:
        """Return what is ready for a host, None if nothing is. Raises SinkUnwritable."""
        try:
            self._judge()
            descriptor = os.open(self._file(host), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._refused(error) from error
        with os.fdopen(descriptor, "rb") as file:
            return helperanswer.read(file.read(_MOST))

    def _view(self) -> View:
        try:
            there = frozenset(name for name in os.listdir(self._path) if _is_host(name))
        except FileNotFoundError:
            return View(dict.fromkeys(self._hosts, ABSENT), exists=False)
        except OSError as error:
            raise self._refused(error) from error
        answers = {host: self.answer(host) for host in self._hosts if host in there}
        return View(
            entries={host: _entry(host, answers) for host in self._hosts},
            refusals={
                host: Refusal(answer.refusal, answer.ends)
                for host, answer in answers.items()
                if answer is not None and answer.auth is None
            },
            lines=there,
        )

    def _prepare(self) -> None:
        try:
            Path(self._path).mkdir(0o700, parents=True, exist_ok=True)
            self._judge()
            for name in os.listdir(self._path):
                if name.startswith(_NEW):  # of a crash; it holds nothing that is not made anew
                    self._file(name).unlink(missing_ok=True)
        except OSError as error:
            raise self._refused(error) from error

    def _judge(self) -> None:
        """Refuse a folder that somebody else can enter. Raises OSError, SinkUnwritable."""
        status = os.lstat(self._path)
        private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
        if not private or status.st_uid != os.geteuid():
            raise SinkUnwritable(
                f"{self._path} is not a folder that only you can enter; the credential helper does not use it.",
                code="helper.open",
                hint=f"chmod 700 {self._path}, or remove it if it is not yours",
            )

    def _put(self, host: str, data: bytes, ends: datetime) -> None:
        fresh = self._file(f"{_NEW}{host}")
        with suppress(FileNotFoundError):
            fresh.unlink()
        descriptor = os.open(
            fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            at = int(ends.timestamp())
            os.utime(descriptor, (at, at))
            os.fsync(descriptor)
        fresh.rename(self._file(host))

    def _sync(self) -> None:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _file(self, name: str) -> Path:
        return Path(self._path) / name

    def _refused(self, error: OSError) -> SinkUnwritable:
        return SinkUnwritable(
            f"{self._path} cannot be used by the credential helper: {error.strerror or type(error).__name__}.",
            code="helper.unwritable",
            hint=f"ls -ld {self._path}",
        )


def _is_host(name: str) -> bool:
    host = parse(name)
    return host is not None and host.name == name


def _entry(host: str, answers: dict[str, Answer | None]) -> Entry:
    if host not in answers:
        return ABSENT
    answer = answers[host]
    if answer is None:
        return Entry(EntryKind.UNDECODABLE)
    if answer.auth is None:
        return Entry(EntryKind.EMPTY)
    text = answer.auth.reveal()
    username, _ = decoded(text)
    kind = EntryKind.TOKEN if username == "AWS" else EntryKind.OTHER_USER
    return Entry(kind, fingerprint(text), answer.ends, answer.auth)
