"""The folder from which our credential helper answers without asking anybody: one file per host.

Only this user may enter it, and nothing in it is followed elsewhere. A file is complete before it has its name,
and its mtime is the end of what it says: the helper compares it with that of a file it has just touched.
"""

# Names are wanted, of which there may be a thousand; pathlib would make an object of each.
# ruff: noqa: PTH208

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ecr_refreshd.core import helperanswer
from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.helperanswer import REFUSES
from ecr_refreshd.core.model import ABSENT, Entry, EntryKind, Refusal, View
from ecr_refreshd.core.remedies import service as remedies
from ecr_refreshd.errors import SinkError, SinkUnwritable
from ecr_refreshd.osutil import ownership
from ecr_refreshd.sinks.lock import locked

_MOST = 1 << 17
"""Bytes: thirty times the longest token seen."""
_NEW = ".new-"
_HARDLY = 0.2
"""Seconds that the end of a service may wait for a lock."""
_HOST = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?")


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
                self._clear()
                for host, auth in delivery.tokens.items():
                    self._put(host, helperanswer.token_line(host, auth), delivery.ends[host])
                    self._file(host + REFUSES).unlink(missing_ok=True)
                for host, refusal in delivery.refusals.items():
                    self._put(host + REFUSES, helperanswer.refusal_line(refusal.text), refusal.until)
                    self._file(host).unlink(missing_ok=True)
                for host in delivery.removed | delivery.released:
                    self._file(host).unlink(missing_ok=True)
                    self._file(host + REFUSES).unlink(missing_ok=True)
                self._sync()
        except OSError as error:
            raise self._refused(error) from error
        return self._view()

    def shorten_refusals(self, ends: datetime) -> None:
        """Let no refusal be believed for longer than until then (UTC): nobody is there to keep it true."""
        at = ends.timestamp()
        try:
            with locked(self._lock_folder, os.fsencode(self._path), patience=_HARDLY):
                for name in os.listdir(self._path):
                    if name.endswith(REFUSES) and os.lstat(self._file(name)).st_mtime > at:
                        os.utime(self._file(name), (at, at), follow_symlinks=False)
        except (OSError, SinkError):
            return  # then it says so when it is used

    def folders(self) -> frozenset[str]:
        """Return the folder itself; what is above it is seen when it comes."""
        return frozenset({self._path})

    def answer(self, host: str) -> Refusal | Entry:
        """Return what is ready for a host: a refusal, or an entry (absent: nothing). Raises SinkUnwritable."""
        try:
            self._judge()
            found = self._read(host)
            refused = self._read(host + REFUSES) if found is None else None
        except FileNotFoundError:
            return ABSENT
        except OSError as error:
            raise self._refused(error) from error
        if refused is not None:
            return Refusal(refused[0].decode("utf-8", "replace").strip(), refused[1])
        return ABSENT if found is None else helperanswer.entry_in(*found)

    def _view(self) -> View:
        try:
            files = os.listdir(self._path)
        except FileNotFoundError:
            return View(dict.fromkeys(self._hosts, ABSENT), exists=False)
        except OSError as error:
            raise self._refused(error) from error
        there = frozenset(host for name in files if (host := _host_of(name)))
        answers = {host: self.answer(host) for host in self._hosts if host in there}
        refusals = {host: each for host, each in answers.items() if isinstance(each, Refusal)}
        entries = {host: each for host, each in answers.items() if isinstance(each, Entry)}
        return View(
            entries={
                host: Entry(EntryKind.EMPTY) if host in refusals else entries.get(host, ABSENT)
                for host in self._hosts
            },
            refusals=refusals,
            lines=there,
        )

    def _read(self, name: str) -> tuple[bytes, datetime] | None:
        """Return a file's content and the end of what it says (UTC), None if there is none. Raises OSError."""
        try:
            # Not waiting, should it be a pipe: that is as good as nothing, and a rename replaces it.
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(self._file(name), flags)
        except FileNotFoundError:
            return None
        try:
            found = os.fstat(descriptor)
            said = os.read(descriptor, _MOST) if stat.S_ISREG(found.st_mode) else b""
            return said, datetime.fromtimestamp(found.st_mtime, UTC)
        finally:
            os.close(descriptor)

    def _prepare(self) -> None:
        try:
            ownership.make_folders(self._path)
            self._judge()
            Path(self._path).chmod(0o700)
        except OSError as error:
            raise self._refused(error) from error

    def _clear(self) -> None:
        """Remove what a crash left, which holds nothing that is not made anew; only under the lock."""
        for name in os.listdir(self._path):
            if name.startswith(_NEW):
                self._file(name).unlink(missing_ok=True)

    def _judge(self) -> None:
        """Refuse a folder into which somebody else can put an answer. Raises OSError, SinkUnwritable."""
        status = os.lstat(self._path)
        private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o022
        if not private or not ownership.is_trusted(status.st_uid):
            found = ownership.of(self._path)
            ours = ownership.is_trusted(status.st_uid)
            remedy = remedies.open_to_others(found) if ours else remedies.closed(found, of_state=True)
            raise SinkUnwritable(
                f"{self._path} is no folder in which only you can write; the credential helper does not use it.",
                code="helper.open",
                hint=remedy.hint,
                command=remedy.command,
            )

    def _put(self, name: str, data: bytes, ends: datetime) -> None:
        fresh = self._file(_NEW + name)
        fresh.unlink(missing_ok=True)
        descriptor = os.open(
            fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        with os.fdopen(descriptor, "wb") as file:
            ownership.inherit(descriptor, self._path)
            file.write(data)
            file.flush()
            at = int(ends.timestamp())
            os.utime(descriptor, (at, at))
            os.fsync(descriptor)
        fresh.rename(self._file(name))

    def _sync(self) -> None:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _file(self, name: str) -> Path:
        return Path(self._path) / name

    def _refused(self, error: OSError) -> SinkUnwritable:
        remedy = remedies.folder_refuses(ownership.deepest(self._path), error.errno or 0)
        return SinkUnwritable(
            f"{self._path} cannot be used by the credential helper: {error.strerror or type(error).__name__}.",
            code="helper.unwritable",
            hint=remedy.hint,
            command=remedy.command,
        )


def _host_of(name: str) -> str:
    """Return the host that a file is about, "" if it is about none."""
    text = name.removesuffix(REFUSES)
    return text if _HOST.fullmatch(text) else ""
