"""Logging, in real processes of its own; a canary secret is looked for in everything that comes out."""

from __future__ import annotations

import json
import os
import pty
import re
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
log.info("grant.renewed", grant="dev/ecr/us-west-2", hosts=["a.example", "b.example"], heals=3, hint="", at=None)
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
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environ},
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
        "<6>grant.renewed grant=dev/ecr/us-west-2 hosts=a.example,b.example heals=3",
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


FAILED = """
log.error("grant.failed", grant="dev/ecr/us-west-2", hosts=["a.example"], message="The AWS login has ended.",
          hint="aws sso login --sso-session corp", command="aws sso login --sso-session corp", valid_until=None)
"""


def test_people_get_a_line_with_subject_cause_and_command() -> None:
    (line,) = talk("console", FAILED)

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ✗ dev: the AWS login has ended → aws sso login --sso-session corp",
        line,
    )


def test_a_terminal_gets_the_time_of_day_without_a_date() -> None:
    assert re.match(r"\d\d:\d\d:\d\d ✓ dev: renewed 2 registries\r\n", on_a_terminal(NO_COLOR="1"))


def test_where_only_ascii_is_shown_marks_are_ascii() -> None:
    (line,) = talk("console", FAILED, PYTHONIOENCODING="ascii")

    assert line.endswith(" x dev: the AWS login has ended -> aws sso login --sso-session corp")


def test_one_cause_of_several_grants_is_one_line() -> None:
    """A profile whose login has ended fails in each of its regions."""
    assert len(talk("console", FAILED + FAILED.replace("us-west-2", "eu-west-1"))) == 1
    assert len(talk("console", FAILED + FAILED.replace("dev/", "prod/"))) == 2
    assert len(talk("json", FAILED + FAILED)) == 2


def test_the_first_line_of_a_service_is_a_heading() -> None:
    script = "log.info('service.started', message='ecr-refreshd 0.1.0: keeping 3 registries', registries=3)"

    assert talk("console", script) == ["ecr-refreshd 0.1.0: keeping 3 registries"]
    assert talk("journald", script) == [
        '<6>service.started message="ecr-refreshd 0.1.0: keeping 3 registries" registries=3'
    ]


def test_an_unknown_event_is_shown_with_all_that_it_carries() -> None:
    (line,) = talk("console", "log.info('odd.event', message='so it is', size=3, nothing=None)")

    assert line.endswith(" · odd.event: so it is size=3")


def test_piped_lines_are_for_people_unless_they_go_to_the_journal(tmp_path: Path) -> None:
    """JOURNAL_STREAM is inherited by programs whose output goes elsewhere; only its very pipe counts."""
    assert " ✓ dev: renewed" in talk("auto")[0]
    assert " ✓ dev: renewed" in talk("auto", JOURNAL_STREAM="8:12345")[0]
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
        assert "dev: renewed 2 registries" in text


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
