"""A log event as one line for people: ``✗ dev: the AWS login has ended → aws sso login --sso-session corp``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from ecr_refreshd.core.times import spoken

Fields = Mapping[str, Any]

_UNSHOWN = frozenset(
    {"event", "level", "timestamp", "logger", "message", "hint", "command", "exception", "stack"}
)
_MOST_HOSTS = 1
_PROBED = {"accepted": "accepts the token", "refused": "refuses the token", "unknown": "gave no answer"}


class Line(NamedTuple):
    """One line.

    Attributes:
        good: it says that something works, or works again.
        text: what happened, with its subject; no line break in it.
        command: what helps, "" if nothing has to be done.
    """

    good: bool
    text: str
    command: str = ""


def line(event: str, fields: Fields, now: datetime, zone: tzinfo) -> Line:
    """Return what is said of an event; one that is not known here is shown with all that it carries."""
    known = _GOOD.get(event)
    if known is not None:
        return Line(good=True, text=_flat(known(_Words(fields, now, zone))))
    about = _NEUTRAL.get(event)
    words = _Words(fields, now, zone)
    text = about(words) if about is not None else _any(event, fields)
    if about is not None and event not in _WITH_MESSAGE:
        return Line(good=False, text=_flat(text))
    command, hint = words.text("command"), words.text("hint")
    if command:
        advice = hint.removesuffix(command).strip()
        return Line(good=False, text=_flat(f"{text}. {advice}" if advice else text), command=_flat(command))
    return Line(good=False, text=_flat(text), command=_flat(hint))


class _Words:
    """The fields of an event, as parts of a sentence."""

    def __init__(self, fields: Fields, now: datetime, zone: tzinfo) -> None:
        self._fields = fields
        self._now = now
        self._zone = zone

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if isinstance(value, list):
            return "; ".join(map(str, value))
        return "" if value is None else str(value)

    def time(self, name: str) -> str:
        try:
            return spoken(datetime.fromisoformat(self.text(name)), self._now, self._zone)
        except ValueError:
            return ""

    def until(self, name: str, before: str = ", valid until ") -> str:
        at = self.time(name)
        return f"{before}{at}" if at else ""

    def hosts(self) -> str:
        hosts = self._fields.get("hosts") or []
        if not isinstance(hosts, list):
            return str(hosts)
        if len(hosts) > _MOST_HOSTS:
            return f"{len(hosts):,} registries"
        return " and ".join(map(str, hosts))

    def who(self) -> str:
        """Return the profile of a grant."""
        who = self.text("grant").rpartition("/ecr")[0] or self.text("grant")
        profile, _, role = who.partition("+")
        role = role.partition("#")[0].rpartition(":role/")[2]
        name = "AWS" if profile.startswith("(ambient)") else profile.partition("#")[0]
        return f"{name} as {role}" if role else name

    def message(self) -> str:
        """Return the message as the part of a sentence behind a colon."""
        text = self.text("message").rstrip(".")
        first = text.partition(" ")[0]
        return f"{text[0].lower()}{text[1:]}" if first in _ARTICLES else text

    def about(self, name: str) -> str:
        """Return a subject and the message, which may begin with that subject itself."""
        subject, message = self.text(name), self.message()
        return message if message.startswith(subject) else f"{subject}: {message}"

    def login(self) -> str:
        return self.text("login").partition(":")[2] or self.text("login")


_ARTICLES = frozenset({"The", "A", "An", "No", "There", "It", "This", "Profile", "Nothing", "Another"})


def _resumed(words: _Words) -> str:
    seconds = int(words.text("seconds") or 0)
    minutes = seconds // 60
    return f"awake again after {f'{minutes} min' if minutes else f'{seconds} s'} of sleep"


_GOOD: Mapping[str, Callable[[_Words], str]] = {
    "grant.renewed": lambda w: f"{w.who()}: renewed {w.hosts()}{w.until('expires_at')}",
    "grant.recalled": lambda w: f"{w.who()}: kept the token of {w.hosts()}{w.until('expires_at')}",
    "sink.written": lambda w: f"{w.text('path')}: wrote {w.hosts() or 'it'}",
    "sink.healed": lambda w: f"{w.text('host')}: login restored",
    "sink.recovered": lambda w: f"{w.text('path')}: works again",
    "login.begun": lambda w: f"{w.login()}: signed in",
    "notice.withdrawn": lambda w: f"resolved: {w.text('key')}",
    "config.reloaded": lambda _w: "the settings were reloaded",
}
_NEUTRAL: Mapping[str, Callable[[_Words], str]] = {
    "service.started": lambda w: w.text("message"),
    "service.stopped": lambda _w: "stopped",
    "clock.resumed": _resumed,
    "login.ended": lambda w: f"{w.login()}: the AWS login has ended",
    "host.paused": lambda w: f"{w.text('host')}: paused{w.until('until', ' until ')}",
    "host.resumed": lambda w: f"{w.text('host')}: resumed",
    "notice.raised": lambda w: w.text("title").rstrip("."),
    "notice.undelivered": lambda w: f"notification not delivered: {w.text('problems')}",
    "registry.probed": lambda w: (
        f"{w.text('host')}: the registry {_PROBED.get(w.text('answer'), w.text('answer'))}"
    ),
    "grant.failed": lambda w: (
        f"{w.who()}: {w.message()}{w.until('valid_until', ' (pulls work until ')}"
        f"{')' if w.time('valid_until') else ''}"
    ),
    "sink.unwritable": lambda w: w.about("path"),
    "sink.unparsable": lambda w: w.about("path"),
    "sink.contested": lambda w: w.about("path"),
    "sink.missing": lambda w: w.about("path"),
    "config.refused": lambda w: w.text("message"),
    "config.warning": lambda w: w.text("message"),
    "memory.put_aside": lambda w: w.text("message"),
    "memory.not_saved": lambda w: f"the state file was not saved: {w.text('message')}",
    "hook.failed": lambda w: w.text("message"),
    "login.not_started": lambda w: w.text("message"),
    "alarms.died": lambda w: w.text("message"),
    "registries.none": lambda w: w.text("message"),
}
_WITH_MESSAGE = frozenset(_NEUTRAL) - {
    "service.started",
    "service.stopped",
    "clock.resumed",
    "host.paused",
    "host.resumed",
}


def _any(event: str, fields: Fields) -> str:
    logger, message = fields.get("logger"), fields.get("message")
    text = f"{event}: {message}" if message else event
    shown = [
        f"{name}={value}"
        for name, value in fields.items()
        if name not in _UNSHOWN and value not in (None, "")
    ]
    return " ".join([f"{logger}: {text}" if logger else text, *shown])


def _flat(text: str) -> str:
    return " ".join(text.split())
