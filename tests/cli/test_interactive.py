"""What a `credential_process` that a person starts in the terminal may print, and who gets it."""

from __future__ import annotations

import json
import math
import queue
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from ecr_refreshd.aws.profiles import Profiles
from ecr_refreshd.cli import answers, asking, refresh
from ecr_refreshd.cli.interactive import Terminal, TerminalFetcher
from ecr_refreshd.core.events import FetchFailed
from ecr_refreshd.core.model import Grant, Principal, Standing
from ecr_refreshd.core.ports import FetchOrder
from ecr_refreshd.core.printed import Printed, digest
from ecr_refreshd.host import clock, places

BAD = {
    "in UTF-16": ("sys.stdout.buffer.write('{}'.encode('utf-16'))", "not JSON"),
    "nested too deeply": ("print('[' * 20000)", "not JSON"),
    "no object": ("print('[]')", "not JSON"),
    "without end": ("while True: sys.stdout.write('x' * 4096)", "more than 32 KiB"),
    "more than a pipe holds": ("sys.stdout.write('x' * 400000)", "more than 32 KiB"),
}


def terminal(folder: Path, script: str) -> Terminal:
    (folder / "print.py").write_text(f"import sys\n{script}\n")
    config = folder / "config"
    config.write_text(f"[profile corp]\ncredential_process = {sys.executable} {folder}/print.py\n")
    environ = {"HOME": str(folder), "AWS_CONFIG_FILE": str(config)}
    return Terminal(Profiles.load(environ), {}, environ)


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_credentials_is_said_at_once(tmp_path: Path, kind: str) -> None:
    script, words = BAD[kind]
    there = terminal(tmp_path, script)
    there.start(["corp"])
    assert there.outputs == {}
    assert words in there.failures["corp"].message


def test_the_keys_go_with_a_digest_of_their_command(tmp_path: Path) -> None:
    """So that the service takes no keys of another program under the same profile name."""
    there = terminal(tmp_path, f"print({json.dumps({'Version': 1})!r})")
    there.start(["corp"])
    assert there.outputs["corp"].command == digest([sys.executable, f"{tmp_path}/print.py"])
    assert there.outputs["corp"].command != digest([f"{sys.executable} {tmp_path}/print.py"])


class _Nobody:
    """A fetcher that knows nothing."""

    def fetch(self, orders: Any) -> None:
        raise AssertionError(orders)

    def supply(self, process: str, printed: Printed) -> None:
        raise ArithmeticError

    def well(self) -> bool:
        return True

    def stop(self) -> None:
        pass


def test_an_order_is_answered_whatever_goes_wrong(tmp_path: Path) -> None:
    """And so is the next one."""
    said: queue.SimpleQueue[Any] = queue.SimpleQueue()
    there = terminal(tmp_path, "print('{}')")
    fetcher = TerminalFetcher(_Nobody(), said.put, there, clock)
    principal = Principal("corp")
    order = FetchOrder(Grant(principal, "ecr", "us-west-2"), 1, Standing(process="corp"))
    for _ in range(2):
        fetcher.fetch([order])
        answer = said.get(timeout=20)
        assert isinstance(answer, FetchFailed)
        assert "ArithmeticError" in answer.failure.message


def test_without_a_service_the_state_file_is_only_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may hold the lock and be writing it just now."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ECR_REFRESHD_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    state = places.state_file()
    writing = state.with_name(f".{state.name}.1.tmp")
    for path in (state, writing):
        path.write_text('{"half')
    refresh._situation()
    assert state.read_text() == writing.read_text() == '{"half'


def test_an_unknown_host_is_asked_for_beside_a_failed_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer names it; without, the command would end as if all were known."""
    there = terminal(tmp_path, "sys.exit(3)")
    there.start(["corp"])
    row = {"host": "a", "principal": {"process": "corp"}}
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(asking, "ask", lambda request, _timeout: asked.append(request))
    refresh._ask(Namespace(), ["a", "b"], [row], there)
    assert [each["hosts"] for each in asked] == [["b"]]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 10**400])
def test_a_timeout_that_is_no_number_is_refused(wrong: float) -> None:
    for op in ("settle", "refresh", "ensure", "answer"):
        assert answers.answer(None, clock, {"op": op, "timeout": wrong}) == {"error": "bad-request"}  # type: ignore[arg-type]


@pytest.mark.parametrize("supplied", [{"corp": "keys"}, {"corp": ["keys"]}, {"corp": ["keys", 1]}, ["keys"]])
def test_keys_without_the_digest_of_their_command_are_refused(supplied: Any) -> None:
    request = {"op": "refresh", "hosts": [], "supplied": supplied}
    assert answers.answer(None, clock, request) == {"error": "bad-request"}  # type: ignore[arg-type]
