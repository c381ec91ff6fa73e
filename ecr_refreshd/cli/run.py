"""`run`: puts the parts together and serves, or with ``--once`` until every registry is settled."""

from __future__ import annotations

import argparse
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from ecr_refreshd import __version__
from ecr_refreshd.cli import answers, asking
from ecr_refreshd.cli.assembly import Assembly
from ecr_refreshd.cli.interactive import Terminal
from ecr_refreshd.cli.kept import file_plans
from ecr_refreshd.cli.patience import patience
from ecr_refreshd.cli.settings import ConfigFile
from ecr_refreshd.cli.show import print_document, say_with_advice
from ecr_refreshd.core import report
from ecr_refreshd.core.events import AnswerWanted
from ecr_refreshd.core.remedies import service as service_remedies
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.daemon import Service
from ecr_refreshd.errors import LockHeldError
from ecr_refreshd.host import clock, control, logs, places, process, signpost, statefile
from ecr_refreshd.host.lock import InstanceLock
from ecr_refreshd.host.notifysocket import NotifySocket
from ecr_refreshd.sinks.helperfolder import HelperFolder
from ecr_refreshd.waits import Wait

_COMMANDS_END = timedelta(seconds=60)
"""How long a command is waited for that holds the lock; less than systemd waits for READY."""
_ALONE = timedelta(seconds=150)
"""As long as a command would wait for a service."""
_BELIEVED_WITHOUT_SERVICE = timedelta(seconds=5)
"""Enough for all the questions of one build, and for the fifty who wait for the same answer."""
_SHORTENED_WITHIN = 0.5
_LAST_CHANCE = timedelta(seconds=2)
"""For AWS, where all other time went by in waiting for a turn."""
_END = timedelta(seconds=4.5)
"""The service ends within 5 s; of these a login that is just being renewed has 3 (DESIGN 5)."""
_INTRODUCED_AFTER = 3.0
"""Seconds that the summary on a terminal waits for first results, to show more than intentions."""
_FIRST_LOOKS_END = 12.0
"""Seconds; a file that has not been looked at after ten is one that hangs."""


def run(args: argparse.Namespace) -> int:
    """Serve in the foreground; returns the exit code.

    Raises:
        ConfigError: the configuration cannot be used.
        LockHeldError: another instance runs (never with ``--once``, which asks it or waits for it).
    """
    if args.once:
        with patience("fetching what is not fresh"):
            document = _asked_or_done(args)
        print_document(document, about_service=False)
        return report.EXIT_CODES[document["overall"]]
    with _service(args, serving=True) as service:
        socket = places.socket()
        server = control.Server(socket, partial(answers.answer, service, clock.SystemClock()))
        server.start()
        post = signpost.put(socket, places.state_folder())
        threading.Thread(target=_introduce, args=(service, args), daemon=True).start()
        try:
            return process.serve(
                service.run,
                stop=service.stop,
                reload=service.reload,
                patience=_END,
                alertness=process.Alertness(service.hangs),
            )
        finally:
            signpost.take_away(post, socket)
            server.stop()


def alone(
    args: argparse.Namespace, wait: Wait, timeout: timedelta = _ALONE, terminal: Terminal | None = None
) -> Mapping[str, Any]:
    """Do in this process what somebody waits for, and return what `answers.outcome` says of it.

    Args:
        args: name the configuration.
        wait: for what.
        timeout: after which it is given up.
        terminal: starts programs that may ask a person; None leaves them without a terminal.

    Raises:
        LockHeldError: that one did not end, or a service has the lock and does not listen yet.
    """
    # The command itself says what went wrong, of the hosts that it is about.
    turn = min(timeout, _COMMANDS_END)
    with _service(args, serving=False, wait=turn, level="critical", terminal=terminal) as service:
        service.run(wait, timeout)
        return answers.outcome(service.document(), wait, clock.SystemClock(), late=not wait.settled)


def answer_alone(
    args: argparse.Namespace, host: str, least: timedelta, end: timedelta, unless: Callable[[], bool]
) -> tuple[Mapping[str, Any], Secret | None]:
    """Get the credential helper's answer for a host ready in this process, and return the token besides.

    That is for where the answer cannot be kept: no room on the disk is no reason to refuse a pull.

    Args:
        args: name the configuration.
        host: whose.
        least: how long its token has to live.
        end: on the suspend-counting clock, for another command to end and for AWS together.
        unless: tells that the answer lies ready by now; then another command is waited for no longer.

    Raises:
        LockHeldError: as `alone`, or the answer lies ready.
    """
    wait = Wait(frozenset({host}), min_ttl=least, answer=True)
    turn = end - clock.now().boot
    with _service(args, serving=False, wait=turn, level="critical", unless=unless) as service:
        service.tell(AnswerWanted(host))
        service.run(wait, max(end - clock.now().boot, _LAST_CHANCE))
        outcome = answers.outcome(service.document(), wait, clock.SystemClock(), late=not wait.settled)
        return outcome, service.token(host)


def _asked_or_done(args: argparse.Namespace) -> Mapping[str, Any]:
    ConfigFile.chosen(
        args
    ).load()  # a wrong configuration is an error, even if a service runs with an older one
    request = {"op": "settle", "timeout": 60.0}
    return asking.asked_or_done(
        lambda: control.ask(places.socket_to_ask(), request, 65.0), lambda: _settled(args)
    )


def _settled(args: argparse.Namespace) -> Mapping[str, Any]:
    with _service(args, serving=False) as service:
        service.run(Wait(), _ALONE + ConfigFile.chosen(args).load().aws.credential_process_timeout)
        return service.document()


@contextmanager
def _service(
    args: argparse.Namespace,
    *,
    serving: bool,
    wait: timedelta = _COMMANDS_END,
    level: str = "warning",
    unless: Callable[[], bool] = lambda: False,
    terminal: Terminal | None = None,
) -> Iterator[Service]:
    """Make a service of everything around it, under the instance lock."""
    file = ConfigFile.chosen(args)
    settings = file.load()
    process.forbid_core_dumps()
    known = logs.Secrets()
    # A command that ends prints its result; lines about how it got there would stand in the way.
    level = settings.log.level if serving or args.log_level else level
    log = logs.set_up(level, settings.log.format, known)
    for warning in settings.warnings:
        log.warning("config.warning", message=warning)
    lock = InstanceLock(places.lock_folder())
    try:
        with patience("waiting for another command of ecr-refreshd to end"):
            lock.acquire(wait, serving=serving, unless=unless)
    except LockHeldError as error:
        if not serving:
            error.exit_code = 1  # DESIGN 3: only a second service ends with 75
        raise
    try:
        remembered, note = statefile.load(places.state_file())
        if note:
            log.warning("memory.put_aside", message=note)
        assembly = Assembly(
            file.path,
            file.load,
            settings,
            log=log,
            known=known,
            supervise=NotifySocket().tell,
            terminal=terminal,
        )
        seed = secrets.token_hex(16)
        yield Service(assembly.parts(), settings, remembered, version=__version__, seed=seed)
        _shorten_refusals()
    finally:
        lock.release()


def _shorten_refusals() -> None:
    """Have no refusal outlive this: after a sign-in, or back online, the next pull must not be told of before.

    In a thread: a home that hangs must not keep the service from its end.
    """
    folder = HelperFolder(str(places.helper_folder()), str(places.lock_folder()))
    until = clock.now().wall + _BELIEVED_WITHOUT_SERVICE
    shortening = threading.Thread(target=folder.shorten_refusals, args=(until,), daemon=True)
    shortening.start()
    shortening.join(_SHORTENED_WITHIN)


def _introduce(service: Service, args: argparse.Namespace) -> None:
    """Say on a terminal what is kept, by whom and where, once first results are in; anywhere if nothing is."""
    wait = Wait()
    done = service.wait(wait, _INTRODUCED_AFTER)
    document = service.document()
    if not document["registries"] and not done:
        service.wait(wait := Wait(), _FIRST_LOOKS_END)
        document = service.document()
    if not document["registries"] and wait.settled and document["overall"] == "ok":
        if document["ignored"]:
            service.note("registries.ignored", f"No registry is kept: {document['summary']}.", "")
            return
        settings = ConfigFile.chosen(args).load()
        advice = service_remedies.name_registries(adopts=settings.discover.adopt)
        if sys.stdout.isatty():
            text = "\n".join([_nothing_kept(settings), *(f"  {path}" for path in _searched(settings))])
            say_with_advice(text, advice.hint, advice.command, sys.stdout)
        else:
            text = " ".join(filter(None, [_nothing_kept(settings), ", ".join(_searched(settings))]))
            service.note("registries.none", text, advice.command)
    elif sys.stdout.isatty():
        print_document(document, about_service=False)
        print("`ecr-refreshd status` shows this at any time; Ctrl-C ends the service.", flush=True)


def _nothing_kept(settings: Settings) -> str:
    if not settings.discover.adopt:
        return "No registry is kept: none is in the settings, and [discover] adopts none."
    return "No registry is kept yet: none is in the settings, and none in"


def _searched(settings: Settings) -> list[str]:
    """Return the files from which registries are adopted."""
    return (
        [file.path for file in file_plans(settings) if file.role != "helper"]
        if settings.discover.adopt
        else []
    )
