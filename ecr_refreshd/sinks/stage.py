"""One file read whole, and a new version of it made ready beside it: same owner, rights and attributes.

Temporary names tell what a crash left behind. ``.NAME.ecr-refreshd.new.X`` was still being written and never
held anybody's edit. ``.NAME.ecr-refreshd.B.N.X`` was ready: N is the digest of what we wrote, B of the version it
was to displace; whatever else such a file holds is an edit of somebody else.
"""

# A path is bytes here, as the system has it; pathlib takes text only.
# ruff: noqa: PTH104, PTH108, PTH116, PTH118, PTH119
from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ecr_refreshd.core.remedies import files as remedies
from ecr_refreshd.errors import SinkUnwritable
from ecr_refreshd.osutil import ownership
from ecr_refreshd.sinks import permissions
from ecr_refreshd.sinks.permissions import Permissions
from ecr_refreshd.sinks.places import Place, shown
from ecr_refreshd.sinks.waits import attempts

MOST_BYTES = 64 << 20
"""More than any config: Docker Desktop's largest known ones are a few hundred kilobytes."""


_EMPTY_PATIENCE = 0.2
"""Seconds. From truncating a file to writing it, a program takes a thousandth of this."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file as it was at one moment."""

    data: bytes
    stat: os.stat_result


def read(path: bytes) -> Snapshot | None:
    """Return the file's bytes, or None if there is no file.

    Raises:
        SinkUnwritable: it is no regular file, or larger than any config.
        OSError: it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        return read_open(descriptor, path)
    finally:
        os.close(descriptor)


def read_filled(look: Callable[[], Snapshot | None]) -> Snapshot | None:
    """Return what a look finds; an empty file is looked at for a while, as an editor may be about to fill it.

    Emptied and not yet filled, it is no different from one with nothing in it; and where nobody can be seen
    writing (macOS, NFS), what is written then would go into a file that has lost its name.
    """
    found = look()
    for _ in attempts(_EMPTY_PATIENCE, every=0.01):
        if found is None or found.data.strip():
            break
        found = look()
    return found


def read_open(descriptor: int, path: bytes) -> Snapshot:
    """Return the bytes of an open file. Raises as `read`."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        what = "is larger than 64 MiB" if stat.S_ISREG(found.st_mode) else "is not a regular file"
        raise SinkUnwritable(f"{shown(path)} {what}; it is left alone.", code="sink.not-a-config")
    chunks = []
    at = 0
    while chunk := os.pread(descriptor, max(found.st_size + 1 - at, 4096), at):
        chunks.append(chunk)
        at += len(chunk)
    return Snapshot(b"".join(chunks), found)


def digest(data: bytes) -> str:
    """Return the short digest that stands in temporary names."""
    return hashlib.sha256(data).hexdigest()[:20]


def prefix(real: bytes) -> bytes:
    """Return what the names of our temporary files for this file begin with."""
    return b"." + os.path.basename(real) + b".ecr-refreshd."


@dataclass(slots=True)
class Stage:
    """Makes new versions of one file.

    Attributes:
        place: the file.
        file_mode: the widest mode a file with a token may have; None keeps what a group or an access list may do.
        holds_token: tells whether a version of the file is one.
        notes: sentences for status that came up on the way.
    """

    place: Place
    file_mode: int | None
    holds_token: Callable[[bytes], bool]
    notes: list[str] = field(default_factory=list)

    def make(self, data: bytes, instead_of: Snapshot | None) -> bytes:
        """Write a new version beside the file, down to the disk, and return its path.

        Raises:
            SinkUnwritable: the owner of the file could not be kept.
            OSError: the disk is full, read-only or broken; nothing is left behind.
        """
        folder, beginning = self.place.folder, prefix(self.place.real)
        name = beginning + b"new." + secrets.token_hex(8).encode()
        path = os.path.join(folder, name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            try:
                # Before the first byte of a token: an inherited ACL must not open the file for a moment.
                self._dress(descriptor, instead_of, data)
                write_all(descriptor, data, 0)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            old = digest(instead_of.data if instead_of else b"")
            ready = os.path.join(folder, beginning + f"{old}.{digest(data)}.{secrets.token_hex(4)}".encode())
            os.rename(path, ready)
        except BaseException:
            with suppress(OSError):
                os.unlink(path)
            raise
        return ready

    def narrowed(self, found: Permissions, data: bytes) -> Permissions:
        """Return what a file gets that had these permissions and holds these bytes, and note it if bits go."""
        kept = found.narrowed(self.file_mode)
        if kept == found or not self.holds_token(data):
            return found
        listed = ", its access list (ACL) included" if found.entries else ""
        self.note(
            f"The mode of {shown(self.place.real)} was narrowed from {found.mode:04o} to {kept.mode:04o}"
            f"{listed}, because it holds a token (file_mode in [docker])."
        )
        return kept

    def note(self, sentence: str) -> None:
        """Keep a sentence for status, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _dress(self, descriptor: int, instead_of: Snapshot | None, data: bytes) -> None:
        """Give a new file the owner, the attributes and the mode it must have."""
        now = os.fstat(descriptor)
        if instead_of is None:
            self._dress_new(descriptor, now)
            return
        wanted = self.narrowed(permissions.read(self.place.real, instead_of.stat), data)
        if instead_of.stat.st_uid != now.st_uid:
            self._give(descriptor, instead_of.stat.st_uid)
        if wanted.group != now.st_gid:
            try:
                os.fchown(descriptor, -1, wanted.group)
            except PermissionError:
                wanted = wanted.for_another_group()
        self._copy_attributes(descriptor)
        try:
            permissions.give(descriptor, wanted)
        except OSError as exc:
            if exc.errno not in permissions.NO_LIST:
                raise
            # A disk without access lists: the rights were meant for the old group, not for ours.
            permissions.give(descriptor, wanted.without_group())
            self.note(
                f"Group {wanted.group} can no longer read {shown(self.place.real)}: this user may give no file "
                "to that group, and the disk has no access lists. Add the user to the group."
            )

    def _dress_new(self, descriptor: int, now: os.stat_result) -> None:
        """Give a file that there was not before its folder's group, and by root the folder's owner."""
        mode = 0o600 if self.file_mode is None else self.file_mode
        around = os.stat(self.place.folder)
        if os.geteuid() == 0 and around.st_uid != now.st_uid:
            self._give(descriptor, around.st_uid)
        if around.st_gid != now.st_gid:
            try:
                os.fchown(descriptor, -1, around.st_gid)
            except PermissionError:
                mode &= ~0o070  # the rights were meant for the folder's group, not for ours
        os.fchmod(descriptor, mode)

    def _give(self, descriptor: int, owner: int) -> None:
        try:
            os.fchown(descriptor, owner, -1)
        except PermissionError as exc:
            remedy = remedies.given_back(ownership.of(self.place.real))
            raise SinkUnwritable(
                f"{shown(self.place.real)} belongs to {ownership.shown(owner)}, and a rewrite would take it away "
                "from them; it is unchanged.",
                code="sink.owner",
                hint=remedy.hint,
                command=remedy.command,
            ) from exc

    def _copy_attributes(self, descriptor: int) -> None:
        """Copy extended attributes but the access list; what the system keeps for itself is passed over."""
        if not hasattr(os, "listxattr"):
            return
        try:
            for name in os.listxattr(self.place.real, follow_symlinks=False):
                if name == permissions.ACCESS_LIST:
                    continue
                with suppress(OSError):
                    os.setxattr(descriptor, name, os.getxattr(self.place.real, name, follow_symlinks=False))
        except OSError:
            return


def write_all(descriptor: int, data: bytes, at: int) -> None:
    """Write bytes at a place of a file, however many calls the system wants for it."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        if not written:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        view, at = view[written:], at + written
