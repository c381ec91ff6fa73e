"""Whatever hangs, floods, dies or lies: it costs its own grant a failure, and nobody else anything (DESIGN 5)."""

from __future__ import annotations

import configparser
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ecr_refreshd.aws import running
from ecr_refreshd.aws.running import Limits
from ecr_refreshd.core.events import FetchFailed, FetchSucceeded
from ecr_refreshd.core.printed import Printed, digest
from ecr_refreshd.core.secret import Secret
from tests.aws.asking import Asking, children, ecr, gone, wait_until
from tests.world import homes

ACCOUNT = "724013829182"
SHORT = Limits(grant=4.0, child=16.0, grace=0.5)
"""What hangs is given up early; long enough for a busy machine to start a child and load boto3 in it."""
HANG = "import time, os\nopen(os.path.expanduser('~/pids'), 'a').write(f'{os.getpid()}\\n')\ntime.sleep(300)"


@pytest.fixture
def asking(aws, tmp_path):
    with Asking(aws.environment(tmp_path), SHORT) as started:
        yield started


def good(aws, home, *names: str) -> None:
    for name in names:
        homes.static_keys(home, name, homes.access_key(), aws=aws, account=ACCOUNT)


def programs(home) -> list[int]:
    path = home / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_a_hanging_program_delays_nobody_else_and_is_ended(asking, aws, tmp_path) -> None:
    good(aws, tmp_path, "a", "b", "c")
    homes.credential_process(tmp_path, "stuck", HANG)
    asking.begin(ecr("stuck"), ecr("a"), ecr("b"), ecr("c"))
    for _ in range(3):  # before the one that hangs is given up
        assert isinstance(asking.answer(), FetchSucceeded)
    failure = asking.answer().failure
    assert (failure.category, failure.code) == ("login", "fetch.overdue")
    assert failure.message == (
        'Profile "stuck" did not answer within 4 s: its credential_process may wait for a person.'
    )
    wait_until(lambda: gone(programs(tmp_path)[0]))
    wait_until(lambda: not list(children()))


def command_of(home: Path, profile: str) -> str:
    config = configparser.RawConfigParser()
    config.read(home / ".aws/config")
    return digest(shlex.split(config[f"profile {profile}"]["credential_process"]))


def test_an_overdue_program_costs_no_other_its_start(aws, tmp_path) -> None:
    """A person may just be answering the other: it is not ended and started again for it."""
    homes.credential_process(tmp_path, "stuck", HANG)
    slow = "import time, os\nopen(os.path.expanduser('~/slow'), 'a').write('started\\n')\ntime.sleep(4)\n"
    homes.credential_process(tmp_path, "slow", slow + homes.printed_credentials(homes.access_key()))
    with Asking(aws.environment(tmp_path), Limits(grace=0.5)) as asking:
        limits = {"stuck": timedelta(seconds=2), "slow": timedelta(minutes=1)}
        orders = [replace(asking.order(ecr(name)), process_timeout=limit) for name, limit in limits.items()]
        asking.fetcher.fetch(orders)
        answers = {answer.grant: answer for answer in (asking.answer(60), asking.answer(60))}
    failure = answers[ecr("stuck").key].failure
    assert (failure.category, failure.code, failure.awaits_person) == ("login", "fetch.overdue", True)
    assert isinstance(answers[ecr("slow").key], FetchSucceeded)
    assert (tmp_path / "slow").read_text() == "started\n"
    wait_until(lambda: gone(programs(tmp_path)[0]))


def test_all_that_an_overdue_program_started_is_ended(aws, tmp_path) -> None:
    """A shell script that waits for a browser leaves no browser waiting."""
    inner = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {HANG!r}])"
    homes.credential_process(tmp_path, "stuck", inner)
    with Asking(aws.environment(tmp_path), Limits(grace=0.5, process=3.0)) as asking:
        assert asking.failure(ecr("stuck")).code == "fetch.overdue"
        wait_until(lambda: gone(programs(tmp_path)[0]))


def test_what_a_person_got_is_used_in_place_of_a_start(aws, tmp_path) -> None:
    """Also where the service's own start hangs: nobody waits for that."""
    homes.credential_process(tmp_path, "corp", HANG)
    output = {"Version": 1, "AccessKeyId": homes.access_key(), "SecretAccessKey": "s"}
    with Asking(aws.environment(tmp_path), Limits(grace=0.5, process=300.0)) as asking:
        asking.begin(ecr("corp"))
        wait_until(lambda: programs(tmp_path))
        asking.fetcher.supply("corp", Printed(Secret(json.dumps(output)), command_of(tmp_path, "corp")))
        assert asking.answer().failure.code == "fetch.superseded"
        asking.token(ecr("corp"))
        wait_until(lambda: gone(programs(tmp_path)[0]))
        assert len(programs(tmp_path)) == 1


def test_keys_of_another_program_are_refused(aws, tmp_path) -> None:
    """Under the same profile's name, a terminal with other AWS files starts another program."""
    homes.credential_process(tmp_path, "corp", homes.printed_credentials(homes.access_key()))
    output = {"Version": 1, "AccessKeyId": homes.access_key(), "SecretAccessKey": "s"}
    with Asking(aws.environment(tmp_path)) as asking:
        asking.fetcher.supply("corp", Printed(Secret(json.dumps(output)), digest(["corp-login"])))
        failure = asking.failure(ecr("corp"))
    assert "is another one for the service than the one that was started in the terminal" in failure.message


def test_what_stood_behind_a_hanging_grant_goes_to_a_fresh_child_at_once(asking, aws, tmp_path) -> None:
    """Eight principals hang, a ninth has not even been begun: it waits for no dying child."""
    good(aws, tmp_path, "late")
    for number in range(8):
        homes.credential_process(tmp_path, f"stuck{number}", HANG)
    names = [f"stuck{number}" for number in range(8)]
    asking.fetcher.fetch([asking.order(ecr(name)) for name in names[:4]])
    wait_until(lambda: len(programs(tmp_path)) == 4)
    asking.fetcher.fetch([asking.order(ecr(name)) for name in names[4:]] + [asking.order(ecr("late"))])
    answers = [asking.answer() for _ in range(9)]
    outcomes = {answer.grant: type(answer) for answer in answers}
    assert outcomes.pop(ecr("late").key) is FetchSucceeded
    assert set(outcomes.values()) == {FetchFailed}
    assert len(programs(tmp_path)) <= 12, "those that hang together are given up together"


def test_a_grant_that_hung_runs_alone_next_time_and_leaves_room_for_others(asking, aws, tmp_path) -> None:
    """Alone: in a process of its own, and one at a time, so that the other process is free."""
    parents = tmp_path / "parents"
    tell = f"import os\nprint(os.getppid(), file=open({str(parents)!r}, 'a'))\n"
    for name in ("stuck", "stuck2"):
        homes.credential_process(tmp_path, name, tell + HANG)
    homes.credential_process(tmp_path, "a", tell + homes.printed_credentials(homes.access_key()))
    asking.ask(ecr("stuck"), ecr("stuck2"))
    parents.unlink()
    asking.begin(ecr("stuck"), ecr("stuck2"), ecr("a"))
    assert asking.answer().grant == ecr("a").key
    wait_until(lambda: len(parents.read_text().split()) == 2)
    assert len(set(parents.read_text().split())) == 2
    good(aws, tmp_path, "b")
    asking.begin(ecr("b"))
    assert asking.answer().grant == ecr("b").key
    assert len(parents.read_text().split()) == 2
    first, second = asking.answer(), asking.answer()
    assert {first.grant, second.grant} == {ecr("stuck").key, ecr("stuck2").key}
    assert len(set(parents.read_text().split())) == 3


def test_a_grant_that_hung_and_answers_again_is_like_any_other(asking, aws, tmp_path) -> None:
    switch = tmp_path / "hang"
    switch.touch()
    key = homes.access_key()
    script = f"import os, time\nwhile os.path.exists({str(switch)!r}): time.sleep(0.05)\n"
    homes.credential_process(tmp_path, "dev", script + homes.printed_credentials(key))
    assert asking.failure(ecr("dev")).code == "fetch.overdue"
    switch.unlink()
    asking.token(ecr("dev"))
    assert not asking.fetcher._hung


def test_an_endpoint_that_hangs_costs_only_its_own_region(asking, aws, tmp_path) -> None:
    good(aws, tmp_path, "dev")
    aws.fault("GetAuthorizationToken", way="hang", region="eu-west-1")
    asking.begin(ecr("dev", "eu-west-1"), ecr("dev", "us-west-2"), ecr("dev", "us-east-1"))
    quick = {asking.answer().grant for _ in range(2)}
    assert quick == {ecr("dev", "us-west-2").key, ecr("dev", "us-east-1").key}
    failure = asking.answer().failure
    assert failure.message == 'Profile "dev" did not answer within 4 s.'


def test_inner_timeouts_reach_the_portal_and_the_refresh(aws, tmp_path) -> None:
    """A silent portal is given up by boto3 itself (5 and 10 s, twice), long before its own 60 s, three times."""
    code = (
        "from ecr_refreshd.aws.frames import Ask\nfrom ecr_refreshd.aws.refreshing import Refreshes\n"
        "from ecr_refreshd.aws.sessions import Sessions\nfrom ecr_refreshd.core.model import *\n"
        "s, _ = Sessions(Refreshes([], print))._session(Ask(Principal('dev'), Standing(),"
        " {1: Grant(Principal('dev'), 'ecr', 'us-west-2')}), print)\n"
        "for name in ('sso', 'sso-oidc', 'sts', 'ecr'):\n"
        "    c = s.client(name, aws_access_key_id='a', aws_secret_access_key='b').meta.config\n"
        "    print(c.connect_timeout, c.read_timeout, c.retries['total_max_attempts'])\n"
    )
    homes.sso_profile(tmp_path, "dev", ACCOUNT)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=aws.environment(tmp_path), capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert done.stdout.split("\n")[:4] == ["5 10 2"] * 4


def test_a_program_that_leaves_a_daemon_behind_is_answered(asking, aws, tmp_path) -> None:
    """The daemon keeps its output open for ever, and is nobody's to end."""
    key = homes.access_key()
    script = (
        "import os, sys, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        open(os.path.expanduser('~/pids'), 'w').write(str(os.getpid()))\n        time.sleep(60)\n"
        "    os._exit(0)\n"
    )
    homes.credential_process(tmp_path, "agent", script + homes.printed_credentials(key))
    asking = Asking(asking.environ)
    with asking:
        asking.token(ecr("agent"))
        wait_until(lambda: not list(children()))
    wait_until(lambda: programs(tmp_path))
    (daemon,) = programs(tmp_path)
    assert not gone(daemon)
    descriptors = [str(each.readlink()) for each in Path(f"/proc/{daemon}/fd").iterdir()]
    os.kill(daemon, signal.SIGKILL)
    assert not [each for each in descriptors if each.startswith("socket:")]


def test_a_child_killed_from_outside_is_told_with_its_signal(asking, aws, tmp_path) -> None:
    homes.credential_process(tmp_path, "stuck", HANG)
    asking.begin(ecr("stuck"))
    wait_until(lambda: programs(tmp_path))
    os.kill(next(children()), signal.SIGKILL)
    failure = asking.answer().failure
    assert (failure.category, failure.code) == ("transient", "child.died")
    assert "SIGKILL" in failure.message
    wait_until(lambda: not list(children()))
    os.kill(programs(tmp_path)[0], signal.SIGKILL)


def test_a_child_that_does_not_heed_sigterm_is_killed(asking, aws, tmp_path) -> None:
    homes.credential_process(tmp_path, "stuck", HANG)
    asking.begin(ecr("stuck"))
    wait_until(lambda: programs(tmp_path))
    child = next(children())
    os.kill(child, signal.SIGSTOP)
    assert asking.answer().failure.code == "fetch.overdue"
    wait_until(lambda: gone(child), timeout=30)
    wait_until(lambda: gone(programs(tmp_path)[0]))


@pytest.mark.parametrize("stopped", [False, True])
def test_stop_is_bounded_whatever_hangs(aws, tmp_path, stopped: bool) -> None:
    homes.credential_process(tmp_path, "stuck", HANG)
    asking = Asking(aws.environment(tmp_path))
    asking.begin(ecr("stuck"))
    wait_until(lambda: programs(tmp_path))
    if stopped:
        os.kill(next(children()), signal.SIGSTOP)
    start = time.monotonic()
    asking.fetcher.stop()
    assert time.monotonic() - start < Limits().grant, "what hangs is not waited for"
    assert list(children()) == []
    wait_until(lambda: gone(programs(tmp_path)[0]))
    assert asking.answer().failure.code == "fetch.stopped"
    assert asking.failure(ecr("stuck")).code == "fetch.stopped"


def test_at_most_two_children_and_the_work_spread_over_both(asking, aws, tmp_path) -> None:
    names = [f"p{number}" for number in range(24)]
    good(aws, tmp_path, *names)
    aws.set(latency=0.1)
    asking.begin(*(ecr(name) for name in names))
    most = 0
    answered = 0
    while answered < len(names):
        most = max(most, len(list(children())))
        while not asking.answers.empty():
            assert isinstance(asking.answer(), FetchSucceeded)
            answered += 1
    assert most == 2
    assert max(call.in_flight for call in aws.calls()) <= 16


# -- children that are not ours: they speak on the socket as a broken or hostile one might

GARBLED = {
    "no JSON": "b'hello\\n'",
    "no object": "b'[]\\n'",
    "no answer": "b'{\"x\": 1}\\n'",
    "wrong fields": 'b\'{"granted": {"number": 1}}\\n\'',
    "no time": 'b\'{"granted": {"number": 1, "auth": "x", "expires_at": "soon", "account": ""}}\\n\'',
    "no end": "b'x' * (1 << 20)",
}


@pytest.mark.parametrize("said", GARBLED.values(), ids=GARBLED)
def test_a_child_that_speaks_nonsense_is_ended(asking, monkeypatch, said: str) -> None:
    code = f"import socket, sys, time; socket.socket(fileno=int(sys.argv[1])).sendall({said}); time.sleep(60)"
    monkeypatch.setattr(running, "command", lambda fd: [sys.executable, "-c", code, str(fd)])
    failure = asking.failure(ecr("dev"))
    assert (failure.category, failure.code) == ("transient", "child.garbled")
    wait_until(lambda: asking.fetcher._children == [])


def test_a_child_that_ends_without_a_word_is_told_with_its_status(asking, monkeypatch) -> None:
    monkeypatch.setattr(running, "command", lambda _fd: [sys.executable, "-c", "raise SystemExit(7)"])
    assert "exit status 7" in asking.failure(ecr("dev")).message


def test_a_child_that_closes_its_side_and_lives_on_is_ended(asking, monkeypatch) -> None:
    code = "import os, sys, time; os.close(int(sys.argv[1])); time.sleep(60)"
    monkeypatch.setattr(running, "command", lambda fd: [sys.executable, "-c", code, str(fd)])
    assert asking.failure(ecr("dev")).code == "child.died"
    wait_until(lambda: asking.fetcher._children == [])


def test_a_child_that_says_nothing_is_ended_with_its_time(asking, monkeypatch) -> None:
    """Not even `started`: nothing is overdue, but the child's own time is up; then it is tried again."""
    monkeypatch.setattr(running, "command", lambda _fd: [sys.executable, "-c", "import time; time.sleep(60)"])
    brief = Asking(asking.environ, Limits(grant=0.1, child=0.3, grace=0.1))
    assert brief.failure(ecr("dev")).code == "child.crowded"
    brief.close()


def test_a_child_that_cannot_be_started_is_a_failure_in_passing(asking, monkeypatch) -> None:
    monkeypatch.setattr(running, "command", lambda _fd: ["/nonexistent/python"])
    failure = asking.failure(ecr("dev"))
    assert (failure.category, failure.code) == ("transient", "child.start")


def test_a_broken_installation_is_told_as_such(asking, monkeypatch) -> None:
    code = (
        "import sys; sys.modules['boto3'] = None; sys.argv[0:1] = []\n"
        "sys.argv = ['child', sys.argv[0]]\nfrom ecr_refreshd.aws import child; child.main()"
    )
    monkeypatch.setattr(running, "command", lambda fd: [sys.executable, "-c", code, str(fd)])
    failure = asking.failure(ecr("dev"))
    assert (failure.category, failure.code) == ("config", "child.broken")
    assert "boto3" in failure.message


def test_idle_it_sleeps(asking, aws, tmp_path) -> None:
    """No timeout, no wake-up: counted by the kernel."""
    good(aws, tmp_path, "dev")
    asking.token(ecr("dev"))
    wait_until(lambda: not asking.fetcher._children)
    thread = asking.fetcher._thread.native_id

    def switches() -> int:
        status = Path(f"/proc/self/task/{thread}/status").read_text()
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    time.sleep(0.1)
    before = switches()
    time.sleep(0.5)
    assert switches() == before
