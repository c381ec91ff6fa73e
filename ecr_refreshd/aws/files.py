"""The AWS files as a whole: which folders to watch, and what the files say just now.

Only files that belong to a profile count: other tools keep other things in the same folders. A file is read
again only when its inode, size or time says so, and counts as changed only when its content does.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from ecr_refreshd.aws import ini, logins
from ecr_refreshd.aws.kept import Kept
from ecr_refreshd.aws.profiles import Profiles, folder, places
from ecr_refreshd.core.model import Login, Principal
from ecr_refreshd.core.ports import AwsLook, Clock

_MOST_CACHED = 2000
"""Files of the CLI's cache that are looked at; it never tidies up."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Whose logins the profiles are about.

    Attributes:
        lanes: every lane, and whether it is one of the old form, without an sso-session.
        keys: what dated session keys say, by ``keys:PROFILE``.
        tokens: files with web identity tokens.
        mfa: a profile asks for a code, so that what a terminal has cached may serve it.
    """

    lanes: Mapping[str, bool] = field(default_factory=dict)
    keys: Mapping[str, logins.Found] = field(default_factory=dict)
    tokens: tuple[str, ...] = ()
    mfa: bool = False

    @classmethod
    def of(cls, profiles: Profiles) -> _Wanted:
        """Ask every profile."""
        lanes: dict[str, bool] = {}
        keys: dict[str, logins.Found] = {}
        each = [profile.keys for profile in profiles.profiles.values()]
        sessions = {keys_.get("sso_session") for keys_ in each}
        for name in profiles.profiles:
            standing, base = profiles.standing(Principal(name)), profiles.origin(name).profile
            if standing.lane:
                lanes[standing.lane] = standing.sso_session not in sessions
            elif base is not None and base.has_session_keys and (found := logins.session_keys(base.keys)):
                keys[f"keys:{name}"] = found
        tokens = tuple(path for keys_ in each if (path := keys_.get("web_identity_token_file")))
        return cls(lanes, keys, tokens, any("mfa_serial" in keys_ for keys_ in each))


class AwsFiles:
    """What `core.ports.AwsLook` is made of. For one thread at a time; it may wait for the disk.

    A config file that does not parse may be in the middle of an edit: what it said before holds until it parses
    again, so that no registry loses its principal for it; `Profiles.problems` names it meanwhile.
    """

    def __init__(self, environ: Mapping[str, str], clock: Clock, system: Path = Path("/sys")) -> None:
        self._environ = environ
        self._clock = clock
        self._system = system
        self._good: dict[str, ini.IniFile] = {}
        self._read: tuple[tuple[str | None, ...], Profiles, _Wanted] | None = None
        self._digests = Kept(clock, _digest, _trouble)
        self._logins: dict[str, Kept[logins.Found]] = {}

    def look(self) -> AwsLook:
        """Return what lies there just now."""
        profiles, wanted = self._profiles()
        now = self._clock.now().wall
        files = [*places(self._environ), *self._token_files(wanted)]
        shared = self._terminal_cache() if wanted.mfa else []
        said = AwsLook(self._summary(files), self._summary(shared), self._login_files(wanted, now), profiles)
        self._digests.forget_but({*files, *shared})
        return said

    def folders(self) -> frozenset[str]:
        """Return the folders in which logins, profiles and web-identity tokens change."""
        found = {folder(self._environ), *_caches(self._environ)}
        for path in (*places(self._environ), *self._token_files(self._profiles()[1])):
            found.add(os.path.dirname(path) or ".")  # noqa: PTH120 - these paths are texts, from variables
            found.add(os.path.dirname(os.path.realpath(path)))  # noqa: PTH120 - dotfile managers link them
        return frozenset(found)

    def _profiles(self) -> tuple[Profiles, _Wanted]:
        paths = places(self._environ)
        said = tuple(self._digests.read(path) for path in paths)
        if self._read is None or self._read[0] != said or dict(self._environ) != self._read[1].environ:
            config, credentials = (self._parsed(path) for path in paths)
            profiles = Profiles.of(config, credentials, self._environ, self._system)
            self._read = said, profiles, _Wanted.of(profiles)
        return self._read[1:]

    def _parsed(self, path: str) -> ini.IniFile:
        file = ini.read(path)
        if not file.problem:
            self._good[path] = file
            return file
        before = self._good.get(path, file)
        return ini.IniFile(path, before.sections, file.problem)

    def _summary(self, paths: Iterable[str]) -> str:
        told = "\0".join(f"{path}\0{self._digests.read(path) or ''}" for path in paths)
        return _digest(os.fsencode(told))  # a path need not be UTF-8

    def _login_files(self, wanted: _Wanted, now: datetime) -> dict[str, Login]:
        self._logins = {
            lane: self._logins.get(lane) or self._reader(lane, legacy=wanted.lanes[lane])
            for lane in wanted.lanes
        }
        found = {
            lane: kept.read(token_file(lane, self._environ)) or logins.NONE
            for lane, kept in self._logins.items()
        }
        return {lane: said.at(now) for lane, said in (found | dict(wanted.keys)).items()}

    def _reader(self, lane: str, *, legacy: bool) -> Kept[logins.Found]:
        parse = partial(logins.sso, legacy=legacy) if lane.startswith("sso:") else logins.aws_login
        return Kept(self._clock, parse, lambda _error: logins.NONE)

    def _token_files(self, wanted: _Wanted) -> Iterator[str]:
        variables = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        yield from (path for name in variables if (path := self._environ.get(name)))
        yield from wanted.tokens

    def _terminal_cache(self) -> list[str]:
        """Return the CLI's cached role credentials."""
        try:
            with os.scandir(_caches(self._environ)[2]) as entries:
                return sorted(entry.path for entry in entries if entry.name.endswith(".json"))[:_MOST_CACHED]
        except OSError:
            return []


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _trouble(error: OSError) -> str:
    return type(error).__name__


def _caches(environ: Mapping[str, str]) -> tuple[str, str, str]:
    """Return the folders of SSO tokens, of `aws login`'s, and of the CLI's role credentials."""
    base = folder(environ)
    login = environ.get("AWS_LOGIN_CACHE_DIRECTORY")
    return (
        f"{base}/sso/cache",
        ini.expand(login, environ) if login else f"{base}/login/cache",
        f"{base}/cli/cache",
    )


def token_file(lane: str, environ: Mapping[str, str]) -> str:
    """Return where the tokens of a lane (`Standing.lane`) lie; the names are the CLI's (aws.md 1.1, 1.3)."""
    kind, _, name = lane.partition(":")
    sso, login, _ = _caches(environ)
    if kind == "sso":
        return f"{sso}/{hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()}.json"
    return f"{login}/{hashlib.sha256(name.encode()).hexdigest()}.json"
