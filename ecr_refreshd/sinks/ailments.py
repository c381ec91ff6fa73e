"""What ails a credential store, read off what its program says, as cause and remedy for people.

Programs of this protocol have one exit code for everything that goes wrong, so only their words tell. The words
are those of docker-credential-helpers 0.6 to 0.9 and of what lies beneath them: gpg, libsecret, the keychain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Ailment(StrEnum):
    """What kind of trouble a store has."""

    MISSING = "missing"  # its program, or what that runs, is not on PATH
    UNPREPARED = "unprepared"  # pass without a key
    LOCKED = "locked"  # a person has to unlock it
    COLLIDING = "colliding"  # it refuses to replace what lies there
    HIDDEN = "hidden"  # it gives docker something else than was stored
    TOO_SMALL = "too-small"  # it cannot keep a text as long as an ECR token
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a store did not do what it was asked.

    Attributes:
        state: what kind of trouble it is.
        text: what happened, one sentence. Never holds a secret.
        hint: what to do about it.
    """

    state: Ailment
    text: str
    hint: str


OTHER_WAY = 'set mode = "helper" in [docker], which needs no store'

# (what is in its words, in lower case; kind; what happened; what to do); the first that fits.
_TOLD: tuple[tuple[str, Ailment, str, str], ...] = (
    (
        r"executable file not found",
        Ailment.MISSING,
        "{program} cannot run the program that keeps its secrets ({said})",
        "Install that program, or put its folder on the PATH of this service; or " + OTHER_WAY + ".",
    ),
    (
        r"not initialized|pass init",
        Ailment.UNPREPARED,
        "pass has no key yet, so it can keep nothing",
        "pass init KEY, with the id of a key that `gpg --list-secret-keys` shows",
    ),
    (
        r"no secret key|pinentry|passphrase|ioctl|operation cancell?ed|gpg-agent|card error",
        Ailment.LOCKED,
        "pass is locked: gpg cannot use the key without its passphrase ({said})",
        "{unlock}",
    ),
    (
        r"locked collection|is locked|dismissed|org\.freedesktop\.secret\.error\.islocked",
        Ailment.LOCKED,
        "The keyring is locked ({said})",
        "{unlock}",
    ),
    (
        r"org\.freedesktop\.secrets was not provided|serviceunknown",
        Ailment.MISSING,
        "No secret service runs on this session's D-Bus",
        "Start GNOME Keyring, KWallet or KeePassXC in this session; or " + OTHER_WAY + ".",
    ),
    (
        r"autolaunch d-bus|could not connect|\$display|connection is closed",
        Ailment.LOCKED,
        "The secret service cannot be reached: this service has no D-Bus session ({said})",
        "Log in to the desktop, or install dbus-user-session and log in again; or " + OTHER_WAY + ".",
    ),
    (
        r"interaction ?(is )?not ?allowed|not allow user interaction|-25308|user cancell?ed|keychain is locked",
        Ailment.LOCKED,
        "The keychain is locked, or this session may not ask for it ({said})",
        "{unlock}",
    ),
    (
        r"already exists",
        Ailment.COLLIDING,
        "{program} refuses to replace what lies there ({said})",
        "End what else writes to it, or take the item out: echo {host} | {program} erase",
    ),
    (
        # wincred keeps 2560 bytes at most; the Go library reads one line of less than 64 KiB.
        r"stub received bad data|token too long|too (long|large|big)|exceeds",
        Ailment.TOO_SMALL,
        "{program} cannot keep a text as long as an ECR token ({said})",
        "This store never can: " + OTHER_WAY + ".",
    ),
)

_UNLOCK = {
    "pass": "pass show docker-credential-helpers/{encoded}/AWS > /dev/null",
    "secretservice": "secret-tool search --unlock docker_cli 1 > /dev/null, or unlock it in Seahorse",
    "osxkeychain": "security unlock-keychain",
}
_UNLOCK_OTHERS = "Unlock it, then: {program} list"
_WHY = 'See what it says: said=$(echo {host} | {program} get) && echo it works || echo "$said"'
"""These programs tell their errors on stdout, where a login would stand: what works is not shown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of a store.

    Attributes:
        store: its name, the X of docker-credential-X.
        host: about which server; "" for a list.
        encoded: the host as pass names its folder.
    """

    store: str
    host: str = ""
    encoded: str = ""

    @property
    def program(self) -> str:
        """Return the name of the store's program."""
        return f"docker-credential-{self.store}"

    def fill(self, template: str, said: str = "") -> str:
        """Return a text with the names filled in."""
        names = {"program": self.program, "host": self.host, "encoded": self.encoded, "said": said}
        return template.replace("{unlock}", _UNLOCK.get(self.store, _UNLOCK_OTHERS)).format_map(names)


def diagnosed(asked: Asked, verb: str, said: str) -> Trouble:
    """Return what a program's words mean; they must be clean of secrets, see `sinks.program`."""
    said = said.rstrip(".")
    words = said.lower()
    for pattern, state, text, hint in _TOLD:
        if re.search(pattern, words):
            return Trouble(state, asked.fill(text, said) + ".", asked.fill(hint))
    text = f"{asked.program} {verb} failed: {said or 'it gave no reason'}."
    return Trouble(
        Ailment.FAILED, text, asked.fill(_WHY if asked.host else "See what it says: {program} list")
    )


def keyless(ids: str) -> Trouble:
    """Return the trouble of pass where gpg has no secret key to what it keeps: no passphrase would help."""
    return Trouble(
        Ailment.LOCKED,
        f"pass keeps its logins for a key that gpg does not have ({ids}): nobody can read them here.",
        "Bring that key (gpg --import), or begin anew: pass init KEY, with the id of a key that "
        "`gpg --list-secret-keys` shows, then log in again",
    )


def absent(asked: Asked, why: str) -> Trouble:
    """Return the trouble of a program that could not be started."""
    return Trouble(
        Ailment.MISSING,
        f"{asked.program} cannot be run: {why}.",
        f"Install {asked.program}, or put its folder on the PATH of this service; or {OTHER_WAY}.",
    )


def hanging(asked: Asked, verb: str, seconds: float) -> Trouble:
    """Return the trouble of a program that had to be ended; most of them wait for somebody's passphrase."""
    return Trouble(
        Ailment.LOCKED,
        f"{asked.program} {verb} did not answer within {seconds:.0f} s and was ended; it probably waited for a "
        "passphrase.",
        asked.fill("{unlock}"),
    )


def changed(asked: Asked, back: str, *, cut: bool) -> Trouble:
    """Return the trouble of a store that took a token and gives something else back, or only a part."""
    if cut:
        return Trouble(
            Ailment.TOO_SMALL,
            f"{asked.program} keeps only the beginning of an ECR token.",
            f"This store never can: {OTHER_WAY}.",
        )
    return Trouble(
        Ailment.HIDDEN,
        f"{asked.program} said that it had stored the token, and gives back {back}.",
        asked.fill("See what lies there: {program} list; or ") + OTHER_WAY + ".",
    )
