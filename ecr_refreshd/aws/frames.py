"""What the service and its AWS child say to each other: JSON objects, one a line, on one socket.

To the child: how to begin (`Begin`), then at any time a principal to ask for (`Ask`), at last that nothing more
will come. From it: which grants it has taken up, what it waits for, and one answer per grant, as soon as it is
known. A request may hold what a `credential_process` printed for a person, an answer holds a token, and no other
process has the socket. A line is bounded, so that a child gone mad cannot fill the service's memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ecr_refreshd.core.model import Category, Failure, Grant, Principal, Standing
from ecr_refreshd.core.printed import Printed
from ecr_refreshd.core.secret import Secret

LONGEST = 256 * 1024
"""Bytes. ECR's tokens are 2 to 5 kB (aws.md 4)."""

AT_ONCE = 8
"""Principals for which one child asks at the same time."""

Frame = dict[str, Any]


class FrameError(Exception):
    """What came over the socket is no frame."""


@dataclass(frozen=True, slots=True)
class Begin:
    """How a child lives.

    Attributes:
        alarm: seconds after which it ends itself, should the service be gone.
        refused: fingerprints of refresh tokens that AWS has refused: not to be sent again.
    """

    alarm: int
    refused: tuple[str, ...] = ()

    def frame(self) -> Frame:
        """Return it as a frame."""
        return {"begin": asdict(self)}


@dataclass(frozen=True, slots=True)
class Ask:
    """One principal, and the grants wanted of it by the number under which each is answered.

    Attributes:
        process_timeout: seconds that a `credential_process` may take.
        supplied: what it has printed in a person's terminal; None if it is still to be started.
    """

    principal: Principal
    standing: Standing
    grants: Mapping[int, Grant]
    process_timeout: float = 60.0
    supplied: Printed | None = None

    def frame(self) -> Frame:
        """Return it as a frame."""
        grants = [{"number": number, **_shape(grant)} for number, grant in self.grants.items()]
        ask = {
            "principal": asdict(self.principal),
            "standing": asdict(self.standing),
            "grants": grants,
            "process_timeout": self.process_timeout,
            "supplied": None
            if self.supplied is None
            else [self.supplied.output.reveal(), self.supplied.command],
        }
        return {"ask": ask}


END: Frame = {"end": True}


def _shape(grant: Grant) -> Frame:
    shape = asdict(grant)
    del shape["principal"]
    return shape


def read_request(frame: Frame) -> Begin | Ask | None:
    """Return what a frame to the child says; None for the end."""
    match frame:
        case {"begin": {"alarm": int(alarm), "refused": list(refused)}}:
            return Begin(alarm, tuple(refused))
        case {"ask": {"principal": dict(who), "standing": dict(standing), "grants": list(shapes)} as ask}:
            principal = Principal(**who)
            grants = {shape.pop("number"): Grant(principal, **shape) for shape in shapes}
            given = ask.get("supplied")
            supplied = Printed(Secret(given[0]), given[1]) if isinstance(given, list) else None
            return Ask(
                principal, Standing(**standing), grants, float(ask.get("process_timeout", 60.0)), supplied
            )
        case {"end": True}:
            return None
        case _:
            raise FrameError("no request")


@dataclass(frozen=True, slots=True)
class Started:
    """These grants are being worked on, from now."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Waits:
    """These grants wait for `what`, in words for people: a program that bounds itself to `seconds`, if not 0."""

    numbers: tuple[int, ...]
    what: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ProgramGroup:
    """A program runs in this process group, or has ended: who has to kill the child has to kill the group too."""

    group: int
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class Granted:
    """A token: the ``auth`` text, its end (ISO-8601 with offset), the asker's account ("" if unknown)."""

    number: int
    auth: str
    expires_at: str
    account: str

    def __repr__(self) -> str:
        return f"Granted({self.number}, ***, {self.expires_at!r}, {self.account!r})"


@dataclass(frozen=True, slots=True)
class Failed:
    """No token, and why."""

    number: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Refused:
    """AWS refused the refresh token with this fingerprint."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The child itself cannot work, and why."""

    failure: Failure


Said = Started | Waits | ProgramGroup | Granted | Failed | Refused | Broken


def frame_of(said: Said) -> Frame:
    """Return what the child says as a frame."""
    match said:
        case Started(numbers):
            return {"started": numbers}
        case Waits(numbers, what, seconds):
            return {"waits": numbers, "what": what, "seconds": seconds}
        case ProgramGroup(group, has_ended):
            return {"group": group, "has_ended": has_ended}
        case Granted():
            return {"granted": asdict(said)}
        case Failed(number, failure):
            return {"failed": number, "failure": _failure_frame(failure)}
        case Refused(fingerprint):
            return {"refused": fingerprint}
        case Broken(failure):
            return {"broken": _failure_frame(failure)}


def _failure_frame(failure: Failure) -> Frame:
    return {**asdict(failure), "at": None}


def read_said(frame: Frame) -> Said:
    """Return what a frame from the child says. Raises FrameError."""
    try:
        match frame:
            case {"started": list(numbers)}:
                return Started(tuple(int(number) for number in numbers))
            case {"waits": list(numbers), "what": str(what), "seconds": int() | float() as seconds}:
                return Waits(tuple(int(number) for number in numbers), what, float(seconds))
            case {"group": int(group), "has_ended": bool(has_ended)}:
                return ProgramGroup(group, has_ended)
            case {"granted": dict(granted)}:
                return Granted(**granted)
            case {"failed": int(number), "failure": dict(failure)}:
                return Failed(number, _failure(failure))
            case {"refused": str(fingerprint)}:
                return Refused(fingerprint)
            case {"broken": dict(failure)}:
                return Broken(_failure(failure))
    except (KeyError, TypeError, ValueError) as error:
        raise FrameError("a frame with wrong fields") from error
    raise FrameError("no answer")


def _failure(frame: Frame) -> Failure:
    return Failure(**{**frame, "category": Category(frame["category"]), "at": None})


def line(frame: Mapping[str, Any]) -> bytes:
    """Return a frame as bytes, with its newline."""
    return json.dumps(frame, separators=(",", ":")).encode() + b"\n"


class Lines:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete now.

        Raises:
            FrameError: not JSON, not an object, or longer than `LONGEST`.
        """
        self._rest += data
        while (end := self._rest.find(b"\n")) >= 0:
            text = bytes(self._rest[:end])
            del self._rest[: end + 1]
            try:
                frame = json.loads(text)
            except ValueError as error:
                raise FrameError("not JSON") from error
            if not isinstance(frame, dict):
                raise FrameError("not an object")
            yield frame
        if len(self._rest) > LONGEST:
            raise FrameError("a line without end")
