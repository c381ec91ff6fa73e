"""A credential store as a sink: tokens put where docker keeps logins that are not to lie in a file.

Rules: what was stored is read back, since a store may cut it; one call at a time, whichever of our processes
calls.

Nobody is asked for a passphrase over and over: a store that turned out to be locked is left alone for a minute,
then for four times as long each time, an hour at most. `pass` is never let ask at all, and needs not: it encrypts
with the public key. Tokens are stored while it is locked, and read back when it no longer is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.model import ABSENT, Entry, EntryKind, View
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkUnwritable
from ecr_refreshd.sinks.ailments import Ailment, Trouble
from ecr_refreshd.sinks.lock import locked
from ecr_refreshd.sinks.passfolder import PassFolder, unasked
from ecr_refreshd.sinks.program import SECONDS, Found, NotFound, StoreProgram, entry_of

_FIRST_PEACE, _LONGEST_PEACE = 60.0, 3600.0
"""Seconds."""
_AILS_ALL = frozenset({Ailment.MISSING, Ailment.UNPREPARED, Ailment.LOCKED})
"""What ails one host then ails every other."""


class CredentialStore:
    """One credential store, implementing `core.ports.Sink`.

    Args:
        name: the X of docker-credential-X.
        lock_folder: where the locks among our own processes lie.
        environ: in which its program runs.
        seconds: after which a call of it is ended.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        lock_folder: str,
        environ: Mapping[str, str],
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._lock_folder = lock_folder
        self._pass = PassFolder(environ) if name == "pass" else None
        self._program = StoreProgram(name, unasked(environ) if self._pass else environ, seconds)
        self._peace = _Peace(clock, _FIRST_PEACE if self._pass else _LONGEST_PEACE)
        self._hosts: tuple[str, ...] = ()
        self._known: dict[str, _Known] = {}
        self._notes: dict[str, None] = {}

    @property
    def path(self) -> str:
        """The store, as config.json would name it."""
        return f"credsStore:{self._name}"

    def look(self, hosts: Sequence[str]) -> View:
        """Return what docker would be given for these hosts.

        Raises:
            SinkUnwritable: ``store.missing`` or ``store.locked``.
            SinkContended: another process of ours has been at it for ten seconds.
        """
        self._hosts = tuple(hosts)
        with self._alone():
            return self._view()

    def write(self, delivery: Delivery) -> View:
        """Store these tokens, take out those hosts' logins, and return what docker would be given then.

        Every host is tried, unless what ails one ails all of them.

        Raises:
            SinkUnwritable: ``store.`` and an `Ailment`.
            SinkContended: another process of ours has been at it for ten seconds.
        """
        with self._alone():
            troubles = self._put(delivery)
            if troubles:
                raise self._refused(list(troubles.values())[-1])
            return self._view(just_read=delivery.tokens)

    def put(self, delivery: Delivery) -> dict[str, SinkUnwritable]:
        """Store these tokens, take out those hosts' logins, and return for which that did not go well, and why.

        Raises:
            SinkContended: another process of ours has been at it for ten seconds.
        """
        with self._alone():
            return {host: self._refused(trouble) for host, trouble in self._put(delivery).items()}

    def folders(self) -> frozenset[str]:
        """Return the folders whose changes can change this sink; only pass has any."""
        return self._pass.folders(self._hosts) if self._pass else frozenset()

    def _alone(self) -> AbstractContextManager[None]:
        return locked(self._lock_folder, self.path.encode("utf-8", "surrogatepass"))

    def _view(self, just_read: Container[str] = ()) -> View:
        self._notes = dict.fromkeys([self._pass.note()] if self._pass else [])
        entries = {host: self._entry(host, trusted=host in just_read) for host in self._hosts}
        return View(
            entries=entries,
            ecr_hosts=tuple(host for host, entry in entries.items() if entry != ABSENT),
            rest=self.path,  # nothing else of it is looked at: a login that vanished was logged out
            notes=tuple(note for note in self._notes if note),
        )

    def _entry(self, host: str, *, trusted: bool) -> Entry:
        known, stamp = self._known.get(host), self._stamp(host)
        if known and known.read and (trusted or (stamp and known.stamp == stamp)):
            return known.entry
        answer = self._peace.trouble or self._program.get(host)
        if isinstance(answer, NotFound) and known and known.entry != ABSENT:
            answer = self._program.concealed() or answer
        if not isinstance(answer, Trouble):
            self._peace.end()
            entry = answer.entry if isinstance(answer, Found) else ABSENT
            self._known[host] = _Known(entry, stamp, read=True)
            return entry
        if answer.state is Ailment.LOCKED:
            self._peace.keep(answer)
        if answer.state in _AILS_ALL and not (self._pass and answer.state is Ailment.LOCKED):
            raise self._refused(answer)
        if self._pass and not stamp:
            return ABSENT
        self._notes[_unread(answer)] = None
        if known and stamp and known.stamp == stamp:
            return known.entry
        others = self._pass is not None and self._pass.user(host) != "AWS"
        return Entry(EntryKind.OTHER_USER if others else EntryKind.UNDECODABLE)

    def _put(self, delivery: Delivery) -> dict[str, Trouble]:
        self._hosts = tuple(dict.fromkeys([*self._hosts, *delivery.tokens]))
        left_alone = None if self._pass else self._peace.trouble
        if left_alone:
            return dict.fromkeys(delivery.removed | delivery.tokens.keys(), left_alone)
        return self._deliver(delivery)

    def _deliver(self, delivery: Delivery) -> dict[str, Trouble]:
        """Store everything, then read it back, which may take longer; return what went wrong, by host."""
        troubles: dict[str, Trouble] = {}
        stored: list[str] = []
        hosts = sorted(delivery.removed | delivery.tokens.keys())
        for number, host in enumerate(hosts):
            token = delivery.tokens.get(host)
            trouble = self._take_out(host) if token is None else self._store(host, token)
            if trouble:
                troubles[host] = trouble
                if trouble.state in _AILS_ALL:
                    troubles |= dict.fromkeys(hosts[number:], trouble)
                    break
            elif token:
                stored.append(host)
        for host in stored:
            trouble = self._read_back(host, delivery.tokens[host])
            if trouble and trouble.state is Ailment.HIDDEN:
                # Another user's login lies beside it, and docker is given that one. Its worth was judged before.
                self._program.erase(host)
                trouble = self._store(host, delivery.tokens[host])
                trouble = trouble or self._read_back(host, delivery.tokens[host])
            if trouble:
                troubles[host] = trouble
        return troubles

    def _store(self, host: str, token: Secret) -> Trouble | None:
        """Store a token; what refuses to be replaced is taken out once."""
        trouble = self._program.store(host, token)
        if trouble and trouble.state is Ailment.COLLIDING:
            self._program.erase(host)
            trouble = self._program.store(host, token)
        if trouble and trouble.state is Ailment.LOCKED:
            self._peace.keep(trouble)
        return trouble

    def _read_back(self, host: str, token: Secret) -> Trouble | None:
        """Return in what way the store does not give back what it was just given."""
        stamp = self._stamp(host)
        answer = self._peace.trouble or self._program.get(host)
        if not isinstance(answer, Trouble):
            self._peace.end()
            if not isinstance(answer, Found) or answer.entry.auth != token:
                return self._program.lossy(host, token, answer)
        else:
            if answer.state is Ailment.LOCKED:
                self._peace.keep(answer)
            if answer.state is not Ailment.LOCKED or not self._pass:
                return answer
        self._known[host] = _Known(entry_of(token), stamp, read=not isinstance(answer, Trouble))
        return None

    def _take_out(self, host: str) -> Trouble | None:
        self._known.pop(host, None)
        return self._program.erase(host)

    def _stamp(self, host: str) -> str:
        return self._pass.stamp(host) if self._pass else ""

    def _refused(self, trouble: Trouble) -> SinkUnwritable:
        """Return the error for people: what happened, what still works, what to do."""
        seen = (self._known[host].entry.expires_hint for host in self._hosts if host in self._known)
        ends = [end for end in seen if end]
        still = ""
        if trouble.state is Ailment.MISSING:
            still = " docker gets no login from it either."
        elif ends:
            still = (
                f" Of the tokens last seen in it, the first ends at {min(ends).astimezone():%Y-%m-%d %H:%M}."
            )
        return SinkUnwritable(f"{trouble.text}{still}", code=f"store.{trouble.state}", hint=trouble.hint)


@dataclass(frozen=True, slots=True)
class _Known:
    """What lies under a host.

    Attributes:
        stamp: of its files when that was found; "" where there are none to look at.
        read: it was read, not only stored.
    """

    entry: Entry
    stamp: str
    read: bool


class _Peace:
    """The time for which a locked store is left alone.

    Args:
        clock: monotonic seconds.
        longest: in seconds.
    """

    def __init__(self, clock: Callable[[], float], longest: float) -> None:
        self._clock = clock
        self._longest = longest
        self._length = 0.0
        self._until = 0.0
        self._trouble: Trouble | None = None

    @property
    def trouble(self) -> Trouble | None:
        """Why the store is left alone, None if it is not."""
        return self._trouble if self._clock() < self._until else None

    def keep(self, trouble: Trouble) -> None:
        """Leave the store alone from now on, unless it is being left alone."""
        if self.trouble is None:
            self._length = min(max(_FIRST_PEACE, 4 * self._length), self._longest)
            self._trouble, self._until = trouble, self._clock() + self._length

    def end(self) -> None:
        """It answered."""
        self._length, self._trouble = 0.0, None


def _unread(trouble: Trouble) -> str:
    return f"What lies in it cannot be read just now, by docker neither. {trouble.text}"
