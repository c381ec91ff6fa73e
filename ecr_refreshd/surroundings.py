"""What lies around the loop and is not its own: logins, profiles, the configuration; and what their changes mean.

For the loop's own thread: the looking itself is done by a lookout (core/ports.py), in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import PurePath

from ecr_refreshd.core.events import CredentialsChanged, Event, LoginsSeen
from ecr_refreshd.core.model import Complaint, Login
from ecr_refreshd.core.ports import Log, Lookout, Parts, Surroundings
from ecr_refreshd.core.remedies import ours
from ecr_refreshd.core.report import CONFIG_INVALID
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.errors import ConfigError

_SETTLES = timedelta(milliseconds=200)
"""The AWS CLI truncates its files before it writes them; read in between they are half a file (aws.md 1.1)."""


class Outlook:
    """The newest look at the surroundings.

    Args:
        parts: whose lookout is used.
        post: is given each look that differs from the one before.

    Attributes:
        seen: the newest look.
        due: suspend-counting time at which to look again, because something changed; None if nothing did.
    """

    def __init__(self, parts: Parts, post: Callable[[Surroundings], None]) -> None:
        self._lookout: Lookout = parts.lookout(post)
        self.seen = self._lookout.first()
        self.due: timedelta | None = None

    @property
    def folders(self) -> frozenset[str]:
        """Return the folders whose changes can change what is seen."""
        return self._lookout.folders

    @property
    def logins(self) -> Mapping[str, Login]:
        """Return what lies on disk of each login."""
        return self.seen.aws.logins

    def changed(self, path: str, boot: timedelta) -> None:
        """Look in a moment, if a change at this path can concern what is seen."""
        around = self._lookout.folders
        if self.due is None and (path in around or str(PurePath(path).parent) in around):
            self.due = boot + _SETTLES

    def look_if_due(self, boot: timedelta) -> None:
        """Look, if it is time."""
        if self.due is not None and boot >= self.due:
            self.due = None
            self._lookout.look()

    def look(self) -> None:
        """Look soon."""
        self._lookout.look()

    def trouble(self, tick: timedelta) -> tuple[Complaint, ...]:
        """Return a complaint about a look that takes longer than a tick, or came to nothing."""
        hangs = self._lookout.overdue()
        if hangs > tick:
            text = f"Looking at the AWS files has taken {int(hangs.total_seconds())} s; their disk may hang."
            return (Complaint("aws.hangs", text),)
        return (Complaint("aws.unreadable", self._lookout.trouble),) if self._lookout.trouble else ()

    @property
    def torn(self) -> bool:
        """Return whether a login file is half written just now."""
        return any(login.torn for login in self.logins.values())

    def take(self, seen: Surroundings, boot: timedelta) -> tuple[Surroundings, list[Event]]:
        """Take a look that differs; return the one before, and what the loop has to absorb."""
        before, self.seen = self.seen, seen
        events: list[Event] = []
        if seen.aws.files != before.aws.files:
            events.append(CredentialsChanged())
        elif seen.aws.shared != before.aws.shared:
            events.append(CredentialsChanged(shared=True))
        if self.torn:
            self.due = boot + _SETTLES
        return before, [*events, LoginsSeen(seen.aws.logins)]

    def stop(self) -> None:
        """End it."""
        self._lookout.stop()


_STAYS_AWAY = timedelta(seconds=1)
_OLD_SETTINGS = "The old settings stay in force"


def _refused(error: ConfigError) -> Complaint:
    """Return what is said of settings that cannot be used, however many mistakes there are."""
    first, *others = error.message.splitlines() or [""]
    more = f" and {len(others)} more" if others else ""
    message = f"{first.rstrip('.')}{more}. {_OLD_SETTINGS}, and after a restart nothing would be kept."
    return Complaint(CONFIG_INVALID, message, ours.CHECK_SETTINGS)


class Configuration:
    """The configuration in force, and why a newer one is not.

    Attributes:
        trouble: a complaint about a file that cannot be used, None if the newest is in force.
        due: suspend-counting time at which to read a file that has vanished: many programs save by removing the
            file and making it anew. None if it has not.
    """

    def __init__(self, read: Callable[[], Settings], log: Log) -> None:
        self._read = read
        self._log = log
        self.trouble: Complaint | None = None
        self.due: timedelta | None = None

    def vanished(self, boot: timedelta) -> None:
        """Read it again in a second; if it stays away, the defaults hold."""
        self.due = boot + _STAYS_AWAY

    def is_due(self, boot: timedelta) -> bool:
        """Return whether a vanished file is to be read now."""
        return self.due is not None and boot >= self.due

    def again(self) -> Settings | None:
        """Read it again; None if the old settings have to stay in force."""
        self.due = None
        try:
            settings = self._read()
        except ConfigError as error:
            self.trouble = _refused(error)
            self._log.warning("config.refused", message=error.message, hint=f"{_OLD_SETTINGS}.")
            return None
        self.trouble = None
        self._log.info("config.reloaded")
        return settings
