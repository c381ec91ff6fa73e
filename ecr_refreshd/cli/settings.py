"""Reads the configuration file, and refuses one that others may change: it names commands we run."""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ecr_refreshd.aws.partitions import regions
from ecr_refreshd.core.remedies import service as remedies
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.core.settings_parse import parse
from ecr_refreshd.errors import ConfigError
from ecr_refreshd.host import places
from ecr_refreshd.osutil import ownership

_LARGEST = 1 << 20
"""Bytes; a thousand registries take a tenth of it."""


@dataclass(slots=True)
class ConfigFile:
    """The configuration file of one process.

    Attributes:
        path: as the user knows it.
        required: somebody named it, so that its absence is an error.
        known_regions: gives every AWS region -> its partition; called when there is a file.
        log_level, log_format: of the command line, "" when not given; they go before the file's.
        found: there was a file when it was last read.
    """

    path: Path
    required: bool
    known_regions: Callable[[], Mapping[str, str]] = regions
    log_level: str = ""
    log_format: str = ""
    found: bool = False

    @classmethod
    def chosen(cls, args: argparse.Namespace) -> ConfigFile:
        """Return the file that ``--config`` names, else ECR_REFRESHD_CONFIG, else the usual place."""
        named = args.config or os.environ.get("ECR_REFRESHD_CONFIG")
        if not named:
            path = places.config_file()
        elif named.startswith("~/"):  # a unit file expands nothing, and people write it there
            path = places.home() / named[2:]
        else:
            path = Path(named).absolute()
        level, form = args.log_level or "", args.log_format or ""
        return cls(path, required=bool(named), log_level=level, log_format=form)

    def load(self) -> Settings:
        """Return what the file says now; the defaults if there is none, or none any more, and none was named.

        Raises:
            ConfigError: the file is wrong, refused, unreadable or gone.
        """
        text = self._read()
        if text is None and self.required:
            raise ConfigError(f"{self.path}: there is no such file")
        known = {} if text is None else self.known_regions()
        settings = parse(text or "", regions=known, source=str(self.path))
        self.found = text is not None
        return self._with_options(settings)

    def _with_options(self, settings: Settings) -> Settings:
        log, sources = settings.log, dict(settings.sources)
        if self.log_level:
            log = replace(log, level=self.log_level)
            sources["log.level"] = "--log-level"
        if self.log_format:
            log = replace(log, format=self.log_format)
            sources["log.format"] = "--log-format"
        return replace(settings, log=log, sources=sources)

    def _read(self) -> str | None:
        """Return the file's text, None if there is no file. What is checked is what is read: one descriptor."""
        try:
            # Without O_NONBLOCK a named pipe at this path would hold the service up for ever.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as exc:
            remedy = remedies.settings_unreadable(ownership.deepest(self.path), exc.errno or 0)
            raise ConfigError(
                f"{self.path}: cannot be read: {exc.strerror}", hint=remedy.hint, command=remedy.command
            ) from exc
        try:
            self._check(descriptor)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(_LARGEST + 1)
        finally:
            os.close(descriptor)
        if len(content) > _LARGEST:
            raise ConfigError(f"{self.path}: is larger than 1 MiB, so it is hardly a settings file")
        try:
            return content.decode()
        except UnicodeDecodeError as exc:
            line = content.count(b"\n", 0, exc.start) + 1
            raise ConfigError(f"{self.path}:{line}: is not UTF-8 text") from exc

    def _check(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{self.path}: is not a file")
        _refuse_unless_ours(self.path, status, has_acl=_has_acl(descriptor))
        for folder in sorted({self.path.parent, self.path.resolve().parent}):
            _refuse_unless_ours(folder, folder.stat(), has_acl=_has_acl(folder))


def _refuse_unless_ours(path: Path, status: os.stat_result, *, has_acl: bool) -> None:
    if status.st_uid not in {0, os.geteuid()}:
        found = ownership.of(str(path))
        remedy = remedies.settings_of_another(found)
        raise ConfigError(
            f"{path}: refused, because it belongs to another user ({found.owner}), and the settings name commands"
            " that run as you",
            hint=remedy.hint,
            command=remedy.command,
        )
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return  # in a sticky folder nobody replaces what is another's
    others = status.st_mode & stat.S_IWOTH
    group = status.st_mode & stat.S_IWGRP and (has_acl or not _is_private_group(status))
    if others or group:
        who = "everyone" if others else "its group"
        remedy = remedies.settings_open_to_others(ownership.of(str(path)))
        raise ConfigError(
            f"{path}: refused, because {who} may change it, and the settings name commands that run as you",
            hint=remedy.hint,
            command=remedy.command,
        )


def _is_private_group(status: os.stat_result) -> bool:
    """Return whether a file's group is its owner alone.

    Distributions that give each user such a group also give them umask 002, and so files of mode 0664.
    """
    try:
        owner = pwd.getpwuid(status.st_uid)
        group = grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    alone = set(group.gr_mem) <= {owner.pw_name}
    return alone and owner.pw_gid == status.st_gid and group.gr_name == owner.pw_name


def _has_acl(path: Path | int) -> bool:
    """Return whether an access list stands behind the group bits: then they tell of more than the group."""
    try:
        return hasattr(os, "listxattr") and "system.posix_acl_access" in os.listxattr(path)
    except OSError:  # a file system without attributes has no lists
        return False
