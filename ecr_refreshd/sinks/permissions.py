"""Who may read a file: its mode and its POSIX access list, kept or narrowed when the file is replaced.

An exchange of files makes a new inode, so what an administrator had allowed has to be given to it anew. In a file
with an access list (acl(5)) the mode's group bits are the list's mask, not the rights of the file's group.
"""

# A path is bytes here, as the system has it; pathlib takes text only.
from __future__ import annotations

import errno
import os
import stat
import struct
import sys
from dataclasses import dataclass, replace

ACCESS_LIST = "system.posix_acl_access"
_HEADER = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")
_VERSION = 2
_OWNER, _USER, _GROUP, _NAMED_GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
"""The tags of linux/posix_acl.h."""
_NOBODY = 0xFFFFFFFF
_STAFF = 20
"""The group of every account on macOS."""
NO_LIST = frozenset({errno.ENODATA, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""A file, or a disk, without an access list."""


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One entry of an access list: its tag, its rights (rwx bits) and the user or group that it names."""

    tag: int
    rights: int
    who: int = _NOBODY


@dataclass(frozen=True, slots=True)
class Permissions:
    """Who may read a file.

    Attributes:
        mode: the nine permission bits.
        entries: the access list; empty where the mode says everything.
        group: the file's group.
    """

    mode: int
    entries: tuple[AccessEntry, ...] = ()
    group: int = -1

    @property
    def is_public(self) -> bool:
        """Return whether everyone on the machine can read the file."""
        everyone = 0o044 if sys.platform == "darwin" and self.group == _STAFF else 0o004
        return bool(self.mode & everyone)

    def narrowed(self, file_mode: int | None) -> Permissions:
        """Return what a file with a token may keep of these.

        Args:
            file_mode: the widest mode; None keeps what somebody has decided on: a group, an access list. A file
                that everyone can read is nobody's decision but a umask's, and becomes its owner's.
        """
        if file_mode is not None:
            return replace(
                self, mode=self.mode & file_mode, entries=_with_mode(self.entries, self.mode & file_mode)
            )
        if not self.entries:
            return replace(self, mode=self.mode & (0o600 if self.is_public else 0o770))
        entries = _with_mode(self.entries, self.mode & 0o770)
        if self.is_public:
            entries = tuple(replace(each, rights=0) if each.tag == _GROUP else each for each in entries)
        return replace(self, mode=self.mode & 0o770, entries=entries)

    def for_another_group(self) -> Permissions:
        """Return the same rights for the file's group, where the new file cannot be given that group.

        Its owner may name any group in an access list, whatever groups they are in themselves (chown(2), acl(5)).
        """
        rights = _rights_of(self.entries, _GROUP) if self.entries else self.mode >> 3 & 7
        if not rights:
            return self
        others = self.entries or (
            AccessEntry(_OWNER, self.mode >> 6 & 7),
            AccessEntry(_GROUP, 0),
            AccessEntry(_MASK, rights),
            AccessEntry(_OTHER, self.mode & 7),
        )
        entries = [replace(each, rights=0) if each.tag == _GROUP else each for each in others]
        entries = [each for each in entries if (each.tag, each.who) != (_NAMED_GROUP, self.group)]
        entries.append(AccessEntry(_NAMED_GROUP, rights, self.group))
        return replace(self, entries=tuple(sorted(entries, key=lambda each: (each.tag, each.who))))

    def without_group(self) -> Permissions:
        """Return these without any rights for a group or for anyone whom an access list names."""
        return Permissions(self.mode & ~0o070, (), self.group)


def _with_mode(entries: tuple[AccessEntry, ...], mode: int) -> tuple[AccessEntry, ...]:
    """Return an access list after a chmod: the group bits are its mask."""
    bits = {_OWNER: mode >> 6 & 7, _MASK: mode >> 3 & 7, _OTHER: mode & 7}
    return tuple(replace(each, rights=bits.get(each.tag, each.rights)) for each in entries)


def _rights_of(entries: tuple[AccessEntry, ...], tag: int) -> int:
    return next((each.rights for each in entries if each.tag == tag), 0)


def read(file: bytes | int, status: os.stat_result) -> Permissions:
    """Return the permissions of a file, by its path or descriptor; no link is followed."""
    mode = stat.S_IMODE(status.st_mode) & 0o777
    return Permissions(mode, _entries(file), status.st_gid)


def _entries(file: bytes | int) -> tuple[AccessEntry, ...]:
    if not hasattr(os, "getxattr"):
        return ()
    try:
        text = (
            os.getxattr(file, ACCESS_LIST)
            if isinstance(file, int)
            else os.getxattr(file, ACCESS_LIST, follow_symlinks=False)
        )
    except OSError:
        return ()
    if len(text) < _HEADER.size or _HEADER.unpack_from(text)[0] != _VERSION:
        return ()
    body = text[_HEADER.size :]
    return tuple(
        AccessEntry(*each) for each in _ENTRY.iter_unpack(body[: len(body) // _ENTRY.size * _ENTRY.size])
    )


def give(descriptor: int, wanted: Permissions) -> None:
    """Give a file these permissions; an access list that it inherited from its folder goes.

    Raises:
        OSError: the system refuses; the file may then be narrower than wanted, never wider.
    """
    if not wanted.entries:
        if hasattr(os, "removexattr"):
            try:
                os.removexattr(descriptor, ACCESS_LIST)
            except OSError as exc:
                if exc.errno not in NO_LIST:
                    raise
        os.fchmod(descriptor, wanted.mode)
        return
    text = _HEADER.pack(_VERSION) + b"".join(
        _ENTRY.pack(each.tag, each.rights, each.who) for each in wanted.entries
    )
    # The list holds the mode's bits: it is set as one.
    os.setxattr(descriptor, ACCESS_LIST, text)
