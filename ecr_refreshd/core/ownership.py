"""Whose HOME, a file or a folder is: what must be established before a command about it may be shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """The user that this process runs as, and whose its HOME is.

    Attributes:
        uid: the effective user id.
        name: in the user database; "" where that knows none, as of arbitrary ids in containers.
        home: the home folder in force (HOME, else that of the user database); "" where there is none.
        has_home: that folder is this user's: they own it, or their own entry of the user database names it.
        home_owner: who owns it, for people; "" where it does not exist.
        home_owner_uid: their user id, -1 where it does not exist.
        own_home: the home folder of the user database where it exists and is this user's, else "".
        program: how `ecr-refreshd` is started by this user.
        has_sudo: there is a `sudo` on PATH.
    """

    uid: int
    name: str = ""
    home: str = ""
    has_home: bool = False
    home_owner: str = ""
    home_owner_uid: int = -1
    own_home: str = ""
    program: str = "ecr-refreshd"
    has_sudo: bool = True

    @property
    def who(self) -> str:
        """The user, for people."""
        return self.name or f"user id {self.uid}"

    @property
    def id(self) -> str:
        """The user, for `chown`."""
        return self.name or str(self.uid)

    @property
    def has_anothers_home(self) -> bool:
        """Whether root works in the home folder of another user (`sudo -E`, an image with ENV HOME)."""
        return self.uid == 0 and self.home_owner_uid > 0


@dataclass(frozen=True, slots=True)
class Ownership:
    """A file or folder as it was found, links resolved.

    Attributes:
        path: free of links.
        user: who wants to use it.
        exists: it is there and could be looked at.
        is_folder: it is a folder.
        is_empty: it is a folder with nothing in it.
        owner: for people; "" where it does not exist.
        owner_uid: -1 where it does not exist.
        mode: its permission bits.
        is_read_only: its file system, or the mount that shows it, takes no writes.
        is_kubernetes_volume: it is read-only, and a secret or the like, as the kubelet mounts one.
        is_mount: something is mounted right there.
        is_below_home: it is the home folder in force or lies below it, on the same file system.
    """

    path: str
    user: User
    exists: bool = False
    is_folder: bool = False
    is_empty: bool = False
    owner: str = ""
    owner_uid: int = -1
    mode: int = 0
    is_read_only: bool = False
    is_kubernetes_volume: bool = False
    is_mount: bool = False
    is_below_home: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether this user owns it."""
        return self.exists and self.owner_uid == self.user.uid

    @property
    def may_be_given(self) -> bool:
        """Whether it is the user's, only that root owns it.

        A path below HOME is the user's only if HOME is theirs. What any other id owns may be that user's, named
        in the user database or not: NFS and containers have ids of other machines.
        """
        return self.is_below_home and self.user.has_home and self.owner_uid == 0 and not self.is_mount
