"""Promise 5: what this machine offers is found as it is now, not as it was at a bad moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecr_refreshd.sinks import means
from ecr_refreshd.sinks.means import Machine
from tests.sinks.processes import ends


def put_helper(folder: Path, script: str) -> None:
    program = folder / means.PROGRAM
    program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    program.chmod(0o755)


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH of our own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


class TestOurHelper:
    def test_one_that_answers_late_once_is_not_held_to_it(
        self, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A machine that is just starting; held to it, every token would lie in the file from then on."""
        monkeypatch.setattr(means, "_ANSWERS_WITHIN", 0.2)
        once = f"[ -e {tmp_path}/tried ] || {{ echo >{tmp_path}/tried; exec sleep 5; }}"
        put_helper(path, f"{once}\necho {means.PROGRAM} 1")
        machine = Machine()
        assert "does not answer" in machine.means(detects=False).helper
        assert "does not answer" in machine.means(detects=False).helper, "nor is it tried at every look"
        monkeypatch.setattr(means, "_PROBLEM_MEMORY", 0.0)
        assert machine.means(detects=False).helper == ""

    def test_one_that_hangs_is_ended_with_what_it_waits_for(
        self, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(means, "_ANSWERS_WITHIN", 0.3)
        put_helper(path, f"sleep 60 & echo $! >{tmp_path}/pid; wait")
        assert "does not answer" in Machine().means(detects=False).helper
        child = int((tmp_path / "pid").read_text())
        assert ends(child)

    def test_one_whose_program_goes_is_tried_again(self, path: Path) -> None:
        """An upgrade that fails half-way leaves the script, and its line would break docker 29."""
        put_helper(path, f'"${{0%/*}}/ecr-refreshd" || exit 1; echo {means.PROGRAM} 1')
        python = path / "ecr-refreshd"
        python.write_text("#!/bin/sh\n")
        python.chmod(0o755)
        machine = Machine()
        assert machine.means(detects=False).helper == ""
        python.unlink()
        assert "does not answer as it should" in machine.means(detects=False).helper
        python.write_text("#!/bin/sh\n")
        python.chmod(0o755)
        assert machine.means(detects=False).helper == ""

    def test_one_that_works_is_tried_once(self, tmp_path: Path, path: Path) -> None:
        put_helper(path, f"echo x >>{tmp_path}/tried; echo {means.PROGRAM} 1")
        machine = Machine()
        for _ in range(3):
            assert machine.means(detects=False).helper == ""
        assert (tmp_path / "tried").read_text() == "x\n"
