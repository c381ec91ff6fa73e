"""The credential helper's part in Python: what the shell script cannot answer from a prepared file.

The protocol is docker's (docker-config.md 3). Whatever happens, `get` puts exactly one JSON object on stdout or
exactly the line that every client takes for "no such login"; why is said in one line on stderr. The names of the
verbs and the texts of the usage errors are the protocol's own.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from ecr_refreshd import __version__
from ecr_refreshd.cli import asking, unattended
from ecr_refreshd.cli.commandline import read_arguments
from ecr_refreshd.cli.settings import ConfigFile
from ecr_refreshd.cli.words import advice_lines
from ecr_refreshd.core import helperanswer, hosts
from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.model import ABSENT, Entry, EntryKind, Refusal, expiry_hint
from ecr_refreshd.core.remedies import ours
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.errors import ControlError, LockHeldError, RefreshdError, SinkError
from ecr_refreshd.host import clock, control, places, statefile
from ecr_refreshd.host.lock import InstanceLock
from ecr_refreshd.sinks.helperfolder import HelperFolder

NAME = "docker-credential-ecr-refreshd"
_USAGE = f"Usage: {NAME} <store|get|erase|list|version>"
_HELP = f"""\
{_USAGE}

The credential helper of ecr-refreshd. docker, podman and other clients run it;
they name it in config.json: "credHelpers": {{"HOST": "ecr-refreshd"}}

  get      reads a host on stdin, prints its login as JSON
  list     prints the hosts that can be served now
  store    reads a login as JSON on stdin; for registries that are kept
  erase    reads a host on stdin; what a logout means: ecr-refreshd help pause
  version  prints the version

example:
  echo public.ecr.aws | {NAME} get

All of ecr-refreshd: ecr-refreshd help"""
_MOST = 1 << 20
"""Bytes of a request; docker's own are a few thousand at most."""
_SERVICE_TAKES = 20.0
"""Seconds that docker is kept waiting for the service; it has the token, or asks AWS for it."""
_ALL_TAKES = timedelta(seconds=25)
"""How long anybody waits, be it for one who fetches and then for a fetch; some clients give up after 30 s."""
_FETCH_TAKES = timedelta(seconds=_SERVICE_TAKES)
_LOGOUT_TAKES = timedelta(seconds=5)
_SOON = timedelta(seconds=5)
"""A token that dies on the way to the registry is no answer."""
_TOKEN_LIFE = timedelta(hours=12)
_UNDATED_LIFE = timedelta(minutes=1)
"""Long enough for the command after a `docker login`."""
_INIT = ours.INIT_HELP
_SEE_STATUS = (ours.STATUS, ours.STATUS)
"""Advice where none is known: the whole, and the command in it."""

Words = tuple[int, str, str]
"""Exit code, stdout, stderr."""


def main(argv: Sequence[str]) -> int:
    """Answer one request; `argv` is the verb alone. Returns the exit code, and raises nothing."""
    verb = argv[0] if len(argv) == 1 else ""
    verbs: Mapping[str, Callable[[], Words]] = {
        "get": _get,
        "store": _store,
        "erase": _erase,
        "list": _list,
        **dict.fromkeys(("version", "--version", "-v"), _version),
        **dict.fromkeys(("help", "--help", "-h"), _help),
    }
    if len(argv) != 1:
        return _say((1, _USAGE, ""))
    if verb not in verbs:
        return _say((1, f"{NAME}: unknown action: {verb}", ""))
    try:
        words = verbs[verb]()
    except RefreshdError as error:
        words = _failed(verb, _in_one_line(error.message, error.hint, error.command))
    except Exception as error:  # noqa: BLE001 - any other text on stdout costs old builders every registry's login
        words = _failed(verb, _in_one_line(f"an unforeseen error ({type(error).__name__}).", *_SEE_STATUS))
    return _say(words)


def _say(words: Words) -> int:
    code, said, why = words
    with suppress(OSError):
        if why and sys.stderr is not None:  # closed, print would take stdout in its place
            print(f"{NAME}: {' '.join(why.split())}", file=sys.stderr)
    try:
        if said and sys.stdout is not None:
            print(said, flush=True)
    except OSError:
        # Whoever asked has gone. What is still buffered must go nowhere, or the interpreter complains at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code or 1
    return code


def _failed(verb: str, why: str) -> Words:
    if verb == "get":
        return 1, helperanswer.NOT_FOUND, why
    if verb in {"list", "erase"}:
        return 0, "{}" if verb == "list" else "", why
    return 1, " ".join(why.split()), ""


def _version() -> Words:
    return 0, f"{NAME} (ecr-refreshd) {__version__}", ""


def _help() -> Words:
    return 0, _HELP, ""


def _request() -> str:
    return sys.stdin.buffer.read(_MOST).decode("utf-8", "replace")


def _get() -> Words:
    server = "".join(_request().split())
    if not server:
        return 1, helperanswer.NOT_FOUND, "no credentials server URL"
    host = hosts.bare(server)
    ready = _ready(host)
    if ready is None:
        ready = _asked(host)
    if isinstance(ready, Secret):
        return 0, helperanswer.token_line(host, ready).decode().rstrip("\n"), ""
    return 1, helperanswer.NOT_FOUND, ready


def _folder() -> HelperFolder:
    return HelperFolder(str(places.helper_folder()), str(places.lock_folder()))


def _ready(host: str) -> Secret | str | None:
    """Return the token that lies ready for a host, or why there is none; None if neither does."""
    try:
        found: Entry | Refusal = _folder().answer(host)
    except SinkError:
        return None  # what is wrong is said where no token can be had in another way
    now = clock.now().wall
    if isinstance(found, Refusal):
        return found.text if found.until > now else None
    living = found.expires_hint is not None and found.expires_hint > now + _SOON
    return found.auth if living and found.kind is EntryKind.TOKEN else None


def _asked(host: str) -> Secret | str:
    """Have the service, or in its place this process, get an answer ready; return it, or why there is none."""
    if not _may_be_ours(host):
        return ""  # a client asks about every registry there is; nothing is wrong
    request = {"op": "answer", "host": host, "timeout": _SERVICE_TAKES}
    answer: Mapping[str, Any] = {}
    token: Secret | None = None
    try:
        answer, token = asking.asked_or_done(
            lambda: (control.ask(places.socket_to_ask(), request, _SERVICE_TAKES + 2), None),
            lambda: _fetched(host),
            _FETCH_TAKES,
        )
    except LockHeldError as error:
        if _ready(host) is None:
            return f"{host} has no valid token yet; {error.message[0].lower()}{error.message[1:]}"
    return _ready(host) or token or _trouble(host) or _why(host, answer)


def _trouble(host: str) -> str:
    """Return why answers cannot be kept, "" if they can."""
    try:
        _folder().answer(host)
    except SinkError as error:
        return _in_one_line(error.message, error.hint, error.command)
    return ""


def _may_be_ours(host: str) -> bool:
    """Return whether a host is worth asking about: ECR's, or another name that is in the settings."""
    if hosts.parse(host) is not None:
        return True
    try:
        return host in _known()
    except RefreshdError:
        return False  # what is wrong with the settings is told to who asks about a registry of ours


def _known() -> list[str]:
    remembered, _ = statefile.load(places.state_file())
    return unattended.known_hosts(ConfigFile.chosen(read_arguments(["status"])).load(), remembered)


def _is_ours(host: str) -> bool:
    """Return whether a registry is kept; the running service knows of what has just been adopted."""
    if not host:
        return False
    if _folder().answer(host) != ABSENT or host in _known():
        return True
    try:
        status = control.ask(places.socket_to_ask(), {"op": "status"}, _SERVICE_TAKES)
    except ControlError:
        return False
    return any(row["host"] == host for row in status.get("registries", []))


def _fetched(host: str) -> tuple[Mapping[str, Any], Secret | None]:
    """Fetch for a host in this process; of many that want to, one does, and the others find what it left."""
    end = clock.now().boot + _ALL_TAKES
    turn = InstanceLock(places.lock_folder(), "credential.lock")
    # Whoever is at work fetches for every host that the files send here: one that hangs keeps no other waiting.
    turn.acquire(_FETCH_TAKES, unless=lambda: _ready(host) is not None)
    try:
        if _ready(host) is not None:
            return {}, None
        # Imported only now: who finds an answer does without the service's libraries.
        from ecr_refreshd.cli.run import answer_alone  # noqa: PLC0415 - see above

        args, by = read_arguments(["run"]), min(end, clock.now().boot + _FETCH_TAKES)
        return answer_alone(args, host, _SOON, by, lambda: _ready(host) is not None)
    finally:
        turn.release()


def _why(host: str, answer: Mapping[str, Any]) -> str:
    """Return why a host has no answer, from what the service said of it."""
    if answer.get("error") == "unknown-host":
        hint = f"Name it in the settings: {_INIT}"
        return _in_one_line(f"ecr-refreshd does not keep {host}.", hint, _INIT)
    for row in answer.get("registries", []):
        error = row["last_error"]
        if error:
            advice = (error["hint"], error.get("command")) if error["hint"] else _SEE_STATUS
            return _in_one_line(f"{host} has no valid token: {error['message']}", *advice)
    return _in_one_line(f"{host} has no valid token yet.", *_SEE_STATUS)


def _in_one_line(message: str, hint: str, command: str | None) -> str:
    """Return what happened and what to do, as stderr has it: a client shows one line."""
    encoding = "ascii" if sys.stderr is None else sys.stderr.encoding
    arrow = "→" if encoding.lower().startswith("utf") else "->"
    return " ".join([message, *advice_lines(hint, command, arrow)])


def _store() -> Words:
    try:
        document = {key.lower(): value for key, value in json.loads(_request()).items()}
        server, user, password = (str(document.get(key, "")) for key in ("serverurl", "username", "secret"))
    except (ValueError, AttributeError):
        return 1, "the login to store is not a JSON object", ""
    if not server:
        return 1, "no credentials server URL", ""
    if not user:
        return 1, "no credentials username", ""
    host = hosts.bare(server)
    if not _is_ours(host):
        return 1, f"{NAME} keeps logins of the registries of ecr-refreshd only, and {host} is none", ""
    if user != "AWS":
        return 1, f"{host} takes no user but AWS, with a token of Amazon ECR as the password", ""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    now = clock.now().wall
    # As of any foreign token: kept for no longer than a token can live, and not at all if nothing says its end.
    ends = min(expiry_hint(auth) or now + _UNDATED_LIFE, now + _TOKEN_LIFE)
    _folder().write(Delivery({host: Secret(auth)}, {host: ends}))
    return 0, "", ""


def _erase() -> Words:
    server = "".join(_request().split())
    host = hosts.bare(server)
    if not _is_ours(host):
        return 0, "", ""
    if not _logged_out(host) and server == host:  # docker asks for each form of the name
        return (
            0,
            "",
            f"{host} stays logged in by ecr-refreshd. To have it left alone: {ours.pause(host)}",
        )
    return 0, "", ""


def _logged_out(host: str) -> bool:
    """Pass a logout on; returns whether the host is left alone from now on."""
    request = {"op": "logout", "host": host}

    def asked() -> bool:
        rows = control.ask(places.socket_to_ask(), request, _SERVICE_TAKES).get("registries", [])
        return any(row["host"] == host and row["phase"] == "paused" for row in rows)

    return asking.asked_or_done(asked, lambda: _paused(host), _LOGOUT_TAKES)


def _paused(host: str) -> bool:
    """Pause a host that its user has logged out of, where that is respected and no service runs."""
    args = read_arguments(["status"])
    if not _respected(ConfigFile.chosen(args).load(), host):
        return False
    unattended.remember(args, host, "logout", None, _LOGOUT_TAKES)
    _folder().write(Delivery(released=frozenset({host})))
    return True


def _respected(settings: Settings, host: str) -> bool:
    heals = [each.heal for each in settings.registries if host in {each.host, *each.aliases}]
    return (heals or [settings.heal])[0].on_logout == "respect"


def _list() -> Words:
    folder = _folder()
    names = sorted(folder.look(()).lines)
    now = clock.now().wall
    living = [
        host
        for host in names
        if isinstance(found := folder.answer(host), Entry)
        and found.kind is EntryKind.TOKEN
        and found.expires_hint is not None
        and found.expires_hint > now
    ]
    return 0, json.dumps({f"https://{host}": "AWS" for host in living}), ""
