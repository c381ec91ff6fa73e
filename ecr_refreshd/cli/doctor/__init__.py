"""`doctor`: looks at all that can keep a pull from working, and says of each fault what, why and how to mend it.

Rules: looking changes nothing; each check is bounded and stands for itself, so that one that hangs or fails is a
finding among the others; done literally, what a finding says makes it go.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from ecr_refreshd.cli.doctor import (
    aws,
    clients,
    disk,
    entries,
    folders,
    helpers,
    machine,
    notices,
    profiles,
    service,
    tools,
    trouble,
    unread,
)
from ecr_refreshd.cli.doctor.finding import Finding, Severity, exit_code
from ecr_refreshd.cli.doctor.page import as_json, as_text
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.cli.patience import patience
from ecr_refreshd.cli.show import look, say
from ecr_refreshd.errors import RefreshdError
from ecr_refreshd.host import clock

Check = Callable[[Scene], Iterable[Finding]]

CHECKS: tuple[tuple[str, tuple[Check, ...]], ...] = (
    (
        "the service",
        (
            folders.home,
            service.presence,
            folders.closed,
            service.environment,
            trouble.trouble,
            machine.lingering,
        ),
    ),
    ("settings and AWS profiles", (profiles.files, aws.settings, profiles.absent, entries.none_kept)),
    ("logins", (tools.credentials, tools.sign_in, aws.logins)),
    ("docker's and podman's files", (disk.access, disk.named_folder, disk.exposure, disk.mounts)),
    ("their entries", (entries.broken, entries.hidden, entries.dead, unread.hidden_logins, unread.variable)),
    ("credential helpers", (helpers.programs, unread.patterns)),
    ("notices", (notices.ways, notices.hook)),
    ("this machine", (machine.limits, machine.time, machine.windows)),
    ("AWS", (aws.refusals,)),
    ("clients", (tools.pullers, clients.clients)),
)
"""What is looked at, by the name people are told."""

_FOLLOWING = frozenset({"token.expired"})
"""Keys of findings that a renewal would help, were it possible."""
_CAUSING = ("home.", "docker.config-folder", "config.", "file.un", "sink.un", "login.", "aws.")
"""What the keys of findings begin with that keep a renewal from coming about."""

_CHECK_TAKES = timedelta(seconds=60)
"""The longest asks AWS, which has 40 s; the others take fractions of a second."""


def doctor(args: argparse.Namespace) -> int:
    """Print what is wrong; return 0 if nothing is, 4 if something will be, 1 if something is."""
    mended: list[str] = []
    with patience("looking at files, helpers, logins and AWS"):
        findings = _found(Scene.gathered(args))
        if args.fix:
            mended = _mend(findings)
            findings = _found(Scene.gathered(args)) if mended else findings
    checked = [name for name, _ in CHECKS]
    if args.json:
        print(json.dumps(as_json(findings, checked, mended), indent=2))
    else:
        say(as_text(findings, checked, mended, look()))
    return exit_code(findings)


def _found(scene: Scene) -> list[Finding]:
    """Make every check at the same time, and return what they find in the order they are listed."""
    checks = [(name, check) for name, group in CHECKS for check in group]
    found: list[list[Finding]] = [[] for _ in checks]
    done = [False for _ in checks]

    def make(number: int) -> None:
        name, check = checks[number]
        try:
            found[number].extend(check(scene))
        except Exception as error:  # noqa: BLE001 - a mistake in one check must not hide what the others find
            found[number].append(_failed(name, check, error))
        done[number] = True

    threads = [threading.Thread(target=make, args=(number,), daemon=True) for number in range(len(checks))]
    for thread in threads:
        thread.start()
    end = clock.now().boot + _CHECK_TAKES
    for thread in threads:
        thread.join(max(0.0, (end - clock.now().boot).total_seconds()))
    for number, (name, check) in enumerate(checks):
        if not done[number]:
            found[number] = [*found[number], _hung(name, check)]
    every = [finding for each in found for finding in each]
    told = [finding for finding in every if not _is_an_echo(finding, every)]
    # What only follows from something else comes after it, and does not offer what cannot help before it.
    rest = [each for each in told if each.key not in _FOLLOWING]
    return [*rest, *(_after_its_cause(each, rest) for each in told if each.key in _FOLLOWING)]


def _after_its_cause(finding: Finding, others: list[Finding]) -> Finding:
    """Return a finding with its remedy, or with what has to be done first."""
    causes = [
        each
        for each in others
        if each.key.startswith(_CAUSING)
        and any(each.explains(host, file) for host in finding.hosts for file in finding.files)
    ]
    # A sign-in is part of its own remedy.
    if not causes or causes[0].key.startswith("login."):
        return finding
    return replace(finding, how=f"First what helps with {causes[0].subject} ({causes[0].key}).")


def _is_an_echo(finding: Finding, every: list[Finding]) -> bool:
    """Return whether a finding only repeats others: what clients would send, where the causes are found."""
    homes = [each.how for each in every if each.key == "home.anothers"]
    if finding.key in {"state.folder", "file.unreadable", "file.unwritable", "service.silent"}:
        return finding.how in homes
    if finding.key != "client.refused":
        return False
    causes = [each for each in every if each.severity is Severity.ERROR and each.key != finding.key]
    return all(
        any(cause.explains(host, file) for cause in causes)
        for host in finding.hosts
        for file in finding.files
    )


def _failed(name: str, check: Check, error: Exception) -> Finding:
    return Finding(
        "doctor.failed",
        Severity.WARNING,
        check.__name__,
        f"The check `{check.__name__}` of {name} failed: {type(error).__name__}.",
        "What it looks for may be wrong without being found.",
        "A mistake of ours, or a file that changed meanwhile: run it again, else report it, please.",
    )


def _hung(name: str, check: Check) -> Finding:
    return Finding(
        "doctor.hung",
        Severity.WARNING,
        check.__name__,
        f"The check `{check.__name__}` of {name} did not end within {_CHECK_TAKES.seconds} s.",
        "A file, a helper or the network hangs, and docker would wait for it too.",
        "Look at network file systems (df -h) and at `ecr-refreshd status`, then run it again.",
    )


def _mend(findings: list[Finding]) -> list[str]:
    """Mend what is safe to mend, and return what was done."""
    mended: list[str] = []
    for finding in findings:
        if finding.mend is None:
            continue
        try:
            finding.mend.do()
        except (OSError, RefreshdError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            print(f"ecr-refreshd: {finding.subject} could not be fixed: {why}", file=sys.stderr)
        else:
            mended.append(f"{finding.mend.does}.")
    return mended
