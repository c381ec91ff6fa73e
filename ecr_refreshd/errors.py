"""Every error that this package raises on purpose, as one tree.

    RefreshdError                message for people, and the command that helps
    ├─ ConfigError               the configuration is wrong: all problems at once          exit 2
    ├─ UsageError                the command line is wrong, or names an unknown host       exit 2
    ├─ SinkError                 a place for tokens could not be read or written
    │   ├─ SinkUnparsable        the file is not what its readers accept; it is left alone
    │   ├─ SinkContended         others kept rewriting the file while it was being written
    │   └─ SinkUnwritable        permission, read-only, full disk, a mount that cannot be replaced
    ├─ ControlError              the running service could not be asked
    │   └─ NoServiceError        nothing listens on the control socket                     exit 5
    └─ LockHeldError             another instance holds the lock: a service                exit 75

Foreign exceptions are converted once, at the border of the room that met them, with ``from exc``.
AWS failures are values (`core.model.Failure`), not exceptions: they cross a process border.
"""

from __future__ import annotations


class RefreshdError(Exception):
    """An error a person will read.

    Attributes:
        message: what happened, and what still works.
        hint: the whole advice in words, with the command in it; empty when there is none.
        command: the part of the advice that can be pasted as it is; empty when there is none.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", command: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.command = command


class ConfigError(RefreshdError):
    """The configuration cannot be used; `message` lists every problem, one a line."""

    exit_code = 2


class UsageError(RefreshdError):
    """The command line cannot be used."""

    exit_code = 2


class SinkError(RefreshdError):
    """A sink could not be read or written; `code` is the short name shown in status."""

    def __init__(self, message: str, *, code: str, hint: str = "", command: str = "") -> None:
        super().__init__(message, hint=hint, command=command)
        self.code = code


class SinkUnparsable(SinkError):  # noqa: N818 - a sink is unparsable; "Error" would add nothing
    """The file does not parse, so it is never written."""


class SinkContended(SinkError):  # noqa: N818 - see above
    """Other writers changed the file each time it was about to be replaced."""


class SinkUnwritable(SinkError):  # noqa: N818 - see above
    """The operating system, or a rule about whose file it is, forbids writing."""


class ControlError(RefreshdError):
    """The running service was reached but did not answer as it should."""


class NoServiceError(ControlError):
    """No service is running for this user and state folder."""

    exit_code = 5


class LockHeldError(RefreshdError):
    """Another instance holds the lock; `serving`, if that is a service and no command that will end."""

    def __init__(self, message: str, *, hint: str = "", command: str = "", serving: bool = False) -> None:
        super().__init__(message, hint=hint, command=command)
        self.serving = serving
        self.exit_code = 75 if serving else 1
