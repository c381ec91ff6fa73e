"""Where pass keeps the logins of docker: a folder for each host, named in base64, and in it a file for each user.

What pass encrypts, anybody can see change; so nothing has to be decrypted to find that nothing did.
"""

# Paths are texts here, as everywhere in the service; nothing is done to them but joining.
# ruff: noqa: PTH118
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ecr_refreshd.sinks.program import encoded


class PassFolder:
    """The folder of pass.

    Args:
        environ: names it, as pass itself finds it.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        home = environ.get("HOME", "")
        self._top = environ.get("PASSWORD_STORE_DIR") or os.path.join(home, ".password-store")
        self._logins = os.path.join(self._top, "docker-credential-helpers")

    def folders(self, hosts: Sequence[str]) -> frozenset[str]:
        """Return what to watch for changes of these hosts' logins."""
        return frozenset({self._top, self._logins, *map(self._of, hosts)})

    def stamp(self, host: str) -> str:
        """Return a text that is another one after every change of a host's logins, "" if there are none."""
        found = [(name, stat.st_mtime_ns, stat.st_ino) for name, stat in self._files(host)]
        return repr(found) if found else ""

    def user(self, host: str) -> str:
        """Return whose login docker is given: the first one's, by name."""
        return next((name.removesuffix(".gpg") for name, _ in self._files(host)), "")

    def holds_logins(self) -> bool:
        """Return whether docker has put any login here."""
        try:
            with os.scandir(self._logins) as hosts:
                return any(True for _ in hosts)
        except OSError:
            return False

    def note(self) -> str:
        """Return what is to be said about where it lies, "" if nothing is."""
        if not os.path.lexists(os.path.join(self._top, ".git")):
            return ""
        return (
            f"{self._top} is a git repository, and pass makes a commit of every token that it stores. "
            'mode = "helper" in [docker] makes no more of them.'
        )

    def _files(self, host: str) -> list[tuple[str, os.stat_result]]:
        try:
            with os.scandir(self._of(host)) as files:
                return sorted(((each.name, each.stat()) for each in files), key=lambda file: file[0])
        except OSError:
            return []

    def _of(self, host: str) -> str:
        return os.path.join(self._logins, encoded(host))


def unasked(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which gpg fails at once where it would ask for a passphrase."""
    options = f"{environ.get('PASSWORD_STORE_GPG_OPTS', '')} --pinentry-mode=error".strip()
    return {**environ, "PASSWORD_STORE_GPG_OPTS": options}
