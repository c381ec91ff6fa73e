"""Logging, in real processes of its own; a canary secret is looked for in everything that comes out."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.host.test_redaction import AUTH, KEY, PASSWORD

BEGIN = """
import logging, os, sys, threading
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.host.logs import Secrets, set_up
AUTH, PASSWORD, KEY = sys.argv[3:6]
secrets = Secrets()
log = set_up(sys.argv[1], sys.argv[2], secrets)
"""

TALK = """
log.debug("began", detail=1)
log.info("grant.renewed", grant="dev/ecr/us-west-2", hosts=["a.example", "b.example"], heals=3, hint="run it")
log.warning("sink.unwritable", message="it is full")
log.error("alarms.died")
"""

LEAK = """
import botocore.auth
secrets.add(Secret("an odd secret"))

def fail(token):
    local_copy = token
    raise RuntimeError("it was " + token)

log.info("event " + AUTH, message=f"password {PASSWORD}", auth=KEY, nested={"deep": [AUTH, Secret(AUTH)]})
log.info("odd", message="this is an odd secret!", **{AUTH: 1})
log.debug("debug", value=object(), args=(AUTH,))
for name in ("botocore", "botocore.endpoint", "boto3", "urllib3.connectionpool", "apscheduler.scheduler",
             "watchdog.observers", "anybody"):
    foreign = logging.getLogger(name)
    foreign.debug("foreign debug %s", AUTH)
    foreign.info("foreign info %s", AUTH)
    foreign.warning("foreign warning %s", AUTH)
    foreign.warning("one argument too few %s %s", AUTH)
    try:
        fail(AUTH)
    except RuntimeError:
        foreign.exception("foreign failure")
for token in (AUTH, PASSWORD, KEY):
    try:
        fail(token if token != KEY else "aws_secret_access_key=" + token)
    except RuntimeError:
        log.error("failed", exc_info=True, stack_info=True)
thread = threading.Thread(target=fail, args=(AUTH,))
thread.start()
thread.join()
fail(PASSWORD)
"""


def talk(form: str, script: str = TALK, level: str = "info", expect: int = 0, **environ: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BEGIN + script, level, form, AUTH, PASSWORD, KEY],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], **environ},
    )
    assert done.returncode == expect, done.stderr
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_is_one_object_a_line() -> None:
    lines = [json.loads(line) for line in talk("json")]
    assert [line["event"] for line in lines] == ["grant.renewed", "sink.unwritable", "alarms.died"]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert lines[0]["hosts"] == ["a.example", "b.example"]
    assert lines[0]["heals"] == 3
    assert lines[0]["timestamp"].endswith("Z")
    assert list(lines[0])[:3] == ["timestamp", "level", "event"]


def test_the_journal_gets_priorities_and_no_timestamps() -> None:
    assert talk("journald", level="debug") == [
        "<7>began detail=1",
        '<6>grant.renewed grant=dev/ecr/us-west-2 hosts=a.example,b.example heals=3 hint="run it"',
        '<4>sink.unwritable message="it is full"',
        "<3>alarms.died",
    ]


def test_every_line_of_a_traceback_has_a_priority() -> None:
    """The journal takes each line for a message, and one without a priority for an informative one."""
    script = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.error('failed', exc_info=True)"
    lines = talk("journald", script)
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)
    assert lines[-1] == "<3>ZeroDivisionError: division by zero"


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_is_kept(level: str, count: int) -> None:
    assert len(talk("json", level=level)) == count


def test_piped_lines_are_json_unless_they_go_to_the_journal(tmp_path: Path) -> None:
    """JOURNAL_STREAM is inherited by programs whose output goes elsewhere; only its very pipe counts."""
    json.loads(talk("auto")[0])
    json.loads(talk("auto", JOURNAL_STREAM="8:12345")[0])
    journal = tmp_path / "journal"
    with journal.open("wb") as file:
        status = os.fstat(file.fileno())
        subprocess.run(
            [sys.executable, "-c", BEGIN + TALK, "info", "auto", AUTH, PASSWORD, KEY],
            stderr=file,
            check=True,
            env={"PATH": os.environ["PATH"], "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"},
        )
    assert journal.read_text().startswith("<6>grant.renewed ")


def on_a_terminal(**environ: str) -> str:
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", BEGIN + TALK, "info", "auto", AUTH, PASSWORD, KEY],
            stderr=theirs,
            check=True,
            env={"PATH": os.environ["PATH"], "TERM": "xterm", **environ},
        )
        return os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_terminal_gets_colours_unless_the_user_minds() -> None:
    assert "\x1b[" in on_a_terminal()
    for mind in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        text = on_a_terminal(**mind)
        assert "\x1b[" not in text
        assert "grant.renewed" in text


@pytest.mark.parametrize("form", ["json", "journald", "console"])
def test_no_secret_is_in_any_line(form: str) -> None:
    """Promise 6, with a canary at every level, in exceptions, locals, foreign loggers and broken records."""
    text = "\n".join(talk(form, LEAK, "debug", expect=1))
    for canary in (AUTH[20:60], PASSWORD[20:60], KEY, "odd secret"):
        assert canary not in text
    assert "foreign debug" not in text
    assert "foreign info" not in text
    assert text.count("foreign warning ***") == 7
    assert text.count("foreign failure") == 7
    assert "it was ***" in text
    assert "bug.uncaught_in_thread" in text
    assert text.count("a log line of") == 7, "a record with too few arguments is lost without its arguments"
    assert "local_copy" not in "".join(line for line in text.splitlines() if "local_copy = token" not in line)


RICH = """
import sys
print("rich was loaded", file=sys.stderr)
"""


@pytest.mark.parametrize("library", ["rich", "better_exceptions"])
def test_installed_decorators_of_tracebacks_are_not_used(library: str, tmp_path: Path) -> None:
    """They print local variables: the token of whoever failed (reliability.md 5.6)."""
    (tmp_path / f"{library}.py").write_text(RICH)
    text = "\n".join(talk("console", LEAK, "debug", expect=1, PYTHONPATH=str(tmp_path)))
    assert "rich was loaded" not in text
    assert AUTH[20:60] not in text


def test_a_closed_stderr_disturbs_nobody() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", BEGIN + TALK + "print('done')", "info", "json",
         AUTH, PASSWORD, KEY],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.stdout == "done\n"


def test_log_lines_do_not_break_lines() -> None:
    """What AWS says must not be able to write a line of its own."""
    fields: dict[str, Any] = {"message": "one\ntwo\r\nthree"}
    script = f"log.info('event', **{fields!r})"
    assert len(talk("json", script)) == 1
    assert len(talk("journald", script)) == 1
    assert len(talk("console", script)) == 1
