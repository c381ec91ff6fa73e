"""The shapes that the loop asks of its adapters, and nothing else.

Every implementation, real or fake, passes the same contract test (tests/contracts/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Protocol

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.events import Event, FetchFailed, FetchSucceeded
from ecr_refreshd.core.hosts import RegistryHost
from ecr_refreshd.core.model import (
    Choice,
    Complaint,
    Failure,
    Grant,
    Instant,
    Login,
    Notice,
    Principal,
    Standing,
    View,
)
from ecr_refreshd.core.printed import Printed
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.settings import Hooks, Notify, Settings
from ecr_refreshd.core.state import FilePlan


class Clock(Protocol):
    """Both clocks, read together."""

    def now(self) -> Instant:
        """Return this instant: aware UTC, and the clock that counts suspend."""
        ...


class Alarms(Protocol):
    """The alarm clock. It rings by calling what it was made with; it decides nothing."""

    def start(self) -> None:
        """Begin to keep time."""
        ...

    def ring_at(self, at: datetime) -> None:
        """Ring once at this wall-clock time, in place of the time asked for before."""
        ...

    def beat(self) -> timedelta:
        """Ask for a sign of life if need be, and return how old the newest one is (suspend does not count)."""
        ...

    def stop(self) -> None:
        """Stop at once, without waiting for anything."""
        ...


@dataclass(frozen=True, slots=True)
class FetchOrder:
    """One authorization token to be asked for.

    Attributes:
        timeout: for AWS; None leaves it to the fetcher.
        process_timeout: for a `credential_process`, which may wait for a person; None likewise.
    """

    grant: Grant
    serial: int
    standing: Standing
    timeout: timedelta | None = None
    process_timeout: timedelta | None = None


class Fetcher(Protocol):
    """Whoever asks AWS. Answers come as events, one per order, through the function it was made with."""

    def well(self) -> bool:
        """Return whether it works: nothing that it should have ended by now still runs."""
        ...

    def fetch(self, orders: Sequence[FetchOrder]) -> None:
        """Ask for all of these; returns at once. Every order is answered, by a failure if need be."""
        ...

    def supply(self, process: str, printed: Printed) -> None:
        """Use what a `credential_process` has printed in a terminal, in place of the next start of that program.

        Args:
            process: see `Standing.process`. What waits for that program now is answered by a failure.
            printed: what it has printed. It is kept in memory for half a minute at most, and refused where the
                profile has another command line here.
        """
        ...

    def stop(self) -> None:
        """End what is under way: at once, or after 3 s where a login is just being renewed."""
        ...


Answer = FetchSucceeded | FetchFailed
Post = Callable[[Answer], None]


class Sink(Protocol):
    """One place for tokens: a docker config file, a containers auth.json, the folder of our helper's answers."""

    @property
    def path(self) -> str:
        """The file as the user knows it, before symlinks."""
        ...

    def look(self, hosts: Sequence[str]) -> View:
        """Return what stands there under these hosts. Raises SinkError."""
        ...

    def write(self, delivery: Delivery) -> View:
        """Bring all of this in one rewrite; return what stands there now. Raises SinkError."""
        ...

    def folders(self) -> frozenset[str]:
        """Return the folders whose changes can change this sink: the path's, and its real target's."""
        ...


class Watcher(Protocol):
    """Whoever sees files change. It calls what it was made with; a lost call costs one tick."""

    def watch(self, folders: frozenset[str]) -> None:
        """Watch exactly these folders from now on; missing ones as soon as they appear."""
        ...

    @property
    def alive(self) -> bool:
        """Return whether its threads really work, or the complaints of `check` say what does not."""
        ...

    def check(self) -> tuple[Complaint, ...]:
        """Return a complaint for each thing that is degraded, as far as is known by now.

        What has died is mended, and what no event told of is found, within a tick.
        """
        ...

    def stop(self) -> None:
        """Stop at once."""
        ...


class Lane(Protocol):
    """A sink with a thread of its own; see sinks.lane.

    Attributes:
        folders: whose changes can change the sink, as of the newest look.
    """

    folders: frozenset[str]

    @property
    def alive(self) -> bool:
        """Return whether its thread runs."""
        ...

    def start(self) -> None:
        """Begin; nothing is looked at before `look` asks for it."""
        ...

    def look(self, hosts: Sequence[str] | None = None, *, again: bool = False) -> None:
        """Look soon, at these hosts from now on; `again` looks a second time a moment later."""
        ...

    def write(self, serial: int, delivery: Delivery) -> None:
        """Write this next."""
        ...

    def stop(self, timeout: float = 1.0) -> None:
        """End after what is under way, waiting `timeout` seconds at most."""
        ...


class Profiles(Protocol):
    """What the AWS files say, read once for a plan."""

    def choices(self, host: RegistryHost) -> Sequence[Choice]:
        """Return who could serve a registry, best first; empty if nobody."""
        ...

    def standing(self, principal: Principal) -> Standing:
        """Return what can be said of a principal without asking AWS."""
        ...

    def nobody_for(self, host: RegistryHost) -> Failure:
        """Return why `choices` has nobody for a registry."""
        ...


@dataclass(frozen=True, slots=True)
class AwsLook:
    """One look at everything on disk that AWS credentials come from.

    Attributes:
        files: digest of what decides who is who: config, credentials, web identity tokens.
        shared: digest of the AWS CLI's own cache, where the credentials lie that a terminal obtained.
        logins: what lies there of each login, by `Standing.lane`; ``keys:PROFILE`` where keys name their own end.
    """

    files: str
    shared: str
    logins: Mapping[str, Login]
    profiles: Profiles


class Herald(Protocol):
    """Whoever tells a person. Answers by NoticeTold, SignInAsked, SignInStarted and HookRan."""

    def configure(self, notify: Notify, hooks: Hooks) -> None:
        """Use these settings from now on."""
        ...

    def tell(self, event: str, notice: Notice, place: str = "") -> None:
        """Pass on that a notice is ``raised``, ``reminded`` of or ``withdrawn``; returns at once.

        `place` is what `NoticeTold` said of it, perhaps to an earlier run.
        """
        ...

    def renewed(self, document: Mapping[str, Any]) -> None:
        """Give this to the program that wants to know of renewals; returns at once."""
        ...

    def sign_in(self, command: str, refreshes: Sequence[str] = ()) -> None:
        """Start a sign-in outside of this service; returns at once.

        Args:
            command: the sign-in.
            refreshes: the registries to be renewed when it has ended.
        """
        ...

    def finish(self, seconds: float) -> None:
        """Wait until everything has been told, for so long at most."""
        ...

    def stop(self) -> None:
        """End what is under way, in about a second."""
        ...


class Prober(Protocol):
    """Whoever asks a registry itself whether it takes a token. Answers once each, by Probed."""

    def probe(self, host: str, fingerprint: str, auth: Secret) -> None:
        """Ask; returns at once."""
        ...

    def stop(self) -> None:
        """End what is under way."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One look at what the service depends on and does not own.

    Attributes:
        config: digest of the configuration file, "" when there is none.
    """

    aws: AwsLook
    config: str = ""


class Lookout(Protocol):
    """Whoever looks at the surroundings, in a thread of its own: a home on a network may hang.

    Attributes:
        folders: whose changes can change what is seen, as of the newest look.
        trouble: a sentence about why the newest look came to nothing, "" if it did not.
    """

    folders: frozenset[str]
    trouble: str

    def first(self) -> Surroundings:
        """Look, and wait for it."""
        ...

    def look(self) -> None:
        """Look soon, and report it."""
        ...

    def overdue(self) -> timedelta:
        """Return for how long the look under way has been; zero when none is."""
        ...

    def stop(self) -> None:
        """End; a look that hangs is not waited for."""
        ...


class Log(Protocol):
    """A structlog logger, or anything with its methods: an event's dotted name, and fields."""

    def info(self, event: str, **fields: Any) -> Any:
        """Say what happened."""
        ...

    def warning(self, event: str, **fields: Any) -> Any:
        """Say what may need somebody."""
        ...

    def error(self, event: str, **fields: Any) -> Any:
        """Say what does need somebody."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything the loop works with, made elsewhere: it imports no adapter.

    Attributes:
        lookout: sees logins, profiles and the configuration change.
        herald: tells people.
        prober: asks registries.
        zone: in which times for people are written.
        files: which files the settings ask to keep.
        reload: reads the configuration again; raises ConfigError.
        save: keeps the memory for the next run.
        supervise: tells the service manager (``READY=1``, ``WATCHDOG=1``, ``STATUS=…``).
        complaints: what is wrong with the environment, as it is just now.
    """

    clock: Clock
    alarms: Callable[[Callable[[], None]], Alarms]
    fetcher: Callable[[Callable[[Answer], None]], Fetcher]
    lane: Callable[[str, Callable[[Event], None]], Lane]
    watcher: Callable[[Callable[[str], None]], Watcher]
    lookout: Callable[[Callable[[Surroundings], None]], Lookout]
    herald: Callable[[Callable[[Event], None]], Herald]
    prober: Callable[[Callable[[Event], None]], Prober]
    zone: tzinfo
    regions: Mapping[str, str]
    files: Callable[[Settings], tuple[FilePlan, ...]]
    reload: Callable[[], Settings]
    save: Callable[[dict[str, Any]], None]
    supervise: Callable[[str], None]
    log: Log
    complaints: Callable[[], tuple[Complaint, ...]] = tuple
