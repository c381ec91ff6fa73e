"""The log: one line per event on stderr, for people, for programs or for the journal, and never a secret.

For people (``auto``, except in the journal): the time, a mark, and a sentence of `core.logtext`; with the date
where it is not a terminal, since a file may be read days later.

Rules: one handler, one formatter and one redaction, last before the renderer, for our lines and everybody
else's; other libraries speak only from warnings on, since botocore's debug lines hold whole tokens
(reliability.md 5.6); tracebacks never show local variables; what cannot be written disturbs nobody.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import threading
import urllib.parse
from collections import OrderedDict
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from ecr_refreshd.core import logtext
from ecr_refreshd.core.ports import Log
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.host import clock
from ecr_refreshd.host.lean import lean
from ecr_refreshd.host.redaction import HIDDEN, redact, scrub

with lean():
    import structlog
    from structlog.stdlib import ProcessorFormatter
    from structlog.typing import Processor

_OURS = "ecr_refreshd"
_FORMS = ("console", "json", "journald")
_MARKS = {"critical": ("✗", "x", "31"), "error": ("✗", "x", "31"), "warning": ("!", "!", "33")}
_GOOD_MARK, _PLAIN_MARK = ("✓", "+", "32"), ("·", "-", "2")
"""Mark, the same in ASCII, and colour."""
_REPEATED_WITHIN = timedelta(seconds=5)
_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_MOST_SECRETS = 256
"""Texts, two or three per token. An older one is still known by its looks."""


class Secrets:
    """The secrets this process has seen lately; they are replaced verbatim wherever they turn up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: OrderedDict[str, None] = OrderedDict()

    def add(self, secret: Secret) -> None:
        """Know a secret from now on: as it is, quoted for a URL, and its password if it is an auth text."""
        text = secret.reveal()
        forms = {text, urllib.parse.quote(text, safe="")}
        with suppress(ValueError):  # not every secret is an auth text
            forms.add(base64.b64decode(text, validate=True).decode().partition(":")[2])
        with self._lock:
            for form in forms:
                if len(form) >= 8:  # shorter ones would be found in every word
                    self._texts[form] = None
                    self._texts.move_to_end(form)
            while len(self._texts) > _MOST_SECRETS:
                self._texts.popitem(last=False)

    def scrub(self, text: str) -> str:
        """Return a text without known secrets and without what looks like one."""
        with self._lock:
            known = sorted((each for each in self._texts if each in text), key=len, reverse=True)
        for each in known:
            text = text.replace(each, HIDDEN)
        return scrub(text)


def set_up(
    level: str,
    form: str,
    secrets: Secrets,
    stream: TextIO = sys.stderr,
    environ: Mapping[str, str] = os.environ,
) -> Log:
    """Set up logging for the whole process and return our logger.

    Args:
        level: of our own lines: debug, info, warning or error.
        form: auto, console, json or journald; auto looks at where the lines go.
        secrets: what else to keep out.
        stream: where the lines go; None, as stderr is when it was closed before the start, is nowhere.
        environ: for JOURNAL_STREAM, NO_COLOR and TERM.
    """
    if stream is None:
        stream = Path(os.devnull).open("w")  # noqa: SIM115 - it is open as long as the process lives
    threshold = logging.getLevelNamesMapping()[level.upper()]
    chosen = _chosen(form, stream, environ)
    prepare = _prepare(chosen, stream)
    handler = _Handler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *prepare],
            processors=[
                ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _Redactor(secrets),
                _renderer(chosen, stream, environ),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    logging.getLogger(_OURS).setLevel(threshold)
    structlog.configure(
        processors=[*prepare, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    log: Log = structlog.get_logger(_OURS)
    return log


def _chosen(form: str, stream: TextIO, environ: Mapping[str, str]) -> str:
    if form in _FORMS:
        return form
    if _is_journal(stream, environ):
        return "journald"
    return "console"


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether a stream goes to the journal: JOURNAL_STREAM may be inherited by what is piped elsewhere."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _prepare(form: str, stream: TextIO) -> list[Processor]:
    level: list[Processor] = [structlog.processors.add_log_level]
    if form == "journald":
        return level  # the journal stamps each line itself
    if form == "json":
        return [*level, structlog.processors.TimeStamper("iso", utc=True)]
    local = "%H:%M:%S" if stream.isatty() else "%Y-%m-%d %H:%M:%S"
    return [*level, structlog.processors.TimeStamper(local, utc=False)]


def _renderer(form: str, stream: TextIO, environ: Mapping[str, str]) -> Processor:
    if form == "json":
        return structlog.processors.JSONRenderer()
    if form == "journald":
        return _render_for_journal
    dumb = environ.get("NO_COLOR") or environ.get("TERM", "dumb") == "dumb"
    has_unicode = (stream.encoding or "ascii").lower().replace("-", "").startswith("utf")
    return _PeopleRenderer(has_colour=stream.isatty() and not dumb, has_unicode=has_unicode)


class _PeopleRenderer:
    """Renders an event as a line for people: ``21:17:17 ✗ dev: the AWS login has ended → aws sso login``."""

    def __init__(self, *, has_colour: bool, has_unicode: bool) -> None:
        self._has_colour = has_colour
        self._has_unicode = has_unicode
        self._zone = clock.LocalZone()
        self._last: logtext.Line | None = None
        self._last_at = timedelta()

    def __call__(self, _logger: object, _name: str, event: MutableMapping[str, Any]) -> str:
        name, level, now = str(event.get("event", "")), str(event.get("level", "info")), clock.now()
        line = logtext.line(name, event, now.wall, self._zone)
        if line == self._last and now.boot - self._last_at < _REPEATED_WITHIN:
            return ""  # one cause that several grants of a profile have
        self._last, self._last_at = line, now.boot
        mark, plain, colour = _MARKS.get(level) or (_GOOD_MARK if line.good else _PLAIN_MARK)
        if name == "service.started":
            return self._shown(self._paint(line.text, "1"))
        arrow = "→" if self._has_unicode else "->"
        advice = f" {arrow} {self._paint(line.command, '1')}" if line.command else ""
        symbol = self._paint(mark if self._has_unicode else plain, colour)
        head = f"{self._paint(str(event.get('timestamp', '')), '2')} {symbol} {line.text}{advice}"
        more = [str(event[part]) for part in ("exception", "stack") if part in event]
        return self._shown("\n".join([head, *more]))

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._has_colour else text

    def _shown(self, text: str) -> str:
        return text if self._has_unicode else text.encode("ascii", "replace").decode()


def _render_for_journal(_logger: object, _name: str, event: MutableMapping[str, Any]) -> str:
    """Return lines with a priority each: the journal takes every line for a message of its own."""
    priority = _PRIORITIES.get(str(event.pop("level", "info")), 6)
    more = [str(event.pop(name)) for name in ("exception", "stack") if name in event]
    name = str(event.pop("event", ""))
    if event.get("hint") == event.get("command"):
        event.pop("hint", None)
    fields = (f"{name}={_word(value)}" for name, value in event.items() if value not in (None, "", [], {}))
    head = " ".join([name, *fields])
    return "\n".join(f"<{priority}>{line}" for text in (head, *more) for line in text.splitlines())


def _word(value: object) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = ",".join(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text and not set(text) & set(' "=\\\n\t') else json.dumps(text, ensure_ascii=False)


class _Redactor:
    """The last processor before the renderer."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __call__(
        self, _logger: object, _name: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        clean: dict[str, Any] = redact(dict(event), self._secrets.scrub)
        names = [name for name in ("timestamp", "level", "logger", "event") if name in clean]
        first: dict[str, Any] = {name: clean.pop(name) for name in names}
        return {**first, **clean}


class _Handler(logging.StreamHandler[TextIO]):
    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, unless the renderer has left it out."""
        try:
            text = self.format(record)
            if text:
                self.stream.write(f"{text}\n")
                self.flush()
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - as the standard library does
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's own name
        """Say that a line is lost, but not what was in it: the default prints the record's arguments."""
        error = sys.exc_info()[0]
        name = "an error" if error is None else error.__name__
        with suppress(OSError, ValueError):  # nobody reads any more
            self.stream.write(f"ecr-refreshd: a log line of {record.name} was lost: {name}\n")


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger(_OURS).critical("bug.uncaught", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or issubclass(args.exc_type, SystemExit):
        return
    logging.getLogger(_OURS).critical(
        "bug.uncaught_in_thread", exc_info=(args.exc_type, args.exc_value, args.exc_traceback)
    )
