"""What can happen: the only things the loop ever learns, each a past participle.

Adapters put these on the loop's queue and do nothing else to its state. An event lost, doubled or late
costs a tick at most, because the loop looks at what *is* on every tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ecr_refreshd.core.model import Failure, Login, Token, View


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time went by: the heartbeat, or an alarm."""


@dataclass(frozen=True, slots=True)
class FetchSucceeded:
    """AWS answered fetch `serial` of a grant (its `Grant.key`); `account` is the asker's, "" if unknown."""

    grant: str
    serial: int
    token: Token
    account: str = ""


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """Fetch `serial` of a grant came to nothing."""

    grant: str
    serial: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class SinkSeen:
    """A sink was looked at; `written` is the serial of the write that ended with this look, 0 for none."""

    path: str
    view: View
    written: int = 0


@dataclass(frozen=True, slots=True)
class SinkFailed:
    """A sink could not be read (`written` is 0) or written."""

    path: str
    state: str
    failure: Failure
    written: int = 0


@dataclass(frozen=True, slots=True)
class CredentialsChanged:
    """Files that credentials come from have changed; `shared`: only those that the AWS CLI shares with us."""

    shared: bool = False


@dataclass(frozen=True, slots=True)
class LoginsSeen:
    """What lies on disk of each login, by `Standing.lane`."""

    logins: Mapping[str, Login]


@dataclass(frozen=True, slots=True)
class RefreshAsked:
    """A person or a script wants these hosts renewed now, whatever stands there; none named means all."""

    hosts: frozenset[str] = field(default_factory=frozenset)
    by_person: bool = True


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """A person wants a host left alone until then (UTC), or until they say otherwise."""

    host: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    """A person wants a paused host served again."""

    host: str


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """A client told our credential helper to forget a host: somebody ran `docker logout`."""

    host: str


@dataclass(frozen=True, slots=True)
class AnswerWanted:
    """A client asked our credential helper about a host, and nothing lay ready."""

    host: str


@dataclass(frozen=True, slots=True)
class NoticeTold:
    """A notice was given to its channels.

    Attributes:
        problems: a sentence for each that did not take it.
        place: where it stands on the desktop, in the desktop's own words, "" if it does not.
    """

    key: str
    event: str
    problems: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True)
class SignInAsked:
    """A person pressed the button of a notice."""

    key: str


@dataclass(frozen=True, slots=True)
class SignInStarted:
    """A sign-in was to be started for a person; `problem` is "" if it was."""

    problem: str = ""


@dataclass(frozen=True, slots=True)
class HookRan:
    """The program that is told of renewals has ended; `problem` is "" if all went well."""

    problem: str = ""


@dataclass(frozen=True, slots=True)
class Probed:
    """A registry was asked whether it takes a token: ``accepted``, ``refused``, ``unknown`` if it did not say."""

    host: str
    fingerprint: str
    answer: str
    detail: str = ""


Event = (
    Ticked
    | FetchSucceeded
    | FetchFailed
    | SinkSeen
    | SinkFailed
    | CredentialsChanged
    | LoginsSeen
    | RefreshAsked
    | PauseAsked
    | ResumeAsked
    | LoggedOut
    | AnswerWanted
    | NoticeTold
    | SignInAsked
    | SignInStarted
    | HookRan
    | Probed
)
