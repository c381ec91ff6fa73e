"""`make faults`: small faults, seeded into a copy of the core one at a time; each must fail some test.

A list like this is how tests are tested. A fault whose place in the source has gone is reported too: find it a
new place, or drop it with the code it was about.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = ("tests/daemon", "tests/test_daemon.py", "tests/core/test_machine.py", "tests/core/test_promises.py")


class Fault(NamedTuple):
    """A text of a core module, and what it becomes."""

    name: str
    module: str
    old: str
    new: str


FAULTS = (
    # what AWS is asked
    Fault(
        "a stale answer is accepted",
        "granting.py",
        "    if facts.serial != event.serial or facts.fetching is None:\n        return state\n    past",
        "    past",
    ),
    Fault(
        "a lost worker is never given up", "granting.py", "now.boot - facts.fetching > FETCH_LOST", "False"
    ),
    Fault("the alarm for a retry is forgotten", "fetching.py", "        wake.boot(facts.retry_at)\n", ""),
    Fault(
        "AWS is asked by time while the disk shows a dead login",
        "fetching.py",
        "            return False  # the disk",
        "            pass  # the disk",
    ),
    Fault(
        "a failure drops the good token",
        "granting.py",
        "    return replace(\n        facts,\n        fetching=None,",
        "    return replace(\n        facts,\n        token=None,\n        fetching=None,",
    ),
    Fault(
        "a remembered token is trusted although no file holds it",
        "fetching.py",
        "    if facts.token.auth is None:\n        return True",
        "    if facts.token.auth is None:\n        return False",
    ),
    Fault(
        "only the wall clock counts",
        "schedule.py",
        "    return token.obtained_boot is not None and now.boot - token.obtained_boot >= at - token.obtained_at",
        "    return False",
    ),
    Fault(
        "a login during a fetch is forgotten",
        "granting.py",
        "        return replace(facts, changed=True)",
        "        return facts",
    ),
    # logins
    Fault("a refresh is taken for a new login", "logins.py", "> _REFRESHED_WITHIN", "> timedelta(0)"),
    Fault("a new login is taken for a refresh", "logins.py", "or facts.ended or not", "or not"),
    Fault("a new login renews nothing", "fetching.py", "return login.began  #", "return None  #"),
    Fault(
        "there is no last mint", "fetching.py", "return at if obtained_at < at and", "return at if False and"
    ),
    Fault("a half-written file is a logout", "granting.py", "if login.torn or (", "if ("),
    Fault(
        "the length of a login is never learned",
        "logins.py",
        "if len(facts.lived) < _LEARNED_FROM:",
        "if True:",
    ),
    Fault("a changed login stirs nobody", "granting.py", "if not changed or not login.alive:", "if True:"),
    # what is written
    Fault("an expired token is written", "writing.py", "or not alive(facts.token, now):", "or False:"),
    Fault(
        "a lost write is never given up", "sighting.py", "now.boot - sink.writing_since > WRITE_LOST", "False"
    ),
    Fault("a silent file is waited for", "sighting.py", "elif not sink.looked and", "elif False and"),
    Fault("a war never ends", "sighting.py", "return since is not None and now", "return False and now"),
    Fault(
        "a store that refuses is asked without a pause",
        "sighting.py",
        "tries=facts.tries + 1, not_before=",
        "tries=facts.tries + 1, not_before=None and ",
    ),
    Fault(
        "what is put beside our token is fought at the other's pace",
        "sighting.py",
        "        if not entry.untidy or not (facts.held or facts.spoiled):",
        "        if True:",
    ),
    Fault(
        "a line is fought over at the other's pace",
        "writing.py",
        "            free.add(host)",
        "            pass\n        free.add(host)",
    ),
    Fault("our older token is taken for somebody's", "healing.py", "or ours or entry", "or entry"),
    Fault(
        "a host that was not looked at is overwritten",
        "writing.py",
        "if host in shadows or not known(sink, host) or not",
        "if host in shadows or not",
    ),
    Fault(
        "a batch is not gathered",
        "writing.py",
        "    wake.boot(state.gather_until)\n    return True",
        "    return False",
    ),
    Fault(
        "a foreign login is overwritten",
        "healing.py",
        "    return Judgement(Verdict.KEEP, min(",
        "    return Judgement(Verdict.WRITE, min(",
    ),
    Fault("another kind of login is fought", "healing.py", "and not again else", "else"),
    Fault(
        "a dead public token stays",
        "writing.py",
        "        if not renewable and _dead",
        "        if False and _dead",
    ),
    Fault(
        "a living public token goes",
        "writing.py",
        "return now.wall >= token.expires_at and by_boot",
        "return True",
    ),
    Fault(
        "a wall clock ahead makes a public token worthless",
        "writing.py",
        "    return first is None or now.boot - first.boot >= entry.expires_hint - first.wall",
        "    return True",
    ),
    Fault(
        "what we take away counts as undone",
        "writing.py",
        "held=False, spoiled=False, wrote_at=None)",
        "held=True)",
    ),
    Fault(
        "a line that we take away counts as undone",
        "writing.py",
        "taking = (delivery.removed | delivery.released) - delivery.tokens.keys()",
        "taking = delivery.removed - delivery.tokens.keys()",
    ),
    Fault(
        "another mode counts as undone",
        "sighting.py",
        "sink.view is not None and sink.view.mode != view.mode",
        "False",
    ),
    Fault(
        "a store is given back although something needs it",
        "writing.py",
        "any(carriers.carries(file, host, sink) for host in plan.registries)",
        "False",
    ),
    # the ways to clients
    Fault(
        "clients are sent to a helper that has nothing",
        "writing.py",
        "        return not (self.silent and host in sink.view.both) or stands",
        "        return False",
    ),
    Fault(
        "an entry beside a line waits for the helper",
        "writing.py",
        "folder.failure is not None)",
        "False)",
    ),
    Fault("an entry beside a line is written over and over", "writing.py", " or stands", ""),
    Fault(
        "docker's keychain is forgotten with a line of ours",
        "dockerconfig.py",
        "return Routes(left, self.store, self.bare)",
        "return Routes(left, self.store, bare=False)",
    ),
    Fault("no keychain is named", "routing.py", "return means.keychain if dialect", 'return "" if dialect'),
    Fault(
        "a dead line of ours stays",
        "writing.py",
        "    return (strays | ",
        "    return frozenset() & (strays | ",
    ),
    Fault(
        "a line that a person wrote is taken away", "writing.py", "(sink.view.spare & put)", "sink.view.spare"
    ),
    Fault(
        "what gave way to us is forgotten",
        "writing.py",
        " is not None}\n    # Beside",
        " is True}\n    # Beside",
    ),
    Fault("a refusal is never renewed", "refusing.py", "known.until - now.wall > _RENEWED", "True"),
    Fault("a paused host is answered", "refusing.py", "    if pause is not None:", "    if False:"),
    Fault(
        "a line of ours is not enough",
        "healing.py",
        "        return Judgement(Verdict.RIGHT)\n    if entry.kind is EntryKind.TOKEN",
        "        pass\n    if entry.kind is EntryKind.TOKEN",
    ),
    # pauses and logouts
    Fault("a paused host is healed", "writing.py", "or registry.host in state.pauses:", "or False:"),
    Fault("a paused host is renewed", "pauses.py", "if registry.host not in state.pauses]", "if True]"),
    Fault("a pause never ends", "pauses.py", "if p.until is not None and p.until <= now.wall]", "if False]"),
    Fault("every clobber is a logout", "sighting.py", "and view.rest == sink.view.rest", ""),
    Fault("a logout is never respected", "sighting.py", "    if registry.respects_logout:", "    if False:"),
    Fault("a login does not end a logout's pause", "sighting.py", 'pause.by == "logout" and', "False and"),
    Fault(
        "refreshing everything ends every pause",
        "machine.py",
        "pauses.end(state, hosts)",
        "pauses.end(state, wanted)",
    ),
    # notices and probes
    Fault(
        "a notice is told at every turn",
        "notices.py",
        "        if facts is None:\n            decisions",
        "        if True:\n            decisions",
    ),
    Fault("a notice is left standing", "notices.py", "if key not in wanted]", "if False]"),
    Fault(
        "a notice is forgotten over a restart",
        "memory.py",
        'notices=dict(_each(memory, "notices", _notice))',
        "notices={}",
    ),
    Fault("nobody is reminded", "notices.py", "if passed - facts.reminded:", "if False:"),
    Fault("a host that nobody can serve counts", "phases.py", "return not hopeless or", "return True or"),
    Fault("a first day is nobody's outage", "phases.py", "return not hopeless or", "return"),
    Fault(
        "a login that is tried again is told already",
        "notices.py",
        "if _may_be_over(facts) and",
        "if False and",
    ),
    Fault("a refused token is not renewed early", "probing.py", "replace(facts, asked=True)", "facts"),
    Fault(
        "a refused token is renewed for ever",
        "probing.py",
        "first = len(state.probes[event.host].refused) == 1",
        "first = True",
    ),
    Fault("a resume raises no doubt", "probing.py", "if now.boot >= at:", "if False:"),
    Fault(
        "offline after a resume is an alarm", "phases.py", "and just_resumed(state.resumed, now)", "and False"
    ),
    # whoever asks
    Fault(
        "a misspelt profile takes a living answer away",
        "refusing.py",
        "and _serves(state, host, plan, entry, now)",
        "and False",
    ),
    Fault(
        "a token of a profile that was gone is somebody's",
        "memory.py",
        "(*plan.by_grant(), *_retired(state, plan))",
        "plan.by_grant()",
    ),
    Fault(
        "another way is a logout",
        "sighting.py",
        "    return was and entry.kind",
        "    return False and entry.kind",
    ),
    Fault("nobody hears of a token that dies", "sighting.py", "if lives(entry, now) and", "if False and"),
    Fault("a login that ECR never takes is well", "pulls.py", "Reason.WRONG_KIND, None", "Reason.NONE, None"),
    Fault("a refused token is as good as any", "pulls.py", "if fingerprint in refused or", "if False and"),
    Fault("a mistyped value costs nothing", "pulls.py", "if view.undecodable and", "if False and"),
    Fault(
        "a script waits for a broken file", "ensuring.py", "waits or _stuck(state, host, plan, now)", "waits"
    ),
    Fault("a person's tries put off our own", "granting.py", "asked=True, tries=0", "asked=True"),
    Fault(
        "a notice names half of them", "notices.py", "if registry.standing.lane == login and", "if False and"
    ),
    Fault("nobody hears which hosts are skipped", "report.py", "in plan.left_out if", "in () if"),
    Fault("a dead host takes the place of a living one", "plan.py", "found[host].grant is None", "0"),
    Fault("what leaves the configuration is adopted", "wishes.py", "if host not in others", "if True"),
)


def verdict(fault: Fault, folder: Path) -> str:
    """Return ``caught``, ``MISSED`` or ``GONE`` for one fault, seeded into a fresh copy in this folder."""
    for name in ("ecr_refreshd", "tests"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    path = folder / "ecr_refreshd" / "core" / fault.module
    text = path.read_text()
    if fault.old not in text:
        return "GONE"
    path.write_text(text.replace(fault.old, fault.new, 1))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *TESTS, "--timeout", "200"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "SEEDED": "1"},
        capture_output=True,
        timeout=600,
        check=False,
    )
    return "caught" if done.returncode == 1 else "MISSED"


def main() -> int:
    """Try every fault; 0 if each was caught."""
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="ecr-refreshd-faults-") as folder:
        for fault in FAULTS:
            verdicts.append(verdict(fault, Path(folder)))
            print(f"{verdicts[-1]:7} {fault.name}", flush=True)
    return 0 if set(verdicts) == {"caught"} else 1


if __name__ == "__main__":
    sys.exit(main())
