"""The AWS files as a whole: which folders to watch, and whether what the files say has changed.

Only files that belong to a profile count: other tools keep other things in the same folders. A file is read
again only when its inode, size or time says so, and counts as changed only when its content does.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from ecr_refreshd.aws import ini
from ecr_refreshd.aws.profiles import Profiles, folder, places

_LARGEST = 1 << 20
"""Bytes. Nothing that matters here is larger."""

_Stamp = tuple[int, int, int]


class AwsFiles:
    """`core.ports.Aws`. For one thread.

    A config file that does not parse may be in the middle of an edit: what it said before holds until it parses
    again, so that no registry loses its principal for it; `Profiles.problems` names it meanwhile.
    """

    def __init__(self, environ: Mapping[str, str], system: Path = Path("/sys")) -> None:
        self._environ = environ
        self._system = system
        self._good: dict[str, ini.IniFile] = {}
        self._read: tuple[tuple[_Stamp | None, ...], Profiles] | None = None
        self._digests: dict[str, tuple[_Stamp, str]] = {}

    def profiles(self) -> Profiles:
        """Read the profiles."""
        paths = places(self._environ)
        stamps = tuple(_stamp(path) for path in paths)
        if self._read is None or self._read[0] != stamps or dict(self._environ) != self._read[1].environ:
            config, credentials = (self._parsed(path) for path in paths)
            self._read = stamps, Profiles.of(config, credentials, self._environ, self._system)
        return self._read[1]

    def _parsed(self, path: str) -> ini.IniFile:
        file = ini.read(path)
        if not file.problem:
            self._good[path] = file
            return file
        before = self._good.get(path, file)
        return ini.IniFile(path, before.sections, file.problem)

    def folders(self) -> frozenset[str]:
        """Return the folders in which logins, profiles and web-identity tokens change."""
        found = {folder(self._environ), *_caches(self._environ)}
        for path in (*places(self._environ), *self._token_files()):
            found.add(os.path.dirname(path) or ".")  # noqa: PTH120 - these paths are texts, from variables
            found.add(os.path.dirname(os.path.realpath(path)))  # noqa: PTH120 - dotfile managers link them
        return frozenset(found)

    def digest(self) -> str:
        """Return a digest of what the files say; equal digests mean that no login or profile changed."""
        summary = hashlib.sha256()
        paths = [*places(self._environ), *self._logins(), *self._token_files(), *self._terminal_cache()]
        for path in paths:
            summary.update(f"{path}\0{self._content(path)}\0".encode())
        self._digests = {path: kept for path, kept in self._digests.items() if path in paths}
        return summary.hexdigest()

    def _content(self, path: str) -> str:
        stamp = _stamp(path)
        if stamp is None:
            return ""
        kept = self._digests.get(path)
        if kept is None or kept[0] != stamp:
            try:
                with open(path, "rb") as file:  # noqa: PTH123 - see above
                    content = hashlib.sha256(file.read(_LARGEST)).hexdigest()
            except OSError as error:
                content = type(error).__name__
            kept = self._digests[path] = (stamp, content)
        return kept[1]

    def _logins(self) -> Iterator[str]:
        """Yield the token files of the profiles there are."""
        lanes: dict[str, None] = {}
        for profile in self.profiles().profiles.values():
            if name := profile.keys.get("sso_session") or profile.keys.get("sso_start_url"):
                lanes[f"sso:{name}"] = None
            if name := profile.keys.get("login_session"):
                lanes[f"login:{name}"] = None
        yield from (token_file(lane, self._environ) for lane in lanes)

    def _token_files(self) -> Iterator[str]:
        variables = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        yield from (path for name in variables if (path := self._environ.get(name)))
        for profile in self.profiles().profiles.values():
            if path := profile.keys.get("web_identity_token_file"):
                yield path

    def _terminal_cache(self) -> list[str]:
        """Return the CLI's cached role credentials, if a profile may be served by them."""
        if not any("mfa_serial" in profile.keys for profile in self.profiles().profiles.values()):
            return []
        try:
            with os.scandir(_caches(self._environ)[2]) as entries:
                return sorted(entry.path for entry in entries if entry.name.endswith(".json"))
        except OSError:
            return []


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


def _stamp(path: str) -> _Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - see above
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None  # reading a named pipe would wait for its writer
    return found.st_mtime_ns, found.st_size, found.st_ino
